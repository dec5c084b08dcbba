//! T3: what ends a credential ends it at the next request, and the streams that it opened.

use serde_json::{Value, json};

use crate::scene::{PASSWORD, PODS, Scene, object, sign_in};

pub async fn a_disabled_user_loses_session_and_streams(scene: Scene) {
    let token = scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let (watch, other) = (scene.watch(&browser).await, scene.watch_with(&token).await);
    scene.patch("users.management.cattle.io", "u-ann", &json!({"enabled": false})).await;
    watch.ends().await;
    other.ends().await;
    assert_eq!(browser.get(PODS).await.status, 401);
    assert_eq!(browser.get("/account").await.location(), Some("/login?next=%2Faccount"));
    assert_eq!(scene.code(&token).await, 401);
    // What it says is what it says to whoever has another password.
    let mut browser = scene.browser();
    let right = sign_in(&mut browser, "ann", PASSWORD).await;
    let wrong = sign_in(&mut browser, "ann", "another password").await;
    assert_eq!((right.status, right.alert()), (wrong.status, wrong.alert()));
    assert_eq!(right.status, 401);
}

/// A token of ann's with these fields, from the folder: nobody else but the operator may make such.
async fn token(scene: &Scene, name: &str, fields: Value) -> String {
    let text = scene.gateway.folder().add_token_with("u-ann", name, &fields);
    scene.gateway.wait_for_cluster("c-a", &text).await;
    text
}

/// Opens a watch with a token, does something, and sees it end and the token refused.
async fn ends(scene: &Scene, token: &str, what: impl AsyncFnOnce(&Scene)) {
    let watch = scene.watch_with(token).await;
    what(scene).await;
    watch.ends().await;
    assert_eq!(scene.code(token).await, 401);
    assert_eq!(scene.call("GET", "/v1/self", token, None).await.0, 401);
}

#[tokio::test]
async fn a_token_that_is_deleted_disabled_over_or_unused_too_long_is_refused_and_its_watch_ends() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.gateway.folder().add_user("u-ann");
    let deleted = token(&scene, "token-deleted", json!({})).await;
    ends(&scene, &deleted, async |scene| scene.delete("tokens.management.cattle.io", "token-deleted").await).await;
    let disabled = token(&scene, "token-disabled", json!({})).await;
    let off = json!({"enabled": false});
    ends(&scene, &disabled, async |scene| scene.patch("tokens.management.cattle.io", "token-disabled", &off).await)
        .await;
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6)).to_string();
    let over = token(&scene, "token-over", json!({"expiresAt": soon})).await;
    ends(&scene, &over, async |_| {}).await;
    let idle = token(&scene, "token-idle", json!({"idleTtl": 4_000})).await;
    // An open watch is no use of it: only a request is.
    ends(&scene, &idle, async |_| {}).await;
}

#[tokio::test]
async fn what_came_from_a_provider_ends_when_that_is_disabled_or_goes() {
    let config = |enabled: bool| {
        object(
            "AuthConfig",
            "corp",
            json!({"type": "githubConfig", "enabled": enabled, "clientId": "a",
            "clientSecret": "drover-system:corp"}),
        )
    };
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.gateway.folder().add_user("u-ann").write_objects("corp", &[config(true)]);
    let first = token(&scene, "token-corp", json!({"authProvider": "corp"})).await;
    let folder = scene.gateway.folder();
    ends(&scene, &first, async |_| {
        folder.write_objects("corp", &[config(false)]);
    })
    .await;
    folder.write_objects("corp", &[config(true)]);
    scene.gateway.wait_for_cluster("c-a", &first).await;
    ends(&scene, &first, async |scene| scene.delete("authconfigs.management.cattle.io", "corp").await).await;
}

