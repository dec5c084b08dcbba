//! How a cluster is reached: pools, retries, rotation, circuit, proxies, and clusters that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod broken;
mod credentials;
mod fake;
mod pools;
mod proxies;
mod real;

use std::sync::Arc;

use bytes::Bytes;
use drover::cluster::{Call, Cluster, RequestBody, SendError, UpstreamBody};
use http::{Request, Response};
use http_body_util::BodyExt as _;

/// A GET without headers.
fn get(path: &str) -> Request<RequestBody> {
    Request::get(path).body(RequestBody::Empty).unwrap()
}

/// The answer's whole body.
async fn text(response: Response<UpstreamBody>) -> String {
    let bytes: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn fetch(cluster: &Arc<Cluster>, call: Call, path: &str) -> Result<String, SendError> {
    Ok(text(cluster.send(0, call, get(path)).await?).await)
}

/// Tries until `done`.
async fn until<F: Future<Output = bool>>(mut done: impl FnMut() -> F) {
    kit::wait::until("the upstream's state", || {
        let done = done();
        async { done.await.then_some(()) }
    })
    .await;
}
