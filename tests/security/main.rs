//! Attacks on the running gateway. Each test names the case it answers, such as H1 or T3: headers and identity are `H`,
//! tokens `T`, roles `R`, load and faults `L`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod credentials;
mod doors;
mod edges;
mod faults;
mod flood;
mod frames;
mod framing;
mod identity;
mod large;
mod origins;
mod real;
mod revoke;
mod scene;
mod targets;
mod upstream;

pub(crate) use scene::{GROUP, Scene, assert_status, raw};
