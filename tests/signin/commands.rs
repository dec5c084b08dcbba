//! Sign-in of commands: codes, devices, refresh tokens.

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::forms::{Forms, Page};
use serde_json::{Value, json};

use crate::scene::{PASSWORD, SESSION, Scene};

const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-it-is";
const BACK: &str = "http://127.0.0.1:1/callback";
const AUTHORIZE: &str = "/oauth2/authorize";

/// What a command asks for.
fn question(fields: &[(&str, &str)]) -> String {
    let hash = digest::digest(&digest::SHA256, VERIFIER.as_bytes());
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref());
    let mut all = vec![
        ("client_id", "drover-cli"),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
        ("state", "a state"),
    ];
    all.retain(|(name, _)| fields.iter().all(|(other, _)| name != other));
    all.extend(fields.iter().filter(|(_, value)| !value.is_empty()));
    format!("{AUTHORIZE}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish())
}

/// The code that a browser whose person says yes is sent back with.
async fn code(browser: &mut Forms) -> String {
    let page = browser.get(&question(&[])).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let (csrf, request) = (page.csrf(), page.field("request").unwrap());
    let page = browser.post(AUTHORIZE, &[("csrf", &csrf), ("request", &request), ("answer", "yes")]).await;
    let location = page.location().unwrap_or_else(|| panic!("{page:?}")).to_owned();
    let query = location.strip_prefix(BACK).and_then(|query| query.strip_prefix('?')).expect("the command's address");
    let answer: std::collections::BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(answer["state"], "a state");
    answer["code"].clone()
}

async fn token(scene: &Scene, fields: &[(&str, &str)]) -> (u16, Value) {
    let fields = [&[("client_id", "drover-cli")], fields].concat();
    let Page { status, text, .. } = scene.browser().post("/oauth2/token", &fields).await;
    (status.as_u16(), serde_json::from_str(&text).unwrap())
}

async fn exchange(scene: &Scene, code: &str) -> (u16, Value) {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)];
    token(scene, &fields).await
}

