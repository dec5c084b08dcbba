//! ID tokens as bearer credentials: whom the token is about is let in as at a sign-in, and nothing is written but, where the
//! provider says so, the User at the first token.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    people::{NotAdmitted, People},
    providers::Providers,
};
use crate::{
    config::address::Check,
    identity::{
        SignedTokens,
        provider::{LoginError, Person, Principal, PrincipalKind, ProviderError},
        providers::jwt::{IdToken, IdTokens},
    },
    world::TokenHash,
};

/// How often issuers are asked for their keys, so that withdrawn ones are forgotten.
const KEYS: Duration = Duration::from_mins(10);

/// Takes ID tokens of the enabled providers. Cheap to clone.
#[derive(Clone)]
pub struct Bearer {
    tokens: Arc<IdTokens>,
    providers: Providers,
    people: People,
    control: tokio::runtime::Handle,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

/// The ID tokens of no issuer yet; `addresses` says which may be dialled.
pub fn tokens(addresses: &Check) -> Arc<IdTokens> {
    Arc::new(IdTokens::new(Arc::clone(addresses)))
}

impl Bearer {
    /// Of `providers`, which keep `tokens` up to date.
    pub const fn new(
        tokens: Arc<IdTokens>,
        providers: Providers,
        people: People,
        control: tokio::runtime::Handle,
    ) -> Self {
        Self { tokens, providers, people, control }
    }

    /// Asks issuers for their keys until `stop`.
    pub async fn keep_keys(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(KEYS) => self.tokens.refresh().await,
            }
        }
    }

    async fn take(self, token: String, now: Timestamp) -> Result<Arc<IdToken>, LoginError> {
        let verified = self.tokens.verify(&token, now).await?;
        let name = &verified.provider;
        let failed = |why: &dyn fmt::Display| LoginError::from(ProviderError::new(&**name, why));
        let entry = self.providers.get(name).ok_or_else(|| failed(&"is not enabled"))?;
        let principal = |id: &Arc<str>, kind| Principal {
            id: Arc::clone(id),
            kind,
            display_name: String::new(),
            login_name: String::new(),
        };
        let person = Person {
            principal: principal(&verified.principal, PrincipalKind::User),
            groups: verified.groups.iter().map(|group| principal(group, PrincipalKind::Group)).collect(),
            unique_id: None,
            email: None,
            grant: None,
            session: None,
        };
        match self.people.admit_bearer(&entry, &person).await {
            Ok(()) => Ok(verified),
            Err(NotAdmitted::Session(error)) => Err(failed(&error)),
            Err(error) => Err(crate::identity::provider::Refused::Answer(error.to_string()).into()),
        }
    }
}

impl SignedTokens for Bearer {
    fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IdToken>> {
        self.tokens.cached(hash, now)
    }

    fn verify(&self, token: &str, now: Timestamp) -> BoxFuture<'static, Result<Arc<IdToken>, LoginError>> {
        // Not on a worker: keys may have to be fetched, and a User made.
        let task = self.control.spawn(self.clone().take(token.to_owned(), now));
        Box::pin(async move {
            let ended = |_| LoginError::from(ProviderError::new("jwt", "the server ends"));
            task.await.map_err(ended)?
        })
    }
}
