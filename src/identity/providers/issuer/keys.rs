//! The keys of an issuer (RFC 7517), and what they verify. Only those of asymmetric algorithms are taken: with a secret that two
//! sides share, and with none, everybody who reads could also write.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

use super::Unverified;

/// Keys that are looked at; an issuer has a handful.
const MOST: usize = 64;

/// The keys that an issuer published at one moment.
pub struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    verifier: DecodingKey,
    /// As it was published.
    source: Value,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// What keys say of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// One of them made it.
    Good,
    /// The one that is named did not make it.
    Bad,
    /// The one that made it may be none of these.
    UnknownKey,
}

impl KeySet {
    /// Reads a JWK set; keys for other purposes, and of kinds that are not known, are left out.
    ///
    /// # Errors
    /// It is none, or has no key that verifies a token.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it is no JWK set: `keys` is missing")?;
        let keys: Vec<Key> = keys.iter().take(MOST).filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err("it has no key for signatures by RS, PS, ES256, ES384 or EdDSA".to_owned());
        }
        Ok(Self(keys))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each of these is still one of `newer`.
    pub(super) fn are_all_in(&self, newer: &Self) -> bool {
        self.0.iter().all(|key| newer.0.iter().any(|other| other.source == key.source))
    }

    /// Whether one of them signed a token. A token that names no key is tried with each that it may be.
    pub fn verify(&self, token: &Unverified<'_>) -> Signature {
        let named = |key: &&Key| token.key_id.is_none() || key.id == token.key_id;
        let mut found = false;
        for key in self.0.iter().filter(named).filter(|key| key.algorithms.contains(&token.algorithm)) {
            found = true;
            if token.is_signed_with(&key.verifier) {
                return Signature::Good;
            }
        }
        if found && token.key_id.is_some() { Signature::Bad } else { Signature::UnknownKey }
    }
}

impl Key {
    fn read(source: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(source.clone()).ok()?;
        let for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let may_verify = jwk.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !for_signatures || !may_verify {
            return None;
        }
        let possible: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            // A shared secret among published keys is no secret.
            _ => return None,
        };
        // A key that says what it is for is for nothing else (RFC 7517, 4.4).
        let only = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
        let algorithms = possible.iter().copied();
        let algorithms: Vec<_> =
            algorithms.filter(|one| only.as_ref().is_none_or(|only| format!("{one:?}") == *only)).collect();
        let verifier = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { id: jwk.common.key_id, algorithms, verifier, source: source.clone() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::KeySet;

    #[test]
    fn keys_that_verify_nothing_are_left_out() {
        let keys = json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "encryption", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "other", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "kid": "curve", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"},
            {"kty": "new"}, 7,
        ]});
        let error = KeySet::read(keys.to_string().as_bytes()).unwrap_err();
        assert_eq!(error, "it has no key for signatures by RS, PS, ES256, ES384 or EdDSA");
        assert_eq!(KeySet::read(b"{}").unwrap_err(), "it is no JWK set: `keys` is missing");
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_kind_or_for_the_one_that_it_names() {
        let keys = json!({"keys": [
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "alg": "RS256", "n": "AQAB", "e": "AQAB"},
            {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
        ]});
        let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
        let counts: Vec<usize> = keys.0.iter().map(|key| key.algorithms.len()).collect();
        assert_eq!(counts, [6, 1, 1]);
    }
}
