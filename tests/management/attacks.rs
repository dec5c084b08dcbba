//! Attack cases against the embedded plane.

use kit::{client::empty, gateway::Gateway};
use serde_json::{Value, json};

use crate::scene::{Scene, binding, new_token, user};

const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// H1, H2: nobody is whom a header says.
#[tokio::test]
async fn identity_headers_sent_to_local_say_nothing() {
    let scene = Scene::start().await;
    let bob = scene.user("u-bob", "view").await;
    let endpoint = scene.endpoint();
    for (name, value) in [
        ("x-remote-user", "admin"),
        ("x-remote-group", "system:masters"),
        ("x-remote-extra-scopes", "all"),
        ("x-remote-uid", "0"),
        ("x-forwarded-user", "admin"),
        ("x-drover-user", "admin"),
        ("x-api-user", "admin"),
        ("connection", "impersonate-user, authorization"),
    ] {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let mut request = endpoint.request("POST", &Gateway::path("local", WHO), &bob, kit::client::json_body(&body));
        request.headers_mut().insert(name, value.parse().unwrap());
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        let answer = endpoint.send(request).await;
        assert_eq!(answer.status(), 201, "{name}: {answer:?}");
        let who: Value = serde_json::from_slice(answer.body()).unwrap();
        let info = &who["status"]["userInfo"];
        assert_eq!(info["username"], "u-bob", "{name}");
        assert_eq!(info["groups"], json!(["drover:local:cluster:view", "system:authenticated"]), "{name}");
        assert!(info["extra"].get("scopes").is_none(), "{name}");
    }
    // What asks for another identity is judged, and refused.
    for (name, value) in [
        ("impersonate-user", "admin"),
        ("impersonate-group", "system:masters"),
        ("impersonate-uid", "0"),
        ("impersonate-extra-scopes", "all"),
    ] {
        let mut request = endpoint.request("GET", &Gateway::path("local", "/api/v1/secrets"), &bob, empty());
        request.headers_mut().insert(name, value.parse().unwrap());
        let code = endpoint.send(request).await.status().as_u16();
        assert!(code == 400 || code == 403, "{name}: {code}");
    }
    // Without a credential there is nobody.
    let none = endpoint.send(endpoint.request("GET", &Gateway::path("local", "/api/v1/secrets"), "", empty())).await;
    assert_eq!(none.status(), 401);
}

/// R10, H12: a path is read once, in one way, and what is authorized is what is done.
#[tokio::test]
async fn no_encoding_of_a_path_leads_past_the_rules_of_the_embedded_api() {
    let scene = Scene::start().await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "kube-system"},
        "stringData": {"k": "hidden-value"}});
    scene.apply(&[secret]).await;
    let bob = scene.user("u-bob", "view").await;
    let endpoint = scene.endpoint();
    for path in [
        "/api/v1/namespaces/kube-system/secrets/s",
        "/api/v1/namespaces/kube-system/secrets/s/",
        "/api/v1/namespaces/default/../kube-system/secrets/s",
        "/api/v1/namespaces/default/%2e%2e/kube-system/secrets/s",
        "/api/v1/namespaces/default/configmaps/..%2f..%2fkube-system%2fsecrets%2fs",
        "/api/v1/namespaces/kube-system%2fsecrets/s",
        "/api/v1/namespaces/kube-system/%73ecrets/s",
        "/api/v1/namespaces/kube-system/secrets/%73",
        "/api/v1/namespaces/kube-system/Secrets/s",
        "/api/v1/namespaces/kube-system//secrets/s",
        "/api/v1//namespaces/kube-system/secrets/s",
        "/api/v1/namespaces/kube-system/secrets/s;x=1",
        "/api/v1/namespaces/kube-system/secrets/s%00",
        "/api/v1/namespaces/kube-system/secrets%3Bx/s",
        "/api/v1/namespaces/kube-system/./secrets/s",
        "/api/v1/namespaces/kube-system/secrets/s%252e",
        "/api/v1/namespaces/kube-system/secrets?fieldSelector=metadata.name%3Ds",
        "/api/v1/watch/namespaces/kube-system/secrets/s",
        "/api/v1/secrets?watch=0&watch=1",
        "/apis//v1/namespaces/kube-system/secrets/s",
        "/apis/v1/namespaces/kube-system/secrets/s",
        "/api/v1/proxy/namespaces/kube-system/secrets/s",
        "/api/v1/namespaces/kube-system/secrets/s/status",
    ] {
        let path = Gateway::path("local", path);
        let first = endpoint.send(endpoint.request("GET", &path, &bob, empty())).await;
        let second = endpoint.request2("GET", &path, &bob, empty());
        let second = kit::client::read(endpoint.http2().await.send_request(second).await.unwrap()).await;
        for answer in [first, second] {
            let code = answer.status().as_u16();
            assert!([400, 403, 404].contains(&code), "{path}: {code}");
            let text = String::from_utf8_lossy(answer.body());
            // In base64, as the object has it.
            assert!(!text.contains("aGlkZGVuLXZhbHVl") && !text.contains("hidden-value"), "{path}: {text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["kind"], "Status", "{path}: {text}");
        }
    }
}

