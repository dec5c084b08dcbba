//! Who a request is for: only what the gateway decided, whatever the client's headers say.

use kit::fake::FakeApiserver;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::{
    Scene, assert_status,
    frames::{self, END_HEADERS, END_STREAM, HEADERS, block, frame},
    raw,
    scene::assert_is_ann,
};

pub(crate) async fn http1_and_http2_clusters() -> [Scene; 2] {
    let one = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let two = Scene::of(FakeApiserver::builder().http2_only().start(), |_| {}).await;
    [one, two]
}

/// H1: `Connection`, `TE`, `Trailer` and `Keep-Alive` name the headers that carry the decision (CVE-2022-23652).
#[tokio::test]
async fn hop_by_hop_headers_cannot_drop_the_identity() {
    let attacks = [
        "Connection: Impersonate-User\r\n",
        "connection: impersonate-user, Impersonate-Group , IMPERSONATE-UID\r\n",
        "CONNECTION: keep-alive\r\nConnection: Impersonate-User\r\nConnection: ,Impersonate-Group,\r\n",
        "Connection: Authorization\r\n",
        "Connection: keep-alive, Impersonate-User, Authorization, Impersonate-Extra-drover.io%2fusername\r\n",
        "Connection: \"Impersonate-User\"\r\n",
        "TE: Impersonate-User\r\n",
        "TE: trailers, Impersonate-User\r\nConnection: TE, Impersonate-User\r\n",
        "Trailer: Impersonate-User, Authorization\r\n",
        "Keep-Alive: Impersonate-User\r\n",
        "Proxy-Connection: Impersonate-User\r\n",
    ];
    for scene in http1_and_http2_clusters().await {
        for (number, attack) in attacks.iter().enumerate() {
            let path = format!("/api/v1/namespaces/n{number}");
            let bytes = format!("{}{attack}Connection: close\r\n\r\n", scene.head("GET", &path));
            let answer = raw(&scene.endpoint(), bytes).await;
            assert_eq!(answer.codes(), [200], "{attack}: {answer:?}");
            let passed = scene.passed(&path);
            assert_eq!(passed.len(), 1, "{attack}");
            assert_is_ann(&passed[0]);
            for gone in ["keep-alive", "proxy-connection", "te", "trailer"] {
                assert!(passed[0].header_all(gone).is_empty(), "{attack}: {gone}");
            }
        }
    }
}

/// H1, over HTTP/2, which has no such headers: the request is malformed, or the header means nothing.
#[tokio::test]
async fn connection_headers_over_http2_are_refused_or_mean_nothing() {
    let scene = Scene::new().await;
    let bearer = format!("Bearer {}", scene.token);
    for (name, value) in [
        ("connection", "impersonate-user"),
        ("keep-alive", "impersonate-user"),
        ("proxy-connection", "impersonate-user"),
        ("te", "impersonate-user"),
        ("trailer", "impersonate-user"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ] {
        let lines = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "127.0.0.1"),
            (":path", "/k8s/clusters/c-a/api/v1/hop"),
            ("authorization", &bearer),
            (name, value),
        ];
        let mut stream = frames::open(&scene.endpoint()).await;
        let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&lines));
        stream.write_all(&bytes).await.unwrap();
        frames::read(&mut stream).await;
    }
    for request in scene.passed("/api/v1/hop") {
        assert_is_ann(&request);
    }
    scene.assert_serves().await;
}

/// H2: none of it reaches the cluster, and none of it is dropped in silence: `--as` must not run as oneself.
#[tokio::test]
async fn impersonation_without_the_right_is_refused_and_never_forwarded() {
    let scene = Scene::with(|folder| {
        folder.add_user("u-bob").add_binding("c-a", "u-bob", "view");
    })
    .await;
    let user = ("impersonate-user", "u-bob");
    let attacks: &[&[(&str, &str)]] = &[
        &[user],
        &[("impersonate-user", "system:admin")],
        &[("impersonate-user", "u-ann"), ("impersonate-group", "system:masters")],
        &[user, ("impersonate-group", "drover:c-a:cluster:view")],
        &[user, ("impersonate-group", "a"), ("impersonate-group", "b")],
        &[user, ("impersonate-uid", "0")],
        &[user, ("impersonate-extra-scopes", "all")],
        &[user, ("impersonate-extra-a%2fb", "c")],
        &[user, ("impersonate-extra-drover.io%2fusername", "root")],
        &[("impersonate-foo", "u-bob")],
        &[user, ("impersonate-foo", "x")],
        &[("impersonate_user", "u-bob")],
        &[("impersonate_user", "u-bob"), ("impersonate_group", "system:masters")],
        &[("impersonate.user", "u-bob")],
        &[("impersonate-", "u-bob")],
        &[("impersonate", "u-bob")],
    ];
    for attack in attacks {
        for answer in scene.both_as_ann("GET", "/api/v1/secrets", attack).await {
            assert_status(&answer, 403);
        }
    }
    for attack in [
        &[user, user][..],
        &[user, ("impersonate-user", "u-ann")],
        &[("impersonate-user", "")],
        &[user, ("impersonate-group", "")],
        &[user, ("impersonate-uid", "1"), ("impersonate-uid", "2")],
        &[user, ("impersonate-extra-%zz", "c")],
        &[user, ("impersonate-extra-", "c")],
    ] {
        for answer in scene.both_as_ann("GET", "/api/v1/secrets", attack).await {
            assert_status(&answer, 400);
        }
    }
    assert!(scene.passed("/api/v1/secrets").is_empty());
}

