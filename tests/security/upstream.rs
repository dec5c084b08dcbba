//! Clusters that attack: what they answer must not reach further than the one request it answers.

use std::time::Duration;

use kit::{
    client::empty,
    fake::{FakeApiserver, Reply},
    gateway::{ConfigFolder, Gateway},
    tls::Ca,
};
use serde_json::json;

use crate::{
    Scene, assert_status, raw,
    scene::{ACCOUNT, assert_is_ann},
};

/// H15: client-go sends its credential after any redirect; so none may leave the cluster.
#[tokio::test]
async fn a_redirect_never_leaves_the_cluster_and_is_never_followed() {
    let trap = FakeApiserver::start();
    let scene = Scene::new().await;
    for location in [
        trap.url(),
        format!("//{}/x", trap.address()),
        format!("/\\{}/x", trap.address()),
        format!("https://{}@{}/x", scene.fake.address(), trap.address()),
        "http://169.254.169.254/latest/meta-data".into(),
        "https://evil.example.org/k8s/clusters/c-a".into(),
        "ftp:x".into(),
        "../../../c-b/api".into(),
        "javascript:alert(1)".into(),
    ] {
        scene.fake.clear_routes();
        scene.fake.route("", "/api/v1/namespaces/moved", Reply::redirect(&location));
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/moved", &[]).await {
            assert_eq!(answer.status(), 502, "{location}: {answer:?}");
            assert_status(&answer, 502);
            assert!(!answer.headers().contains_key("location"));
        }
    }
    let own = format!("{}/api/v1/elsewhere", scene.fake.url());
    for location in [&*own, "/api/v1/elsewhere"] {
        scene.fake.clear_routes();
        scene.fake.route("", "/api/v1/namespaces/moved", Reply::redirect(location));
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/moved", &[]).await {
            assert_eq!(answer.headers()["location"], "/k8s/clusters/c-a/api/v1/elsewhere");
        }
    }
    assert_eq!(trap.tcp_connections(), 0);
    assert!(scene.passed("/api/v1/elsewhere").is_empty());
}

/// H15: what would be kept or believed by the client's browser under the gateway's own name.
#[tokio::test]
async fn cookies_connection_headers_and_policies_of_a_cluster_are_dropped() {
    let scene = Scene::new().await;
    let reply = Reply::json(&json!({}))
        .header("set-cookie", "R_SESS=forged")
        .header("set-cookie", "b=2")
        .header("strict-transport-security", "max-age=1")
        .header("keep-alive", "timeout=1")
        .header("proxy-authenticate", "Basic");
    scene.fake.route("", "/api/v1/namespaces/cookie", reply);
    for answer in scene.both_as_ann("GET", "/api/v1/namespaces/cookie", &[]).await {
        assert_eq!(answer.status(), 200);
        for name in ["set-cookie", "strict-transport-security", "keep-alive", "proxy-authenticate"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
    }
}

/// H15: a cluster that does not know the gateway must not send the user to sign in again.
#[tokio::test]
async fn the_clusters_own_401_becomes_a_502_and_a_forged_status_stays_in_its_request() {
    let scene = Scene::new().await;
    let forged = Reply::failure(401, "Unauthorized", "sign in at https://evil.example.org");
    scene.fake.route("", "/api/v1/namespaces/forged", forged.header("www-authenticate", "Basic realm=\"evil\""));
    for answer in scene.both_as_ann("GET", "/api/v1/namespaces/forged", &[]).await {
        assert_status(&answer, 502);
        assert!(!format!("{answer:?}").contains("evil"));
    }
    scene.assert_serves().await;
}

/// H15: sizes are bounded; the answer is a Status of our own.
#[tokio::test]
async fn giant_heads_of_a_cluster_end_in_a_502_with_flat_memory() {
    let scene = Scene::new().await;
    scene.fake.route("", "/api/v1/namespaces/giant", Reply::header_bytes(100_000_000));
    scene.fake.route("", "/api/v1/giants", Reply::header_bytes(100_000_000));
    let before = scene.gateway.process().resident();
    for path in ["/api/v1/namespaces/giant", "/api/v1/giants"] {
        for answer in scene.both_as_ann("GET", path, &[]).await {
            assert_status(&answer, 502);
        }
    }
    let grown = scene.gateway.process().resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown}");
    scene.assert_serves().await;
}

