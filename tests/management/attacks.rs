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
    assert_eq!(code, 422, "{refused}");
    assert!(!refused.to_string().contains("in-plain-text"), "{refused}");
    plain["token"] = json!(format!("sha256:{}", "0".repeat(64)));
    let (code, made) = scene.call("POST", tokens, &scene.admin, Some(&plain)).await;
    assert_eq!(code, 201, "{made}");
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