/// H2: the spelling of HTTP/1.1 heads that only bytes can have.
#[tokio::test]
async fn odd_spellings_of_impersonation_never_reach_the_cluster() {
    let scene = Scene::new().await;
    for attack in [
        "IMPERSONATE-USER: u-bob\r\n",
        "iMpErSoNaTe-UsEr: u-bob\r\n",
        "Impersonate-User:u-bob\r\n",
        "Impersonate-User:\t u-bob \t\r\n",
        "Impersonate-User : u-bob\r\n",
        " Impersonate-User: u-bob\r\n",
        "X-First: a\r\n Impersonate-User: u-bob\r\n",
        "X-First: a\r\n\tb\r\nImpersonate-User: u-bob\r\n",
        "Impersonate-User:\r\n u-bob\r\n",
        "Impersonate-User: u-bob\r\nConnection: Impersonate-User\r\n",
        "Impersonate-User: u-bob\rImpersonate-Group: system:masters\r\n",
        "Impersonate\0-User: u-bob\r\n",
        "Impersonate-User: u\0bob\r\n",
    ] {
        let bytes = format!("{}{attack}Connection: close\r\n\r\n", scene.head("GET", "/api/v1/odd"));
        let answer = raw(&scene.endpoint(), bytes).await;
        // A head that is none is answered by hyper: an empty 400, or the end of the connection.
        assert!(matches!(answer.codes()[..], [] | [400 | 403]), "{attack:?}: {answer:?}");
        assert!(answer.closed);
    }
    assert!(scene.passed("/api/v1/odd").is_empty());
}

/// H2: trailers come after the decision; none may speak of an identity.
#[tokio::test]
async fn impersonation_in_trailers_never_reaches_the_cluster() {
    for scene in http1_and_http2_clusters().await {
        let head = scene.head("POST", "/api/v1/namespaces/late/configmaps");
        let body = "Transfer-Encoding: chunked\r\nTrailer: Impersonate-User, X-Fine\r\nConnection: close\r\n\r\n\
            2\r\n{}\r\n0\r\nImpersonate-User: admin\r\nImpersonate-Group: system:masters\r\nAuthorization: Bearer x\r\n\
            impersonate_uid: 0\r\nX-Remote-User: admin\r\nX-Fine: yes\r\n\r\n";
        let answer = raw(&scene.endpoint(), format!("{head}{body}")).await;
        assert_eq!(answer.codes(), [200], "{answer:?}");

        let bearer = format!("Bearer {}", scene.token);
        let lines = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "127.0.0.1"),
            (":path", "/k8s/clusters/c-a/api/v1/namespaces/late/configmaps"),
            ("authorization", &*bearer),
        ];
        let trailers =
            [("impersonate-user", "admin"), ("authorization", "Bearer x"), ("x-remote-group", "system:masters")];
        let mut stream = frames::open(&scene.endpoint()).await;
        for bytes in [
            frame(HEADERS, END_HEADERS, 1, &block(&lines)),
            frame(frames::DATA, 0, 1, b"{}"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&trailers)),
        ] {
            stream.write_all(&bytes).await.unwrap();
        }
        frames::read(&mut stream).await;

        let passed = scene.passed("/api/v1/namespaces/late");
        assert_eq!(passed.len(), 2);
        for request in &passed {
            assert_is_ann(request);
            for name in request.trailers.iter().flat_map(http::HeaderMap::keys) {
                assert_eq!(name, "x-fine");
            }
        }
    }
}

/// H3: as kube-apiserver has it.
#[tokio::test]
async fn a_group_uid_or_extra_without_a_user_is_a_bad_request() {
    let scene = Scene::new().await;
    for attack in
        [("impersonate-group", "system:masters"), ("impersonate-uid", "1"), ("impersonate-extra-scopes", "all")]
    {
        for answer in scene.both_as_ann("GET", "/api/v1/alone", &[attack]).await {
            assert_status(&answer, 400);
        }
    }
    assert!(scene.passed("/api/v1/alone").is_empty());
}

