//! H14: what a browser adds by itself, and the pages that would use it.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::HeaderName;
use kit::{
    client::{Endpoint, empty},
    fake::Reply,
    gateway::Gateway,
    tls::Ca,
};
use serde_json::json;

use crate::{Scene, assert_status, raw, scene::assert_is_ann};

/// H14: until there are sessions, a cookie is no credential at all, whatever the `Origin`.
#[tokio::test]
async fn a_cookie_authenticates_nothing_from_any_origin() {
    let scene = Scene::new().await;
    scene.fake.route("", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let names = ["R_SESS", "session", "token", "drover", "authorization"];
    let cookie = names.map(|name| format!("{name}={}", scene.token)).join("; ");
    for origin in ["https://evil.example.org", "null", &scene.gateway.url()] {
        for method in ["GET", "POST", "DELETE"] {
            let headers = [("cookie", &*cookie), ("origin", origin)];
            for answer in scene.both(method, "/api/v1/namespaces/n/configmaps", &headers).await {
                assert_status(&answer, 401);
            }
        }
        let path = Gateway::path("c-a", "/api/v1/namespaces/n/pods/p/exec?command=sh");
        let bytes = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            scene.gateway.address()
        );
        assert_eq!(raw(&scene.endpoint(), bytes).await.codes(), [401]);
    }
    assert!(scene.passed("/api/v1/namespaces/n").is_empty());
}

/// H14: beside a good token a cookie goes nowhere, however it is written.
#[tokio::test]
async fn a_cookie_never_reaches_a_cluster() {
    let scene = Scene::new().await;
    scene.fake.route("GET", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let cookies = [("cookie", "R_SESS=a"), ("cookie", "b=c; d=e"), ("cookie2", "$Version=1"), ("cookie_", "f=g")];
    for (method, path) in [
        ("GET", "/api/v1/namespaces/n/configmaps"),
        ("POST", "/api/v1/namespaces/n/configmaps"),
        ("GET", "/api/v1/namespaces/n/configmaps?watch=true"),
        ("GET", "/api/v1/namespaces/n/services/s/proxy/"),
    ] {
        for answer in scene.both_as_ann(method, path, &cookies[..3]).await {
            assert_eq!(answer.status(), 200, "{method} {path}");
        }
    }
    let lines = cookies.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let head = scene.head("GET", "/api/v1/namespaces/n/pods/p/exec?command=sh");
    let upgrade = "Connection: Upgrade, Cookie\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(raw(&scene.endpoint(), format!("{head}{lines}{upgrade}")).await.codes(), [101]);
    let passed = scene.passed("/api/v1/namespaces/n");
    assert_eq!(passed.len(), 9);
    for request in &passed {
        assert_is_ann(request);
        for name in ["cookie", "cookie2"] {
            assert!(request.header_all(name).is_empty(), "{name}: {request:?}");
        }
    }
}

/// H14: what a browser adds by itself is no credential for a page of another origin; what the page must know is one.
#[tokio::test]
async fn a_certificate_or_remembered_password_serves_no_page_of_another_origin() {
    let people = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&people.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
    })
    .await;
    scene.fake.route("GET", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let exec = Gateway::path("c-a", "/api/v1/namespaces/n/pods/p/exec?command=sh");
    let maps = Gateway::path("c-a", "/api/v1/namespaces/n/configmaps");
    let ann = scene.endpoint().certificate(people.client("ann", &[]));
    let own = format!("https://{}", scene.endpoint().host());
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("ann:{}", scene.token)));
    let websocket = format!(
        "base64url.bearer.authorization.k8s.io.{}, v5.channel.k8s.io",
        BASE64_URL_SAFE_NO_PAD.encode(&scene.token)
    );
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let ask = async |endpoint: &Endpoint, method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = endpoint.request(method, path, "", empty());
        for (name, value) in headers {
            request.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        endpoint.http1().await.send_request(request).await.unwrap().status().as_u16()
    };
    let basic_of = scene.endpoint();
    for (endpoint, credential) in [(&ann, None), (&basic_of, Some(("authorization", &*basic)))] {
        for (origin, allowed) in [
            (None, true),
            (Some(&*own), true),
            (Some("https://evil.example.org"), false),
            (Some("https://127.0.0.1"), false),
            (Some("null"), false),
        ] {
            let mut headers: Vec<(&str, &str)> = credential.into_iter().collect();
            headers.extend(origin.map(|origin| ("origin", origin)));
            let code = if allowed { 200 } else { 403 };
            for method in ["GET", "POST", "DELETE"] {
                assert_eq!(ask(endpoint, method, &maps, &headers).await, code, "{method} {origin:?} {credential:?}");
            }
            headers.extend(upgrade);
            let code = if allowed { 101 } else { 403 };
            assert_eq!(ask(endpoint, "GET", &exec, &headers).await, code, "upgrade {origin:?} {credential:?}");
        }
    }
    // Over HTTP/2 the host is `:authority`.
    for (origin, code) in [(&*own, 200), ("https://evil.example.org", 403)] {
        let mut request = ann.request2("POST", &maps, "", empty());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(ann.http2().await.send_request(request).await.unwrap().status().as_u16(), code);
    }

    let bearer = format!("Bearer {}", scene.token);
    let foreign = ("origin", "https://console.example.org");
    assert_eq!(ask(&basic_of, "POST", &maps, &[("authorization", &bearer), foreign]).await, 200);
    let mut headers = vec![("sec-websocket-protocol", &*websocket), foreign];
    headers.extend(upgrade);
    assert_eq!(ask(&basic_of, "GET", &exec, &headers).await, 101);
    // A token decides even where the browser shows a certificate as well.
    assert_eq!(ask(&ann, "POST", &maps, &[("authorization", &bearer), foreign]).await, 200);
}
