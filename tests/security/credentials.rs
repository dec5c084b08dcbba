//! Tokens: which are believed, where, and that their text is nowhere to be found.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::{
    client::empty,
    fake::{FakeApiserver, Reply},
    gateway::{Gateway, token_hash},
};
use serde_json::json;

use crate::{Scene, assert_status, raw, scene::assert_is_ann};

/// H5: a broken credential is refused as a whole; the request never goes on with the gateway's own rights.
#[tokio::test]
async fn a_broken_credential_is_unauthorized_and_never_the_gateways_own() {
    let scene = Scene::new().await;
    let good = format!("Bearer {}", scene.token);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for value in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer    ".into(),
        "Bearer \t".into(),
        "Bearer wrong".into(),
        format!("Bearer  {}", scene.token),
        format!("Bearer {} x", scene.token),
        format!("Bearer {},{}", scene.token, scene.token),
        scene.token.clone(),
        format!("Negotiate {}", scene.token),
        format!("Bearer {}x", scene.token),
        format!("Bearer {}", &scene.token[..scene.token.len() - 1]),
        format!("Bearer {}", scene.token.to_uppercase()),
        format!("Bearer {}", token_hash(&scene.token)),
        format!("Bearer {}", crate::scene::ACCOUNT),
        "Basic".into(),
        "Basic !!!!".into(),
        format!("Basic {}", scene.token),
        basic("no colon"),
        basic(":"),
        basic("u-ann:"),
        basic("u-ann:wrong"),
        format!("Basic {}", STANDARD.encode(b"u-ann:\xff\xfe")),
        "Bearer system:anonymous".into(),
    ] {
        for answer in scene.both("GET", "/api/v1/broken", &[("authorization", &value)]).await {
            assert_status(&answer, 401);
        }
    }
    for lines in [[&*good, &*good], [&*good, "Bearer x"], ["", &*good]] {
        for answer in scene.both("GET", "/api/v1/broken", &lines.map(|line| ("authorization", line))).await {
            assert_status(&answer, 401);
        }
    }
    for answer in scene.both("GET", "/api/v1/broken", &[]).await {
        assert_status(&answer, 401);
    }
    assert!(scene.passed("/api/v1/broken").is_empty());
    let basic = basic(&format!("anybody:{}", scene.token));
    for answer in scene.both("GET", "/api/v1/fine", &[("authorization", &basic)]).await {
        assert_eq!(answer.status(), 200);
    }
}

/// H5: a token of 1 MiB is over the limit of heads, one of 32 KiB over that of credentials.
#[tokio::test]
async fn a_giant_token_is_refused_with_bounded_memory() {
    let scene = Scene::new().await;
    let long = format!("Bearer {}", "a".repeat(32 << 10));
    for answer in scene.both("GET", "/api/v1/giant", &[("authorization", &long)]).await {
        assert_status(&answer, 401);
    }
    let host = scene.gateway.address();
    let giant = "a".repeat(1 << 20);
    let bytes =
        format!("GET /k8s/clusters/c-a/api/v1/giant HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {giant}\r\n\r\n");
    let answer = raw(&scene.endpoint(), bytes).await;
    assert!(answer.closed && matches!(answer.codes()[..], [] | [431 | 400]), "{:?}", answer.codes());
    assert!(scene.passed("/api/v1/giant").is_empty());
    scene.assert_serves().await;
}

/// H6: as kube-apiserver reads it; the cluster never sees it.
#[tokio::test]
async fn a_token_among_websocket_subprotocols_is_believed_and_taken_out() {
    let scene = Scene::new().await;
    scene.fake.route("GET", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let offer = |token: &str| {
        format!("base64url.bearer.authorization.k8s.io.{}, v5.channel.k8s.io", BASE64_URL_SAFE_NO_PAD.encode(token))
    };
    let ask = async |protocols: &str| {
        let endpoint = scene.endpoint();
        let path = Gateway::path("c-a", "/api/v1/namespaces/n/pods/p/exec?command=sh&stdout=true");
        let mut request = endpoint.request("GET", &path, "", empty());
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", protocols),
        ] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        endpoint.http1().await.send_request(request).await.unwrap()
    };
    let answer = ask(&offer(&scene.token)).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    let passed = scene.passed("/api/v1/namespaces/n/pods");
    assert_eq!(passed.len(), 1);
    assert_is_ann(&passed[0]);
    assert_eq!(passed[0].header_all("sec-websocket-protocol"), ["v5.channel.k8s.io"]);
    for refused in [
        offer("wrong"),
        offer(""),
        format!("base64url.bearer.authorization.k8s.io.{}", BASE64_URL_SAFE_NO_PAD.encode(&scene.token)),
        format!("{0}, {0}", offer(&scene.token)),
        "base64url.bearer.authorization.k8s.io.!!!!, v5.channel.k8s.io".to_owned(),
    ] {
        assert_eq!(ask(&refused).await.status(), 401, "{refused}");
    }
    assert_eq!(scene.passed("/api/v1/namespaces/n/pods").len(), 1);
}

