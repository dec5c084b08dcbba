//! Passwords of local users: only an Argon2id hash of each is kept, in a Secret that is the user's.
//!
//! Where Rancher keeps them: a Secret of the user's name in `cattle-local-user-passwords`. The hash is a PHC string.

use std::collections::BTreeMap;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use k8s_openapi::{
    ByteString, api::core::v1::Secret as SecretObject, apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};

use pbkdf2::hmac::SimpleHmac;
use sha3::Sha3_512;

use super::{MANAGER, install::labels};
use crate::{modules::User, secret::Secret};

/// The namespace of the Secrets: Rancher's.
pub const NAMESPACE: &str = "cattle-local-user-passwords";
/// The key of the hash in its Secret: Rancher's.
const KEY: &str = "password";
/// Says how the hash was made: Rancher's.
const HOW: &str = "cattle.io/password-hash";
/// How Rancher made its own.
const RANCHER: &str = "pbkdf2sha3512";
/// The shortest password that an administrator may set: Rancher's.
const SHORTEST: usize = 12;
const SALT: usize = 16;
/// The longest password, in bytes (T5).
pub const LONGEST: usize = 1024;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("the password is shorter than {0} characters")]
    Short(usize),
    /// Too long: more than is hashed.
    #[error("the password is longer than {LONGEST} bytes")]
    Long,
    /// The system gives no randomness.
    #[error("the system has no randomness")]
    Random,
    /// It cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    /// Too many are hashed at this moment.
    #[error("too many passwords are set at this moment")]
    Busy,
    /// It is the name of its user.
    #[error("the password is the user's name")]
    Name,
    /// It is the one that is to be changed.
    #[error("the new password is the old one")]
    Same,
    /// The plane does not take it.
    #[error("the password of User `{user}` cannot be written: {error}")]
    Plane {
        /// Whose.
        user: String,
        /// Why.
        #[source]
        error: Box<kube::Error>,
    },
}

/// A password that somebody chose.
///
/// # Errors
/// One that is too short.
pub fn chosen(text: &str) -> Result<Secret<String>, PasswordError> {
    if text.chars().count() < SHORTEST {
        return Err(PasswordError::Short(SHORTEST));
    }
    Ok(Secret::new(text.to_owned()))
}

/// Whether somebody called `names` may have this password, with at least so many characters.
///
/// # Errors
/// One that is too short or too long, or the user's name.
pub fn acceptable(text: &str, names: &[&str], shortest: usize) -> Result<(), PasswordError> {
    if text.len() > LONGEST {
        return Err(PasswordError::Long);
    }
    if text.chars().count() < shortest {
        return Err(PasswordError::Short(shortest));
    }
    if names.iter().any(|name| name.to_lowercase() == text.to_lowercase()) {
        return Err(PasswordError::Name);
    }
    Ok(())
}

/// A new password of 144 random bits.
///
/// # Errors
/// No randomness.
pub fn random() -> Result<Secret<String>, PasswordError> {
    let mut bytes = [0; 18];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PasswordError::Random)?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// The hash of a password: some tens of milliseconds and 19 MiB.
///
/// # Errors
/// No randomness.
pub fn hash(password: &Secret<String>) -> Result<String, PasswordError> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordError::Random)?;
    let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(PasswordError::Hash)
}

/// A hash with the parameters of `Argon2::default`, of a password that nobody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$vQHHyS1T8aZC0mPYq0eHdK4oVw2vJqXb0c1u3m5n7o8";

/// What a password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash is one of Rancher's, to be made anew.
    Outdated,
}

impl Verdict {
    /// Whether the password is the one.
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::Outdated)
    }
}

/// Judges a password by the Secret of a user. Where there is none the work is the same (T5).
pub fn judge(secret: Option<&SecretObject>, password: &Secret<String>) -> Verdict {
    let Some(secret) = secret else {
        if let Ok(nobody) = PasswordHash::new(NOBODY) {
            let _ = Argon2::default().verify_password(password.expose().as_bytes(), &nobody);
        }
        return Verdict::Wrong;
    };
    if secret.metadata.annotations.as_ref().and_then(|how| how.get(HOW)).is_some_and(|how| how == RANCHER) {
        return if verify_rancher(secret, password) { Verdict::Outdated } else { Verdict::Wrong };
    }
    if verify(secret, password) { Verdict::Right } else { Verdict::Wrong }
}

