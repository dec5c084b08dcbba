//! ID tokens as bearer credentials, through the gateway.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use kit::{
    fake::{FakeApiserver, Reply},
    wait,
};
use serde_json::{Value, json};

use crate::scene::{Scene, object};

/// An issuer with one key.
struct Issuer {
    server: FakeApiserver,
    key: EcdsaKeyPair,
}

impl Issuer {
    fn start() -> Self {
        let server = FakeApiserver::start();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let metadata = json!({"issuer": server.url(), "jwks_uri": format!("{}/keys", server.url())});
        server.route("GET", "/.well-known/openid-configuration", Reply::json(&metadata));
        let point = key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "x": x, "y": y});
        server.route("GET", "/keys", Reply::json(&json!({"keys": [jwk]})));
        Self { server, key }
    }

    fn token(&self, subject: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        self.signed(&json!({"iss": self.server.url(), "aud": "drover", "sub": subject, "iat": now, "exp": now + 600,
            "groups": ["dev", "system:masters", "drover:c-a:cluster:cluster-owner", "a\r\nImpersonate-User: admin", "x".repeat(2_000)]}))
    }

    /// Says that somebody signed out (OpenID Connect Back-Channel Logout 1.0, 2.4).
    fn logout_token(&self, id: &str, subject: &str) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
        json!({"iss": self.server.url(), "aud": "drover", "sub": subject, "iat": now, "exp": now + 120, "jti": id, "events": event})
    }

    fn signed(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "k1"});
        let head = [&header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.key.sign(&SystemRandom::new(), head.as_bytes()).unwrap();
        format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// The provider `ci`, with these fields besides.
    fn provider(&self, fields: &Value) -> Value {
        let mut config = json!({"type": "genericOIDCConfig", "enabled": true, "issuer": self.server.url(),
            "certificate": self.server.ca().pem(),
            "jwt": {"audiences": ["drover"], "claimMappings": {"groups": {"claim": "groups"}}}});
        for (name, value) in fields.as_object().unwrap() {
            config[name] = value.clone();
        }
        object("AuthConfig", "ci", config)
    }
}

/// What proves who somebody is does not let it in: a verified token is known by its hash only once it was.
#[tokio::test]
async fn an_id_token_of_somebody_who_may_not_sign_in_is_refused_each_time() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    scene.person("bob").await;
    let issuer = Issuer::start();
    scene.patch("users.management.cattle.io", "u-ann", &json!({"principalIds": ["ci_user://ann"]})).await;
    scene.patch("users.management.cattle.io", "u-bob", &json!({"principalIds": ["ci_user://bob"]})).await;
    let mode = |allowed: &str| json!({"accessMode": "required", "allowedPrincipalIds": [allowed]});
    scene.apply(&[issuer.provider(&mode("ci_user://bob"))]).await;
    let (ann, bob) = (issuer.token("ann"), issuer.token("bob"));
    wait::until("the provider to be in use", || async { (scene.code(&bob).await == 200).then_some(()) }).await;
    for _ in 0..3 {
        assert_eq!(scene.code(&ann).await, 401);
    }
    // A stream of hers too.
    let endpoint = scene.gateway.endpoint();
    let path = format!("{}?watch=true", crate::scene::PODS);
    assert_eq!(endpoint.get(&path, &ann).await.status(), 401);

    // Who may is another one from now on: what was let in is looked at anew, and its streams end.
    let watch = scene.watch_with(&bob).await;
    scene.apply(&[issuer.provider(&mode("ci_user://ann"))]).await;
    watch.ends().await;
    assert_eq!(scene.code(&bob).await, 401);
    assert_eq!(scene.code(&bob).await, 401);
    assert_eq!(scene.code(&ann).await, 200);
}

