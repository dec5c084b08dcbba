//! T3: what ends a credential ends what it opened.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kit::{
    client::empty,
    fake::{Reply, WatchFeed},
    gateway::{ConfigFolder, Gateway},
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Scene, assert_status};

/// How long an end may take from the write of the file: the watch over the files waits a moment for more.
const LIMIT: Duration = Duration::from_secs(3);

struct Open {
    watch: Incoming,
    watch2: Incoming,
    exec: TokioIo<hyper::upgrade::Upgraded>,
}

async fn open(scene: &Scene, token: &str) -> Open {
    let feed = WatchFeed::new();
    scene.fake.route("GET", "/api/v1/namespaces/n/pods", Reply::watch(&feed));
    scene.fake.route("POST", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let endpoint = scene.endpoint();
    let path = Gateway::path("c-a", "/api/v1/namespaces/n/pods?watch=true");
    let watch = endpoint.http1().await.send_request(endpoint.request("GET", &path, token, empty())).await.unwrap();
    let watch2 = endpoint.http2().await.send_request(endpoint.request2("GET", &path, token, empty())).await.unwrap();
    assert_eq!((watch.status().as_u16(), watch2.status().as_u16()), (200, 200));
    let (mut watch, mut watch2) = (watch.into_body(), watch2.into_body());
    feed.wait_for_streams(2).await;
    feed.send(&json!({"type": "ADDED", "object": {}}));
    for body in [&mut watch, &mut watch2] {
        assert!(body.frame().await.unwrap().unwrap().is_data());
    }

    let path = Gateway::path("c-a", "/api/v1/namespaces/n/pods/p/exec?command=sh&stdin=true");
    let mut request = endpoint.request("POST", &path, token, empty());
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "SPDY/3.1".parse().unwrap());
    let answer = endpoint.http1().await.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 101);
    let mut exec = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    exec.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    exec.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
    Open { watch, watch2, exec }
}

impl Open {
    async fn assert_ends(mut self, since: Instant) {
        let ends = async {
            // A watch ends cleanly: no error, no half event.
            for watch in [&mut self.watch, &mut self.watch2] {
                // hyper hands an empty frame over where a stream ends with one.
                let rest = watch.collect().await.expect("a clean end").to_bytes();
                assert!(rest.is_empty(), "{rest:?}");
            }
            let mut byte = [0];
            assert!(!matches!(self.exec.read(&mut byte).await, Ok(1..)));
        };
        tokio::time::timeout(Duration::from_secs(10), ends).await.expect("the streams end");
        assert!(since.elapsed() < LIMIT, "{:?}", since.elapsed());
    }
}

/// Opens streams as ann, changes something, and sees them end and the next call refused.
async fn revoked_by(code: u16, change: impl FnOnce(&ConfigFolder)) {
    let scene = Scene::with(|folder| {
        folder.add_user("u-bob").add_binding("c-a", "u-bob", "view");
    })
    .await;
    let bob = scene.gateway.folder().add_token("u-bob");
    scene.gateway.wait_for_cluster("c-a", &bob).await;
    let streams = open(&scene, &scene.token).await;
    let mut others = open(&scene, &bob).await;
    let changed = Instant::now();
    change(scene.gateway.folder());
    streams.assert_ends(changed).await;
    for answer in scene.both_as_ann("GET", "/api/v1/namespaces/x", &[]).await {
        assert_status(&answer, code);
    }
    // Nobody else's end.
    others.exec.write_all(b"still").await.unwrap();
    let mut echo = [0; 5];
    others.exec.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"still");
}

#[tokio::test]
async fn a_deleted_token_ends_its_streams() {
    revoked_by(401, |folder| {
        folder.remove_manifest("token-u-ann");
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_ends_the_streams_of_its_tokens() {
    revoked_by(401, |folder| {
        folder.add_user_with("u-ann", &json!({"enabled": false}));
    })
    .await;
}

#[tokio::test]
async fn a_deleted_user_ends_the_streams_of_its_tokens() {
    revoked_by(401, |folder| {
        let manifests = [("token-u-ann"), ("binding-c-a-u-ann-view"), ("user-u-ann")];
        for name in manifests {
            folder.remove_manifest(name);
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_role_that_goes_ends_the_streams_in_its_cluster() {
    revoked_by(403, |folder| {
        folder.remove_binding("c-a", "u-ann", "view");
    })
    .await;
}

#[tokio::test]
async fn another_role_instead_ends_the_streams_of_the_first() {
    let scene = Scene::new().await;
    let streams = open(&scene, &scene.token).await;
    let changed = Instant::now();
    scene.gateway.folder().add_binding("c-a", "u-ann", "edit").remove_binding("c-a", "u-ann", "view");
    streams.assert_ends(changed).await;
}

#[tokio::test]
async fn an_expired_token_ends_its_streams() {
    let scene = Scene::new().await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let soon = scene.gateway.folder().add_token_with("u-ann", "soon", &json!({"expiresAt": end.to_string()}));
    scene.gateway.wait_for_cluster("c-a", &soon).await;
    let streams = open(&scene, &soon).await;
    let left = end.duration_since(jiff::Timestamp::now());
    let due = Instant::now() + Duration::try_from(left).unwrap_or_default();
    streams.assert_ends(due).await;
    assert!(jiff::Timestamp::now() >= end);
    assert_status(&scene.gateway.get("c-a", "/api/v1/namespaces/x", &soon).await, 401);
    scene.assert_serves().await;
}
