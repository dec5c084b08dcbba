//! Tokens that people make, and those that others would make for them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::scene::{SESSION, Scene, new_token, object};

const TOKENS: &str = "/v3/tokens";
const HOUR: u64 = 3_600_000;

async fn session(scene: &Scene, name: &str) -> String {
    scene.signed_in(name).await.cookie(SESSION).unwrap().to_owned()
}

async fn make(scene: &Scene, with: &str, wanted: Value) -> (u16, Value) {
    scene.call("POST", TOKENS, with, Some(&wanted)).await
}

fn text(token: &Value) -> &str {
    token["token"].as_str().unwrap_or_else(|| panic!("{token}"))
}

/// T11.
#[tokio::test]
async fn a_token_makes_none_that_outlives_it_unless_it_is_a_persons_session() {
    let scene = Scene::start().await;
    // For an hour.
    let api = scene.person("ann").await;
    let session = session(&scene, "ann").await;
    assert_eq!(make(&scene, &session, json!({"ttl": 48 * HOUR})).await.0, 201);
    let (_, kubeconfig) = make(&scene, &session, json!({"ttl": HOUR, "kind": "kubeconfig"})).await;
    for with in [&*api, text(&kubeconfig)] {
        for kind in ["api", "kubeconfig"] {
            let (code, answer) = make(&scene, with, json!({"ttl": 2 * HOUR, "kind": kind})).await;
            assert_eq!(code, 403, "{answer}");
            let (code, answer) = make(&scene, with, json!({"ttl": HOUR / 2, "kind": kind})).await;
            assert_eq!(code, 201, "{answer}");
        }
        let (_, token) = make(&scene, with, json!({})).await;
        let end: jiff::Timestamp = token["expiresAt"].as_str().unwrap().parse().unwrap();
        assert!(end <= jiff::Timestamp::now() + jiff::SignedDuration::from_mins(61), "{token}");
    }
    // Nor longer than is allowed at all.
    assert_eq!(make(&scene, &session, json!({"ttl": u64::MAX})).await.0, 400);
    assert_eq!(make(&scene, &session, json!({"kind": "session"})).await.0, 400);
}

/// T4.
#[tokio::test]
async fn a_token_of_one_cluster_works_there_and_makes_no_wider_one() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let session = session(&scene, "ann").await;
    let (code, narrow) = make(&scene, &session, json!({"clusterId": "c-a"})).await;
    assert_eq!(code, 201, "{narrow}");
    let narrow = text(&narrow);
    assert_eq!(scene.code(narrow).await, 200);
    for cluster in ["local", "c-b"] {
        let status = scene.gateway.get(cluster, "/api/v1/pods", narrow).await.status().as_u16();
        assert!([401, 403].contains(&status), "{cluster} {status}");
    }
    assert_eq!(make(&scene, narrow, json!({})).await.0, 403);
    assert_eq!(make(&scene, narrow, json!({"clusterId": "local"})).await.0, 403);
    assert_eq!(make(&scene, narrow, json!({"clusterId": "c-a"})).await.0, 201);
    assert_eq!(make(&scene, &session, json!({"clusterId": "c-b"})).await.0, 403, "she is nobody there");
    // What is not of its cluster is not its business.
    assert_eq!(scene.call("POST", "/v3/tokens?action=logoutAll", narrow, None).await.0, 403);
    assert_eq!(scene.call("POST", "/v3/principals?action=search", narrow, Some(&json!({"name": "a"}))).await.0, 403);
    let (_, other) = make(&scene, &session, json!({})).await;
    let path = format!("{TOKENS}/{}", other["name"].as_str().unwrap());
    assert_eq!(scene.call("DELETE", &path, narrow, None).await.0, 403);
    assert_eq!(scene.code(&session).await, 200);
}

