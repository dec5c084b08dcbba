//! OpenID Connect against a real provider (`oidc-provider`), and against servers that misbehave.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drover::{
    identity::{
        provider::{Known, LoggedOut, LoginError, Person, Proof, Provider as _, Refused, Standing},
        providers::{
            issuer::Endpoints,
            oidc::{Names, Oidc, Settings},
        },
    },
    secret::Secret,
};
use kit::{
    fake::{FakeApiserver, Reply},
    oidc::{CLIENT, OidcProvider, Options, SECRET},
    wait,
};
use serde_json::{Value, json};

use crate::browser::{Browser, REDIRECT, anywhere, departure};

pub fn settings(provider: &OidcProvider) -> Settings {
    Settings {
        issuer: provider.issuer().to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new(SECRET.to_owned())),
        client_secret_name: Some("drover-system:oidc".to_owned()),
        scopes: ["profile", "email", "groups", "offline_access"].map(ToOwned::to_owned).to_vec(),
        endpoints: Endpoints::default(),
        names: Names { groups: "groups".to_owned(), name: "name".to_owned(), email: "email".to_owned() },
        certificate: Some(provider.ca_pem()),
        timeout: Duration::from_secs(10),
    }
}

fn provider(server: &OidcProvider) -> Oidc {
    Oidc::new("corp", settings(server), anywhere()).unwrap()
}

async fn signed_in(server: &OidcProvider, oidc: &Oidc, user: &str) -> Result<Person, LoginError> {
    let mut browser = Browser::new(server.issuer(), &server.ca_pem());
    let departure = departure(user);
    let url = oidc.begin(&departure).await.unwrap();
    oidc.login(browser.sign_in(&url, user).await.proof(&departure)).await
}

fn known(person: &Person) -> Known {
    Known {
        principal: Arc::clone(&person.principal.id),
        login_name: person.principal.login_name.clone(),
        unique_id: None,
        grant: person.grant.clone(),
    }
}

fn groups(person: &Person) -> Vec<&str> {
    person.groups.iter().map(|group| &*group.id).collect()
}