/// H4: what a front proxy would say is a client's word here.
#[tokio::test]
async fn remote_user_headers_are_neither_believed_nor_forwarded() {
    for scene in http1_and_http2_clusters().await {
        let remote = [
            ("x-remote-user", "admin"),
            ("x-remote-group", "system:masters"),
            ("x-remote-extra-scopes", "all"),
            ("x-remote-uid", "0"),
            ("x_remote_user", "admin"),
            ("x-forwarded-user", "admin"),
            ("x-forwarded-client-cert", "By=spiffe://a;Subject=\"CN=admin\""),
        ];
        for answer in scene.both("GET", "/api/v1/namespaces/remote", &remote).await {
            assert_status(&answer, 401);
        }
        assert!(scene.passed("/api/v1/namespaces/remote").is_empty());
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/remote", &remote).await {
            assert_eq!(answer.status(), 200);
        }
        let passed = scene.passed("/api/v1/namespaces/remote");
        assert_eq!(passed.len(), 2);
        for request in &passed {
            assert_is_ann(request);
            for (name, _) in &remote {
                assert!(request.header_all(name).is_empty(), "{name}");
            }
        }
    }
}

/// H10: an untrusted peer says where it comes from; the audit log and the cluster hear where it does.
#[tokio::test]
async fn forwarded_headers_of_an_untrusted_peer_are_not_believed() {
    let scene = Scene::with(|folder| {
        folder.set("audit.log.path", "audit.log");
    })
    .await;
    let forwarded = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-host", "evil.example.org"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "203.0.113.7"),
        ("x_forwarded_for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7;host=evil.example.org"),
    ];
    for answer in scene.both_as_ann("GET", "/api/v1/whence", &forwarded).await {
        assert_eq!(answer.status(), 200);
        assert!(!format!("{answer:?}").contains("evil.example.org"));
    }
    let passed = scene.passed("/api/v1/whence");
    assert_eq!(passed.len(), 2);
    for request in &passed {
        assert_eq!(request.header_all("x-forwarded-for"), ["127.0.0.1"]);
        let all = format!("{:?}", request.headers);
        assert!(!all.contains("203.0.113.7") && !all.contains("evil.example.org"), "{all}");
    }
    let event: Value = kit::wait::until("the audit events", || async {
        let text = std::fs::read_to_string(scene.gateway.folder().path().join("audit.log")).ok()?;
        text.lines().find(|line| line.contains("/whence")).map(|line| serde_json::from_str(line).unwrap())
    })
    .await;
    assert_eq!(event["sourceIPs"], serde_json::json!(["127.0.0.1"]));
}

/// H19: a name that some server behind reads as an identity header, and values that break lines.
#[tokio::test]
async fn nothing_forwarded_looks_like_an_identity_header_to_any_server() {
    for scene in http1_and_http2_clusters().await {
        let dropped = [
            ("x_remote_user", "admin"),
            ("x.remote.group", "system:masters"),
            ("audit_id", "forged"),
            ("audit-id", "forged"),
            ("proxy_authorization", "Basic eDp5"),
            ("cookie", "session=1"),
        ];
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/under", &dropped).await {
            assert_eq!(answer.status(), 200);
        }
        for request in scene.passed("/api/v1/namespaces/under") {
            assert_is_ann(&request);
            assert!(!format!("{:?}", request.headers).contains("forged"));
            for (name, _) in dropped.iter().filter(|(name, _)| *name != "audit-id") {
                assert!(request.header_all(name).is_empty(), "{name}");
            }
        }

        let bearer = format!("Bearer {}", scene.token);
        for (name, value) in [
            ("x-a", "b\r\nImpersonate-User: admin"),
            ("x-a", "b\nImpersonate-User: admin"),
            ("x-a", "b\rImpersonate-User: admin"),
            ("x-a\r\nimpersonate-user", "admin"),
            ("x-a\nimpersonate-user", "admin"),
            ("x-a: b\r\nimpersonate-user", "admin"),
            ("Impersonate-User", "admin"),
            ("impersonate-user ", "admin"),
            (" impersonate-user", "admin"),
            ("impersonate-user:", "admin"),
            ("x-a\0", "b"),
            ("x-a", "b\0c"),
        ] {
            let lines = [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "127.0.0.1"),
                (":path", "/k8s/clusters/c-a/api/v1/namespaces/split"),
                ("authorization", &*bearer),
                (name, value),
            ];
            let mut stream = frames::open(&scene.endpoint()).await;
            let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&lines));
            stream.write_all(&bytes).await.unwrap();
            frames::read(&mut stream).await;
            assert!(scene.passed("/api/v1/namespaces/split").is_empty(), "{name:?}: {value:?}");
        }
        scene.assert_serves().await;
    }
}
