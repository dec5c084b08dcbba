//! T1: what a token or a password is, nobody reads anywhere.

use std::path::Path;

use serde_json::json;

use crate::scene::{PASSWORD, SESSION, Scene, sign_in};

/// Every file below a folder that holds one of `secrets`.
fn holding(folder: &Path, secrets: &[&str], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, secrets, found);
            continue;
        }
        // A socket, or a file that went meanwhile.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for secret in secrets {
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                found.push(format!("{} holds {secret}", path.display()));
            }
        }
    }
}

#[tokio::test]
async fn tokens_and_passwords_are_in_no_file_no_log_no_error_and_no_metric() {
    let scene = Scene::with(|folder| {
        folder.set("audit.log", json!({"path": "audit.log"}));
        folder.set("telemetry.log", json!({"level": "debug"}));
    })
    .await;
    let api = scene.person("ann").await;
    let browser = scene.signed_in("ann").await;
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let (_, made) = scene.call("POST", "/v3/tokens", &session, Some(&json!({"description": "of a test"}))).await;
    let made = made["token"].as_str().unwrap().to_owned();
    let fields = [("client_id", "drover-cli"), ("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
    let tokens = scene.browser().post("/oauth2/token", &fields).await;
    let tokens: serde_json::Value = serde_json::from_str(&tokens.text).unwrap();
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    for token in [&api, &session, &made, access] {
        assert_eq!(scene.code(token).await, 200);
    }
    // What is refused, and what is put where it does not belong.
    let mut stranger = scene.browser();
    let typo = "correct horse batterie";
    let mut texts = vec![sign_in(&mut stranger, "ann", typo).await.text];
    texts.push(sign_in(&mut stranger, PASSWORD, &session).await.text.replace(&format!("value=\"{PASSWORD}\""), ""));
    for body in [json!({"username": "ann", "password": [typo]}), json!({"username": {"a": session}}), json!([made])] {
        texts.push(
            scene.call("POST", "/v3-public/localProviders/local?action=login", "", Some(&body)).await.1.to_string(),
        );
    }
    texts.push(scene.call("POST", "/v3/tokens", &made, Some(&json!({"ttl": api}))).await.1.to_string());
    texts.push(stranger.post("/oauth2/token", &[("client_id", access), ("grant_type", "refresh_token")]).await.text);
    let revoked = [("token", refresh)];
    texts.push(stranger.post("/oauth2/revoke", &revoked).await.text);
    texts.push(scene.gateway.endpoint().get(crate::scene::PODS, access).await.body().escape_ascii().to_string());
    texts.push(scene.gateway.metrics().await);
    texts.push(scene.gateway.log());
    texts.push(scene.get(&["tokens.management.cattle.io"]).await.to_string());
    texts.push(scene.call("GET", "/v3/tokens", &session, None).await.1.to_string());
    let objects = scene.get(&["secrets", "-n", drover::management::passwords::NAMESPACE]).await.to_string();
    texts.push(objects);

    let secrets = [&*api, &*session, &*made, access, refresh, PASSWORD, typo];
    for text in &texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let mut found = Vec::new();
    holding(scene.gateway.folder().path(), &secrets, &mut found);
    assert!(found.is_empty(), "{found:#?}");
    let sizes = ["audit.log"].map(|name| std::fs::metadata(scene.gateway.folder().path().join(name)).unwrap().len());
    assert!(sizes.iter().all(|size| *size > 0));
}
