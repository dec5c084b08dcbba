//! L2: a gigabyte either way, streamed: memory stays flat, and whoever does not read holds up the other side only.

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use kit::{
    client::{Body, empty},
    fake::Reply,
    gateway::Gateway,
};

use crate::Scene;

const GIB: u64 = 1 << 30;
/// What the gateway may grow by: windows and buffers, not bodies.
const FLAT: u64 = 48 << 20;

/// A body of `length` zeros, made while it is sent.
fn zeros(length: u64) -> Body {
    static PIECE: [u8; 1 << 16] = [0; 1 << 16];
    let pieces = futures_util::stream::iter(
        (0..length / PIECE.len() as u64).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&PIECE)))),
    );
    StreamBody::new(pieces).boxed()
}

async fn flat<T>(scene: &Scene, work: impl Future<Output = T>) -> T {
    let before = scene.gateway.process().resident();
    let mut most = before;
    let watch = async {
        loop {
            most = most.max(scene.gateway.process().resident());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let value = tokio::select! {
        value = work => value,
        () = watch => unreachable!(),
    };
    assert!(most - before < FLAT, "{} bytes more", most - before);
    value
}

#[tokio::test]
async fn a_list_of_a_gibibyte_is_streamed_with_flat_memory() {
    let scene = Scene::new().await;
    scene.fake.route("GET", "/api/v1/pods", Reply::generated(GIB));
    let endpoint = scene.endpoint();
    let path = Gateway::path("c-a", "/api/v1/pods");
    let request = endpoint.request("GET", &path, &scene.token, empty());
    let mut sender = endpoint.http1().await;
    let total = flat(&scene, async {
        let mut body = sender.send_request(request).await.unwrap().into_body();
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            total += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
        }
        total
    })
    .await;
    assert_eq!(total, GIB);
}

#[tokio::test]
async fn an_upload_of_a_gibibyte_is_streamed_with_flat_memory() {
    let scene = Scene::new().await;
    let path = "/api/v1/namespaces/n/services/s/proxy/upload";
    let endpoint = scene.endpoint();
    let request = endpoint.request("POST", &Gateway::path("c-a", path), &scene.token, zeros(GIB));
    let mut sender = endpoint.http1().await;
    let answer = flat(&scene, async { sender.send_request(request).await.unwrap() }).await;
    assert_eq!(answer.status(), 200);
    let passed = scene.passed(path);
    assert_eq!((passed[0].body_length, passed[0].complete), (GIB, true));
}

/// A client that asks and does not read, over HTTP/1.1 and HTTP/2: what waits for it is a window, not the list.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_buffered_for() {
    let scene = Scene::new().await;
    scene.fake.route("GET", "/api/v1/pods", Reply::generated(GIB));
    let endpoint = scene.endpoint();
    let path = Gateway::path("c-a", "/api/v1/pods");
    let mut first = endpoint.http1().await;
    let mut second = endpoint.http2().await;
    flat(&scene, async {
        let one = first.send_request(endpoint.request("GET", &path, &scene.token, empty())).await.unwrap();
        let mut others = Vec::new();
        for _ in 0..20 {
            let request = endpoint.request2("GET", &path, &scene.token, empty());
            others.push(second.send_request(request).await.unwrap());
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        scene.assert_serves().await;
        drop((one, others));
    })
    .await;
}
