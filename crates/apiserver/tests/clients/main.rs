//! kubectl, client-go, controller-runtime and kube-rs before the server as a process of its own, beside a real kube-apiserver.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod access;
mod both;
mod definitions;
mod deleting;
mod describing;
mod go;
mod others;
mod ours;
mod reading;
mod storm;
mod writing;

/// Tests begin in the order of their names: this one, which lasts longest, has all the others beside it.
#[tokio::test]
async fn a_storm_of_clients_bears_a_server_that_is_killed() {
    storm::rages().await;
}
