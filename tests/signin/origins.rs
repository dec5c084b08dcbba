//! H14 and H20: pages that would use somebody's session, and frames around Drover's own.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderName, Request};
use kit::{
    client::{Body, empty, json_body},
    fake::Reply,
    forms::Forms,
};
use serde_json::json;

use crate::scene::{PASSWORD, PODS, SESSION, Scene};

/// With these headers besides; an empty value takes one away.
fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().remove(*name);
        if !value.is_empty() {
            request.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
        }
    }
    request
}

/// H14.
#[tokio::test]
async fn a_page_of_another_origin_writes_and_upgrades_nothing_with_a_session() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    scene.fake.route("", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    let own = browser.origin();
    let foreign = [
        ("https://evil.example", ""),
        ("null", ""),
        ("", ""),
        (&own, "cross-site"),
        (&own, "same-site"),
        ("http://127.0.0.1", ""),
    ];
    let exec = format!("{PODS}/p/exec?command=sh");
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (origin, site) in foreign {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let request = browser.request(method, PODS, json_body(&json!({})));
            let request = with(request, &[("origin", origin), ("sec-fetch-site", site)]);
            assert_eq!(browser.send(request).await.status, 403, "{method} {origin} {site}");
        }
        let request = with(browser.request("GET", &exec, empty()), &upgrade);
        let request = with(request, &[("origin", origin), ("sec-fetch-site", site)]);
        assert_eq!(browser.send(request).await.status, 403, "upgrade {origin} {site}");
    }
    // Nor does a link lead into a cluster: what is read there is not for the page that has it.
    for site in ["cross-site", "same-site"] {
        let request = with(browser.request("GET", PODS, empty()), &[("sec-fetch-site", site)]);
        assert_eq!(browser.send(request).await.status, 403, "{site}");
    }
    assert!(scene.fake.proxied().iter().all(|request| !request.path().starts_with("/api/v1/namespaces/n/pods/p")));

    let request = with(browser.request("POST", PODS, json_body(&json!({}))), &[("origin", &own)]);
    assert_eq!(browser.send(request).await.status, 200);
    let request = with(with(browser.request("GET", &exec, empty()), &upgrade), &[("origin", &own)]);
    let answer = browser.endpoint().http1().await.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 101);
}

/// H14: forms.
#[tokio::test]
async fn a_form_that_no_page_of_drovers_own_has_shown_does_nothing() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("eve").await;
    let mut browser = scene.signed_in("ann").await;
    let mut eves = scene.signed_in("eve").await;
    let csrf = browser.get("/account").await.csrf();
    let others = eves.get("/account").await.csrf();
    let forms = [
        "/logout",
        "/logout/everywhere",
        "/account/end",
        "/account/link",
        "/account/password",
        "/oauth2/authorize",
        "/device",
    ];
    let own = browser.origin();
    for path in forms {
        for proof in ["", "x", &others] {
            assert_eq!(browser.post(path, &[("csrf", proof)]).await.status, 403, "{path} {proof}");
        }
        for (origin, site) in [("https://evil.example", "cross-site"), ("null", ""), ("", ""), (&own, "cross-site")] {
            let request = with(browser.form(path, &[("csrf", &csrf)]), &[("origin", origin), ("sec-fetch-site", site)]);
            assert_eq!(browser.send(request).await.status, 403, "{path} {origin} {site}");
        }
    }
    // The calls for programs take the session of a browser from pages of this host alone.
    for path in
        ["/v3/tokens", "/v3/tokens?action=logoutAll", "/v3/users?action=changepassword", "/v3/principals?action=search"]
    {
        for origin in ["https://evil.example", "null", ""] {
            let request = with(browser.request("POST", path, empty()), &[("origin", origin)]);
            assert_eq!(browser.send(request).await.status, 403, "{path} {origin}");
        }
    }
    assert_eq!(browser.get(PODS).await.status, 200, "the session still is");
}

/// H14: a password that a browser remembers is sent along by itself, as a cookie is.
#[tokio::test]
async fn a_remembered_password_is_no_proof_of_which_page_asks() {
    let scene = Scene::start().await;
    let token = scene.person("ann").await;
    let browser = scene.browser();
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("ann:{token}")));
    let ask = |origin| {
        let request = browser.request("POST", "/v3/tokens?action=logoutAll", empty());
        let request = with(request, &[("authorization", &*basic), ("origin", origin)]);
        let mut browser = browser.clone();
        async move { browser.send(request).await.status.as_u16() }
    };
    assert_eq!(ask("https://evil.example").await, 403);
    assert_eq!(ask("null").await, 403);
    assert_eq!(scene.code(&token).await, 200);
    assert_eq!(ask("").await, 200, "a program");
    assert_eq!(scene.code(&token).await, 401);
}