/// T2.
#[tokio::test]
async fn every_token_is_another_one_and_a_name_that_comes_again_revives_none() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.gateway.folder().add_user("u-ann");
    let session = session(&scene, "ann").await;
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let (_, token) = make(&scene, &session, json!({})).await;
        let secret = text(&token).strip_prefix("drover_").unwrap();
        assert_eq!(secret.len(), 43, "256 bits");
        assert!(seen.insert(secret.to_owned()) && seen.insert(token["name"].as_str().unwrap().to_owned()));
    }
    let folder = scene.gateway.folder();
    let first = folder.add_token_with("u-ann", "token-again", &json!({}));
    scene.gateway.wait_for_cluster("c-a", &first).await;
    folder.remove_manifest("token-again");
    scene.refused(&first, 401).await;
    let second = folder.add_token_with("u-ann", "token-again", &json!({}));
    scene.gateway.wait_for_cluster("c-a", &second).await;
    assert_eq!(scene.code(&first).await, 401);
}

#[tokio::test]
async fn nobody_has_more_tokens_than_are_allowed_and_nobody_is_shut_out_by_them() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let first = session(&scene, "ann").await;
    scene.apply(&[object("Setting", "auth-tokens-per-user", json!({"value": "3"}))]).await;
    // Her API token, the session, and one more.
    let mut made = 0;
    let refused = kit::wait::until("the limit", || async {
        let (code, answer) = make(&scene, &first, json!({})).await;
        if code == 201 { None } else { Some((code, answer)) }
    })
    .await;
    made += 1;
    assert_eq!((refused.0, made), (403, 1));
    assert!(refused.1["message"].as_str().unwrap().contains("auth-tokens-per-user"), "{}", refused.1);
    // A person gets in all the same: the session that was not used for the longest time ends.
    let second = session(&scene, "ann").await;
    assert_eq!(scene.code(&second).await, 200);
    assert_eq!(scene.code(&first).await, 401);
}

/// Whoever is signed in cannot fill the plane: what a session makes is counted too.
#[tokio::test]
async fn a_session_that_is_refreshed_in_a_loop_makes_no_endless_tokens() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.apply(&[object("Setting", "auth-tokens-per-user", json!({"value": "3"}))]).await;
    let fields = [
        ("client_id", "drover-cli"),
        ("grant_type", "password"),
        ("username", "ann"),
        ("password", crate::scene::PASSWORD),
    ];
    let answer = scene.browser().post("/oauth2/token", &fields).await;
    let first: Value = serde_json::from_str(&answer.text).unwrap();
    let refresh = first["refresh_token"].as_str().unwrap_or_else(|| panic!("{first}"));
    let mut codes = Vec::new();
    // Until the limit is known, and reached.
    for _ in 0..20 {
        let fields = [("client_id", "drover-cli"), ("grant_type", "refresh_token"), ("refresh_token", refresh)];
        codes.push(scene.browser().post("/oauth2/token", &fields).await.status.as_u16());
    }
    assert_eq!((codes[0], codes[19]), (200, 503), "{codes:?}");
    assert_eq!(scene.code(first["access_token"].as_str().unwrap()).await, 200);
}

/// Eve, who may write everything of Drover's in the plane that is not hers to decide.
async fn eve(scene: &Scene) -> kit::kubectl::Kubectl {
    scene.person("eve").await;
    let mut bound = object(
        "ClusterRoleTemplateBinding",
        "eve-local",
        json!({
        "clusterName": "local", "roleTemplateName": "view", "userName": "u-eve"}),
    );
    bound["metadata"]["namespace"] = json!("local");
    let name = json!({"name": "eve"});
    let resources = ["tokens", "userattributes", "users", "groups", "groupmembers"];
    let rule = json!({"apiGroups": ["management.cattle.io"], "resources": resources, "verbs": ["*"]});
    let group = "rbac.authorization.k8s.io";
    scene
        .apply(&[
            bound,
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": name, "rules": [rule]}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": name,
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "eve"},
                "subjects": [{"apiGroup": group, "kind": "User", "name": "u-eve"}]}),
        ])
        .await;
    let token = new_token(&scene.gateway, "u-eve");
    scene.gateway.wait_for_cluster("local", &token).await;
    let kubectl = scene.gateway.kubectl("local", &token);
    kit::wait::until("her role", || async {
        let output = kubectl.run(&["auth", "can-i", "create", "tokens.management.cattle.io"]).await;
        (output.code == Some(0)).then_some(())
    })
    .await;
    kubectl
}