fn refusal(error: LoginError) -> String {
    match error {
        LoginError::Refused(Refused::Answer(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_person_signs_in_with_a_browser_and_is_known_by_its_sub() {
    let server = OidcProvider::start(Options::default()).await;
    let ann = signed_in(&server, &provider(&server), "ann").await.unwrap();
    assert_eq!(&*ann.principal.id, "corp_user://8f1c");
    assert_eq!((&*ann.principal.display_name, &*ann.principal.login_name), ("Ann Example", "ann"));
    assert_eq!(ann.email.as_deref(), Some("ann@example.org"));
    assert_eq!(groups(&ann), ["corp_group://dev", "corp_group://ops"]);
    assert!(ann.grant.is_some());
}

#[tokio::test]
async fn groups_that_the_id_token_lacks_come_from_user_info() {
    let server = OidcProvider::start(Options { in_id_token: false, ..Options::default() }).await;
    let ann = signed_in(&server, &provider(&server), "ann").await.unwrap();
    assert_eq!(groups(&ann), ["corp_group://dev", "corp_group://ops"]);
    assert_eq!(ann.principal.display_name, "Ann Example");
}

/// H9: an identity provider whose groups look like role groups, break lines, are very long, or very many.
#[tokio::test]
async fn hostile_groups_of_a_real_provider_stay_in_its_own_names() {
    let mut options = Options { in_id_token: false, ..Options::default() };
    let mut hostile = vec![
        json!("system:masters"),
        json!("drover:project:x:y"),
        json!("a\r\nImpersonate-Group: system:masters"),
        json!("x".repeat(64 * 1024)),
        json!({"name": "system:masters"}),
    ];
    hostile.extend((0..5_000).map(|n| json!(format!("g{n:04}"))));
    options.accounts["8f1c"]["groups"] = Value::Array(hostile);
    options.accounts["8f1c"]["name"] = json!("Ann\r\nExample");
    let server = OidcProvider::start(options).await;
    let ann = signed_in(&server, &provider(&server), "ann").await.unwrap();
    assert_eq!(ann.groups.len(), 5_000);
    assert!(ann.groups.iter().all(|group| group.id.starts_with("corp_group://") && group.id.len() < 1_025));
    assert!(!ann.groups.iter().any(|group| group.id.contains(char::is_control)));
    assert_eq!(ann.principal.display_name, "AnnExample");
}

/// T7: no PKCE, wrong verifier, stolen code, code used twice, other nonce, other issuer.
#[tokio::test]
async fn what_a_browser_brings_back_counts_only_for_its_own_departure() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = provider(&server);
    let mut browser = Browser::new(server.issuer(), &server.ca_pem());

    let ours = departure("ours");
    let url = oidc.begin(&ours).await.unwrap();
    assert!(url.contains("code_challenge_method=S256") && !url.contains(ours.verifier.expose()), "{url}");
    let start = url.find("&code_challenge=").unwrap();
    let without = format!("{}{}", &url[..start], &url[start + "&code_challenge=".len() + 43..]);
    let refused = browser.sign_in(&without.replace("&code_challenge_method=S256", ""), "ann").await;
    assert_eq!(refused.0.get("error").map(String::as_str), Some("invalid_request"), "{refused:?}");

    let other_verifier = |departure: &drover::identity::provider::Departure| {
        let verifier = crate::browser::departure("other").verifier;
        drover::identity::provider::Departure { verifier, ..departure.clone() }
    };
    let arrival = browser.sign_in(&url, "ann").await;
    let why = refusal(oidc.login(arrival.unchecked(&other_verifier(&ours))).await.unwrap_err());
    assert!(why.starts_with("the code is refused: invalid_grant"), "{why}");

    // A code that was stolen on its way is nothing without the verifier of the browser that it was meant for.
    let stolen = browser.sign_in(&oidc.begin(&ours).await.unwrap(), "ann").await;
    let thief = departure("thief");
    let why = refusal(oidc.login(stolen.unchecked(&thief)).await.unwrap_err());
    assert!(why.starts_with("the code is refused: invalid_grant"), "{why}");

    let arrival = browser.sign_in(&oidc.begin(&ours).await.unwrap(), "ann").await;
    oidc.login(arrival.proof(&ours)).await.unwrap();
    let why = refusal(oidc.login(arrival.proof(&ours)).await.unwrap_err());
    assert!(why.starts_with("the code is refused: invalid_grant"), "{why}");

    let arrival = browser.sign_in(&oidc.begin(&ours).await.unwrap(), "ann").await;
    let mut replayed = ours.clone();
    replayed.nonce = "another".to_owned();
    let why = refusal(oidc.login(arrival.unchecked(&replayed)).await.unwrap_err());
    assert_eq!(why, "claim `nonce`: it is not that of this sign-in");

    // Mixed up: the answer of another issuer, or of one that hides who it is (RFC 9207).
    let arrival = browser.sign_in(&oidc.begin(&ours).await.unwrap(), "ann").await;
    for (issuer, told) in [
        (Some("https://evil.example.org"), "`iss` of the answer is `https://evil.example.org`"),
        (None, "`iss` of the answer is missing"),
    ] {
        let Proof::Callback { code, departure, .. } = arrival.proof(&ours) else { unreachable!() };
        let proof = Proof::Callback { code, issuer: issuer.map(ToOwned::to_owned), departure };
        assert_eq!(refusal(oidc.login(proof).await.unwrap_err()), told);
    }
}

#[tokio::test]
async fn a_wrong_password_leads_nowhere() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = provider(&server);
    let mut browser = Browser::new(server.issuer(), &server.ca_pem());
    let nobody = browser.sign_in(&oidc.begin(&departure("nobody")).await.unwrap(), "nobody").await;
    assert_eq!(nobody.0.get("error").map(String::as_str), Some("access_denied"));
}

/// T7: key rotated.
#[tokio::test]
async fn new_keys_are_found_and_withdrawn_ones_forgotten() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = provider(&server);
    signed_in(&server, &oidc, "ann").await.unwrap();
    for keep in [true, false] {
        server.rotate_keys(keep).await;
        signed_in(&server, &oidc, "ann").await.unwrap();
    }
}

/// T7: expired, from the future.
#[tokio::test]
async fn a_provider_whose_clock_is_wrong_is_not_believed() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = provider(&server);
    server.skew_clock(3_600).await;
    let why = refusal(signed_in(&server, &oidc, "ann").await.unwrap_err());
    assert!(why.starts_with("claim `iat`: the token is from 3"), "{why}");
    server.skew_clock(-3_600).await;
    let why = refusal(signed_in(&server, &oidc, "bob").await.unwrap_err());
    assert!(why.starts_with("claim `exp`: the token expired "), "{why}");
    server.skew_clock(30).await;
    signed_in(&server, &oidc, "ann").await.unwrap();
}

