//! The server, called in the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

mod access;
mod definitions;
mod health;
mod histories;
mod life;
mod listening;
mod security;
mod support;
mod verbs;
mod watching;
