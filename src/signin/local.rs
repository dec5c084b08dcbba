//! The provider `local`: passwords that Drover keeps, so that people get in when no other provider can be reached.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::Client;

use super::hasher::Hasher;
use crate::{
    config::rules,
    identity::provider::{
        Departure, Known, LoginError, Method, Person, Principal, PrincipalKind, Proof, Provider, ProviderError, Query,
        Refused, Report, Standing,
    },
    management::passwords,
    secret::Secret,
    world::{Watch, rows::UserRow},
};

/// The name of the provider.
pub const NAME: &str = "local";

/// Passwords of local users.
#[derive(Clone)]
pub struct Local {
    client: Client,
    world: Watch,
    hasher: Hasher,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

impl Local {
    /// `client` may read and write the Secrets of passwords.
    pub const fn new(client: Client, world: Watch, hasher: Hasher) -> Self {
        Self { client, world, hasher }
    }

    /// The threads that hash.
    pub const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    fn person(user: &UserRow) -> Person {
        Person {
            principal: Principal {
                id: rules::local_principal(&user.name).into(),
                kind: PrincipalKind::User,
                display_name: user.username.to_string(),
                login_name: user.username.to_string(),
            },
            groups: Vec::new(),
            unique_id: None,
            email: None,
            grant: None,
            session: None,
        }
    }

    fn down(error: impl fmt::Display) -> ProviderError {
        ProviderError::new(NAME, error)
    }

    /// Whose password it is. The work for a name that nobody has is that for one that somebody has (T5).
    ///
    /// # Errors
    /// Another password, no such user; too many at once; a plane that does not answer.
    pub async fn verify(&self, login: &str, password: &Secret<String>) -> Result<Arc<UserRow>, LoginError> {
        let user = self.world.load().user_by_login(login).cloned();
        let name = user.as_ref().map_or_else(|| Arc::from("u-nobody"), |user| Arc::clone(&user.name));
        let stored = passwords::of(&self.client, &name).await.map_err(Self::down)?;
        let (secret, tried) = (stored.clone(), password.clone());
        let verdict = self.hasher.run(move || passwords::judge(secret.as_ref(), &tried)).await.map_err(Self::down)?;
        let Some(user) = user.filter(|_| verdict.is_right()) else { return Err(Refused::Credentials.into()) };
        if !user.enabled {
            return Err(Refused::Disabled("the user is disabled".to_owned()).into());
        }
        if let (passwords::Verdict::Outdated, Some(stored)) = (verdict, stored) {
            // The person is who it says; that the hash cannot be renewed is no reason to refuse it.
            if let Err(error) = self.renew(&user, stored, password.clone()).await {
                tracing::warn!(user = %user.name, %error, "the hash of a password could not be renewed");
            }
        }
        Ok(user)
    }

    /// Writes a hash of today's instead of one of Rancher's.
    async fn renew(
        &self,
        user: &UserRow,
        stored: SecretObject,
        password: Secret<String>,
    ) -> Result<(), passwords::PasswordError> {
        let hash = self.hasher.run(move || passwords::hash(&password)).await;
        let hash = hash.map_err(|_| passwords::PasswordError::Busy)??;
        passwords::replace(&self.client, &user.name, stored, hash).await
    }

    /// Sets a password that its owner chose.
    ///
    /// # Errors
    /// Too many at once; a plane that refuses.
    pub async fn set(&self, user: &UserRow, password: &Secret<String>) -> Result<(), passwords::PasswordError> {
        let chosen = password.clone();
        let hash = self.hasher.run(move || passwords::hash(&chosen)).await;
        let hash = hash.map_err(|_| passwords::PasswordError::Busy)??;
        passwords::store(&self.client, &user.name, user.uid.as_deref(), hash).await
    }
}

impl Provider for Local {
    fn name(&self) -> &str {
        NAME
    }

    fn method(&self) -> Method {
        Method::Password
    }

    fn begin(&self, _: &Departure) -> BoxFuture<'_, Result<String, ProviderError>> {
        Box::pin(std::future::ready(Err(Self::down("signs in by password alone"))))
    }

    fn login(&self, proof: Proof) -> BoxFuture<'_, Result<Person, LoginError>> {
        Box::pin(async move {
            let Proof::Password { user, password } = proof else { return Err(Refused::NotSupported.into()) };
            self.verify(&user, &password).await.map(|user| Self::person(&user))
        })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        let world = self.world.load();
        let term = query.term.to_lowercase();
        let begins = |text: &str| text.to_lowercase().starts_with(&term);
        let users = world.users().filter(|user| begins(&user.username) || begins(&user.name));
        let found = match query.kind {
            Some(PrincipalKind::Group) => Vec::new(),
            _ => users.take(query.limit).map(|user| Self::person(user).principal).collect(),
        };
        Box::pin(std::future::ready(Ok(found)))
    }

    fn groups_of(&self, _: Known) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn refresh(&self, known: Known) -> BoxFuture<'_, Result<Standing, ProviderError>> {
        let world = self.world.load();
        let standing = match world.user_by_principal(&known.principal) {
            None => Standing::Gone,
            Some(user) if !user.enabled => Standing::Disabled,
            Some(user) => Standing::Present(Box::new(Self::person(user))),
        };
        Box::pin(std::future::ready(Ok(standing)))
    }

    fn test(&self, sample: Option<String>) -> BoxFuture<'_, Result<Report, ProviderError>> {
        let world = self.world.load();
        let sample = sample.and_then(|login| world.user_by_login(&login).map(|user| Self::person(user)));
        let users = Some(world.users().count());
        let report = Report { server: "the management plane".to_owned(), users, sample, ..Report::default() };
        Box::pin(std::future::ready(Ok(report)))
    }
}
