//! The store: one suite over both back ends, and what only a file can do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod crash;
mod faults;
mod file;
mod histories;
mod sealing;
mod suite;
mod support;
