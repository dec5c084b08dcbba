//! A real browser, in which scripts are off: whatever a person does on the pages works without them.

use std::path::{Path, PathBuf};

use kit::{
    chromium::{Chromium, Options},
    fake::Reply,
    oidc::{self, OidcProvider},
    wait,
};
use serde_json::json;

use crate::scene::{PASSWORD, PODS, SESSION, Scene, object};

const BUTTON: &str = "form[action='/login'] button";

/// Fills the form of user name and password in.
async fn sign_in(browser: &Chromium, name: &str, password: &str) {
    browser.type_into("#username", name).await;
    browser.type_into("#password", password).await;
    browser.click(BUTTON).await;
}

#[tokio::test]
async fn a_person_signs_in_looks_at_the_account_ends_a_session_and_signs_out() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut elsewhere = scene.signed_in("ann").await;
    let browser = Chromium::start(Options::default()).await;
    browser.open(&scene.gateway.url()).await;
    assert_eq!(browser.url().await, format!("{}/login?next=%2Faccount", scene.gateway.url()));

    sign_in(&browser, "ann", "another password").await;
    browser.wait_for("[role=alert]").await;
    assert_eq!(browser.text_of("[role=alert]").await, "Sign-in failed. Check the user name and the password.");
    assert!(browser.cookie(SESSION).await.is_none());

    // The name is still there.
    browser.type_into("#password", PASSWORD).await;
    browser.click(BUTTON).await;
    browser.wait_for("table").await;
    assert_eq!(browser.url().await, format!("{}/account", scene.gateway.url()));
    assert!(browser.text().await.contains("u-ann"));
    let cookie = browser.cookie(SESSION).await.unwrap();
    let kept = [&cookie["secure"], &cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]];
    assert_eq!(json!(kept), json!([true, true, "Lax", "/"]));

    // A cluster answers this browser, as long as it is the person itself that asks.
    browser.open(&format!("{}{PODS}", scene.gateway.url())).await;
    assert!(browser.text().await.contains("\"kind\""));
    browser.open(&format!("{}/account", scene.gateway.url())).await;

    let other = "tr:not(:has(strong)) button[aria-label^='End Browser']";
    browser.click(other).await;
    wait::until("the other session to end", || async { (!browser.has(other).await).then_some(()) }).await;
    assert_eq!(elsewhere.get(PODS).await.status, 401);

    browser.click("form[action='/logout'] button").await;
    wait::until("the farewell", || async { browser.text().await.contains("You are signed out").then_some(()) }).await;
    assert!(browser.cookie(SESSION).await.is_none());
    browser.open(&format!("{}/account", scene.gateway.url())).await;
    assert_eq!(browser.url().await, format!("{}/login?next=%2Faccount", scene.gateway.url()));
}

#[tokio::test]
async fn a_person_changes_a_password_that_must_be_changed() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.patch("users.management.cattle.io", "u-ann", &json!({"mustChangePassword": true})).await;
    let browser = Chromium::start(Options::default()).await;
    browser.open(&format!("{}/login", scene.gateway.url())).await;
    sign_in(&browser, "ann", PASSWORD).await;
    browser.wait_for("#new").await;
    browser.type_into("#password", PASSWORD).await;
    browser.type_into("#new", "another fine password").await;
    browser.type_into("#again", "another fine password").await;
    browser.click(BUTTON).await;
    browser.wait_for("form[action='/logout']").await;
}

