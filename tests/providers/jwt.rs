//! ID tokens as bearer credentials: from a real provider, and from issuers whose tokens are wrong in every way.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drover::{
    identity::{
        provider::{LoginError, Provider as _, Refused},
        providers::{
            issuer::Endpoints,
            jwt::{Configured, IdToken, IdTokens},
            oidc::Oidc,
        },
    },
    modules::Jwt,
    world::TokenHash,
};
use jiff::{SignedDuration, Timestamp};
use kit::{
    fake::{FakeApiserver, Reply},
    oidc::{CLIENT, OidcProvider, Options},
};
use serde_json::{Value, json};

use crate::{
    browser::{Browser, anywhere, departure},
    oidc::settings,
};

/// An issuer that signs whatever it is told.
struct Issuer {
    server: FakeApiserver,
    key: EcdsaKeyPair,
    id: String,
}

impl Issuer {
    fn start() -> Self {
        let server = FakeApiserver::start();
        let metadata = json!({"issuer": server.url(), "jwks_uri": format!("{}/keys", server.url())});
        server.route("GET", "/.well-known/openid-configuration", Reply::json(&metadata));
        let mut issuer = Self { server, key: new_key(), id: String::new() };
        issuer.rotate("k1");
        issuer
    }

    /// Publishes a new key, and no other.
    fn rotate(&mut self, id: &str) {
        self.key = new_key();
        id.clone_into(&mut self.id);
        self.publish(&json!({"keys": [self.jwk()]}));
    }

    fn publish(&self, keys: &Value) {
        self.server.route("GET", "/keys", Reply::json(keys));
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": x, "y": y})
    }

    fn claims(&self) -> Value {
        let now = Timestamp::now().as_second();
        json!({"iss": self.server.url(), "aud": "drover", "sub": "ann", "iat": now, "exp": now + 600, "groups": ["dev"]})
    }

    /// A token of these claims.
    fn token(&self, claims: &Value) -> String {
        self.signed(&json!({"alg": "ES256", "typ": "JWT", "kid": self.id}), &claims.to_string())
    }