async fn refresh(scene: &Scene, refresh: &str) -> (u16, Value) {
    token(scene, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
}

/// The tokens of a command that ann signed in with her password.
async fn login(scene: &Scene) -> Value {
    let fields = [("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
    let (code, tokens) = token(scene, &fields).await;
    assert_eq!(code, 200, "{tokens}");
    tokens
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("{tokens}"))
}

#[tokio::test]
async fn a_code_is_exchanged_once_by_whoever_asked_for_it() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let one = code(&mut browser).await;
    for wrong in [("code_verifier", "another"), ("redirect_uri", "http://127.0.0.1:2/callback"), ("code", "another")] {
        let mut fields =
            [("grant_type", "authorization_code"), ("code", &one), ("redirect_uri", BACK), ("code_verifier", VERIFIER)];
        for field in fields.iter_mut().filter(|field| field.0 == wrong.0) {
            *field = wrong;
        }
        let (code, answer) = token(&scene, &fields).await;
        assert_eq!((code, &answer["error"]), (400, &json!("invalid_grant")), "{wrong:?}");
    }
    let (code, tokens) = exchange(&scene, &one).await;
    assert_eq!(code, 200, "{tokens}");
    assert_eq!(scene.code(text(&tokens, "access_token")).await, 200);
    assert_eq!(scene.code(text(&tokens, "refresh_token")).await, 401, "good for new tokens alone");
    assert_eq!(exchange(&scene, &one).await.1["error"], "invalid_grant");
    assert_eq!(scene.code(text(&tokens, "access_token")).await, 401, "it was in two hands");
}

/// A fleet is one server.
#[tokio::test]
async fn a_code_is_good_once_and_a_session_ends_in_every_replica() {
    let scene = Scene::on_kubernetes().await;
    scene.person("ann").await;
    let other = scene.replica().await;
    let mut browser = scene.signed_in("ann").await;
    let one = code(&mut browser).await;
    let mut there = Forms::new(other.endpoint());
    there.set_cookie(SESSION, browser.cookie(SESSION).unwrap());
    kit::wait::until("the session to be known there", || {
        let mut there = there.clone();
        async move { (there.get("/account").await.status == 200).then_some(()) }
    })
    .await;

    let (code, tokens) = exchange(&scene, &one).await;
    assert_eq!(code, 200, "{tokens}");
    let fields = [
        ("client_id", "drover-cli"),
        ("grant_type", "authorization_code"),
        ("code", &one),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let again = there.post("/oauth2/token", &fields).await;
    assert!(again.status == 400 && again.text.contains("invalid_grant"), "{again:?}");
    scene.refused(text(&tokens, "access_token"), 401).await;

    let watch = scene.watch(&browser).await;
    let csrf = there.get("/account").await.csrf();
    assert_eq!(there.post("/logout", &[("csrf", &csrf)]).await.status, 303);
    watch.ends().await;
    assert_eq!(browser.get("/account").await.location(), Some("/login?next=%2Faccount"));
}

/// No code goes anywhere but to the person's own machine, and none without PKCE.
#[tokio::test]
async fn no_code_is_sent_to_another_machine() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    for wrong in [
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://127.0.0.1:80@evil.example/"),
        ("redirect_uri", "http://localhost:8000/"),
        ("redirect_uri", ""),
        ("client_id", "another"),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
        ("response_type", "token"),
    ] {
        let page = browser.get(&question(&[wrong])).await;
        assert_eq!((page.status.as_u16(), page.location()), (400, None), "{wrong:?}");
    }
}

/// T9: whoever signs out takes back what was said yes to and not fetched yet.
#[tokio::test]
async fn a_code_and_a_device_end_with_the_session_that_let_them_in() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let code = code(&mut browser).await;
    let asked = scene.browser().post("/oauth2/device_authorization", &[("client_id", "drover-cli")]).await;
    let device: Value = serde_json::from_str(&asked.text).unwrap();
    let page = browser.get(&format!("/device?user_code={}", text(&device, "user_code"))).await;
    let (csrf, request) = (page.csrf(), page.field("request").unwrap());
    let page = browser.post("/device", &[("csrf", &csrf), ("request", &request), ("answer", "yes")]).await;
    assert!(page.text.contains("The device is signed in"), "{}", page.text);
    assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.status, 303);

    assert_eq!(exchange(&scene, &code).await.1["error"], "invalid_grant");
    let kind = "urn:ietf:params:oauth:grant-type:device_code";
    let answer = token(&scene, &[("grant_type", kind), ("device_code", text(&device, "device_code"))]).await;
    assert_eq!(answer.1["error"], "invalid_grant", "{answer:?}");
}