/// The provider `corp`, whose people come back to the gateway.
async fn provider(scene: &Scene) -> OidcProvider {
    let url = scene.gateway.url();
    let options = oidc::Options {
        redirect_uri: format!("{url}/login/corp/callback"),
        signed_out_uri: Some(format!("{url}/logout")),
        ..oidc::Options::default()
    };
    let provider = OidcProvider::start(options).await;
    scene
        .apply(&[
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "corp", "namespace": "drover-system"},
                "stringData": {"clientsecret": oidc::SECRET}}),
            object("AuthConfig", "corp", json!({
                "type": "genericOIDCConfig", "enabled": true, "displayName": "Example Inc.", "issuer": provider.issuer(),
                "clientId": oidc::CLIENT, "clientSecret": "drover-system:corp", "certificate": provider.ca_pem(),
                "scope": "profile email groups"})),
        ])
        .await;
    let endpoint = scene.gateway.endpoint();
    wait::until("the provider on the page", || async {
        let page = endpoint.get("/login", "").await;
        String::from_utf8_lossy(page.body()).contains("Example Inc.").then_some(())
    })
    .await;
    provider
}

#[tokio::test]
async fn a_person_signs_in_at_a_provider_and_out_of_both() {
    let scene = Scene::start().await;
    // Of the same login name, and nobody else than before because of that (T8).
    scene.person("ann").await;
    let provider = provider(&scene).await;
    let mut bound = object(
        "ClusterRoleTemplateBinding",
        "dev",
        json!({
        "clusterName": "c-a", "roleTemplateName": "view", "groupPrincipalName": "corp_group://dev"}),
    );
    bound["metadata"]["namespace"] = json!("c-a");
    scene.apply(&[bound]).await;
    let browser = Chromium::start(Options::default()).await;
    browser.open(&format!("{}/login", scene.gateway.url())).await;
    browser.click(".ways a").await;
    at_provider(&browser, &provider, "ann").await;
    browser.wait_for("form[action='/logout']").await;
    assert_eq!(browser.url().await, format!("{}/account", scene.gateway.url()));
    let text = browser.text().await;
    assert!(text.contains("corp_user://8f1c") && text.contains("c-a"), "{text}");
    assert!(!text.contains("u-ann"), "{text}");
    browser.open(&format!("{}{PODS}", scene.gateway.url())).await;
    assert!(browser.text().await.contains("\"kind\""));
    let session = browser.cookie(SESSION).await.unwrap()["value"].as_str().unwrap().to_owned();
    let (_, myself) = scene.call("GET", "/v1/self", &session, None).await;
    assert_eq!(myself["groups"], json!(["corp_group://dev", "corp_group://ops"]));

    browser.open(&format!("{}/account", scene.gateway.url())).await;
    browser.click("form[action='/logout'] button").await;
    // The provider asks whether there too.
    wait::until("the provider's question", || async {
        browser.url().await.starts_with(provider.issuer()).then_some(())
    })
    .await;
    assert_eq!(scene.code(&session).await, 401);
    browser.click("button[value=yes]").await;
    wait::until("the farewell", || async { browser.text().await.contains("You are signed out").then_some(()) }).await;
    assert_eq!(scene.gateway.url(), browser.url().await.split("/logout").next().unwrap());
}

/// Goes through the provider's pages as somebody.
async fn at_provider(browser: &Chromium, provider: &OidcProvider, name: &str) {
    browser.wait_for("input[name=login]").await;
    assert!(browser.url().await.starts_with(provider.issuer()));
    browser.type_into("input[name=login]", name).await;
    browser.type_into("input[name=password]", name).await;
    browser.click("button").await;
    wait::until("the question whether it is allowed", || async {
        browser.text().await.contains("wants to know").then_some(())
    })
    .await;
    browser.click("button").await;
}

