//! What goes on by itself: groups are refreshed, ended tokens deleted, last uses written down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{SignIn, people::NotAdmitted, sessions::SessionError};
use crate::{
    identity::provider::{ProviderError, Standing},
    modules::Token,
    world::rows::TokenRow,
};

/// How often last uses are written: once a minute a replica.
const USES: Duration = Duration::from_mins(1);
/// How often ended tokens and old groups are looked for.
const ROUND: Duration = Duration::from_secs(30);
/// An ended token is kept so long: who asks why it is refused finds it.
const KEPT: SignedDuration = SignedDuration::from_mins(10);
/// Users that are refreshed at once.
const AT_ONCE: usize = 4;
/// Failures one after the other after which a round leaves a provider out: one that is down is not asked about everybody.
const GIVE_UP: usize = 8;

/// How the providers do in one round.
#[derive(Debug, Default)]
struct Round(Mutex<HashMap<Arc<str>, usize>>);

impl Round {
    fn note(&self, provider: &Arc<str>, failed: bool) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = failures.entry(Arc::clone(provider)).or_default();
        *failures = if failed { failures.saturating_add(1) } else { 0 };
    }

    fn gives_up(&self, provider: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(provider).is_some_and(|failed| *failed >= GIVE_UP)
    }
}

/// Why a User could not be refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The provider cannot say: nothing changes.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The plane refuses.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SignIn {
    /// Writes down last uses until `stop`: in every replica, since each knows its own.
    pub async fn write_uses(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(USES);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut since = Timestamp::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.write_uses_since(since).await,
                _ = ticks.tick() => {}
            }
            let now = Timestamp::now();
            self.write_uses_since(since).await;
            since = now;
        }
    }

    async fn write_uses_since(&self, since: Timestamp) {
        let used: Vec<(Arc<str>, Timestamp)> = {
            let world = self.world.load();
            let recent = |token: &Arc<TokenRow>| {
                let used = token.used.get().filter(|used| used.as_second() >= since.as_second())?;
                Some((Arc::clone(&token.name), used))
            };
            world.tokens().filter_map(recent).collect()
        };
        let api = Api::<Token>::all(self.client.clone());
        for (name, used) in used {
            let change = json!({"lastUsedAt": used.to_string()});
            if let Err(error) = api.patch(&name, &PatchParams::default(), &Patch::Merge(&change)).await
                && !matches!(&error, kube::Error::Api(status) if status.code == 404)
            {
                tracing::warn!(%error, "when tokens were last used cannot be written down");
                return;
            }
        }
    }

    /// Deletes ended tokens and refreshes old groups until `stop`: in the replica that leads.
    pub async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(ROUND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let round = async {
                self.purge(Timestamp::now()).await;
                self.refresh_stale(Timestamp::now()).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = round => {}
            }
        }
    }

    async fn purge(&self, now: Timestamp) {
        let Ok(before) = now.checked_sub(KEPT) else { return };
        let ended: Vec<Arc<str>> = {
            let world = self.world.load();
            let over = |token: &&Arc<TokenRow>| token.ends_at().is_some_and(|end| end < before);
            world.tokens().filter(over).map(|token| Arc::clone(&token.name)).collect()
        };
        let api = Api::<Token>::all(self.client.clone());
        let mut deleted = 0_usize;
        for name in ended {
            match api.delete(&name, &DeleteParams::default()).await {
                Ok(_) => deleted += 1,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    tracing::warn!(%error, "ended tokens cannot be deleted");
                    break;
                }
            }
        }
        if deleted > 0 {
            tracing::info!(deleted, "ended tokens were deleted");
        }
    }

    async fn refresh_stale(&self, now: Timestamp) {
        let age = SignedDuration::try_from(self.providers.settings().max_age()).unwrap_or(SignedDuration::MAX);
        let Ok(oldest) = now.checked_sub(age) else { return };
        let mut page = None;
        let round = Round::default();
        loop {
            let (stale, next) = match self.people.stale(oldest, page).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "whose groups are old cannot be listed");
                    return;
                }
            };
            let refresh = async |user: Arc<str>| {
                if let Err(error) = self.refresh_in(&round, &user).await {
                    tracing::warn!(%user, %error, "the groups of a user could not be refreshed: they stay as they are");
                }
            };
            stream::iter(stale).for_each_concurrent(AT_ONCE, refresh).await;
            if next.is_none() {
                return;
            }
            page = next;
        }
    }

    /// Asks the providers of a User what has become of it, and acts on it: groups change, and whoever is gone or disabled loses
    /// all that came from that provider.
    ///
    /// # Errors
    /// A provider that cannot say: then nothing changes. A plane that refuses.
    pub async fn refresh(&self, user: &str) -> Result<(), RefreshError> {
        self.refresh_in(&Round::default(), user).await
    }

    async fn refresh_in(&self, round: &Round, user: &str) -> Result<(), RefreshError> {
        let mut failure = None;
        for (name, known) in self.people.known(user).await? {
            let Some(entry) = self.providers.get(&name).filter(|_| !round.gives_up(&name)) else { continue };
            let standing = match &entry.provider {
                Ok(provider) => provider.refresh(known).await,
                Err(error) => Err(error.clone()),
            };
            let standing = standing.and_then(|standing| match standing {
                Standing::Present(person) => Ok(Standing::Present(Box::new(person.checked(&name)?))),
                other => Ok(other),
            });
            self.health.note(&name, standing.as_ref().err());
            round.note(&name, standing.is_err());
            match standing {
                Ok(Standing::Present(person)) => {
                    match self.people.update(&Arc::from(user), &name, &person, Timestamp::now()).await {
                        Ok(()) => {}
                        Err(NotAdmitted::Session(error)) => return Err(error.into()),
                        // The name is another person's now.
                        Err(error) => self.turn_out(user, &name, &error.to_string()).await?,
                    }
                }
                Ok(Standing::Gone) => self.turn_out(user, &name, "is not there any more").await?,
                Ok(Standing::Disabled) => self.turn_out(user, &name, "is disabled there").await?,
                Ok(Standing::Unknown) => self.people.asked(user, Timestamp::now()).await?,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Ends what a User has by a provider.
    async fn turn_out(&self, user: &str, provider: &str, why: &str) -> Result<(), SessionError> {
        let ended = self.sessions.end_all(user, |token| token.provider.as_deref() == Some(provider)).await?;
        self.people.forget(user, provider, Timestamp::now()).await?;
        tracing::info!(user, provider, ended, why, "a user has lost what the provider gave");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{GIVE_UP, Round};

    #[test]
    fn a_round_leaves_out_the_provider_that_is_down_and_no_other() {
        let (round, down, well) = (Round::default(), Arc::from("down"), Arc::from("well"));
        for _ in 0..GIVE_UP {
            assert!(!round.gives_up(&down));
            round.note(&down, true);
            round.note(&well, true);
            round.note(&well, false);
        }
        assert!(round.gives_up(&down) && !round.gives_up(&well));
    }
}
