//! Expressions and what else goes beyond a schema, side by side with a real kube-apiserver where its answer is the measure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a test fails by panicking, hands its values over, and tables of requests are long"
)]

mod bad_input;
mod both;
mod conversion;
mod policies;
mod rules;
mod tokens;