#[tokio::test]
async fn a_person_adds_a_second_identity_and_nobody_else_can() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("eve").await;
    let provider = provider(&scene).await;
    let add = "form[action='/account/link'] button";
    let browser = Chromium::start(Options::default()).await;
    browser.open(&scene.gateway.url()).await;
    sign_in(&browser, "ann", PASSWORD).await;
    browser.click(add).await;
    at_provider(&browser, &provider, "ann").await;
    wait::until("the identity on the page", || async {
        browser.text().await.contains("corp_user://8f1c").then_some(())
    })
    .await;
    assert!(!browser.has(add).await, "there is no other one to add");
    // From now on she signs in so, and is the same User.
    browser.click("form[action='/logout/everywhere'] button").await;
    wait::until("the farewell", || async { browser.text().await.contains("You are signed out").then_some(()) }).await;
    browser.open(&format!("{}/login", scene.gateway.url())).await;
    browser.click(".ways a").await;
    wait::until("her account", || async { browser.text().await.contains("u-ann").then_some(()) }).await;
    assert_eq!(browser.url().await, format!("{}/account", scene.gateway.url()));

    // In the same browser, whose session at the provider is still ann's.
    browser.click("form[action='/logout/everywhere'] button").await;
    wait::until("the provider's question", || async {
        browser.url().await.starts_with(provider.issuer()).then_some(())
    })
    .await;
    browser.open(&format!("{}/login", scene.gateway.url())).await;
    sign_in(&browser, "eve", PASSWORD).await;
    browser.click(add).await;
    wait::until("the refusal", || async { browser.has("[role=alert]").await.then_some(()) }).await;
    assert_eq!(browser.text_of("[role=alert]").await, "You may not sign in here. Ask your administrator.");
    browser.open(&format!("{}/account", scene.gateway.url())).await;
    let text = browser.text().await;
    assert!(text.contains("u-eve") && !text.contains("corp_user://"), "{text}");
}

#[tokio::test]
async fn a_person_sees_what_asks_and_from_where_before_it_lets_a_device_in() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut device = scene.browser();
    let mut request = device.form("/oauth2/device_authorization", &[("client_id", "drover-cli")]);
    request.headers_mut().insert("user-agent", "drover/1.0 (build-7) <b>bold</b>".parse().unwrap());
    let asked: serde_json::Value = serde_json::from_str(&device.send(request).await.text).unwrap();
    let code = asked["user_code"].as_str().unwrap();

    let browser = Chromium::start(Options::default()).await;
    browser.open(&format!("{}/device", scene.gateway.url())).await;
    sign_in(&browser, "ann", PASSWORD).await;
    browser.wait_for("#code").await;
    browser.type_into("#code", "bcdf ghjk").await;
    browser.click("form[action='/device'] button").await;
    browser.wait_for("[role=alert]").await;
    assert_eq!(browser.text_of("[role=alert]").await, "No device shows this code, or it is too old.");

    // However it is typed.
    browser.type_into("#code", &code.to_lowercase().replace('-', " ")).await;
    browser.click("form[action='/device'] button").await;
    browser.wait_for("button[value=yes]").await;
    let text = browser.text().await;
    for shown in ["drover/1.0 (build-7) <b>bold</b>", "127.0.0.1", code, "ann"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    browser.click("button[value=yes]").await;
    wait::until("the answer", || async { browser.text().await.contains("The device is signed in").then_some(()) })
        .await;
    let kind = "urn:ietf:params:oauth:grant-type:device_code";
    let fields =
        [("client_id", "drover-cli"), ("grant_type", kind), ("device_code", asked["device_code"].as_str().unwrap())];
    let given = device.post("/oauth2/token", &fields).await;
    let given: serde_json::Value = serde_json::from_str(&given.text).unwrap();
    assert_eq!(scene.code(given["access_token"].as_str().unwrap_or_else(|| panic!("{given}"))).await, 200);
}

/// H20, in a browser that runs scripts: a page of a pod is shown, and can do nothing as the person.
#[tokio::test]
async fn a_page_of_a_pod_runs_no_script_and_sends_no_form() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let url = scene.gateway.url();
    let page = format!(
        "<p id=p>before</p><script>document.getElementById('p').textContent = 'ran'; \
         fetch('/v3/tokens?action=logoutAll', {{method: 'POST'}})</script>\
         <form method=post action='{url}/v3/tokens?action=logoutAll'><button>Go on</button></form>"
    );
    let proxied = "/api/v1/namespaces/n/services/s/proxy/";
    scene.fake.route("GET", proxied, Reply::new(200).header("content-type", "text/html").body(page));
    let browser = Chromium::start(Options { scripts: true }).await;
    browser.open(&url).await;
    sign_in(&browser, "ann", PASSWORD).await;
    browser.wait_for("table").await;
    browser.open(&format!("{url}/k8s/clusters/c-a{proxied}")).await;
    assert_eq!(browser.text_of("#p").await, "before");
    browser.click("button").await;
    assert_eq!(browser.text_of("#p").await, "before", "it is still there");
    browser.open(&format!("{url}/account")).await;
    browser.wait_for("table").await;
}