/// T10, T11.
#[tokio::test]
async fn whoever_may_write_tokens_users_and_members_gets_no_more_than_it_has() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let kubectl = eve(&scene).await;
    let own = kit::gateway::token_hash("drover_eves");
    let mut members = object("GroupMember", "eve", json!({"groupName": "admins", "principalId": "local://u-eve"}));
    scene.apply(&[object("Group", "admins", json!({"displayName": "Admins"}))]).await;
    let mut bound = object(
        "ClusterRoleTemplateBinding",
        "admins",
        json!({
        "clusterName": "local", "roleTemplateName": "cluster-admin", "groupName": "admins"}),
    );
    bound["metadata"]["namespace"] = json!("local");
    scene.apply(&[bound]).await;
    let attribute = json!({"groupPrincipals": {"corp": {"items": ["corp_group://admins"]}}});
    for new in [
        object("Token", "token-eve", json!({"userId": "u-ann", "token": own})),
        object("Token", "token-eve", json!({"userId": "u-eve", "token": own})),
        object("UserAttribute", "u-eve", attribute.clone()),
        object("UserAttribute", "u-ann", attribute),
        members.take(),
        object("User", "u-new", json!({"principalIds": ["local://admin"]})),
    ] {
        for args in [&["create", "-f", "-"][..], &["apply", "-f", "-"], &["apply", "--server-side", "-f", "-"]] {
            let output = kubectl.run_with_input(args, new.to_string()).await;
            assert_ne!(output.code, Some(0), "{new} {}", output.stdout);
            let refused = ["Forbidden", "forbidden", "invalid", "Invalid"];
            assert!(refused.iter().any(|word| output.stderr.contains(word)), "{new} {}", output.stderr);
        }
    }
    // Ann's token, one of eve's, and the accounts of others.
    let kind = "tokens.management.cattle.io";
    let list = scene.get(&[kind]).await;
    let of = |user: &str| {
        let token = list["items"].as_array().unwrap().iter().find(|token| token["userId"] == user).unwrap();
        token["metadata"]["name"].as_str().unwrap().to_owned()
    };
    let changes = [
        (kind, of("u-ann"), json!({"token": own})),
        (kind, of("u-eve"), json!({"userId": "u-ann"})),
        (kind, of("u-eve"), json!({"userId": "admin"})),
        (kind, of("u-eve"), json!({"token": own})),
        (kind, of("u-eve"), json!({"expiresAt": "2100-01-01T00:00:00Z"})),
        (kind, of("u-eve"), json!({"expiresAt": null})),
        (kind, of("u-eve"), json!({"ttl": 0})),
        (kind, of("u-eve"), json!({"groupPrincipals": ["corp_group://admins"]})),
        (kind, of("u-eve"), json!({"metadata": {"labels": {"authn.management.cattle.io/kind": "session"}}})),
        ("users.management.cattle.io", "admin".to_owned(), json!({"username": "root"})),
        ("users.management.cattle.io", "admin".to_owned(), json!({"principalIds": ["corp_user://eve"]})),
        ("users.management.cattle.io", "admin".to_owned(), json!({"enabled": false})),
        ("users.management.cattle.io", "admin".to_owned(), json!({"mustChangePassword": false})),
        ("users.management.cattle.io", "u-eve".to_owned(), json!({"principalIds": ["local://admin"]})),
        ("groups.management.cattle.io", "admins".to_owned(), json!({"members": [{"principalId": "local://u-eve"}]})),
    ];
    for (kind, name, change) in changes {
        let patch = change.to_string();
        let output = kubectl.run(&["patch", kind, &name, "--type=merge", "-p", &patch]).await;
        assert_ne!(output.code, Some(0), "{kind} {name} {change} {}", output.stdout);
        let refused = ["Forbidden", "forbidden", "invalid", "Invalid", "unknown field"];
        assert!(refused.iter().any(|word| output.stderr.contains(word)), "{change} {}", output.stderr);
    }
    assert_eq!(scene.code("drover_eves").await, 401);
    // What takes away is hers.
    kubectl.run(&["patch", kind, &of("u-eve"), "--type=merge", "-p", r#"{"description": "mine"}"#]).await.ok();
}
