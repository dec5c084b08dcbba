//! The fake apiserver does what its builder says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use http_body_util::BodyExt;
use kit::{
    client::{self, Endpoint},
    fake::{FakeApiserver, Reply, Responder, WatchFeed},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn endpoint(fake: &FakeApiserver) -> Endpoint {
    Endpoint::new(fake.address(), &fake.ca().pem())
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let fake = FakeApiserver::start();
    let mut stream = endpoint(&fake).raw().await;
    let head =
        "POST /api/v1/pods?a=1 HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nContent-Length: 2\r\nx-two: 2\r\nX-One: z\r\n\r\nhi";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = stream.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    let requests = fake.requests();
    assert_eq!(requests.len(), 1);
    let names: Vec<_> = requests[0].headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["Host", "X-Two", "Content-Length", "x-two", "X-One"]);
    assert_eq!(requests[0].header_all("X-Two"), ["1", "2"]);
    assert_eq!(&requests[0].body[..], b"hi");
    assert!(requests[0].complete);
    assert_eq!(requests[0].uri, "/api/v1/pods?a=1");
    assert_eq!(fake.tls_connections(), 1);
}

#[tokio::test]
async fn trailers_come_and_go() {
    let fake = FakeApiserver::builder().route("", "/", Reply::text("hello").trailers(&[("x-end", "yes")])).start();
    let endpoint = endpoint(&fake);
    let mut connection = endpoint.http2().await;
    let response = connection.send_request(endpoint.request2("GET", "/x", "", client::empty())).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-end"], "yes");
    assert_eq!(fake.requests()[0].version, http::Version::HTTP_2);
}

#[tokio::test]
async fn reviews_are_answered_like_an_apiserver() {
    let fake = FakeApiserver::builder()
        .impersonable_users(["u-1"])
        .allow_access_review(|review| review.user.as_deref() == Some("u-1") && review.verb == "impersonate")
        .start();
    let endpoint = endpoint(&fake);
    let ask = async |path: &str, user: Option<&str>, body: serde_json::Value| {
        let mut request = endpoint.request("POST", path, "t", client::json_body(&body));
        if let Some(user) = user {
            request.headers_mut().insert("impersonate-user", user.parse().unwrap());
        }
        let response = endpoint.send(request).await;
        assert_eq!(response.status(), 201);
        serde_json::from_slice::<serde_json::Value>(response.body()).unwrap()
    };
    let rules =
        ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", None, json!({"spec": {"namespace": "default"}}))
            .await;
    let rules = rules["status"]["resourceRules"].as_array().unwrap();
    let users = rules.iter().find(|r| r["resources"] == json!(["users"])).unwrap();
    assert_eq!(users["resourceNames"], json!(["u-1"]));
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let spec = json!({"spec": {"resourceAttributes": {"verb": "impersonate", "resource": "users", "name": "u-2"}}});
    assert_eq!(ask(path, Some("u-1"), spec.clone()).await["status"]["allowed"], true);
    assert_eq!(ask(path, None, spec).await["status"]["allowed"], false);
    assert!(fake.proxied().is_empty());
}

#[tokio::test]
async fn it_misbehaves_as_told() {
    let fake = FakeApiserver::builder()
        .route("", "/reset", Reply::reset())
        .route("", "/half", Reply::half_a_head())
        .route("", "/hang", Reply::hang())
        .route("", "/short", Reply::text("abc").break_off(7))
        .route("", "/slow", Reply::text("abcdef").slow(2, Duration::from_millis(20)))
        .route("", "/headers", Reply::header_bytes(1 << 20))
        .route("", "/turns", Responder::sequence([Reply::new(500), Reply::new(204)]))
        .start();
    let endpoint = endpoint(&fake);
    let send = async |path: &str| {
        endpoint.http1().await.send_request(endpoint.request("GET", path, "", client::empty())).await
    };
    assert!(send("/reset").await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(200), send("/half")).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(200), send("/hang")).await.is_err());
    assert!(send("/short").await.unwrap().into_body().collect().await.is_err());
    let slow = std::time::Instant::now();
    assert_eq!(send("/slow").await.unwrap().into_body().collect().await.unwrap().to_bytes(), "abcdef");
    assert!(slow.elapsed() >= Duration::from_millis(40));
    assert!(send("/headers").await.unwrap_err().is_parse());
    assert_eq!(send("/turns").await.unwrap().status(), 500);
    assert_eq!(send("/turns").await.unwrap().status(), 204);
    // Over HTTP/2 a reset takes the whole connection with it.
    let mut connection = endpoint.http2().await;
    let request = |path: &str| endpoint.request2("GET", path, "", client::empty());
    assert!(connection.send_request(request("/reset")).await.is_err());
    assert!(connection.send_request(request("/turns")).await.is_err());
}

#[tokio::test]
async fn a_connection_is_told_to_go_away_after_its_requests() {
    let fake = FakeApiserver::builder().goaway_after(2).start();
    let endpoint = endpoint(&fake);
    let mut connection = endpoint.http2().await;
    for _ in 0..2 {
        let request = endpoint.request2("GET", "/", "", client::empty());
        client::read(connection.send_request(request).await.unwrap()).await;
    }
    kit::wait::until_true("the connection to close", || connection.is_closed()).await;
}

#[tokio::test]
async fn an_upgrade_echoes_every_byte() {
    let fake = FakeApiserver::builder().extended_connect().route("", "/exec", Reply::upgrade_echo()).start();
    let endpoint = endpoint(&fake);
    let mut request = endpoint.request("POST", "/exec", "", client::empty());
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "SPDY/3.1".parse().unwrap());
    let mut connection = endpoint.http1().await;
    let response = connection.send_request(request).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "SPDY/3.1");
    let mut upgraded = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    upgraded.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    upgraded.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
}

#[tokio::test]
async fn a_watch_sends_what_the_test_feeds_and_a_stop_breaks_it() {
    let feed = WatchFeed::new();
    let mut fake = FakeApiserver::builder().route("GET", "/api/v1/pods", Reply::watch(&feed)).start();
    let endpoint = endpoint(&fake);
    let request = endpoint.request("GET", "/api/v1/pods?watch=1", "", client::empty());
    let mut body = endpoint.http1().await.send_request(request).await.unwrap().into_body();
    feed.wait_for_streams(1).await;
    assert_eq!(feed.send(&json!({"type": "ADDED"})), 1);
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(frame, "{\"type\":\"ADDED\"}\n");
    fake.stop();
    assert!(body.frame().await.unwrap().is_err());
    assert!(endpoint.try_connect(&[]).await.is_err());
    fake.start_again();
    assert_eq!(endpoint.get("/api", "").await.status(), 200);
}

#[tokio::test]
async fn bad_certificates_are_bad() {
    for fake in [
        FakeApiserver::builder().expired_certificate().start(),
        FakeApiserver::builder().certificate_names(["elsewhere.example"]).start(),
        FakeApiserver::builder().certificate(kit::tls::Ca::new("other").server(&["127.0.0.1"])).start(),
    ] {
        assert!(endpoint(&fake).try_connect(&[]).await.is_err());
    }
    let ca = kit::tls::Ca::new("clients");
    let fake = FakeApiserver::builder().require_client_certificate(&ca.pem()).start();
    let known = endpoint(&fake).certificate(ca.client("gateway", &["a", "b"]));
    assert_eq!(known.get("/", "").await.status(), 200);
    assert!(fake.requests()[0].client_certificate.is_some());
    fake.speak_garbage();
    assert!(known.try_connect(&[]).await.is_err());
}