/// Who may write bindings of `local` is not by that an administrator of it.
#[tokio::test]
async fn nobody_binds_a_role_in_local_that_they_may_not_bind() {
    let scene = Scene::start().await;
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": "binder", "namespace": "local"},
        "rules": [{"apiGroups": ["management.cattle.io"], "resources": ["clusterroletemplatebindings"], "verbs": ["*"]}]});
    let bound = json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": "binder", "namespace": "local"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "binder"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": "u-bob"}]});
    scene.apply(&[role, bound]).await;
    let bob = scene.user("u-bob", "view").await;
    let path = "/apis/management.cattle.io/v3/namespaces/local/clusterroletemplatebindings";
    let (code, refused) = scene.call("POST", path, &bob, Some(&binding("u-bob", "cluster-admin"))).await;
    assert_eq!(code, 403, "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("user \"u-bob\" may not bind ClusterRole \"cluster-admin\""), "{message}");
    // Nor by a change of the one that there is.
    let changed = binding("u-bob", "cluster-admin");
    let mut changed = changed.clone();
    changed["metadata"]["name"] = json!("u-bob-view");
    let (_, there) = scene.call("GET", &format!("{path}/u-bob-view"), &bob, None).await;
    changed["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
    let (code, _) = scene.call("PUT", &format!("{path}/u-bob-view"), &bob, Some(&changed)).await;
    assert_eq!(code, 403);

    let allowed = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": "may-bind-view"},
        "rules": [{"apiGroups": [rbac], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]}]});
    let bound = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "may-bind-view"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "may-bind-view"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": "u-bob"}]});
    scene.apply(&[user("u-carl"), allowed, bound]).await;
    let (code, made) = scene.call("POST", path, &bob, Some(&binding("u-carl", "view"))).await;
    assert_eq!(code, 201, "{made}");
}

#[tokio::test]
async fn the_management_planes_own_cluster_stays() {
    let scene = Scene::start().await;
    let kubectl = scene.kubectl();
    let refused = kubectl.run(&["delete", "clusters.management.cattle.io", "local"]).await.err();
    assert!(refused.contains("it is the management plane itself"), "{refused}");
    let refused = kubectl.run(&["delete", "clusters.management.cattle.io", "--all"]).await.err();
    assert!(refused.contains("it is the management plane itself"), "{refused}");
    let elsewhere = r#"{"spec":{"internal":false,"upstream":{"kubeconfig":{"file":"/etc/shadow"}}}}"#;
    let patch = ["patch", "clusters.management.cattle.io", "local", "--type=merge", "-p", elsewhere];
    let refused = kubectl.run(&patch).await.err();
    assert!(refused.contains("`local` is the management plane itself"), "{refused}");
    // Another cluster is not made the plane either.
    let internal = json!({"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "c-x"},
        "spec": {"internal": true}});
    let refused = kubectl.run_with_input(&["create", "-f", "-"], internal.to_string()).await.err();
    assert!(refused.contains("spec.internal"), "{refused}");
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
}

