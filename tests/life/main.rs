//! A running gateway as time passes: clusters come and go, files change, limits are reached, it drains.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod audit;
mod clusters;
mod drain;
mod limits;
mod reload;

use bytes::Bytes;
use http::{Response, StatusCode};
use kit::{
    cluster::RealCluster,
    gateway::{ConfigFolder, Gateway},
};
use serde_json::Value;

const DROVER: &str = env!("CARGO_BIN_EXE_drover");

/// The body of an answer that must be a Status of this code.
fn status(answer: &Response<Bytes>, code: StatusCode) -> Value {
    let text = String::from_utf8_lossy(answer.body());
    assert_eq!(answer.status(), code, "{text}");
    let status: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(status["kind"], "Status", "{status}");
    assert_eq!(status["code"], code.as_u16(), "{status}");
    status
}

/// See [`Gateway::before`].
async fn before(cluster: &RealCluster, change: impl FnOnce(&ConfigFolder)) -> (Gateway, String) {
    Gateway::before(DROVER, cluster, change).await
}