/// H15: one that never answers, or stops in the middle of its head.
#[tokio::test]
async fn a_cluster_that_never_answers_ends_in_a_504() {
    let fake = FakeApiserver::builder().http1_only().start();
    let scene = Scene::of(fake, |folder| {
        folder.set("timeouts.responseHeaders", "1s");
    })
    .await;
    scene.fake.route("", "/api/v1/namespaces/hang", Reply::hang());
    scene.fake.route("", "/api/v1/namespaces/half", Reply::half_a_head());
    for path in ["/api/v1/namespaces/hang", "/api/v1/namespaces/half"] {
        for answer in kit::wait::event("both answers", scene.both_as_ann("GET", path, &[])).await {
            assert_status(&answer, 504);
        }
    }
    scene.assert_serves().await;
}

/// H15: what is no HTTP, or an answer that nobody asked for.
#[tokio::test]
async fn answers_that_are_none_end_in_a_502() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    for (number, bytes) in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/api/v1/namespaces/none{number}");
        scene.fake.route("", &path, Reply::raw(bytes, false));
        for answer in scene.both_as_ann("GET", &path, &[]).await {
            assert_status(&answer, 502);
        }
    }
    scene.assert_serves().await;
}

/// H15: more than was announced belongs to no one's next request.
#[tokio::test]
async fn bytes_after_an_answer_are_never_the_answer_to_the_next_request() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let split = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";
    scene.fake.route("", "/api/v1/namespaces/split", Reply::raw(split, true));
    for _ in 0..10 {
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/split", &[]).await {
            assert_eq!(&answer.body()[..], b"{}");
        }
        for answer in scene.both_as_ann("GET", "/api/v1/namespaces/next", &[]).await {
            assert!(!answer.body().windows(8).any(|part| part == b"poisoned"));
        }
    }
}

/// H16: CVE-2018-1002105. The connection that was to be upgraded carries the gateway's credential.
#[tokio::test]
async fn bytes_after_a_refused_upgrade_never_reach_the_cluster() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let path = "/api/v1/namespaces/n/pods/p/exec";
    for (code, reply) in [
        (403, Reply::failure(403, "Forbidden", "no")),
        (400, Reply::failure(400, "BadRequest", "you must specify a container")),
        (200, Reply::json(&json!({}))),
        (500, Reply::new(500)),
    ] {
        scene.fake.route("POST", path, reply);
        let head = scene.head("POST", path);
        for upgrade in ["SPDY/3.1", "websocket", "anything"] {
            let inner = "GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nImpersonate-User: system:admin\r\nConnection: close\r\n\r\n";
            let bytes =
                format!("{head}Connection: Upgrade\r\nUpgrade: {upgrade}\r\nContent-Length: 0\r\n\r\n{inner}{inner}");
            let answer = raw(&scene.endpoint(), bytes).await;
            assert_eq!(answer.codes()[0], code, "{answer:?}");
            assert!(answer.codes()[1..].iter().all(|code| [400, 401, 404].contains(code)), "{answer:?}");
        }
    }
    assert!(scene.passed("/api/v1/secrets").is_empty());
    let asked = scene.passed(path);
    assert_eq!(asked.len(), 12);
    for request in &asked {
        assert_is_ann(request);
        assert_eq!(scene.fake.requests().iter().filter(|other| other.connection == request.connection).count(), 1);
    }
}

/// H16: bytes that come before the cluster has said yes are held back until it has.
#[tokio::test]
async fn bytes_before_an_upgrade_is_answered_go_on_only_after_it() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let path = "/api/v1/namespaces/n/pods/p/exec";
    scene.fake.route("POST", path, Reply::upgrade_echo().after(Duration::from_millis(300)));
    let head = scene.head("POST", path);
    let answer =
        raw(&scene.endpoint(), format!("{head}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nfirst bytes")).await;
    assert_eq!(answer.codes(), [101], "{answer:?}");
    assert!(answer.text.ends_with("first bytes"), "{answer:?}");
}