/// Rancher's hash: PBKDF2 with HMAC-SHA3-512, 210,000 rounds, 32 bytes (`pkg/auth/providers/local/pbkdf2` of
/// github.com/rancher/rancher).
fn verify_rancher(secret: &SecretObject, password: &Secret<String>) -> bool {
    let data = secret.data.as_ref();
    let value = |key| data.and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    let (Some(hash), Some(salt)) = (value(KEY).filter(|hash| hash.len() == 32), value("salt")) else { return false };
    let mut own = [0; 32];
    let hashed = pbkdf2::pbkdf2::<SimpleHmac<Sha3_512>>(password.expose().as_bytes(), salt, 210_000, &mut own);
    hashed.is_ok() && aws_lc_rs::constant_time::verify_slices_are_equal(&own, hash).is_ok()
}

/// Whether `password` is the one of `secret`: some tens of milliseconds and 19 MiB.
pub fn verify(secret: &SecretObject, password: &Secret<String>) -> bool {
    let stored = secret.data.as_ref().and_then(|data| data.get(KEY));
    let stored =
        stored.and_then(|hash| std::str::from_utf8(&hash.0).ok()).and_then(|hash| PasswordHash::new(hash).ok());
    stored.is_some_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

/// The Secret with the hash of a user's password.
///
/// # Errors
/// A plane that does not answer.
pub async fn of(client: &Client, user: &str) -> Result<Option<SecretObject>, kube::Error> {
    Api::<SecretObject>::namespaced(client.clone(), NAMESPACE).get_opt(user).await
}

/// Sets the password of `user`, which is in the plane. It goes with its user.
///
/// # Errors
/// A password that cannot be hashed; a plane that refuses.
pub async fn set(client: &Client, user: &User, password: &Secret<String>) -> Result<(), PasswordError> {
    store(client, &user.name_any(), user.metadata.uid.as_deref(), hash(password)?).await
}

/// What goes with the User `name`, where its `uid` is known.
pub fn owner(name: &str, uid: Option<&str>) -> Option<Vec<OwnerReference>> {
    Some(vec![OwnerReference {
        api_version: User::api_version(&()).into_owned(),
        kind: User::kind(&()).into_owned(),
        name: name.to_owned(),
        uid: uid?.to_owned(),
        ..OwnerReference::default()
    }])
}

/// Stores the hash of a user's password. With the `uid` of the User it goes with it.
///
/// # Errors
/// A plane that refuses.
pub async fn store(client: &Client, name: &str, uid: Option<&str>, hash: String) -> Result<(), PasswordError> {
    let secret = SecretObject {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            labels: Some(labels()),
            annotations: Some(BTreeMap::from([(HOW.to_owned(), "argon2id".to_owned())])),
            owner_references: owner(name, uid),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(hash.into_bytes()))])),
        ..SecretObject::default()
    };
    let api = Api::<SecretObject>::namespaced(client.clone(), NAMESPACE);
    let applied = api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&secret)).await;
    applied.map(drop).map_err(|error| PasswordError::Plane { user: name.to_owned(), error: Box::new(error) })
}

/// Puts a new hash into a Secret as it was read: where somebody has changed it since, theirs stays.
///
/// # Errors
/// A plane that refuses.
pub async fn replace(client: &Client, name: &str, mut secret: SecretObject, hash: String) -> Result<(), PasswordError> {
    secret.metadata.annotations.get_or_insert_default().insert(HOW.to_owned(), "argon2id".to_owned());
    secret.metadata.managed_fields = None;
    secret.data = Some(BTreeMap::from([(KEY.to_owned(), ByteString(hash.into_bytes()))]));
    let api = Api::<SecretObject>::namespaced(client.clone(), NAMESPACE);
    let replaced = api.replace(name, &PostParams::default(), &secret).await;
    replaced.map(drop).map_err(|error| PasswordError::Plane { user: name.to_owned(), error: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_a_hash_that_only_it_verifies() {
        let password = random().unwrap();
        let stored = hash(&password).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let data = BTreeMap::from([(KEY.to_owned(), ByteString(stored.into_bytes()))]);
        let secret = SecretObject { data: Some(data), ..SecretObject::default() };
        assert!(verify(&secret, &password));
        assert!(!verify(&secret, &random().unwrap()));
        assert!(!verify(&SecretObject::default(), &password));
        assert_eq!(judge(Some(&secret), &password), Verdict::Right);
        assert_eq!(judge(None, &password), Verdict::Wrong);
        PasswordHash::new(NOBODY).unwrap();
    }

    #[test]
    fn a_short_password_is_refused_and_no_error_shows_it() {
        let error = chosen("hunter2").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        chosen("correct horse battery").unwrap();
    }
}