/// T4, T11: a token of a program is no person at a browser, who could let it in for longer and everywhere.
#[tokio::test]
async fn a_token_in_the_place_of_a_session_opens_no_page() {
    let scene = Scene::start().await;
    let api = scene.person("ann").await;
    let session = scene.signed_in("ann").await.cookie(SESSION).unwrap().to_owned();
    let (code, narrow) = scene.call("POST", "/v3/tokens", &session, Some(&json!({"clusterId": "c-a"}))).await;
    assert_eq!(code, 201, "{narrow}");
    let tokens = login(&scene).await;
    for token in [&api, text(&narrow, "token"), text(&tokens, "access_token"), text(&tokens, "refresh_token")] {
        let mut browser = scene.browser();
        browser.set_cookie(SESSION, token);
        for path in ["/account", "/device", &question(&[])] {
            let page = browser.get(path).await;
            assert!(page.location().is_some_and(|to| to.starts_with("/login?next=")), "{path} {page:?}");
        }
        for path in [AUTHORIZE, "/device", "/account/link", "/account/password"] {
            assert_eq!(browser.post(path, &[]).await.location(), Some("/login"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_session_of_a_command_ends_whole_by_whichever_of_its_tokens() {
    let scene = Scene::start().await;
    let api = scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let names = async || {
        let (_, list) = scene.call("GET", "/v3/tokens", &api, None).await;
        let all = list["data"].as_array().unwrap().clone();
        let refresh = all.into_iter().filter(|token| token["kind"] == "refresh");
        refresh.map(|token| token["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for by in ["page", "call", "revoke", "logout"] {
        let first = login(&scene).await;
        let before = names().await;
        let (code, second) = refresh(&scene, text(&first, "refresh_token")).await;
        assert_eq!(code, 200, "{second}");
        let newest = names().await.into_iter().find(|name| !before.contains(name)).unwrap();
        match by {
            "page" => {
                let csrf = browser.get("/account").await.csrf();
                assert_eq!(browser.post("/account/end", &[("csrf", &csrf), ("name", &newest)]).await.status, 303);
            }
            "call" => assert_eq!(scene.call("DELETE", &format!("/v3/tokens/{newest}"), &api, None).await.0, 200),
            "revoke" => {
                let fields = [("token", text(&second, "access_token"))];
                assert_eq!(scene.browser().post("/oauth2/revoke", &fields).await.status, 200);
            }
            _ => {
                let token = text(&second, "access_token");
                assert_eq!(scene.call("POST", "/v3/tokens?action=logout", token, None).await.0, 200);
            }
        }
        for tokens in [&first, &second] {
            assert_eq!(scene.code(text(tokens, "access_token")).await, 401, "{by}");
            assert_eq!(refresh(&scene, text(tokens, "refresh_token")).await.0, 400, "{by}");
        }
    }
}

/// RFC 9700, 4.14: of two that hold a refresh token one is a thief.
#[tokio::test]
async fn a_refresh_token_gives_no_longer_session_and_ends_all_when_it_comes_back_late() {
    // There the administrator may write what tokens live by.
    let scene = Scene::on_kubernetes().await;
    scene.person("ann").await;
    let first = login(&scene).await;
    let refreshed =
        ["get", "tokens.management.cattle.io", "-l", "authn.management.cattle.io/kind=refresh", "-o", "json"];
    let ends = async || {
        let list: Value = serde_json::from_str(&scene.admin.run(&refreshed).await.ok()).unwrap();
        let mut ends: Vec<(String, String)> = Vec::new();
        for token in list["items"].as_array().unwrap() {
            let name = token["metadata"]["name"].as_str().unwrap().to_owned();
            ends.push((token["expiresAt"].as_str().unwrap().to_owned(), name));
        }
        ends.sort();
        ends
    };
    let whole = ends().await.remove(0).0;
    let old = text(&first, "refresh_token");
    assert_eq!(refresh(&scene, old).await.0, 200);
    let (soon, name) = ends().await.remove(0);
    assert!(soon < whole);
    // The answer was lost: it is asked for again.
    let (code, again) = refresh(&scene, old).await;
    assert_eq!(code, 200, "{again}");
    let after = ends().await;
    assert_eq!(after[0], (soon, name.clone()), "it lives no longer for being used");
    assert!(after[1..].iter().all(|(end, _)| *end == whole), "{after:?}");

    scene.patch("tokens.management.cattle.io", &name, &json!({"expiresAt": "2020-01-01T00:00:00Z"})).await;
    kit::wait::until("the old token to be over", || async {
        (refresh(&scene, old).await.1["error"] == "invalid_grant").then_some(())
    })
    .await;
    scene.refused(text(&again, "access_token"), 401).await;
    assert_eq!(refresh(&scene, text(&again, "refresh_token")).await.0, 400);
}

/// A session that is being used while it is ended is over all the same, with what was made of it at that moment.
#[tokio::test]
async fn no_token_escapes_the_end_of_its_session() {
    let scene = Scene::start().await;
    let api = scene.person("ann").await;
    for round in 0..6 {
        let tokens = login(&scene).await;
        let old = text(&tokens, "refresh_token");
        let refreshes = async || {
            let mut given = Vec::new();
            for _ in 0..4 {
                given.push(refresh(&scene, old).await.1);
            }
            given
        };
        let ending = async || {
            tokio::time::sleep(std::time::Duration::from_millis(15 * round)).await;
            if round % 2 == 0 {
                return scene.browser().post("/oauth2/revoke", &[("token", old)]).await.status.as_u16();
            }
            let session = scene.signed_in("ann").await.cookie(SESSION).unwrap().to_owned();
            scene.call("POST", "/v3/tokens?action=logoutAll", &session, None).await.0
        };
        let (one, other, ended) = tokio::join!(refreshes(), refreshes(), ending());
        assert_eq!(ended, 200);
        for given in one.iter().chain(&other).filter(|given| given["access_token"].is_string()) {
            assert_eq!(scene.code(text(given, "access_token")).await, 401, "round {round}");
            assert_eq!(refresh(&scene, text(given, "refresh_token")).await.0, 400, "round {round}");
        }
    }
    assert_eq!(scene.code(&api).await, 401, "all were ended");
}
