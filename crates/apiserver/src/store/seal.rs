//! Encryption at rest: a key of the administrator's wraps the file's own data keys, which seal the rows.
//!
//! Both steps are AES-256-GCM with random nonces. A wrapped key is bound to its epoch, a sealed row to its place in the log (the
//! revision is part of it), and the object's key is sealed with the object, so that a row moved to another place does not open.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY: usize = 32;

/// The salt of a passphrase, kept beside each key it wraps.
pub(super) const SALT: usize = 16;

/// What a file's data keys are wrapped with.
#[derive(Clone)]
pub struct MasterKey(Secret);

#[derive(Clone)]
enum Secret {
    Key(Zeroizing<[u8; KEY]>),
    Passphrase(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Secret::Key(_) => "MasterKey(key)",
            Secret::Passphrase(_) => "MasterKey(passphrase)",
        })
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key file `{path}` cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the key file `{path}` must hold 32 random bytes, as they are or in base64: `openssl rand -base64 32` makes one"
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
}

/// What is sealed was sealed with another key, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not open it")]
pub(super) struct Closed;

impl MasterKey {
    /// The key in the file at `path`: 32 bytes, as they are or in base64.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let bytes = std::fs::read(path).map_err(|source| KeyError::Unreadable { path: path.into(), source })?;
        let bytes = Zeroizing::new(bytes);
        let form = || KeyError::Form { path: path.into() };
        if let Ok(key) = <[u8; KEY]>::try_from(bytes.as_slice()) {
            return Ok(Self::from_bytes(key));
        }
        let decoded = Zeroizing::new(BASE64_STANDARD.decode(bytes.trim_ascii()).map_err(|_| form())?);
        <[u8; KEY]>::try_from(decoded.as_slice()).map(Self::from_bytes).map_err(|_| form())
    }

    /// This very key.
    pub fn from_bytes(key: [u8; KEY]) -> Self {
        Self(Secret::Key(Zeroizing::new(key)))
    }

    /// The key that Argon2id makes of `passphrase` and a salt of each file.
    pub fn from_passphrase(passphrase: &str) -> Self {
        Self(Secret::Passphrase(Zeroizing::new(passphrase.as_bytes().to_vec())))
    }

    /// Costs 19 MiB and some tens of milliseconds for a passphrase.
    fn key(&self, salt: &[u8]) -> Result<RandomizedNonceKey, Closed> {
        let key = match &self.0 {
            Secret::Key(key) => key.clone(),
            Secret::Passphrase(passphrase) => {
                let mut key = Zeroizing::new([0; KEY]);
                // OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
                let params = Params::new(19 * 1024, 2, 1, Some(KEY)).map_err(|_| Closed)?;
                let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                argon.hash_password_into(passphrase, salt, &mut *key).map_err(|_| Closed)?;
                key
            }
        };
        RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| Closed)
    }
}

/// A data key, wrapped.
#[derive(Clone, Debug)]
pub(super) struct Wrapped {
    pub(super) epoch: i64,
    pub(super) salt: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// A data key.
pub(super) struct DataKey {
    pub(super) epoch: i64,
    bytes: Zeroizing<[u8; KEY]>,
    key: RandomizedNonceKey,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl DataKey {
    fn new(epoch: i64, bytes: Zeroizing<[u8; KEY]>) -> Result<Self, Closed> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|_| Closed)?;
        Ok(Self { epoch, bytes, key })
    }

    pub(super) fn generate(epoch: i64) -> Result<Self, Closed> {
        let mut bytes = Zeroizing::new([0; KEY]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| Closed)?;
        Self::new(epoch, bytes)
    }

    pub(super) fn wrap(&self, master: &MasterKey) -> Result<Wrapped, Closed> {
        let mut salt = vec![0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| Closed)?;
        let bytes = seal(&master.key(&salt)?, &wrapping(self.epoch), self.bytes.as_slice())?;
        Ok(Wrapped { epoch: self.epoch, salt, bytes })
    }

    pub(super) fn unwrap(wrapped: &Wrapped, master: &MasterKey) -> Result<Self, Closed> {
        let bytes = Zeroizing::new(open(&master.key(&wrapped.salt)?, &wrapping(wrapped.epoch), &wrapped.bytes)?);
        let bytes = <[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| Closed)?;
        Self::new(wrapped.epoch, Zeroizing::new(bytes))
    }

    /// `body` sealed for `place`.
    pub(super) fn seal(&self, place: &[u8], body: &[u8]) -> Result<Vec<u8>, Closed> {
        seal(&self.key, place, body)
    }

    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        open(&self.key, place, sealed)
    }
}

fn wrapping(epoch: i64) -> Vec<u8> {
    [b"drover data key".as_slice(), &epoch.to_le_bytes()].concat()
}

/// The nonce, the sealed bytes and the tag.
fn seal(key: &RandomizedNonceKey, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Closed> {
    let mut sealed = plain.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(aad), &mut sealed).map_err(|_| Closed)?;
    sealed.splice(..0, nonce.as_ref().iter().copied());
    Ok(sealed)
}

fn open(key: &RandomizedNonceKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Closed> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Closed)?;
    let mut bytes = sealed.to_vec();
    let length =
        key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut bytes).map_err(|_| Closed)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_only_at_its_own_place_and_whole() {
        let key = DataKey::generate(1).unwrap();
        let sealed = key.seal(b"here", b"secret").unwrap();
        assert_eq!(key.open(b"here", &sealed).unwrap(), b"secret");
        assert_eq!(key.open(b"there", &sealed), Err(Closed));
        for at in 0..sealed.len() {
            let mut torn = sealed.clone();
            torn[at] ^= 1;
            assert_eq!(key.open(b"here", &torn), Err(Closed));
            assert_eq!(key.open(b"here", &sealed[..at]), Err(Closed));
        }
    }

    #[test]
    fn a_data_key_unwraps_with_its_master_only() {
        let key = DataKey::generate(7).unwrap();
        for (right, wrong) in [
            (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32])),
            (MasterKey::from_passphrase("correct horse"), MasterKey::from_passphrase("battery staple")),
        ] {
            let wrapped = key.wrap(&right).unwrap();
            assert_eq!(DataKey::unwrap(&wrapped, &right).unwrap().bytes, key.bytes);
            assert!(DataKey::unwrap(&wrapped, &wrong).is_err());
            assert!(DataKey::unwrap(&Wrapped { epoch: 8, ..wrapped }, &right).is_err());
        }
    }
}
