//! Bearer credentials that are verified once. ID tokens: whom the token is about is let in as at a sign-in, and nothing is written
//! but, where the provider says so, the User at the first token. Tokens of Rancher's: at the first use the Token gets the SHA-256
//! of the whole in place of the salted hash.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    hasher::Hasher,
    people::{NotAdmitted, People},
    providers::Providers,
    sessions::Sessions,
};
use crate::{
    config::address::Check,
    identity::{
        Verifier,
        account::is_signed,
        provider::{LoginError, Person, Principal, PrincipalKind, ProviderError, Refused},
        providers::jwt::{IdToken, IdTokens},
        salted,
        signed::named,
    },
    secret::Secret,
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
    sessions: Sessions,
    hasher: Hasher,
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
        sessions: Sessions,
        hasher: Hasher,
        control: tokio::runtime::Handle,
    ) -> Self {
        Self { tokens, providers, people, sessions, hasher, control }
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

    /// A token of Rancher's, `<name>:<key>`: its key is hashed once with the stored salt.
    async fn bring_over(&self, name: &str, key: &str, whole: &str) -> Result<(), LoginError> {
        let failed = |why: &dyn fmt::Display| LoginError::from(ProviderError::new("tokens", why));
        let Some(stored) = self.sessions.salted(name) else { return Err(Refused::Credentials.into()) };
        let tried = Secret::new(key.to_owned());
        let proved = self.hasher.run(move || salted::verify(&stored, tried.expose())).await;
        if !proved.map_err(|busy| failed(&busy))? {
            return Err(Refused::Credentials.into());
        }
        self.sessions.bring_over(name, whole).await.map_err(|error| failed(&error))
    }

    async fn take(self, token: String, now: Timestamp) -> Result<(), LoginError> {
        if let Some((name, key)) = named(&token).filter(|_| !is_signed(&token)) {
            return self.bring_over(name, key, &token).await;
        }
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
            Ok(()) => {
                // Not before: what is known by its hash is let in without another question.
                self.tokens.keep(&verified);
                Ok(())
            }
            Err(NotAdmitted::Session(error)) => Err(failed(&error)),
            Err(error) => Err(Refused::Answer(error.to_string()).into()),
        }
    }
}

impl Verifier for Bearer {
    fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IdToken>> {
        self.tokens.cached(hash, now)
    }

    fn verify(&self, token: &str, now: Timestamp) -> BoxFuture<'static, Result<(), LoginError>> {
        // Not on a worker: keys may have to be fetched, and a User made.
        let task = self.control.spawn(self.clone().take(token.to_owned(), now));
        Box::pin(async move {
            let ended = |_| LoginError::from(ProviderError::new("jwt", "the server ends"));
            task.await.map_err(ended)?
        })
    }
}