#[tokio::test]
async fn a_deleted_user_takes_its_sessions_along_and_a_new_one_of_its_name_does_not_revive_them() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let browser = scene.signed_in("ann").await;
    let session = browser.cookie(crate::scene::SESSION).unwrap().to_owned();
    ends(&scene, &session, async |scene| scene.delete("users.management.cattle.io", "u-ann").await).await;
    kit::wait::until("the user to be gone", || async {
        let output = scene.admin.run(&["get", "users.management.cattle.io", "u-ann"]).await;
        (output.code != Some(0)).then_some(())
    })
    .await;
    scene.person("ann").await;
    assert_eq!(scene.code(&session).await, 401);
}

/// Somebody who takes an identity away from a User takes all that came by it.
#[tokio::test]
async fn what_came_from_an_identity_ends_when_it_is_taken_from_the_user() {
    // There the administrator may write what providers say of a user.
    let scene = Scene::on_kubernetes().await;
    let api = scene.person("ann").await;
    let principals = |ids: Value| json!({"principalIds": ids});
    let users = "users.management.cattle.io";
    scene.patch(users, "u-ann", &principals(json!(["corp_user://ann", "other_user://ann"]))).await;
    let groups = |provider: &str| json!({"items": [{"metadata": {"name": format!("{provider}_group://ops")}}]});
    let told = json!({"userName": "u-ann", "groupPrincipals": {"corp": groups("corp"), "other": groups("other")}});
    let config = object(
        "AuthConfig",
        "corp",
        json!({"type": "githubConfig", "enabled": true, "clientId": "a",
        "clientSecret": "drover-system:corp"}),
    );
    scene.apply(&[object("UserAttribute", "u-ann", told), config]).await;
    let of = json!({"authProvider": "corp", "userPrincipal": "corp_user://ann"});
    scene.gateway.folder().add_user("u-ann");
    let session = token(&scene, "token-corp", of).await;
    let (_, made) = scene.call("POST", "/v3/tokens", &session, Some(&json!({"ttl": 60_000}))).await;
    let made = made["token"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let groups = async || scene.call("GET", "/v1/self", &api, None).await.1["groups"].clone();
    assert_eq!(groups().await, json!(["corp_group://ops", "other_group://ops"]));
    assert_eq!(scene.code(&made).await, 200);

    ends(&scene, &session, async |scene| {
        scene.patch(users, "u-ann", &principals(json!(["other_user://ann"]))).await;
    })
    .await;
    assert_eq!(scene.code(&made).await, 401, "what was made with it too");
    assert_eq!(scene.code(&api).await, 200, "and nothing else");
    assert_eq!(groups().await, json!(["other_group://ops"]), "what the provider said of the person is said of nobody");
}

/// What a provider says of groups reaches the streams that are open.
#[tokio::test]
async fn a_stream_ends_with_the_group_that_let_it_in() {
    // There the administrator may write what providers say of a user.
    let scene = Scene::on_kubernetes().await;
    let mut bound = object(
        "ClusterRoleTemplateBinding",
        "ops",
        json!({
        "clusterName": "c-a", "roleTemplateName": "view", "groupPrincipalName": "corp_group://ops"}),
    );
    bound["metadata"]["namespace"] = json!("c-a");
    let told = |groups: &[&str]| {
        let items: Vec<Value> = groups.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        object("UserAttribute", "u-eve", json!({"userName": "u-eve", "groupPrincipals": {"corp": {"items": items}}}))
    };
    scene
        .apply(&[
            object("User", "u-eve", json!({"username": "eve", "principalIds": ["corp_user://eve"]})),
            bound,
            told(&["corp_group://dev", "corp_group://ops"]),
        ])
        .await;
    let token = crate::scene::new_token(&scene.gateway, "u-eve");
    scene.gateway.wait_for_cluster("c-a", &token).await;
    let watch = scene.watch_with(&token).await;
    scene.apply(&[told(&["corp_group://dev"])]).await;
    watch.ends().await;
    assert_eq!(scene.code(&token).await, 403);
}
