//! The commands of people, against the real program: sign-in, the kubeconfig, the credential plugin with the real kubectl, and what
//! they do in the management plane.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod browser;
mod credential;
mod directory;
mod kubeconfig;
mod password;
mod people;
mod scene;