/// T3: with the identity goes what it lets in.
#[tokio::test]
async fn an_id_token_is_nobodys_once_its_identity_is_taken_away() {
    let scene = Scene::start().await;
    scene.person("ann").await;
    let issuer = Issuer::start();
    scene.patch("users.management.cattle.io", "u-ann", &json!({"principalIds": ["ci_user://ann"]})).await;
    scene.apply(&[issuer.provider(&json!({}))]).await;
    let token = issuer.token("ann");
    wait::until("the provider to be in use", || async { (scene.code(&token).await == 200).then_some(()) }).await;
    let watch = scene.watch_with(&token).await;
    scene.patch("users.management.cattle.io", "u-ann", &json!({"principalIds": []})).await;
    watch.ends().await;
    assert_eq!(scene.code(&token).await, 401);
}

/// H9: what an issuer calls its groups is nothing to a cluster.
#[tokio::test]
async fn groups_of_an_id_token_are_no_groups_of_a_cluster() {
    let scene = Scene::start().await;
    let own = scene.person("ann").await;
    let issuer = Issuer::start();
    scene.patch("users.management.cattle.io", "u-ann", &json!({"principalIds": ["ci_user://ann"]})).await;
    scene.apply(&[issuer.provider(&json!({}))]).await;
    let token = issuer.token("ann");
    wait::until("the provider to be in use", || async { (scene.code(&token).await == 200).then_some(()) }).await;
    let sent = async |token: &str| {
        assert_eq!(scene.code(token).await, 200);
        let request = scene.fake.proxied().pop().unwrap();
        (request.impersonated_user(), request.impersonated_groups())
    };
    let groups = sent(&own).await;
    assert_eq!(groups.0.as_deref(), Some("u-ann"));
    assert_eq!(sent(&token).await, groups);
    assert!(!groups.1.iter().any(|group| group.contains("masters") || group.contains("owner")), "{groups:?}");
}

/// T9: a provider ends what it gave, and nobody else does in its name.
#[tokio::test]
async fn a_logout_token_ends_what_the_person_has_by_its_provider_and_a_false_one_nothing() {
    let scene = Scene::start().await;
    let own = scene.person("ann").await;
    let issuer = Issuer::start();
    let stranger = Issuer::start();
    scene.patch("users.management.cattle.io", "u-ann", &json!({"principalIds": ["ci_user://ann"]})).await;
    scene.apply(&[issuer.provider(&json!({"clientId": "drover"}))]).await;
    let folder = scene.gateway.folder();
    folder.add_user("u-ann");
    let of = json!({"authProvider": "ci", "userPrincipal": "ci_user://ann"});
    let session = folder.add_token_with("u-ann", "token-ci", &of);
    scene.gateway.wait_for_cluster("c-a", &session).await;
    let watch = scene.watch_with(&session).await;

    let say = async |claims: &Value, by: &Issuer| {
        let token = by.signed(claims);
        // It comes from the provider's server, which has no page of ours and no cookie.
        scene.browser().post("/login/ci/backchannel", &[("logout_token", &token)]).await.status.as_u16()
    };
    let good = issuer.logout_token("1", "ann");
    let mut other = issuer.logout_token("2", "ann");
    other["aud"] = json!("another");
    let mut none = issuer.logout_token("3", "ann");
    none["events"] = json!({});
    for (claims, by) in [(&good, &stranger), (&other, &issuer), (&none, &issuer)] {
        assert_eq!(say(claims, by).await, 400, "{claims}");
    }
    let id_token = issuer.token("ann");
    let page = scene.browser().post("/login/ci/backchannel", &[("logout_token", &id_token)]).await;
    assert_eq!(page.status, 400, "an ID token is none");
    assert_eq!(say(&issuer.logout_token("4", "bob"), &issuer).await, 200, "nobody here");
    assert_eq!(scene.code(&session).await, 200);

    assert_eq!(say(&good, &issuer).await, 200);
    watch.ends().await;
    assert_eq!(scene.code(&session).await, 401);
    assert_eq!(scene.code(&own).await, 200, "what another way gave stays");
    assert_eq!(say(&good, &issuer).await, 400, "it was used");
}