#[tokio::test]
async fn a_refresh_tells_what_has_become_of_a_person() {
    for rotate_refresh_tokens in [false, true] {
        let server = OidcProvider::start(Options { rotate_refresh_tokens, ..Options::default() }).await;
        let oidc = provider(&server);
        let ann = signed_in(&server, &oidc, "ann").await.unwrap();
        let now = json!({"name": "Ann Other", "preferred_username": "ann", "groups": ["sec"]});
        server.set_account("8f1c", now.as_object().cloned()).await;
        let Standing::Present(again) = oidc.refresh(known(&ann)).await.unwrap() else { panic!("she is there") };
        assert_eq!((groups(&again), &*again.principal.display_name), (vec!["corp_group://sec"], "Ann Other"));
        assert_eq!(again.grant == ann.grant, !rotate_refresh_tokens);

        // What she was given before is of another one; and without a grant nobody can be asked.
        let bob = Known { principal: "corp_user://77aa".into(), ..known(&again) };
        let error = oidc.refresh(bob).await.unwrap_err().to_string();
        assert!(error.ends_with("claim `sub`: the refresh token of another person, `corp_user://8f1c`"), "{error}");
        assert_eq!(oidc.refresh(Known { grant: None, ..known(&again) }).await, Ok(Standing::Unknown));
    }
}

/// The server says `invalid_grant` of a person who is gone, and of one who merely signed out there.
#[tokio::test]
async fn of_a_person_whose_grant_is_good_no_more_nothing_is_known() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = provider(&server);
    let ann = signed_in(&server, &oidc, "ann").await.unwrap();
    server.set_account("8f1c", None).await;
    assert_eq!(oidc.refresh(known(&ann)).await, Ok(Standing::Unknown));
}

#[tokio::test]
async fn a_sign_out_goes_to_the_provider_and_comes_back_from_it() {
    let hook = FakeApiserver::builder().plain().default_reply(Reply::new(200)).start();
    let logout_uri = Some(format!("{}/logout", hook.url()));
    let server = OidcProvider::start(Options { logout_uri, ..Options::default() }).await;
    let oidc = provider(&server);
    let mut browser = Browser::new(server.issuer(), &server.ca_pem());
    let departure = departure("ann");
    let arrival = browser.sign_in(&oidc.begin(&departure).await.unwrap(), "ann").await;
    let ann = oidc.login(arrival.proof(&departure)).await.unwrap();
    assert!(ann.session.is_some());

    let farewell = oidc.farewell(&known(&ann), REDIRECT).unwrap();
    browser.sign_in(&farewell, "").await;
    let told = wait::until("the logout token", || {
        let told = hook.requests().into_iter().find(|request| request.path() == "/logout");
        std::future::ready(told)
    })
    .await;
    let (name, token) = form_urlencoded::parse(&told.body).into_owned().next().unwrap();
    assert_eq!(name, "logout_token");
    let token = || Secret::new(token.clone());
    let out = oidc.back_channel(token()).await.unwrap();
    assert_eq!(out, LoggedOut { principal: Some(Arc::clone(&ann.principal.id)), session: ann.session });
    let why = refusal(oidc.back_channel(token()).await.unwrap_err());
    assert_eq!(why, "logout token: claim `jti`: it was used before");

    // Another provider's logout token, and one that somebody wrote.
    let other = Oidc::new("corp", Settings { client_id: "other".to_owned(), ..settings(&server) }, anywhere()).unwrap();
    assert!(refusal(other.back_channel(token()).await.unwrap_err()).starts_with("claim `aud`"));
    let mut forged = token().expose().clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    let why = refusal(provider(&server).back_channel(Secret::new(forged)).await.unwrap_err());
    assert_eq!(why, "the signature of the token is wrong");
}

#[tokio::test]
async fn a_test_says_what_it_found() {
    let server = OidcProvider::start(Options::default()).await;
    let mut settings = settings(&server);
    settings.scopes.push("payroll".to_owned());
    settings.names.groups = "realm_access.roles".to_owned();
    let oidc = Oidc::new("corp", settings, anywhere()).unwrap();
    let report = oidc.test(Some("ann".to_owned())).await.unwrap();
    assert_eq!(report.server, format!("{} (1 keys)", server.issuer()));
    assert_eq!(
        report.warnings,
        [
            "the issuer does not say that it knows the scope `payroll`",
            "the issuer does not say that it tells the claim `realm_access.roles`",
            "a person cannot be looked up with OpenID Connect: sign in to see its groups",
        ]
    );
}