/// H17: two clusters at one address are two: authority, credential, connections.
#[tokio::test]
async fn clusters_at_one_address_never_share_a_connection() {
    let mut other = String::new();
    let fake = FakeApiserver::start();
    let (twin, stranger) = (fake.kubeconfig("twin"), fake.kubeconfig("stranger"));
    let wrong = json!({"token": "stranger"});
    let wrong = kit::client::kubeconfig(
        &json!({"server": fake.url(), "certificate-authority-data": base64_of(&Ca::new("other").pem())}),
        &wrong,
    );
    drop(stranger);
    let scene = Scene::of(fake, |folder: &ConfigFolder| {
        folder.add_cluster("c-twin", &twin).add_cluster("c-wrong", &wrong);
        folder.add_binding("c-twin", "u-ann", "view").add_binding("c-wrong", "u-ann", "view");
        other = folder.add_token_with("u-ann", "other", &json!({}));
    })
    .await;
    scene.gateway.wait_for_cluster("c-twin", &other).await;
    for round in 0..10 {
        for (cluster, account) in [("c-a", ACCOUNT), ("c-twin", "twin")] {
            let path = format!("/api/v1/namespaces/{cluster}-{round}");
            assert_eq!(scene.gateway.get(cluster, &path, &scene.token).await.status(), 200);
            let passed = scene.passed(&path).pop().unwrap();
            assert_eq!(passed.header_all("authorization"), [format!("Bearer {account}")]);
            assert_eq!(passed.impersonated_groups(), [format!("drover:{cluster}:cluster:view")]);
        }
        // Its authority did not sign the certificate: it must not ride on a connection that another's did.
        let answer = scene.gateway.get("c-wrong", "/api/v1/namespaces/wrong", &scene.token).await;
        assert_status(&answer, 503);
    }
    let mut owners = std::collections::HashMap::new();
    for request in scene.fake.requests() {
        let account = request.header_all("authorization");
        assert_eq!(*owners.entry(request.connection).or_insert_with(|| account.clone()), account);
    }
    assert!(scene.passed("/api/v1/namespaces/wrong").is_empty());
}

/// H17: after a rotation nothing new goes out under the old credential.
#[tokio::test]
async fn a_rotated_credential_gets_connections_of_its_own() {
    let scene = Scene::new().await;
    let old: Vec<u64> = scene.fake.requests().iter().map(|request| request.connection).collect();
    scene.gateway.folder().add_cluster("c-a", &scene.fake.kubeconfig("new-account"));
    kit::wait::until("the new credential", || async {
        scene.gateway.get("c-a", "/api/v1/namespaces/rotated", &scene.token).await;
        let last = scene.passed("/api/v1/namespaces/rotated").pop()?;
        (last.header_all("authorization") == ["Bearer new-account"]).then_some(())
    })
    .await;
    for number in 0..10 {
        let path = format!("/api/v1/namespaces/after{number}");
        for answer in scene.both_as_ann("GET", &path, &[]).await {
            assert_eq!(answer.status(), 200);
        }
        for request in scene.passed(&path) {
            assert_eq!(request.header_all("authorization"), ["Bearer new-account"]);
            assert!(!old.contains(&request.connection));
        }
    }
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

/// H13 and H15: what a refusal of the gateway is, over a path without a cluster as well.
#[tokio::test]
async fn every_refusal_is_a_status() {
    let scene = Scene::new().await;
    let endpoint = scene.endpoint();
    for (path, token, code) in [
        ("/", "", 404),
        ("/api/v1/pods", "", 404),
        ("/k8s/clusters/", "", 404),
        ("/k8s/clusters/c-a/version", "", 401),
        ("/k8s/clusters/c-none/version", "", 401),
        ("/k8s/clusters/c-none/version", &*scene.token, 403),
        ("/v3/clusters", &scene.token, 404),
    ] {
        let first = endpoint.send(endpoint.request("GET", path, token, empty())).await;
        assert_status(&first, code);
        let second = endpoint.request2("GET", path, token, empty());
        let second = kit::client::read(endpoint.http2().await.send_request(second).await.unwrap()).await;
        assert_status(&second, code);
    }
    let missing = scene.gateway.get("c-none", "/version", &scene.token).await;
    let strange = scene.gateway.folder().add_user("u-new").add_token("u-new");
    scene.gateway.wait_for_status("c-a", "/version", &strange, 403).await;
    let hidden = scene.gateway.get("c-a", "/version", &strange).await;
    let text = |answer: &http::Response<bytes::Bytes>| String::from_utf8_lossy(answer.body()).into_owned();
    let missing = text(&missing).replace("c-none", "X").replace("u-ann", "Y");
    assert_eq!(missing, text(&hidden).replace("c-a", "X").replace("u-new", "Y"));
    assert_eq!(Gateway::path("c", "/x"), "/k8s/clusters/c/x");
}
