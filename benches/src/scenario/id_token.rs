//! ID tokens as bearer credentials: known ones, and the first time of one.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover::identity::providers::issuer::Endpoints;
use drover::identity::providers::jwt::{Configured, IdTokens};
use drover::modules::Jwt;
use drover::world::input::{Inputs, ProviderInput};
use drover::world::{TokenHash, World};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use kit::fake::{FakeApiserver, Reply};
use serde_json::{Value, json};

use super::Args;
use super::callers::{Door, Known, bearer, time, user};
use crate::stats::spread;

/// An issuer's key.
enum Key {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ec(_) => Algorithm::ES256,
            Self::Rsa(_) => Algorithm::RS256,
        }
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Self::Rsa(key) => {
                let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
                json!({"kty": "RSA", "use": "sig", "kid": "rsa",
                    "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero())})
            }
        }
    }

    fn token(&self, claims: &Value) -> Result<String> {
        let (name, id) = match self {
            Self::Ec(_) => ("ES256", "ec"),
            Self::Rsa(_) => ("RS256", "rsa"),
        };
        let header = json!({"alg": name, "typ": "JWT", "kid": id}).to_string();
        let head = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ec(key) => key.sign(&random, head.as_bytes())?.as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, head.as_bytes(), &mut signature)?;
                signature
            }
        };
        Ok(format!("{head}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Prints what a known token costs, and the first one beside the signature alone.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "### {count} ID tokens as bearer credentials (goals: known ≤ 3 µs; the first time one check of the signature)\n"
    );
    println!(
        "| signature | look-up by hash, µs | whole `authenticate`, µs: p50 (p99 of batches of 64) | first time, µs | jsonwebtoken's `decode`, µs | ÷ |\n|---|---|---|---|---|---|"
    );
    let keys = [
        Key::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
        Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?),
    ];
    for key in keys {
        let issuer = FakeApiserver::start();
        let metadata = json!({"issuer": issuer.url(), "jwks_uri": format!("{}/keys", issuer.url())});
        issuer.route("GET", "/.well-known/openid-configuration", Reply::json(&metadata));
        issuer.route("GET", "/keys", Reply::json(&json!({"keys": [key.jwk()]})));
        let known = tokens(&issuer)?;
        let now = Timestamp::now();
        let texts = (0..count)
            .map(|number| {
                let (from, to) = (now.as_second(), now.as_second() + 3600);
                key.token(&json!({"iss": issuer.url(), "aud": "drover", "sub": format!("bench{number}"), "iat": from, "exp": to,
                    "groups": ["dev", "ops"]}))
            })
            .collect::<Result<Vec<_>>>()?;
        let verifier = DecodingKey::from_jwk(&serde_json::from_value(key.jwk())?)?;
        let mut validation = Validation::new(key.algorithm());
        validation.set_audience(&["drover"]);
        validation.set_issuer(&[issuer.url()]);
        // The first of all fetches the keys.
        let first = texts.first().context("no token")?;
        runtime.block_on(known.verify(first, now)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for text in &texts {
            let start = Instant::now();
            let token = runtime.block_on(known.verify(text, now)).map_err(|error| anyhow::anyhow!("{error:?}"))?;
            ours.push(start.elapsed().as_secs_f64() * 1e6);
            known.keep(&token);
            let start = Instant::now();
            black_box(decode::<Value>(text, &verifier, &validation)?);
            theirs.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let world = World::of(Inputs {
            users: (0..count).map(user).collect(),
            providers: vec![ProviderInput { name: "ci".into(), enabled: true }],
            ..Inputs::default()
        });
        let door = Door::new();
        let requests = texts.iter().map(|text| bearer(text)).collect::<Result<Vec<_>>>()?;
        let hashes: Vec<TokenHash> = texts.iter().map(|text| TokenHash::of(text)).collect();
        let known = Known(known);
        let is_known = requests.iter().all(|headers| door.authenticate(headers, &world, Some(&known), now).is_ok());
        ensure!(is_known, "a token is not known");
        let looked_up = time(count, args.rounds * 4, |number, now| {
            black_box(known.0.cached(&hashes[number], now));
        });
        let whole = time(count, args.rounds * 4, |number, now| {
            let _ = black_box(door.authenticate(&requests[number], &world, Some(&known), now));
        });
        let (ours, theirs) = (spread(ours).median, spread(theirs).median);
        println!(
            "| {:?} | {:.2} | **{:.2}** ({:.2}) | {ours:.1} | {theirs:.1} | {:.2} |",
            key.algorithm(),
            looked_up.p50 / 1000.0,
            whole.p50 / 1000.0,
            whole.p99 / 1000.0,
            ours / theirs
        );
    }
    println!();
    Ok(())
}

/// The provider `ci` of `issuer`.
fn tokens(issuer: &FakeApiserver) -> Result<Arc<IdTokens>> {
    let jwt: Jwt =
        serde_json::from_value(json!({"audiences": ["drover"], "claimMappings": {"groups": {"claim": "groups"}}}))?;
    let tokens = IdTokens::new(Arc::new(|_, _, _| Ok(())));
    let refused = tokens.replace(vec![Configured {
        provider: "ci".into(),
        issuer: issuer.url(),
        endpoints: Endpoints::default(),
        certificate: Some(issuer.ca().pem()),
        timeout: Duration::from_secs(10),
        rules: jwt.rules().map_err(|error| anyhow::anyhow!("{error:?}"))?,
        admission: String::new(),
    }]);
    ensure!(refused.is_empty(), "{refused:?}");
    Ok(Arc::new(tokens))
}