/// H22: the provider's URL is no way to what only this machine can reach.
#[tokio::test]
async fn an_address_that_may_not_be_dialled_is_not() {
    let server = OidcProvider::start(Options::default()).await;
    let policy = drover::config::address::AddressPolicy::default();
    let oidc = Oidc::new("corp", settings(&server), policy.into_check()).unwrap();
    let error = oidc.begin(&departure("ann")).await.unwrap_err().to_string();
    assert!(error.contains("is not allowed: it is a loopback address"), "{error}");
}

#[tokio::test]
async fn a_missing_secret_and_a_wrong_one_are_told_by_name_and_never_shown() {
    let server = OidcProvider::start(Options::default()).await;
    let missing = Oidc::new("corp", Settings { client_secret: None, ..settings(&server) }, anywhere()).unwrap();
    let error = missing.begin(&departure("ann")).await.unwrap_err().to_string();
    assert_eq!(error, "provider `corp`: the Secret `drover-system:oidc` with the key `clientsecret` is missing");

    let secret = Some(Secret::new("hush".to_owned()));
    let wrong = Oidc::new("corp", Settings { client_secret: secret, ..settings(&server) }, anywhere()).unwrap();
    let LoginError::Provider(error) = signed_in(&server, &wrong, "ann").await.unwrap_err() else { panic!() };
    assert!(error.to_string().contains("the token endpoint refuses the client: invalid_client"), "{error}");
    assert!(!format!("{error}{wrong:?}").contains("hush"));
}

fn fake(server: &FakeApiserver, issuer: &str) -> Oidc {
    let settings = Settings {
        issuer: issuer.to_owned(),
        client_id: "drover".to_owned(),
        client_secret: None,
        client_secret_name: None,
        scopes: Vec::new(),
        endpoints: Endpoints::default(),
        names: Names { groups: "groups".to_owned(), name: "name".to_owned(), email: "email".to_owned() },
        certificate: Some(server.ca().pem()),
        timeout: Duration::from_millis(500),
    };
    Oidc::new("corp", settings, anywhere()).unwrap()
}

/// A provider that hangs, redirects, answers without end, or says that it is another one.
#[tokio::test]
async fn a_provider_that_misbehaves_is_an_error_that_names_it() {
    let server = FakeApiserver::start();
    let url = server.url();
    let discovery = "/.well-known/openid-configuration";
    let host = url.trim_start_matches("https://");
    let other = json!({"issuer": "https://other", "jwks_uri": format!("{url}/keys")});
    let plain = json!({"issuer": url, "jwks_uri": "http://127.0.0.1/keys"});
    for (reply, told) in [
        (Reply::hang(), format!("`{host}` did not answer within 500 ms")),
        (Reply::redirect(&format!("{url}/elsewhere")), format!("`{url}{discovery}` answered 302 Found, expected 200")),
        (Reply::generated(1 << 30), format!("the answer of `{host}` is longer than 1048576 bytes")),
        (Reply::reset(), format!("`{host}` gave no answer")),
        (Reply::text("hello"), format!("`{url}{discovery}`: expected value at line 1 column 1")),
        (Reply::json(&other), format!("`{url}{discovery}`: `issuer` is `https://other`, and not exactly `{url}`")),
        (Reply::json(&plain), format!("`{url}{discovery}`: `jwks_uri` is `http://127.0.0.1/keys`, and no https URL")),
    ] {
        server.clear_routes();
        server.route("GET", discovery, reply);
        let error = fake(&server, &url).begin(&departure("ann")).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("provider `corp`: {told}")), "{error}");
    }
    assert_eq!(server.requests().iter().filter(|request| request.path() == "/elsewhere").count(), 0);
}

/// Anybody can send a token that is signed with a key that nobody knows; the provider is not asked each time.
#[tokio::test]
async fn a_provider_is_not_asked_for_its_keys_without_end() {
    let server = FakeApiserver::start();
    let url = server.url();
    let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    server.route("GET", "/.well-known/openid-configuration", Reply::json(&metadata));
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "1", "x": "AQAB", "y": "AQAB"});
    server.route("GET", "/keys", Reply::json(&json!({"keys": [key]})));
    let oidc = fake(&server, &url);
    for n in 0..50 {
        let header = json!({"alg": "ES256", "kid": format!("unknown-{n}")}).to_string();
        let token =
            [header, "{}".to_owned(), "signature".to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let why = refusal(oidc.back_channel(Secret::new(token)).await.unwrap_err());
        assert_eq!(why, "the token is signed with a key that the issuer does not publish");
    }
    let asked = server.requests().iter().filter(|request| request.path() == "/keys").count();
    assert!(asked <= 4, "{asked}");
}
