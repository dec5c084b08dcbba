//! Passwords of local users: only an Argon2id hash of each is kept, in a Secret that is the user's.
//!
//! Where Rancher keeps them: a Secret of the user's name in `cattle-local-user-passwords`. The hash is a PHC string.

use std::collections::BTreeMap;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use k8s_openapi::{ByteString, api::core::v1::Secret as SecretObject};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    core::ObjectMeta,
};

use super::{MANAGER, install::labels};
use crate::{modules::User, secret::Secret};

/// The namespace of the Secrets: Rancher's.
pub const NAMESPACE: &str = "cattle-local-user-passwords";
/// The key of the hash in its Secret: Rancher's.
const KEY: &str = "password";
/// Says how the hash was made: Rancher's.
const HOW: &str = "cattle.io/password-hash";
/// The shortest password that an administrator may set: Rancher's.
const SHORTEST: usize = 12;
const SALT: usize = 16;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("the password is shorter than {SHORTEST} characters")]
    Short,
    /// The system gives no randomness.
    #[error("the system has no randomness")]
    Random,
    /// It cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(argon2::password_hash::Error),
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
        return Err(PasswordError::Short);
    }
    Ok(Secret::new(text.to_owned()))
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
fn hash(password: &Secret<String>) -> Result<String, PasswordError> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordError::Random)?;
    let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(PasswordError::Hash)
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
    let name = user.name_any();
    let hash = hash(password)?;
    let secret = SecretObject {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(NAMESPACE.to_owned()),
            labels: Some(labels()),
            annotations: Some(BTreeMap::from([(HOW.to_owned(), "argon2id".to_owned())])),
            owner_references: user.owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(hash.into_bytes()))])),
        ..SecretObject::default()
    };
    let api = Api::<SecretObject>::namespaced(client.clone(), NAMESPACE);
    let applied = api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&secret)).await;
    applied.map(drop).map_err(|error| PasswordError::Plane { user: name, error: Box::new(error) })
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
    }

    #[test]
    fn a_short_password_is_refused_and_no_error_shows_it() {
        let error = chosen("hunter2").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        chosen("correct horse battery").unwrap();
    }
}