#[tokio::test]
async fn the_validators_judge_by_the_world_as_the_webhook_does() {
    let scene = Scene::start().await;
    scene.apply(&[user("u-ann")]).await;
    scene.user("u-bob", "view").await;
    let mut twin = user("u-twin");
    twin["username"] = json!("u-ann");
    let path = "/apis/management.cattle.io/v3/users";
    let (code, refused) = scene.call("POST", path, &scene.admin, Some(&twin)).await;
    assert_eq!(code, 422, "{refused}");
    assert_eq!(refused["reason"], "Invalid");
    assert!(refused["message"].as_str().unwrap().contains("is that of User `u-ann` already"), "{refused}");
    assert_eq!(refused["details"]["causes"][0]["field"], "username", "{refused}");
    let mut plain = json!({"apiVersion": "management.cattle.io/v3", "kind": "Token", "metadata": {"name": "t"},
        "userId": "u-ann", "token": "drover_in-plain-text"});
    let tokens = "/apis/management.cattle.io/v3/tokens";
    let (code, refused) = scene.call("POST", tokens, &scene.admin, Some(&plain)).await;
    assert_eq!(code, 403, "{refused}");
    assert!(!refused.to_string().contains("in-plain-text"), "{refused}");
    // T11: no hash of one's own, not even an administrator's.
    plain["token"] = json!(format!("sha256:{}", "0".repeat(64)));
    let (code, refused) = scene.call("POST", tokens, &scene.admin, Some(&plain)).await;
    assert_eq!(code, 403, "{refused}");
}

#[tokio::test]
async fn the_servers_token_review_knows_drovers_tokens() {
    let scene = Scene::start().await;
    let bob = scene.user("u-bob", "view").await;
    let review = async |token: &str, audiences: &[&str]| {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences}});
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let (code, answer) = scene.call("POST", path, &scene.admin, Some(&body)).await;
        assert_eq!(code, 201, "{answer}");
        answer["status"].clone()
    };
    let status = review(&bob, &[]).await;
    assert_eq!(status["authenticated"], true);
    assert_eq!(status["user"]["username"], "u-bob");
    assert_eq!(review("drover_other", &[]).await["authenticated"], Value::Null);
    assert_eq!(review(&bob, &["elsewhere"]).await["authenticated"], Value::Null);
    scene.apply(&[user("u-out")]).await;
    let out = new_token(&scene.gateway, "u-out");
    // Whom the gateway does not let in the review does not know either.
    assert_eq!(review(&out, &[]).await["authenticated"], Value::Null);
}

