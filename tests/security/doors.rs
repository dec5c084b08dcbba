//! Side doors: names from outside, caches, ports without sign-in, clusters as a way to this machine.

use std::os::unix::fs::PermissionsExt as _;

use kit::{
    client::{Endpoint, empty},
    fake::FakeApiserver,
    gateway::{ConfigFolder, Gateway},
    tls::Ca,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    GROUP, Scene, assert_status,
    scene::{ACCOUNT, assert_is_ann},
};

/// H9: client certificates are the identity provider so far. Whatever their groups are called, a cluster hears of role
/// groups only.
#[tokio::test]
async fn names_of_an_identity_provider_never_become_groups_or_headers() {
    let ca = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&ca.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
    })
    .await;
    let long = "g".repeat(8 << 10);
    for groups in [
        ["system:masters", "drover:c-a:cluster:cluster-admin"],
        ["dev\r\nImpersonate-Group: system:masters", "a\nb"],
        ["drover:c-a:cluster:view", "system:authenticated"],
        [&long, "x,y=z"],
    ] {
        let endpoint = scene.endpoint().certificate(ca.client("ann", &groups));
        let answer = endpoint.get("/k8s/clusters/c-a/api/v1/namespaces/cert", "").await;
        assert_eq!(answer.status(), 200, "{groups:?}");
        assert_is_ann(&scene.passed("/api/v1/namespaces/cert").pop().unwrap());
    }
    for name in ["system:admin", "u-ann", "x509_user://ann", "ANN", "ann\r\nX: y", "", "drover:gateway", "\u{430}nn"] {
        let endpoint = scene.endpoint().certificate(ca.client(name, &["system:masters"]));
        let answer = endpoint.get("/k8s/clusters/c-a/api/v1/namespaces/cert", "").await;
        assert_status(&answer, 401);
    }
    assert_eq!(scene.passed("/api/v1/namespaces/cert").len(), 4);
}

/// H9: as much as a certificate can carry; with more than 64 KiB it is none to any TLS library.
#[tokio::test]
async fn five_thousand_groups_or_one_of_sixty_kilobytes_sign_in_and_reach_no_header() {
    let ca = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&ca.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
        // One of the many is bound, to see that it is found among them.
        folder.add_binding_of("group", "c-a", "edit", &json!({"groupPrincipalName": "x509_group://zzz"}));
    })
    .await;
    let path = "/k8s/clusters/c-a/api/v1/namespaces/many";
    let mut many: Vec<String> = (0..4999_u32).map(|number| format!("{number:x}")).collect();
    many.push("zzz".into());
    let before = scene.gateway.process().resident();
    for groups in [many, vec!["g".repeat(60 << 10)]] {
        let endpoint = scene.endpoint().certificate(ca.client_with_groups("ann", &groups));
        let answer = endpoint.get(path, "").await;
        assert_eq!(answer.status(), 200, "{} groups", groups.len());
        let passed = scene.passed("/api/v1/namespaces/many").pop().unwrap();
        assert_eq!(passed.impersonated_user().as_deref(), Some("u-ann"));
        let edit = "drover:c-a:cluster:edit".to_owned();
        let expected = if groups.len() > 1 { vec![edit, GROUP.to_owned()] } else { vec![GROUP.to_owned()] };
        assert_eq!(passed.impersonated_groups(), expected);
        let bytes: usize = passed.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes < 2048, "{bytes} bytes of headers");
    }
    scene.assert_serves().await;
    let grown = scene.gateway.process().resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