    fn signed(&self, header: &Value, payload: &str) -> String {
        let head = [header.to_string(), payload.to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.key.sign(&SystemRandom::new(), head.as_bytes()).unwrap();
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn configured(&self, provider: &str, jwt: Value) -> Configured {
        configured(provider, &self.server.url(), &self.server.ca().pem(), jwt)
    }

    fn tokens(&self, jwt: Value) -> IdTokens {
        let tokens = IdTokens::new(anywhere());
        assert_eq!(tokens.replace(vec![self.configured("ci", jwt)]), []);
        tokens
    }

    fn asked(&self) -> usize {
        self.server.requests().iter().filter(|request| request.path() == "/keys").count()
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn configured(provider: &str, issuer: &str, ca_pem: &str, jwt: Value) -> Configured {
    let jwt: Jwt = serde_json::from_value(jwt).unwrap();
    Configured {
        provider: provider.into(),
        issuer: issuer.to_owned(),
        endpoints: Endpoints::default(),
        certificate: Some(ca_pem.to_owned()),
        timeout: Duration::from_secs(10),
        rules: jwt.rules().unwrap(),
        admission: String::new(),
    }
}

fn plain() -> Value {
    json!({"audiences": ["drover"], "claimMappings": {"groups": {"claim": "groups"}}})
}

async fn refused(tokens: &IdTokens, token: &str) -> String {
    match tokens.verify(token, Timestamp::now()).await {
        Err(LoginError::Refused(Refused::Answer(why))) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn groups(token: &IdToken) -> Vec<&str> {
    token.groups.iter().map(|group| &**group).collect()
}

#[tokio::test]
async fn a_token_is_verified_once_and_then_known_by_its_hash() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let (text, now) = (issuer.token(&issuer.claims()), Timestamp::now());
    let hash = TokenHash::of(&text);
    assert!(tokens.cached(&hash, now).is_none());
    let token = tokens.verify(&text, now).await.unwrap();
    assert!(tokens.cached(&hash, now).is_none(), "whether she may sign in is not decided here");
    tokens.keep(&token);
    assert_eq!((&*token.provider, &*token.principal), ("ci", "ci_user://ann"));
    assert_eq!(groups(&token), ["ci_group://dev"]);
    assert!(Arc::ptr_eq(&tokens.cached(&hash, now).unwrap(), &token));
    assert!(tokens.cached(&hash, token.expires_at - SignedDuration::from_secs(1)).is_some());
    assert!(tokens.cached(&hash, token.expires_at).is_none());
    tokens.verify(&issuer.token(&issuer.claims()), now).await.unwrap();
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn the_id_token_of_a_real_provider_is_a_credential() {
    let server = OidcProvider::start(Options::default()).await;
    let oidc = Oidc::new("corp", settings(&server), anywhere()).unwrap();
    let departure = departure("ann");
    let mut browser = Browser::new(server.issuer(), &server.ca_pem());
    let arrival = browser.sign_in(&oidc.begin(&departure).await.unwrap(), "ann").await;
    let text = browser.exchange(&arrival, &departure).await;

    let tokens = IdTokens::new(anywhere());
    let jwt = json!({"audiences": [CLIENT], "claimMappings": {"groups": {"claim": "groups"}}});
    tokens.replace(vec![configured("corp", server.issuer(), &server.ca_pem(), jwt)]);
    let token = tokens.verify(&text, Timestamp::now()).await.unwrap();
    assert_eq!((&*token.principal, groups(&token)), ("corp_user://8f1c", vec!["corp_group://dev", "corp_group://ops"]));

    // RS256 made HS256, with the published key as the secret that everybody knows.
    let [_, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let why = refused(&tokens, &format!("{header}.{payload}.{signature}")).await;
    assert_eq!(why, "`alg` of the token's header is `HS256`");
}

/// T7: wrong issuer, audience, expired, not yet valid, no end.
#[tokio::test]
async fn each_claim_that_is_wrong_is_refused_by_name() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let now = Timestamp::now().as_second();
    for (name, value) in [
        ("iss", json!("https://other.example.org")),
        ("iss", json!(format!("{}/", issuer.server.url()))),
        ("iss", json!(["drover"])),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("exp", json!(now - 1)),
        ("exp", json!(null)),
        ("nbf", json!(now + 600)),
        ("iat", json!(now + 600)),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("groups", json!({"a": "b"})),
        ("groups", json!(["dev", 7])),
    ] {
        let mut claims = issuer.claims();
        claims[name] = value;
        let why = refused(&tokens, &issuer.token(&claims)).await;
        assert!(why.starts_with(&format!("claim `{name}`")), "{why}");
    }
    for name in ["iss", "aud", "exp", "sub"] {
        let mut claims = issuer.claims();
        claims.as_object_mut().unwrap().remove(name);
        let why = refused(&tokens, &issuer.token(&claims)).await;
        assert!(why.starts_with(&format!("claim `{name}`")), "{why}");
    }
}

/// T7: alg none, HS256 with the public key, kid tricks, keys in the header, duplicate claims, huge tokens.
#[tokio::test]
async fn a_token_that_is_not_signed_by_a_published_key_is_refused() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let payload = issuer.claims().to_string();
    tokens.verify(&issuer.token(&issuer.claims()), Timestamp::now()).await.unwrap();
    let by = |header: Value| issuer.signed(&header, &payload);

    assert_eq!(refused(&tokens, &by(json!({"alg": "none"}))).await, "`alg` of the token's header is `none`");
    let unsigned = by(json!({"alg": "ES256", "kid": "k1"}));
    let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
    assert_eq!(refused(&tokens, unsigned).await, "the signature of the token is wrong");
    let swapped = by(json!({"alg": "ES384", "kid": "k1"}));
    assert_eq!(refused(&tokens, &swapped).await, "the token is signed with a key that the issuer does not publish");
    let swapped = by(json!({"alg": "RS256", "kid": "k1"}));
    assert_eq!(refused(&tokens, &swapped).await, "the token is signed with a key that the issuer does not publish");
    for kid in ["../../dev/null", "k1' OR 1=1", "http://evil/keys", ""] {
        let why = refused(&tokens, &by(json!({"alg": "ES256", "kid": kid}))).await;
        assert_eq!(why, "the token is signed with a key that the issuer does not publish");
    }
    // A key that a token brings along, or names the place of, proves nothing.
    let thief = Issuer { server: FakeApiserver::start(), key: new_key(), id: "k1".to_owned() };
    let place = format!("{}/keys", thief.server.url());
    let header = json!({"alg": "ES256", "kid": "k1", "jwk": thief.jwk(), "jku": place, "x5u": place});
    assert_eq!(refused(&tokens, &thief.signed(&header, &payload)).await, "the signature of the token is wrong");
    assert_eq!(thief.server.requests().len(), 0);
    assert!(refused(&tokens, &by(json!({"alg": "ES256", "crit": ["exp"]}))).await.contains("`crit`"));

    let twice = payload.replacen('{', r#"{"sub":"root","#, 1);
    let why = refused(&tokens, &issuer.signed(&json!({"alg": "ES256", "kid": "k1"}), &twice)).await;
    assert!(why.contains("duplicate field"), "{why}");
    let mut huge = issuer.claims();
    huge["pad"] = json!("x".repeat(16 * 1024));
    assert_eq!(refused(&tokens, &issuer.token(&huge)).await, "the token has more than 16384 bytes");
    let mut logout = issuer.claims();
    logout["events"] = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(refused(&tokens, &issuer.token(&logout)).await, "it is a logout token, and no ID token");
}

/// T7: key rotated.
#[tokio::test]
async fn a_new_key_is_found_and_what_a_withdrawn_one_signed_is_good_no_more() {
    let mut issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let now = Timestamp::now();
    let old = issuer.token(&issuer.claims());
    let known = tokens.verify(&old, now).await.unwrap();
    tokens.keep(&known);
    let kept = issuer.jwk();
    issuer.rotate("k2");
    issuer.publish(&json!({"keys": [kept, issuer.jwk()]}));
    tokens.verify(&issuer.token(&issuer.claims()), now).await.unwrap();
    assert!(known.holds(now) && tokens.cached(&known.hash, now).is_some());
    issuer.rotate("k3");
    tokens.refresh().await;
    assert!(!known.holds(now) && tokens.cached(&known.hash, now).is_none());
    let why = refused(&tokens, &old).await;
    assert_eq!(why, "the token is signed with a key that the issuer does not publish");
    tokens.verify(&issuer.token(&issuer.claims()), now).await.unwrap();
}

/// T3, T7: provider disabled, changed, or mixed up with another.
#[tokio::test]
async fn a_token_holds_as_long_as_its_provider_is_as_it_was() {
    let (issuer, other) = (Issuer::start(), Issuer::start());
    let tokens = issuer.tokens(plain());
    let now = Timestamp::now();
    let text = issuer.token(&issuer.claims());
    let known = tokens.verify(&text, now).await.unwrap();
    tokens.keep(&known);

    let both = || vec![other.configured("other", plain()), issuer.configured("ci", plain())];
    assert_eq!(tokens.replace(both()), []);
    assert!(tokens.cached(&known.hash, now).is_some());

    // Signed by one issuer, and said to be of the other.
    let mut claims = other.claims();
    claims["iss"] = json!(issuer.server.url());
    assert_eq!(refused(&tokens, &other.token(&claims)).await, "the signature of the token is wrong");

    let mut changed = both();
    changed[1] = issuer.configured("ci", json!({"audiences": ["drover", "more"]}));
    tokens.replace(changed);
    assert!(!known.holds(now) && tokens.cached(&known.hash, now).is_none());
    let again = tokens.verify(&text, now).await.unwrap();
    tokens.keep(&again);
    assert_eq!(groups(&again), Vec::<&str>::new());

    // Who may sign in is to be asked anew.
    let same = issuer.configured("ci", json!({"audiences": ["drover", "more"]}));
    tokens.replace(vec![Configured { admission: "Required".to_owned(), ..same }]);
    assert!(tokens.cached(&again.hash, now).is_none());

    tokens.replace(vec![other.configured("other", plain())]);
    assert!(tokens.cached(&again.hash, now).is_none());
    assert!(refused(&tokens, &text).await.starts_with("claim `iss`: no provider takes ID tokens of `https://127"));
}

#[tokio::test]
async fn of_two_providers_of_one_issuer_the_first_by_name_takes_its_tokens() {
    let issuer = Issuer::start();
    let tokens = IdTokens::new(anywhere());
    let refused = tokens.replace(vec![issuer.configured("two", plain()), issuer.configured("one", plain())]);
    assert_eq!(refused[0].to_string(), "provider `two`: `issuer`: provider `one` takes its ID tokens already");
    let token = tokens.verify(&issuer.token(&issuer.claims()), Timestamp::now()).await.unwrap();
    assert_eq!(&*token.principal, "one_user://ann");
}

/// H9.
#[tokio::test]
async fn hostile_claims_stay_in_the_providers_own_names() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let mut claims = issuer.claims();
    claims["groups"] = json!(["system:masters", "a\r\nX: y", "", "drover:project:x:y", "x".repeat(2_000)]);
    let token = tokens.verify(&issuer.token(&claims), Timestamp::now()).await.unwrap();
    assert_eq!(groups(&token), ["ci_group://drover:project:x:y", "ci_group://system:masters"]);
    claims["sub"] = json!("a\nb");
    assert!(matches!(tokens.verify(&issuer.token(&claims), Timestamp::now()).await, Err(LoginError::Provider(_))));
}

#[tokio::test]
async fn rules_and_mappings_are_those_of_structured_authentication() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(json!({
        "audiences": ["other", "drover"],
        "claimValidationRules": [
            {"claim": "repository_owner", "requiredValue": "example"},
            {"expression": "claims.ref == 'refs/heads/main'", "message": "only the main branch deploys"},
        ],
        "claimMappings": {
            "username": {"expression": "'repo:' + claims.repository"},
            "groups": {"expression": "[claims.repository_owner, ''] + claims.?teams.orValue([])"},
            "uid": {"claim": "sub"},
            "extra": [{"key": "example.org/actor", "valueExpression": "claims.actor"}],
        },
        "userValidationRules": [
            {"expression": "!user.username.startsWith('system:')", "message": "reserved"},
            {"expression": "user.extra['example.org/actor'] != ['mallory']", "message": "mallory may not"},
            {"expression": "user.uid == 'ann' && 'example' in user.groups"},
        ],
    }));
    let mut good = issuer.claims();
    let more =
        json!({"repository": "example/shop", "repository_owner": "example", "ref": "refs/heads/main", "actor": "ann"});
    good.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let token = tokens.verify(&issuer.token(&good), Timestamp::now()).await.unwrap();
    assert_eq!((&*token.principal, groups(&token)), ("ci_user://repo:example/shop", vec!["ci_group://example"]));
    for (name, value, told) in [
        ("repository_owner", json!("other"), "claim `repository_owner`: expected `example`, found"),
        ("repository_owner", json!(1), "the expression of `groups` gives neither a text nor texts"),
        (
            "ref",
            json!("refs/heads/x"),
            "the rule `claims.ref == 'refs/heads/main'` does not hold: only the main branch",
        ),
        (
            "actor",
            json!("mallory"),
            "the rule `user.extra['example.org/actor'] != ['mallory']` does not hold: mallory may not",
        ),
        ("repository", json!(7), "the expression of `username`: "),
        ("teams", json!([7]), "the expression of `groups` gives neither a text nor texts"),
        ("sub", json!("bob"), "the rule `user.uid == 'ann'"),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let why = refused(&tokens, &issuer.token(&claims)).await;
        assert!(why.starts_with(told), "{why}");
    }
}

/// T8: an address that nobody verified may be anybody's.
#[tokio::test]
async fn an_address_that_is_not_verified_is_no_user_name() {
    let issuer = Issuer::start();
    let tokens = issuer
        .tokens(json!({"audiences": ["drover"], "claimMappings": {"username": {"claim": "email", "prefix": "m:"}}}));
    let mut claims = issuer.claims();
    claims["email"] = json!("ann@example.org");
    let token = tokens.verify(&issuer.token(&claims), Timestamp::now()).await.unwrap();
    assert_eq!(&*token.principal, "ci_user://m:ann@example.org");
    for verified in [json!(false), json!("true"), json!(null)] {
        claims["email_verified"] = verified;
        let why = refused(&tokens, &issuer.token(&claims)).await;
        assert_eq!(why, "claim `email_verified`: the address is not verified");
    }
}

/// Tokens that could be good make the issuer be asked for keys; not each one.
#[tokio::test]
async fn strangers_cannot_make_an_issuer_be_asked_without_end() {
    let issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let good = issuer.token(&issuer.claims());
    tokens.verify(&good, Timestamp::now()).await.unwrap();
    for n in 0..100 {
        let header = json!({"alg": "ES256", "kid": format!("k-{n}")});
        refused(&tokens, &issuer.signed(&header, &issuer.claims().to_string())).await;
    }
    assert!(issuer.asked() <= 4, "{}", issuer.asked());
    tokens.verify(&good, Timestamp::now()).await.unwrap();
}

#[tokio::test]
async fn while_an_issuer_is_down_its_known_keys_go_on() {
    let mut issuer = Issuer::start();
    let tokens = issuer.tokens(plain());
    let known = tokens.verify(&issuer.token(&issuer.claims()), Timestamp::now()).await.unwrap();
    issuer.server.stop();
    tokens.refresh().await;
    assert!(known.holds(Timestamp::now()));
    let mut another = issuer.claims();
    another["sub"] = json!("bob");
    tokens.verify(&issuer.token(&another), Timestamp::now()).await.unwrap();
}
