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
        let claims = json!({"iss": self.server.url(), "aud": "drover", "sub": subject, "iat": now, "exp": now + 600, "groups": ["dev"]});
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "k1"});
        let head = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
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