/// H14, in a browser that runs scripts, from another port of the same host: to browsers that is the same site, whose requests have
/// the session's cookie.
#[tokio::test]
async fn a_page_of_another_port_does_nothing_with_the_session() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let url = scene.gateway.url();
    let form = |action: &str| {
        format!(
            "<form id=f method=post action='{url}{action}'><input name=csrf value=x></form><script>f.submit()</script>"
        )
    };
    let calls = format!(
        "<body><script>const all = {{method: 'POST', credentials: 'include', mode: 'no-cors'}};\
         Promise.allSettled([fetch('{url}/v3/tokens?action=logoutAll', all), fetch('{url}/logout/everywhere', all), \
         fetch('{url}{PODS}/planted', all), fetch('{url}{PODS}/read', {{credentials: 'include', mode: 'no-cors'}})])\
         .then(() => document.body.dataset.done = 'yes')</script></body>"
    );
    let html = |text: String| Reply::new(200).header("content-type", "text/html").body(text);
    scene.fake.route("GET", "/evil/calls", html(calls));
    scene.fake.route("GET", "/evil/form", html(form("/logout/everywhere")));
    scene.fake.route("GET", "/evil/login", html(form("/login")));
    let browser = Chromium::start(Options { scripts: true }).await;
    browser.open(&url).await;
    sign_in(&browser, "ann", PASSWORD).await;
    browser.wait_for("table").await;
    let session = browser.cookie(SESSION).await.unwrap()["value"].as_str().unwrap().to_owned();

    browser.open(&format!("{}/evil/calls", scene.fake.url())).await;
    browser.wait_for("body[data-done=yes]").await;
    for page in ["form", "login"] {
        browser.open(&format!("{}/evil/{page}", scene.fake.url())).await;
        wait::until("the refusal", || async {
            browser.text().await.contains("does not come from a page").then_some(())
        })
        .await;
    }
    assert_eq!(scene.code(&session).await, 200);
    let reached = scene.fake.proxied();
    assert!(!reached.iter().any(|it| it.path().ends_with("/planted") || it.path().ends_with("/read")), "{reached:?}");
    browser.open(&format!("{url}/account")).await;
    browser.wait_for("table").await;
}

/// Where pictures go: into the documents where they are asked for.
fn pictures(temporary: &Path) -> PathBuf {
    match std::env::var_os("DROVER_SCREENSHOTS") {
        Some(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images"),
        None => temporary.to_owned(),
    }
}

#[tokio::test]
async fn the_sign_in_page_is_shown_at_the_width_of_a_desk_and_of_a_phone() {
    let scene = Scene::start().await;
    let _provider = provider(&scene).await;
    let browser = Chromium::start(Options::default()).await;
    browser.open(&format!("{}/login", scene.gateway.url())).await;
    let temporary = tempfile::tempdir().unwrap();
    let folder = pictures(temporary.path());
    std::fs::create_dir_all(&folder).unwrap();
    for (name, width, height) in [("desk", 1280, 800), ("phone", 390, 844)] {
        let picture = browser.screenshot(width, height).await;
        assert!(picture.starts_with(b"\x89PNG") && picture.len() < 60_000, "{name}: {}", picture.len());
        let size = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
        assert_eq!((size(16), size(20)), (width, height), "{name}");
        std::fs::write(folder.join(format!("sign-in-{name}.png")), picture).unwrap();
    }
}
