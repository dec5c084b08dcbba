//! Signed tokens that are no service account's: ID tokens of the providers that are taken as bearer credentials.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{provider::LoginError, providers::jwt::IdToken};
use crate::world::TokenHash;

/// Knows the ID tokens of the enabled providers.
pub trait SignedTokens: fmt::Debug + Send + Sync {
    /// The token of this hash, where it was verified and still holds. No IO, no wait.
    fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IdToken>>;

    /// Verifies a token that is not known yet, and knows it from then on.
    fn verify(&self, token: &str, now: Timestamp) -> BoxFuture<'static, Result<Arc<IdToken>, LoginError>>;
}
