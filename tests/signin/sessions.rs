//! Sessions of browsers.

use kit::client::empty;

use crate::scene::{PASSWORD, PODS, SESSION, Scene, sign_in};

pub async fn a_local_password_gives_a_session_that_works_in_the_clusters(scene: Scene) {
    scene.person("ann").await;
    let mut browser = scene.browser();
    let refused = sign_in(&mut browser, "ann", "another password").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.alert(), "Sign-in failed. Check the user name and the password.");
    assert_eq!(browser.cookie(SESSION), None);

    let page = sign_in(&mut browser, "ann", PASSWORD).await;
    assert_eq!((page.status.as_u16(), page.location()), (303, Some("/account")), "{}", page.text);
    let account = browser.follow(page).await;
    assert_eq!(account.status, 200);
    for text in ["<code>u-ann</code>", "<code>c-a</code>", "<code>local://u-ann</code>", "(this one)"] {
        assert!(account.text.contains(text), "{text}: {}", account.text);
    }
    assert_eq!(browser.get(PODS).await.status, 200);
    let pods = scene.fake.proxied().pop().unwrap();
    assert_eq!(pods.impersonated_user().as_deref(), Some("u-ann"));
    assert!(pods.header("cookie").is_none(), "{pods:?}");
}

/// T9: whoever kept the cookie has nothing.
pub async fn signing_out_ends_the_session_and_not_only_the_cookie(scene: Scene) {
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let kept = browser.cookie(SESSION).unwrap().to_owned();
    let watch = scene.watch(&browser).await;
    let csrf = browser.get("/account").await.csrf();
    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.location(), Some("/logout"), "{}", out.text);
    assert_eq!(browser.cookie(SESSION), None);
    assert!(browser.follow(out).await.text.contains("You are signed out"));
    watch.ends().await;

    browser.set_cookie(SESSION, &kept);
    assert_eq!(browser.get("/account").await.location(), Some("/login?next=%2Faccount"));
    assert_eq!(browser.get(PODS).await.status, 401);
    assert_eq!(browser.get("/v1/self").await.status, 401);
    assert_eq!(scene.code(&kept).await, 401, "nor as a bearer token");
}

/// Session fixation: what a browser had before is no session afterwards.
#[tokio::test]
async fn signing_in_always_begins_a_new_session() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("eve").await;
    let mut browser = scene.browser();
    browser.set_cookie(SESSION, "drover_planted");
    browser.set_cookie("__Host-drover-form", "planted");
    assert_eq!(sign_in(&mut browser, "ann", PASSWORD).await.status, 303);
    let first = browser.cookie(SESSION).unwrap().to_owned();
    assert_ne!(first, "drover_planted");
    assert_eq!(browser.cookie("__Host-drover-form"), None);

    // In eve's own session, planted into this browser, ann does not become eve, nor is the session hers.
    let eves = scene.signed_in("eve").await.cookie(SESSION).unwrap().to_owned();
    browser.set_cookie(SESSION, &eves);
    assert_eq!(sign_in(&mut browser, "ann", PASSWORD).await.status, 303);
    let second = browser.cookie(SESSION).unwrap().to_owned();
    assert!(second != eves && second != first);
    assert!(browser.get("/account").await.text.contains("<code>u-ann</code>"));
    assert_eq!(scene.code(&eves).await, 401, "the session before is over");
}

/// Cookie tossing: of two cookies of one name one may be somebody else's, and neither counts.
#[tokio::test]
async fn a_session_that_stands_beside_another_one_is_none() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("eve").await;
    let mut browser = scene.signed_in("ann").await;
    let eves = scene.signed_in("eve").await.cookie(SESSION).unwrap().to_owned();
    let anns = browser.cookie(SESSION).unwrap().to_owned();
    for (path, code) in [(PODS, 401), ("/v1/self", 401), ("/account", 303)] {
        for value in [format!("{SESSION}={eves}; {SESSION}={anns}"), format!("{SESSION}={anns}; a=b; {SESSION}={anns}")]
        {
            let mut request = browser.request("GET", path, empty());
            request.headers_mut().insert("cookie", value.parse().unwrap());
            assert_eq!(browser.send(request).await.status, code, "{path}");
        }
    }
    let csrf = browser.get("/account").await.csrf();
    let mut request = browser.form("/logout/everywhere", &[("csrf", &csrf)]);
    request.headers_mut().insert("cookie", format!("{SESSION}={anns}; {SESSION}={eves}").parse().unwrap());
    assert_eq!(browser.send(request).await.location(), Some("/login"));
    assert_eq!(scene.code(&eves).await, 200);
    assert_eq!(scene.code(&anns).await, 200);
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_other_browser_and_its_watch() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("bob").await;
    let mut here = scene.signed_in("ann").await;
    let mut there = scene.signed_in("ann").await;
    let mut bobs = scene.signed_in("bob").await;
    let watch = scene.watch(&there).await;
    let csrf = here.get("/account").await.csrf();
    assert_eq!(here.post("/logout/everywhere", &[("csrf", &csrf)]).await.status, 303);
    watch.ends().await;
    assert_eq!(there.get(PODS).await.status, 401);
    assert_eq!(there.get("/account").await.location(), Some("/login?next=%2Faccount"));
    assert_eq!(bobs.get(PODS).await.status, 200);
}

