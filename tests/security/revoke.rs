//! T3: what ends a credential ends what it opened.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kit::{
    client::{Endpoint, empty, read},
    fake::{Reply, WatchFeed},
    gateway::{ConfigFolder, Gateway},
    tls::Ca,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Scene, assert_status};

struct Open {
    watch: Incoming,
    watch2: Incoming,
    exec: TokioIo<hyper::upgrade::Upgraded>,
}

async fn open(scene: &Scene, token: &str) -> Open {
    open_at(scene, &scene.endpoint(), token).await
}

/// Opens through an endpoint, which may have a certificate instead of the token.
async fn open_at(scene: &Scene, endpoint: &Endpoint, token: &str) -> Open {
    let feed = WatchFeed::new();
    scene.fake.route("GET", "/api/v1/namespaces/n/pods", Reply::watch(&feed));
    scene.fake.route("POST", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
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
    async fn assert_ends(mut self) {
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
        kit::wait::event("the streams' end", ends).await;
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
    change(scene.gateway.folder());
    streams.assert_ends().await;
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
async fn a_disabled_token_ends_its_streams() {
    revoked_by(401, |folder| {
        let path = folder.manifests().join("token-u-ann.yaml");
        let enabled = std::fs::read_to_string(&path).unwrap();
        let mut token: serde_json::Value = serde_saphyr::from_str(&enabled).unwrap();
        token["enabled"] = json!(false);
        folder.write_objects("token-u-ann", &[token]);
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
    scene.gateway.folder().add_binding("c-a", "u-ann", "edit").remove_binding("c-a", "u-ann", "view");
    streams.assert_ends().await;
}

#[tokio::test]
async fn an_expired_token_ends_its_streams() {
    let scene = Scene::new().await;
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let soon = scene.gateway.folder().add_token_with("u-ann", "soon", &json!({"expiresAt": end.to_string()}));
    scene.gateway.wait_for_cluster("c-a", &soon).await;
    let streams = open(&scene, &soon).await;
    streams.assert_ends().await;
    assert!(jiff::Timestamp::now() >= end);
    assert_status(&scene.gateway.get("c-a", "/api/v1/namespaces/x", &soon).await, 401);
    scene.assert_serves().await;
}

/// Opens streams as ann by a certificate of the group `dev`, changes something, and sees them end and the next call on the
/// same connection refused.
async fn certificate_revoked_by(code: u16, change: impl FnOnce(&ConfigFolder, &Ca)) {
    let people = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&people.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
        folder.add_user_with("u-robot", &json!({"principalIds": ["x509_user://robot"]}));
        folder.add_binding_of("dev", "c-a", "edit", &json!({"groupPrincipalName": "x509_group://dev"}));
    })
    .await;
    let robot = scene.endpoint().certificate(people.client("robot", &["dev"]));
    let path = Gateway::path("c-a", "/api/v1/namespaces/x");
    kit::wait::until("the robot to be served", || async { (robot.get(&path, "").await.status() == 200).then_some(()) })
        .await;
    let mut kept = [robot.http2().await, robot.http2().await];
    let mut ask = async |turn: usize| {
        read(kept[turn].send_request(robot.request2("GET", &path, "", empty())).await.unwrap()).await
    };
    assert_eq!((ask(0).await.status().as_u16(), ask(1).await.status().as_u16()), (200, 200));
    let streams = open_at(&scene, &robot, "").await;
    let mut anns = open(&scene, &scene.token).await;
    change(scene.gateway.folder(), &people);
    streams.assert_ends().await;
    assert_status(&ask(0).await, code);
    anns.exec.write_all(b"still").await.unwrap();
    let mut echo = [0; 5];
    anns.exec.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"still");
}

#[tokio::test]
async fn a_principal_taken_from_its_user_ends_the_streams_of_its_certificates() {
    certificate_revoked_by(401, |folder, _| {
        folder.add_user("u-robot");
    })
    .await;
}

#[tokio::test]
async fn a_role_taken_from_a_certificates_group_ends_its_streams() {
    certificate_revoked_by(403, |folder, _| {
        folder.remove_manifest("dev");
    })
    .await;
}

/// What an identity provider that is switched off is for tokens, another authority is for certificates.
#[tokio::test]
async fn another_client_authority_ends_what_the_certificates_of_the_old_one_opened() {
    certificate_revoked_by(401, |folder, _| {
        folder.set_client_ca(&Ca::new("other").pem());
    })
    .await;
}

#[tokio::test]
async fn one_more_client_authority_ends_nothing() {
    let people = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&people.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
    })
    .await;
    let ann = scene.endpoint().certificate(people.client("ann", &[]));
    let mut streams = open_at(&scene, &ann, "").await;
    let other = Ca::new("other");
    scene.gateway.folder().set_client_ca(&format!("{}{}", people.pem(), other.pem()));
    let new = scene.endpoint().certificate(other.client("ann", &[]));
    kit::wait::until("the new authority to be believed", || async {
        let mut stream = new.try_connect(&["http/1.1"]).await.ok()?;
        let head = "GET /k8s/clusters/c-a/api/v1/namespaces/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        answer.starts_with(b"HTTP/1.1 200").then_some(())
    })
    .await;
    streams.exec.write_all(b"still").await.unwrap();
    let mut echo = [0; 5];
    streams.exec.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"still");
}