/// T1: a token's text is in no file that the gateway writes, in no answer and in no metric.
#[tokio::test]
async fn the_text_of_a_token_is_nowhere() {
    let scene = Scene::with(|folder| {
        let policy =
            json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]});
        fs::write(folder.path().join("policy.yaml"), policy.to_string()).unwrap();
        folder.set("audit.log.path", "data/audit.log").set("audit.policyFile", "policy.yaml");
    })
    .await;
    scene.fake.route("", "/api/v1/namespaces/boom", Reply::new(401));
    let wrong = "drover_some_token_that_was_never_good";
    let mut seen = String::new();
    for token in [&*scene.token, wrong] {
        let bearer = format!("Bearer {token}");
        for path in ["/api/v1/namespaces/x", "/api/v1/namespaces/boom", "/api//v1"] {
            let more = [("authorization", &*bearer), ("impersonate-user", "u-nobody")];
            for headers in [&more[..1], &more[..]] {
                for answer in scene.both("GET", path, headers).await {
                    let _ = write!(seen, "{answer:?}");
                }
            }
        }
    }
    seen.push_str(&scene.gateway.metrics().await);
    for path in ["/healthz?verbose", "/readyz?verbose", "/livez?verbose"] {
        seen.push_str(&scene.gateway.ops_get(path).await.unwrap().1);
    }
    seen.push_str(&scene.gateway.command(&["streams", "ls"]).ok());
    seen.push_str(&scene.gateway.log());
    kit::wait::until_true("the audit log", || {
        fs::read_to_string(scene.gateway.folder().data().join("audit.log")).is_ok_and(|text| text.contains("boom"))
    })
    .await;
    seen.push_str(&texts_below(&scene.gateway.folder().data()));
    for secret in [&*scene.token, wrong, crate::scene::ACCOUNT] {
        assert!(!seen.contains(secret), "{secret}");
        assert!(!seen.contains(secret.trim_start_matches("drover_")), "{secret}");
    }
}

fn texts_below(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&texts_below(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    all
}

/// T2: 256 bits of randomness each, never the same; only the hash is told.
#[tokio::test]
async fn tokens_are_256_random_bits_and_a_new_one_ends_the_old() {
    let scene = Scene::new().await;
    let secret = scene.token.strip_prefix("drover_").unwrap();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 32);
    let old = scene.token.clone();
    let new = scene.gateway.folder().add_token("u-ann");
    assert_ne!(old, new);
    scene.gateway.wait_for_status("c-a", "/api/v1/namespaces/x", &new, 200).await;
    assert_status(&scene.gateway.get("c-a", "/api/v1/namespaces/x", &old).await, 401);
}

/// T4, and the scope of a token by path and by host name.
#[tokio::test]
async fn a_token_for_one_cluster_is_refused_in_every_other() {
    let other = FakeApiserver::start();
    let mut scoped = String::new();
    let scene = Scene::with(|folder| {
        folder.set("listen.baseDomain", "k8s.example.org");
        folder.add_cluster("c-b", &other.kubeconfig("other"));
        folder.add_binding("c-b", "u-ann", "view");
        scoped = folder.add_token_with("u-ann", "scoped", &json!({"clusterName": "c-a"}));
    })
    .await;
    scene.gateway.wait_for_cluster("c-b", &scene.token).await;
    assert_eq!(scene.gateway.get("c-a", "/api/v1/namespaces/x", &scoped).await.status(), 200);
    let before = other.proxied().len();
    for cluster in ["c-b", "local", "c-none"] {
        assert_status(&scene.gateway.get(cluster, "/api/v1/namespaces/x", &scoped).await, 403);
    }
    let endpoint = scene.endpoint();
    let mut request = endpoint.request("GET", "/api/v1/namespaces/x", &scoped, empty());
    request.headers_mut().insert("host", "c-b.k8s.example.org".parse().unwrap());
    assert_status(&endpoint.send(request).await, 403);
    assert_eq!(other.proxied().len(), before);
}

/// T5: failures are limited by source, and whoever has a good token is served meanwhile.
#[tokio::test]
async fn a_flood_of_bad_tokens_is_told_to_wait_and_shuts_nobody_out() {
    let scene = Scene::with(|folder| {
        folder.set("limits.unauthenticated.perSecond", 5);
    })
    .await;
    let endpoint = scene.endpoint();
    let mut flood = endpoint.http1().await;
    let (mut told, mut refused) = (0, 0);
    for number in 0..100 {
        let request =
            endpoint.request("GET", "/k8s/clusters/c-a/api/v1/flood", &format!("drover_wrong{number}"), empty());
        let answer = kit::client::read(flood.send_request(request).await.unwrap()).await;
        match answer.status().as_u16() {
            401 => refused += 1,
            429 => {
                told += 1;
                assert_status(&answer, 429);
                assert!(answer.headers().contains_key("retry-after"));
            }
            code => panic!("{code}"),
        }
        if number % 10 == 0 {
            scene.assert_serves().await;
        }
    }
    assert!(refused >= 5 && told >= 50, "401: {refused}, 429: {told}");
    assert!(scene.passed("/api/v1/flood").is_empty());
    // It ends by itself.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_status(&scene.gateway.get("c-a", "/api/v1/flood", "wrong").await, 401);
}

/// T5: an unknown user, a known one with a wrong password, one of a megabyte: the same answer.
#[tokio::test]
async fn unknown_users_and_wrong_passwords_get_the_same_answer() {
    let scene = Scene::new().await;
    let mut bodies = Vec::new();
    for credential in ["u-ann:wrong", "u-nobody:wrong", "u-ann:x"] {
        let basic = format!("Basic {}", STANDARD.encode(credential));
        for answer in scene.both("GET", "/api/v1/same", &[("authorization", &basic)]).await {
            assert_status(&answer, 401);
            bodies.push(answer.into_body());
        }
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}
