//! What this fleet alone can make and read: sealed notes that a browser or a command carries, and proofs for forms.
//!
//! Sign-in keeps no state of its own in a replica: what must come back is sealed and given along, so that any replica can go on.

use std::time::Duration;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    hkdf, hmac,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret as SecretObject};
use kube::{Api, Client, api::PostParams, core::ObjectMeta};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::modules::NAMESPACE;

/// The Secret of the fleet, in `drover-system`.
const SECRET: &str = "drover-signin";
const KEY: &str = "key";
/// Bytes of the secret that all keys come from.
const LENGTH: usize = 32;
/// A sealed note that is longer was not made here.
const LONGEST: usize = 8 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The plane does not give or take the Secret.
    #[error("the Secret `{NAMESPACE}/{SECRET}` cannot be read or made: {0}")]
    Plane(#[source] Box<kube::Error>),
    /// The Secret holds something else.
    #[error(
        "the Secret `{NAMESPACE}/{SECRET}` has no key of {LENGTH} bytes under `{KEY}`: delete it, and a new one is made"
    )]
    Form,
    /// The system gives no randomness.
    #[error("the system has no randomness")]
    Random,
    /// The system gives no thread.
    #[error("the system gives no thread for passwords: {0}")]
    Thread(#[source] std::io::Error),
    /// There is such a metric already.
    #[error(transparent)]
    Metric(#[from] prometheus::Error),
}

/// The keys of the fleet.
#[derive(Debug)]
pub struct Keys {
    seal: RandomizedNonceKey,
    proof: hmac::Key,
}

#[derive(Serialize, Deserialize)]
struct Note<T> {
    /// Seconds since 1970 at which it is worth nothing any more.
    end: i64,
    value: T,
}

impl Keys {
    /// The fleet's keys; the first replica that asks makes them.
    ///
    /// # Errors
    /// A plane that refuses, a Secret of another form.
    pub async fn of(client: &Client) -> Result<Self, KeysError> {
        let plane = |error| KeysError::Plane(Box::new(error));
        let api = Api::<SecretObject>::namespaced(client.clone(), NAMESPACE);
        let there = api.get_opt(SECRET).await.map_err(plane)?;
        let there = if let Some(there) = there {
            there
        } else {
            let key = random::<LENGTH>().ok_or(KeysError::Random)?;
            let object = SecretObject {
                metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
                data: Some([(KEY.to_owned(), ByteString(key.to_vec()))].into()),
                ..SecretObject::default()
            };
            match api.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 => api.get(SECRET).await.map_err(plane)?,
                made => made.map_err(plane)?,
            }
        };
        let key = there.data.as_ref().and_then(|data| data.get(KEY)).filter(|key| key.0.len() == LENGTH);
        Self::from(&key.ok_or(KeysError::Form)?.0).ok_or(KeysError::Form)
    }

    fn from(secret: &[u8]) -> Option<Self> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"drover sign-in").extract(secret);
        let derive = |purpose: &'static [u8]| {
            let mut key = [0; 32];
            let purpose = [purpose];
            root.expand(&purpose, hkdf::HKDF_SHA256).ok()?.fill(&mut key).ok()?;
            Some(key)
        };
        Some(Self {
            seal: RandomizedNonceKey::new(&AES_256_GCM, &derive(b"seal")?).ok()?,
            proof: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"proof")?),
        })
    }

    /// Seals `value` for `purpose` until `now` and `life` later.
    pub fn seal<T: Serialize>(&self, purpose: &str, value: T, now: Timestamp, life: Duration) -> Option<String> {
        let end = now.checked_add(SignedDuration::try_from(life).ok()?).ok()?.as_second();
        let mut bytes = serde_json::to_vec(&Note { end, value }).ok()?;
        let nonce = self.seal.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Some(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was sealed for `purpose`, if it was and is not over.
    pub fn open<T: DeserializeOwned>(&self, purpose: &str, sealed: &str, now: Timestamp) -> Option<T> {
        if sealed.len() > LONGEST {
            return None;
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let plain = self.seal.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        let note: Note<T> = serde_json::from_slice(plain).ok()?;
        (now.as_second() < note.end).then_some(note.value)
    }

    /// A proof for `purpose` that `text` went through here.
    pub fn prove(&self, purpose: &str, text: &str) -> String {
        // The length keeps the two apart: `ab`, `c` is not `a`, `bc`.
        let message = format!("{}:{purpose}{text}", purpose.len());
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.proof, message.as_bytes()).as_ref())
    }

    /// Whether `proof` is that of `text`; takes the same time wherever they differ.
    pub fn is_proof(&self, purpose: &str, text: &str, proof: &str) -> bool {
        verify_slices_are_equal(self.prove(purpose, text).as_bytes(), proof.as_bytes()).is_ok()
    }
}

/// Random bytes, if the system gives any.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// 256 random bits as text for a URL.
pub fn random_text() -> Option<String> {
    random::<32>().map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_sealed_note_is_read_for_its_purpose_in_its_time_and_unchanged() {
        let keys = Keys::from(&[7; 32]).unwrap();
        let sealed = keys.seal("code", ("ann", 3), at(100), Duration::from_mins(1)).unwrap();
        let open = |keys: &Keys, purpose, sealed: &str, now| keys.open::<(String, i32)>(purpose, sealed, at(now));
        assert_eq!(open(&keys, "code", &sealed, 159), Some(("ann".to_owned(), 3)));
        assert_eq!(open(&keys, "code", &sealed, 160), None, "over");
        assert_eq!(open(&keys, "state", &sealed, 101), None, "another purpose");
        assert_eq!(open(&Keys::from(&[8; 32]).unwrap(), "code", &sealed, 101), None, "another fleet");
        for index in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(&keys, "code", std::str::from_utf8(&bytes).unwrap(), 101), None, "byte {index}");
        }
        assert_ne!(sealed, keys.seal("code", ("ann", 3), at(100), Duration::from_mins(1)).unwrap());
        for broken in ["", "A", "not base64!", &"A".repeat(100_000)] {
            assert_eq!(open(&keys, "code", broken, 101), None);
        }
    }

    /// H18: `ab` and `c` are not `a` and `bc`.
    #[test]
    fn a_proof_is_of_one_text_for_one_purpose() {
        let keys = Keys::from(&[7; 32]).unwrap();
        let proof = keys.prove("form", "session");
        assert!(keys.is_proof("form", "session", &proof));
        for (purpose, text) in [("forms", "ession"), ("form", "sessiom"), ("for", "msession"), ("other", "session")] {
            assert!(!keys.is_proof(purpose, text, &proof), "{purpose} {text}");
        }
        assert!(!keys.is_proof("form", "session", ""));
    }
}
