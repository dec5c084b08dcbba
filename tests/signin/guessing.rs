//! T5: guessing of passwords.

use std::collections::BTreeSet;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use kit::forms::Page;
use serde_json::json;

use crate::scene::{PASSWORD, Scene, sign_in};

const LOGIN: &str = "/v3-public/localProviders/local?action=login";

async fn guess(scene: &Scene, name: &str, password: &str) -> (u16, serde_json::Value) {
    scene.call("POST", LOGIN, "", Some(&json!({"username": name, "password": password}))).await
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_user_without_one_hear_the_same() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.apply(&[crate::scene::object("User", "u-robot", json!({"username": "robot"}))]).await;
    let long = "x".repeat(1025);
    let mut answers = BTreeSet::new();
    for (name, password) in [
        ("ann", "another password"),
        ("nobody", PASSWORD),
        ("robot", PASSWORD),
        ("robot", ""),
        ("ann", ""),
        ("", PASSWORD),
        ("ann", &long),
        ("nobody", &long),
        (&*long, PASSWORD),
        ("ann\u{0}", PASSWORD),
        ("u-ann", PASSWORD),
        ("ann' or 1=1", PASSWORD),
    ] {
        let (code, answer) = guess(&scene, name, password).await;
        assert_eq!(code, 401, "{name} {answer}");
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut pages = BTreeSet::new();
    for name in ["ann", "nobody", "robot"] {
        let mut browser = scene.browser();
        let Page { status, text, .. } = sign_in(&mut browser, name, "another password").await;
        let csrf = Page { status, headers: http::HeaderMap::new(), text: text.clone() }.csrf();
        pages.insert((status.as_u16(), text.replace(&csrf, "").replace(&format!("value=\"{name}\""), "")));
    }
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!(guess(&scene, "ann", PASSWORD).await.0, 201);
}

#[tokio::test]
async fn a_password_of_a_megabyte_is_not_even_read() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let large = "x".repeat(1 << 20);
    assert_eq!(guess(&scene, "ann", &large).await.0, 413);
    let mut browser = scene.browser();
    assert_eq!(sign_in(&mut browser, "ann", &large).await.status, 413);
    assert_eq!(guess(&scene, "ann", PASSWORD).await.0, 201);
}

#[tokio::test]
async fn whoever_guesses_has_to_wait_and_others_get_in() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("bob").await;
    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(guess(&scene, "ann", "another password").await.0);
    }
    assert_eq!(codes, [401, 401, 401, 401, 401, 401, 429]);
    // By whatever way it is tried, and with the right password too: an answer would tell.
    let mut browser = scene.browser();
    let page = sign_in(&mut browser, "Ann", PASSWORD).await;
    assert_eq!(page.status, 429);
    assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(page.alert().starts_with("Too many attempts. Try again in "), "{}", page.alert());
    let fields = [("client_id", "drover-cli"), ("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
    let page = browser.post("/oauth2/token", &fields).await;
    assert_eq!(page.status, 429);
    assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);

    scene.signed_in("bob").await;
}

/// Whoever guesses from where the person is, too, does not shut it out of the browser that it always uses.
#[tokio::test]
async fn the_browser_that_a_person_always_uses_is_let_in_while_others_guess() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("bob").await;
    let mut anns = scene.signed_in("ann").await;
    let csrf = anns.get("/account").await.csrf();
    assert_eq!(anns.post("/logout", &[("csrf", &csrf)]).await.status, 303);
    let mut bobs = scene.signed_in("bob").await;
    while guess(&scene, "ann", "another password").await.0 != 429 {}
    assert_eq!(sign_in(&mut bobs, "ann", PASSWORD).await.status, 429, "that it knows bob is no proof about ann");
    assert_eq!(sign_in(&mut anns, "ann", PASSWORD).await.status, 303);
    // Its own guesses count all the same.
    let csrf = anns.get("/account").await.csrf();
    anns.post("/logout", &[("csrf", &csrf)]).await;
    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(sign_in(&mut anns, "ann", "another password").await.status.as_u16());
    }
    assert_eq!(codes, [401, 401, 401, 401, 401, 401, 429]);
}

/// L1: the memory for what strangers send is bounded, and whoever is signed in goes on.
#[tokio::test]
async fn slow_forms_of_strangers_are_read_up_to_a_limit() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let endpoint = scene.gateway.endpoint();
    let mut connections = Vec::new();
    let mut answers = tokio::task::JoinSet::new();
    for n in 0..1100 {
        if n % 100 == 0 {
            connections.push(endpoint.http2().await);
        }
        let body = futures_util::stream::pending::<std::io::Result<Frame<Bytes>>>();
        let request = endpoint.request2("POST", "/login", "", StreamBody::new(body).boxed());
        let answer = connections.last_mut().unwrap().send_request(request);
        answers.spawn(async move { answer.await.map(|answer| answer.status().as_u16()) });
    }
    let mut refused = 0;
    while refused < 70 {
        let answer = kit::wait::event("a refusal", answers.join_next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer, 429);
        refused += 1;
    }
    assert_eq!(browser.get(crate::scene::PODS).await.status, 200);
    assert_eq!(browser.get("/account").await.status, 200);
    drop((connections, answers));
    kit::wait::until("room again", || async { (guess(&scene, "ann", PASSWORD).await.0 == 201).then_some(()) }).await;
}

#[tokio::test]
async fn whoever_sprays_over_many_names_has_to_wait_and_signed_in_people_go_on() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let mut refused = 0;
    for n in 0..80 {
        // Names that nobody can have: no time goes into their passwords here.
        let name = format!("{}{n}", "x".repeat(300));
        refused += usize::from(guess(&scene, &name, PASSWORD).await.0 == 429);
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(browser.get(crate::scene::PODS).await.status, 200);
    assert_eq!(browser.get("/account").await.status, 200);
}

/// What somebody types is in no log as it is: no line can be made up.
#[tokio::test]
async fn what_is_typed_at_the_sign_in_page_makes_no_line_of_the_log() {
    let scene = Scene::with(|folder| {
        folder.set("telemetry.log", json!({"format": "text"}));
    })
    .await;
    let mut browser = scene.browser();
    let csrf = browser.get("/login").await.csrf();
    let provider = format!("corp\nmade up line {}", "x".repeat(10_000));
    let fields =
        [("csrf", &*csrf), ("provider", &*provider), ("username", "ann\nmade up line"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &fields).await.status, 404);
    let log = scene.gateway.log();
    assert!(log.contains("a sign-in was refused"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("made up line") || line.len() > 2_000), "{log}");
}