/// R10: no other form of a question gets round the rules.
#[tokio::test]
async fn no_encoding_of_an_answer_and_no_verb_shows_what_the_caller_may_not_see() {
    let scene = Scene::start().await;
    let rbac = "rbac.authorization.k8s.io";
    let mut objects = vec![
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": "nothing"}, "rules": []}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": "maps", "namespace": "default"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": "maps", "namespace": "default"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "maps"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "u-bob"}]}),
    ];
    for number in 0..3 {
        objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("hidden-{number}"), "namespace": "kube-system"}, "data": {"k": "hidden-value"}}));
        objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("seen-{number}"), "namespace": "default"}}));
    }
    scene.apply(&objects).await;
    let bob = scene.user("u-bob", "nothing").await;
    let endpoint = scene.endpoint();
    let ask = async |method: &str, path: &str, accept: &str| {
        let mut request = endpoint.request(method, &Gateway::path("local", path), &bob, empty());
        request.headers_mut().insert("accept", accept.parse().unwrap());
        request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        endpoint.send(request).await
    };
    let maps = "/api/v1/namespaces/kube-system/configmaps";
    for accept in [
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
        "*/*",
    ] {
        for (method, path) in [
            ("GET", maps.to_owned()),
            ("GET", format!("{maps}/hidden-0")),
            ("GET", format!("{maps}?resourceVersion=0")),
            ("GET", format!("{maps}?watch=true")),
            (
                "GET",
                format!(
                    "{maps}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
                ),
            ),
            ("GET", format!("{maps}?fieldSelector=metadata.namespace%3Ddefault")),
            ("GET", format!("{maps}?fieldSelector=metadata.name%3Dhidden-0")),
            ("GET", "/api/v1/configmaps".to_owned()),
            ("GET", "/api/v1/configmaps?limit=1".to_owned()),
            ("GET", "/api/v1/watch/configmaps".to_owned()),
            ("GET", "/api/v1/watch/namespaces/kube-system/configmaps/hidden-0".to_owned()),
            ("DELETE", maps.to_owned()),
            ("DELETE", format!("{maps}/hidden-0?dryRun=All")),
            ("GET", "/api/v1/namespaces/default/configmaps/seen-0/status".to_owned()),
            ("GET", "/api/v1/namespaces/default/configmaps/seen-0/scale".to_owned()),
            ("GET", "/api/v1/namespaces/default/secrets".to_owned()),
            ("GET", "/apis/management.cattle.io/v3/tokens".to_owned()),
            ("GET", "/apis/management.cattle.io/v3/nothings".to_owned()),
        ] {
            let answer = ask(method, &path, accept).await;
            let code = answer.status().as_u16();
            assert!(code == 403 || code == 400, "{method} {path} as {accept}: {code}");
            assert!(!String::from_utf8_lossy(answer.body()).contains("hidden-value"), "{path}");
        }
        // A selector that stands there twice is refused, or narrows: it never widens.
        let seen = ask("GET", "/api/v1/namespaces/default/configmaps", accept).await;
        assert_eq!(seen.status(), 200, "{accept}");
    }
    // What is hidden and what is missing answer alike (R11).
    let hidden = ask("GET", &format!("{maps}/hidden-0"), "application/json").await;
    let missing = ask("GET", &format!("{maps}/hidden-9"), "application/json").await;
    let text = |body: &[u8]| String::from_utf8_lossy(body).replace("hidden-9", "hidden-0");
    assert_eq!((hidden.status(), text(hidden.body())), (missing.status(), text(missing.body())));

    // Somebody else's continue token leads nowhere else.
    let (_, page) = scene.call("GET", &format!("{maps}?limit=1"), &scene.admin, None).await;
    let token = page["metadata"]["continue"].as_str().unwrap();
    let mine = "/api/v1/namespaces/default/configmaps";
    let (code, answer) = scene.call("GET", &format!("{mine}?limit=10&continue={token}"), &bob, None).await;
    assert!(!answer.to_string().contains("hidden"), "{code} {answer}");
    let (code, _) = scene.call("GET", &format!("{maps}?limit=10&continue={token}"), &bob, None).await;
    assert_eq!(code, 403);
}

/// R14: what comes through the API names no program, no file and no proxy of this machine.
#[tokio::test]
async fn a_kubeconfig_of_the_plane_runs_nothing_and_reads_no_file() {
    let scene = Scene::start().await;
    let folder = scene.gateway.folder().path().to_owned();
    let proof = folder.join("ran");
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "touch", "args": [proof]}});
    let by_file = json!({"tokenFile": "/etc/hostname"});
    for (name, user) in [("c-exec", user), ("c-file", by_file)] {
        let kubeconfig = kit::client::kubeconfig(&json!({"server": "https://192.0.2.1"}), &user);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "drover-system"},
            "stringData": {"kubeconfig": kubeconfig}});
        let cluster = json!({"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": name},
            "spec": {"upstream": {"kubeconfig": {"secretRef": {"namespace": "drover-system", "name": name}}}}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let mut bound = binding("admin", "view");
        bound["metadata"] = json!({"name": "admin", "namespace": name});
        bound["clusterName"] = json!(name);
        scene.apply(&[namespace, secret, cluster, bound]).await;
        kit::wait::until("the refusal in the log", || async {
            let lines = scene.gateway.log_lines();
            let told =
                |line: &Value| line.to_string().contains("no kubeconfig to use") && line.to_string().contains(name);
            lines.iter().any(told).then_some(())
        })
        .await;
        assert_eq!(scene.gateway.get(name, "/api/v1/pods", &scene.admin).await.status(), 403);
    }
    assert!(!proof.exists());
}