/// H14: nobody is signed in as somebody else by a page of another site.
#[tokio::test]
async fn a_foreign_page_signs_nobody_in() {
    let scene = Scene::start().await;
    scene.person("eve").await;
    let mut eves = scene.browser();
    let csrf = eves.get("/login").await.csrf();
    let fields = [("csrf", &*csrf), ("provider", "local"), ("username", "eve"), ("password", PASSWORD)];
    let mut anns = scene.browser();
    assert_eq!(anns.post("/login", &fields).await.status, 403, "a browser that has seen no page");
    anns.get("/login").await;
    assert_eq!(anns.post("/login", &fields).await.status, 403, "the proof of another browser");
    let own = anns.get("/login").await.csrf();
    let fields = [("csrf", &*own), ("provider", "local"), ("username", "eve"), ("password", PASSWORD)];
    for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site"), ("", "")] {
        let request = with(anns.form("/login", &fields), &[("origin", origin), ("sec-fetch-site", site)]);
        assert_eq!(anns.send(request).await.status, 403, "{origin}");
    }
    assert_eq!(anns.cookie(SESSION), None);
    assert_eq!(anns.post("/login", &fields).await.status, 303);
}

/// H20.
#[tokio::test]
async fn what_a_cluster_sends_to_a_browser_cannot_act_as_its_session() {
    let scene = Scene::start().await;
    let token = scene.person("ann").await;
    let mut browser = scene.signed_in("ann").await;
    let page = Reply::new(200)
        .header("content-type", "text/html")
        .header("set-cookie", "__Host-drover=drover_planted; Path=/; Secure")
        .header("content-security-policy", "default-src *")
        .header("x-frame-options", "ALLOWALL")
        .body("<script>fetch('/v3/tokens', {method: 'POST'})</script>");
    scene.fake.route("GET", "/api/v1/namespaces/n/services/s/proxy/", page);
    let path = "/k8s/clusters/c-a/api/v1/namespaces/n/services/s/proxy/";
    let bearer = format!("Bearer {token}");
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("ann:{token}")));
    // Another credential beside the session changes nothing: the browser still holds it.
    for authorization in ["", &bearer, &basic] {
        let request = with(browser.request("GET", path, empty()), &[("authorization", authorization)]);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 200);
        let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(policies, ["sandbox; frame-ancestors 'none'"], "{authorization}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("set-cookie"), "");
        let passed = scene.fake.record().wait_for("/api/v1/namespaces/n/services/s/proxy/").await;
        assert!(passed.header("cookie").is_none(), "{passed:?}");
    }
}

/// H20: Drover's own pages.
#[tokio::test]
async fn no_page_of_drovers_own_is_framed_kept_sniffed_or_scripted() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut nobody = scene.browser();
    let mut browser = scene.signed_in("ann").await;
    let closed = async |browser: &mut Forms, path: &str| {
        let page = browser.get(path).await;
        for policy in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(page.header("content-security-policy").contains(policy), "{path} {policy}");
        }
        assert!(!page.header("content-security-policy").contains("script-src"), "{path}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        assert!(!page.text.contains("<script"), "{path}");
    };
    for path in ["/login", "/logout", "/account", "/login/corp", "/login/local", "/login/corp/callback?code=a&state=b"]
    {
        closed(&mut nobody, path).await;
    }
    for path in ["/account", "/device", "/device?user_code=BCDFGHJK", "/v1/self", "/v3/tokens"] {
        closed(&mut browser, path).await;
    }
}

/// What somebody without a session may ask for says nothing of the providers' health.
#[tokio::test]
async fn a_stranger_makes_no_provider_look_broken() {
    let scene = Scene::start().await;
    let mut browser = scene.browser();
    assert_eq!(browser.get("/login/local").await.status, 404);
    let (_, ready) = scene.gateway.ops_get("/readyz?verbose").await.unwrap();
    assert!(!ready.contains("by password alone"), "{ready}");
    assert!(!scene.gateway.log().contains("a provider fails"), "{}", scene.gateway.log());
}

/// What anybody types comes back as text.
#[tokio::test]
async fn what_is_typed_is_no_markup_of_a_page() {
    const MARKUP: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let scene = Scene::start().await;
    scene.person("ann").await;
    let mut browser = scene.browser();
    let is_text = |page: &kit::forms::Page| {
        assert!(!page.text.contains("<script") && !page.text.contains("<img"), "{}", page.text);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    };
    let csrf = browser.get("/login").await.csrf();
    let fields =
        [("csrf", &*csrf), ("provider", "local"), ("username", MARKUP), ("password", PASSWORD), ("next", MARKUP)];
    let page = browser.post("/login", &fields).await;
    assert!(page.text.contains("script"), "the name is still there: {}", page.text);
    is_text(&page);
    let encoded: String = form_urlencoded::byte_serialize(MARKUP.as_bytes()).collect();
    is_text(&browser.get(&format!("/login?next={encoded}")).await);
    is_text(&browser.get(&format!("/login/corp/callback?error={encoded}&error_description={encoded}&state=a")).await);

    let mut browser = scene.signed_in("ann").await;
    let session = browser.cookie(SESSION).unwrap().to_owned();
    let (code, _) = scene.call("POST", "/v3/tokens", &session, Some(&json!({"description": MARKUP}))).await;
    assert_eq!(code, 201);
    let page = browser.get("/account").await;
    assert!(page.text.contains("alert(1)"), "{}", page.text);
    is_text(&page);
    is_text(&browser.get(&format!("/device?user_code={encoded}")).await);
}
