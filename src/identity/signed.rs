//! Credentials that must be verified once before they are known: ID tokens of providers, and tokens of Rancher's that were brought
//! over with a salted hash.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{account::is_signed, provider::LoginError, providers::jwt::IdToken};
use crate::world::{TokenHash, World};

/// Verifies what is not known yet.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// The ID token of this hash, where it was verified and still holds. No IO, no wait.
    fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IdToken>>;

    /// Verifies a credential. From then on it is known: an ID token here, another token in the world.
    fn verify(&self, token: &str, now: Timestamp) -> BoxFuture<'static, Result<(), LoginError>>;
}

/// The name of a token that has one in it, as Rancher's have: `<name>:<key>`.
pub fn named(token: &str) -> Option<(&str, &str)> {
    token.split_once(':').filter(|(name, key)| !name.is_empty() && !key.is_empty())
}

/// Whether a token that nobody knows may be one that has to be verified.
pub fn is_verifiable(token: &str, world: &World) -> bool {
    is_signed(token) || named(token).is_some_and(|(name, _)| world.token(&TokenHash::salted(name)).is_some())
}
