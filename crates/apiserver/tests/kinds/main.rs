//! What the server knows of kinds: types, tables, documents, rules, protobuf, policies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

mod builtin;
mod openapi;
mod policies;
mod protobuf;
mod validation;