/// H9 and T7's first part: a certificate of another authority, or one that ran out, is no credential.
#[tokio::test]
async fn a_certificate_of_a_stranger_or_of_the_past_signs_nobody_in() {
    let ca = Ca::new("people");
    let stranger = Ca::new("people");
    let scene = Scene::with(|folder| {
        folder.set_client_ca(&ca.pem());
        folder.add_user_with("u-ann", &json!({"principalIds": ["x509_user://ann"]}));
    })
    .await;
    for pair in [stranger.client("ann", &[]), ca.expired_client("ann", &[]), ca.server(&["ann"])] {
        let endpoint = scene.endpoint().certificate(pair);
        // Refused by TLS, of which a client hears with its first read.
        let Ok(mut stream) = endpoint.try_connect(&["http/1.1"]).await else { continue };
        let request = "GET /k8s/clusters/c-a/api/v1/namespaces/cert HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    }
    assert!(scene.passed("/api/v1/namespaces/cert").is_empty());
}

/// H18: names that differ by a joint, by case or by look are never taken for each other, in whatever order they ask.
#[tokio::test]
async fn callers_with_confusable_names_never_get_each_others_identity() {
    let names = ["u-ab", "u-a", "u-abc", "u-a.b", "u-a-b", "u-1", "u-l", "u-01"];
    let templates = ["view", "edit", "view-c", "c-view"];
    let other = FakeApiserver::start();
    let mut callers = Vec::new();
    let scene = Scene::with(|folder: &ConfigFolder| {
        folder.add_cluster("c-a-b", &other.kubeconfig("other"));
        for (number, name) in names.iter().enumerate() {
            let template = templates[number % templates.len()];
            folder.add_user(name).add_binding("c-a", name, template);
            let token = folder.add_token(name);
            callers.push((token, *name, format!("drover:c-a:cluster:{template}")));
        }
        folder.add_binding("c-a-b", "u-a", "edit");
    })
    .await;
    for (token, ..) in &callers {
        scene.gateway.wait_for_cluster("c-a", token).await;
    }
    for round in 0..3 {
        for (token, name, group) in &callers {
            let path = format!("/api/v1/namespaces/{round}{}", name.replace('.', "-"));
            assert_eq!(scene.gateway.get("c-a", &path, token).await.status(), 200);
            let passed = scene.passed(&path).pop().unwrap();
            assert_eq!(passed.impersonated_user().as_deref(), Some(*name));
            assert_eq!(passed.impersonated_groups(), std::slice::from_ref(group));
        }
    }
    let (u_a, _, _) = callers.iter().find(|(_, name, _)| *name == "u-a").unwrap();
    scene.gateway.wait_for_cluster("c-a-b", u_a).await;
    assert_eq!(scene.gateway.get("c-a-b", "/api/v1/namespaces/x", u_a).await.status(), 200);
    let last = other.proxied().pop().unwrap();
    assert_eq!(last.impersonated_groups(), ["drover:c-a-b:cluster:edit"]);
    for (token, name, _) in callers.iter().filter(|(_, name, _)| *name != "u-a") {
        let answer = scene.gateway.get("c-a-b", "/api/v1/namespaces/x", token).await;
        assert_eq!(answer.status(), 403, "{name}");
    }
}

/// H21: what operators see is on loopback; the public door says yes or no, and nothing else without sign-in.
#[tokio::test]
async fn the_public_listener_has_no_side_doors() {
    let scene = Scene::new().await;
    assert!(scene.gateway.ops_address().ip().is_loopback());
    let endpoint = scene.endpoint();
    for path in [
        "/metrics",
        "/debug/pprof",
        "/debug/pprof/heap",
        "/debug/vars",
        "/configz",
        "/config",
        "/flagz",
        "/statusz",
        "/streams",
        "/admin",
        "/readyz/clusters/c-a",
        "/metrics/",
        "/..%2fmetrics",
        "/k8s/clusters/c-a/metrics",
        "/k8s/clusters/local/metrics",
    ] {
        for token in ["", &*scene.token] {
            if token.is_empty() || !path.starts_with("/k8s") {
                let answer = endpoint.get(path, token).await;
                let code = answer.status().as_u16();
                assert!([400, 401, 404].contains(&code), "{path}: {code}");
                assert_status(&answer, code);
            }
        }
    }
    for path in ["/healthz", "/readyz", "/livez", "/readyz?verbose", "/livez?verbose=1", "/healthz?verbose"] {
        let answer = endpoint.get(path, "").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(&answer.body()[..], b"ok", "{path}");
    }
    // The operators' listener knows no cluster, and its socket only its owner.
    let (code, _) = scene.gateway.ops_get("/k8s/clusters/c-a/api/v1/pods").await.unwrap();
    assert_eq!(code, 404);
    let data = scene.gateway.folder().data();
    for (path, mode) in [("admin.sock", 0o600), ("tls/ca.key", 0o600)] {
        let found = std::fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    assert!(!scene.gateway.metrics().await.contains(ACCOUNT));
}

/// H22: a cluster's URL is no way to what only this machine can reach; not by name, not by a redirected name either.
#[tokio::test]
async fn clusters_at_loopback_metadata_or_the_gateways_own_ports_are_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ca = Ca::new("any");
    let kubeconfig = |server: &str| kit::client::kubeconfig_with_token(server, &ca.pem(), "secret-of-the-account");
    let scene = Scene::with(|folder| {
        // The scene's own cluster is at 127.0.0.1; what is tried here is listed by nobody.
        folder.set("upstream.allowedAddresses", json!(["127.0.0.1/32"]));
        // Longer than anybody waits here: a try fails in time only where it is refused.
        folder.set("timeouts.connectUpstream", "1m");
        for (id, server) in [
            ("c-lo", format!("https://127.0.0.2:{port}")),
            ("c-lo-six", format!("https://[::1]:{port}")),
            ("c-mapped", format!("https://[::ffff:127.0.0.3]:{port}")),
            ("c-any", format!("https://0.0.0.0:{port}")),
            ("c-meta", "https://169.254.169.254:80".into()),
            ("c-meta-six", "https://[fd00:ec2::254]:80".into()),
        ] {
            folder.add_cluster(id, &kubeconfig(&server)).add_binding(id, "u-ann", "view");
        }
    })
    .await;
    // The gateway's own ports are known once it listens.
    for (id, address) in [("c-self", scene.gateway.address()), ("c-ops", scene.gateway.ops_address())] {
        let folder = scene.gateway.folder();
        folder.add_cluster(id, &kubeconfig(&format!("https://{address}"))).add_binding(id, "u-ann", "view");
        scene.gateway.wait_for_status(id, "/version", &scene.token, 503).await;
    }
    for id in ["c-lo", "c-lo-six", "c-mapped", "c-any", "c-meta", "c-meta-six", "c-self", "c-ops"] {
        let label = format!("cluster=\"{id}\"");
        let count = async |name: &str| scene.gateway.metric(name, &[&label]).await;
        kit::wait::until(&format!("{id} to be tried"), || async {
            (count("drover_upstream_connect_failures_total").await > 0.5).then_some(())
        })
        .await;
        assert!(count("drover_upstream_connects_total").await < 0.5, "{id}");
        assert_status(&scene.gateway.get(id, "/latest/meta-data", &scene.token).await, 503);
    }
    let knocked = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await;
    assert!(knocked.is_err(), "something connected");
    scene.assert_serves().await;
}

/// R14: what a kubeconfig in a Secret may not say keeps the last good state, and names the field.
#[tokio::test]
async fn a_kubeconfig_with_plugins_files_or_proxies_is_not_taken_over_by_a_running_gateway() {
    let scene = Scene::new().await;
    let marker = scene.gateway.folder().path().join("was-run");
    let users = [
        (
            "exec",
            json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [marker], "interactiveMode": "Never",
            }}),
        ),
        ("auth-provider", json!({"auth-provider": {"name": "gcp"}})),
        ("tokenFile", json!({"tokenFile": "/etc/passwd"})),
        ("client-certificate", json!({"client-certificate": "/etc/passwd", "client-key": "/etc/passwd"})),
        ("username", json!({"username": "a", "password": "b"})),
    ];
    for (field, user) in users {
        scene.gateway.folder().add_cluster("c-a", &scene.fake.kubeconfig_of(&user));
        kit::wait::until(field, || async { scene.gateway.log().contains(field).then_some(()) }).await;
        scene.assert_serves().await;
    }
    for (field, value) in [("proxy-url", "http://127.0.0.1:1"), ("certificate-authority", "/etc/passwd")] {
        let cluster = json!({"server": scene.fake.url(), (field): value});
        let kubeconfig = kit::client::kubeconfig(&cluster, &json!({"token": "stolen"}));
        scene.gateway.folder().add_cluster("c-a", &kubeconfig);
        kit::wait::until(field, || async { scene.gateway.log().contains(field).then_some(()) }).await;
        scene.assert_serves().await;
    }
    for request in scene.passed("/api/v1/namespaces/well") {
        assert_eq!(request.header_all("authorization"), [format!("Bearer {ACCOUNT}")]);
        assert_eq!(request.impersonated_groups(), [GROUP]);
    }
    assert!(!marker.exists());
}

/// H21: TLS alone answers on the public port; what is not TLS hears nothing of what is behind.
#[tokio::test]
async fn plain_http_on_the_public_port_is_not_answered() {
    let scene = Scene::new().await;
    let mut stream = TcpStream::connect(scene.gateway.address()).await.unwrap();
    stream.write_all(b"GET /k8s/clusters/c-a/version HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/"));
    let endpoint = Endpoint::new(scene.gateway.address(), scene.gateway.ca_pem());
    let answer = endpoint.send(endpoint.request("GET", "/readyz", "", empty())).await;
    assert_eq!((answer.status().as_u16(), Gateway::path("c-a", "")), (200, "/k8s/clusters/c-a".into()));
}