#[tokio::test]
async fn one_session_is_ended_and_only_one_of_ones_own() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("eve").await;
    let mut here = scene.signed_in("ann").await;
    let mut there = scene.signed_in("ann").await;
    let mut eves = scene.signed_in("eve").await;
    let name = |page: kit::forms::Page| {
        let (row, _) = page.text.split_once("(this one)").unwrap();
        let rest = page.text[row.len()..].split_once("name=\"name\" value=\"").unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let theirs = name(there.get("/account").await);
    let csrf = eves.get("/account").await.csrf();
    assert_eq!(eves.post("/account/end", &[("csrf", &csrf), ("name", &theirs)]).await.status, 404);
    assert_eq!(there.get(PODS).await.status, 200);
    let csrf = here.get("/account").await.csrf();
    assert_eq!(here.post("/account/end", &[("csrf", &csrf), ("name", &theirs)]).await.status, 303);
    assert_eq!(there.get(PODS).await.status, 401);
    assert_eq!(here.get(PODS).await.status, 200);
}

/// No link to Drover leads anywhere else.
#[tokio::test]
async fn sign_in_goes_on_at_a_path_of_this_host_alone() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let foreign = [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example/..//x y",
        "javascript:alert(1)",
        "/\t/evil.example",
        "http:evil.example",
        "/a\r\nLocation: https://evil.example",
    ];
    let mut browser = scene.browser();
    for next in foreign {
        let encoded: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.get(&format!("/login?next={encoded}")).await;
        assert_eq!(page.field("next").as_deref(), Some("/account"), "{next:?}");
        // The form itself may be changed.
        let csrf = page.csrf();
        let fields =
            [("csrf", &*csrf), ("provider", "local"), ("username", "ann"), ("password", PASSWORD), ("next", next)];
        let page = browser.post("/login", &fields).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, Some("/account")), "{next:?}");
        // Whoever is signed in already goes nowhere else either.
        let page = browser.get(&format!("/login?next={encoded}")).await;
        assert_eq!((page.status.as_u16(), page.location()), (200, None), "{next:?}");
    }
    let page = browser.get("/login?next=%2Fdevice%3Fuser_code%3DA").await;
    assert_eq!(page.location(), Some("/device?user_code=A"));
}

#[tokio::test]
async fn a_password_that_must_be_changed_lets_nobody_in_before_it_is() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.patch("users.management.cattle.io", "u-ann", &serde_json::json!({"mustChangePassword": true})).await;
    let mut browser = scene.browser();
    let page = sign_in(&mut browser, "ann", PASSWORD).await;
    assert_eq!(page.status, 403);
    assert_eq!(page.alert(), "Your password must be changed before you can go on.");
    assert_eq!(browser.cookie(SESSION), None);
    // Nor by another way.
    let grant = [("client_id", "drover-cli"), ("grant_type", "password"), ("username", "ann"), ("password", PASSWORD)];
    let refused = scene.browser().post("/oauth2/token", &grant).await;
    assert!(refused.status == 400 && refused.text.contains("interaction_required"), "{refused:?}");
    let login = serde_json::json!({"username": "ann", "password": PASSWORD});
    let path = "/v3-public/localProviders/local?action=login";
    assert_eq!(scene.call("POST", path, "", Some(&login)).await.0, 403);
    let csrf = page.csrf();
    let mut fields = vec![("csrf", &*csrf), ("provider", "local"), ("username", "ann"), ("password", PASSWORD)];
    for (new, again, told) in [
        ("short", "short", "That password cannot be taken: the password is shorter than 12 characters."),
        (PASSWORD, PASSWORD, "That password cannot be taken: the new password is the old one."),
        ("another fine password", "another five password", "The two new passwords differ."),
    ] {
        let tried = [&fields[..], &[("new_password", new), ("again", again)]].concat();
        let page = browser.post("/login", &tried).await;
        assert_eq!((page.status.as_u16(), page.alert()), (422, told));
        assert_eq!(browser.cookie(SESSION), None);
    }
    fields.extend([("new_password", "another fine password"), ("again", "another fine password")]);
    assert_eq!(browser.post("/login", &fields).await.status, 303);
    assert_eq!(browser.get(PODS).await.status, 200);
    let mut browser = scene.browser();
    assert_eq!(sign_in(&mut browser, "ann", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&mut browser, "ann", "another fine password").await.status, 303);
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut here = scene.signed_in("ann").await;
    let mut there = scene.signed_in("ann").await;
    let csrf = here.get("/account").await.csrf();
    let new = "another fine password";
    let change = |old| {
        [("csrf", csrf.clone()), ("password", String::from(old)), ("new_password", new.into()), ("again", new.into())]
    };
    let sent = |browser: &kit::forms::Forms, old| {
        let fields = change(old);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        browser.form("/account/password", &fields)
    };
    let request = sent(&here, "not the password");
    assert_eq!(here.send(request).await.status, 401);
    assert_eq!(there.get(PODS).await.status, 200);
    let request = sent(&here, PASSWORD);
    assert_eq!(here.send(request).await.status, 200);
    assert_eq!(there.get(PODS).await.status, 401);
    assert_eq!(here.send(here.request("GET", PODS, empty())).await.status, 200);
}
