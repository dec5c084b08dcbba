//! The key that tokens are signed with.

use std::fmt;

use aws_lc_rs::{
    digest,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Claims;
use crate::{
    object,
    store::{CommitError, Expect, Key, SIGNING_KEYS, Store, Write},
};

const NAME: &str = "service-accounts";

/// What stands before the point in the `SubjectPublicKeyInfo` of a key of P-256 (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key of P-256, for ES256.
pub(crate) struct SigningKey {
    id: String,
    x: String,
    y: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, String> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|rejected| format!("the signing key of service accounts cannot be used: {rejected}"))?;
        let point = pair.public_key().as_ref();
        let (x, y) = point.get(1..).and_then(|point| point.split_at_checked(32)).unwrap_or_default();
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let spki = [&SPKI, point].concat();
        let decoding = DecodingKey::from_ec_components(&x, &y).map_err(|wrong| wrong.to_string())?;
        Ok(Self {
            // The hash of the public key, as Kubernetes names its keys.
            id: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &spki)),
            x,
            y,
            encoding: EncodingKey::from_ec_der(pkcs8),
            decoding,
        })
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, String> {
        let header = Header { typ: None, kid: Some(self.id.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.encoding).map_err(|wrong| wrong.to_string())
    }

    /// The claims of a token that this key signed; whether they are valid is another question.
    pub(super) fn open(&self, token: &str) -> Result<Claims, String> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        decode::<Claims>(token, &self.decoding, &validation)
            .map(|token| token.claims)
            .map_err(|_| "go-jose/go-jose: error in cryptographic primitive".to_owned())
    }

    /// As JSON Web Key.
    pub(super) fn public(&self) -> Value {
        json!({"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256", "x": self.x, "y": self.y})
    }
}

/// The key of a store; made where there is none.
pub(super) async fn load(store: &Store) -> Result<SigningKey, String> {
    let key = Key::new(SIGNING_KEYS, "", NAME);
    if let Some(pkcs8) = read(store, &key)? {
        return SigningKey::from_pkcs8(&pkcs8);
    }
    let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|failed| failed.to_string())?;
    let pkcs8 = made.to_pkcs8v1().map_err(|failed| failed.to_string())?;
    let object = json!({"metadata": {"name": NAME}, "pkcs8": STANDARD.encode(pkcs8.as_ref())});
    let draft = object::draft(&object, "drover.io/v1", "SigningKey");
    match store.commit(vec![(key.clone(), Expect::Absent, Write::Put(draft))]).await {
        Ok(_) => SigningKey::from_pkcs8(pkcs8.as_ref()),
        // Somebody else was faster.
        Err(CommitError::Conflict { .. }) => {
            let pkcs8 = read(store, &key)?.ok_or_else(|| "there is no signing key".to_owned())?;
            SigningKey::from_pkcs8(&pkcs8)
        }
        Err(failed) => Err(failed.to_string()),
    }
}

fn read(store: &Store, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let Some(entry) = store.snapshot().get(key).cloned() else { return Ok(None) };
    let unreadable = || "the signing key of service accounts cannot be read".to_owned();
    let object: Value = serde_json::from_slice(&entry.as_bytes()).map_err(|_| unreadable())?;
    let pkcs8 = STANDARD.decode(object::text(&object, "pkcs8")).map_err(|_| unreadable())?;
    Ok(Some(Zeroizing::new(pkcs8)))
}
