//! A directory: Active Directory, OpenLDAP, FreeIPA, and whatever speaks LDAP as they do.
//!
//! People are found by an account of the provider's own and then prove themselves by a bind as the entry that was found, on a
//! connection of its own; no name that somebody typed ever becomes part of a DN. What a server answers is read and bounded before
//! the LDAP library sees it ([`ber`]); references to other servers are not followed.

pub mod ber;
mod connect;
pub mod dn;
mod entry;
pub mod filter;
mod groups;
mod login;
mod operation;
mod pool;
mod relay;
mod report;
mod session;
mod settings;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::{
    connect::Connector,
    operation::{Fault, Search},
    pool::Pool,
    session::Session,
};
pub use self::{
    connect::authorities,
    settings::{Flavor, Groups, Security, Settings, Users},
};
use crate::{
    config::address::Check,
    identity::provider::{
        Departure, Known, LoginError, Method, Person, Principal, PrincipalKind, Proof, Provider, ProviderError, Query,
        Refused, Report, Standing,
    },
};

/// Principals that one search gives at most.
const MOST_FOUND: usize = 1000;

/// A directory.
pub struct Ldap {
    name: Arc<str>,
    settings: Settings,
    /// As the server takes it for a bind.
    account: String,
    pool: Pool,
    queries: AtomicU64,
}

impl Ldap {
    /// The directory `name`, whose servers are connected to only where `addresses` allows it. Nothing is connected to yet.
    ///
    /// # Errors
    /// There is no certificate authority to trust.
    pub fn new(name: &str, settings: Settings, addresses: Check) -> Result<Self, ProviderError> {
        let connector = Connector::new(settings.security, settings.port, settings.certificate.as_deref(), addresses)
            .map_err(|why| ProviderError::new(name, why))?;
        let domain = settings.default_domain.as_deref();
        let account = match settings.flavor {
            Flavor::ActiveDirectory => entry::with_domain(&settings.account, domain).into_owned(),
            Flavor::OpenLdap | Flavor::FreeIpa => settings.account.clone(),
        };
        let pool = Pool::new(connector, settings.servers.clone());
        Ok(Self { name: name.into(), settings, account, pool, queries: AtomicU64::new(0) })
    }

    /// Searches that were sent so far; each page of one counts.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    async fn session(&self) -> Result<Session<'_>, ProviderError> {
        self.session_of(self.settings.timeout).await
    }

    async fn session_of(&self, limit: Duration) -> Result<Session<'_>, ProviderError> {
        let password = self.settings.password.as_ref();
        let deadline = Instant::now() + limit;
        self.fallible(Session::begin(&self.pool, &self.account, password, &self.queries, deadline).await)
    }

    /// Whoever is a user by the settings and matches `more`.
    fn user_filter(&self, more: String) -> String {
        let users = &self.settings.users;
        let class = filter::equals("objectClass", &users.class);
        filter::all([class].into_iter().chain(users.filter.clone()).chain([more]))
    }

    /// Whatever is a group by the settings and matches `more`.
    fn group_filter(&self, more: String) -> String {
        let groups = &self.settings.groups;
        let class = filter::equals("objectClass", &groups.class);
        filter::all([class].into_iter().chain(groups.filter.clone()).chain([more]))
    }

    fn error(&self, fault: Fault) -> ProviderError {
        match fault {
            Fault::Broken(why) | Fault::NoSuchObject(why) | Fault::Refused(why) => ProviderError::new(&*self.name, why),
        }
    }

    fn fallible<T>(&self, result: Result<T, Fault>) -> Result<T, ProviderError> {
        result.map_err(|fault| self.error(fault))
    }

    async fn found(&self, query: &Query) -> Result<Vec<Principal>, ProviderError> {
        let term = query.term.trim();
        let limit = query.limit.min(MOST_FOUND);
        if term.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let mut session = self.session().await?;
        let begins = |attributes: &[String]| filter::any(attributes.iter().map(|name| filter::begins(name, term)));
        let (mut principals, mut of_groups) = (Vec::new(), Vec::new());
        if query.kind != Some(PrincipalKind::Group) {
            let users = &self.settings.users;
            let wanted = self.user_filter(begins(&users.search));
            let attributes = vec![users.login.as_str(), users.name.as_str()];
            let found = session.search(&Search::under(&users.base, wanted, attributes, limit)).await;
            principals.extend(self.fallible(found)?.entries.iter().map(|one| one.user(&self.name, &self.settings)));
        }
        if query.kind != Some(PrincipalKind::User) {
            let groups = &self.settings.groups;
            let wanted = self.group_filter(begins(&groups.search));
            let found = session.search(&Search::under(&groups.base, wanted, vec![&groups.name], limit)).await;
            of_groups.extend(self.fallible(found)?.entries.iter().map(|one| one.group(&self.name, &self.settings)));
        }
        // Many users of a name must not hide the groups.
        principals.truncate(limit - of_groups.len().min(limit / 2));
        principals.extend(of_groups);
        principals.truncate(limit);
        Ok(principals)
    }
}

impl Provider for Ldap {
    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> Method {
        Method::Password
    }

    fn begin(&self, _: &Departure) -> BoxFuture<'_, Result<String, ProviderError>> {
        let error = ProviderError::new(&*self.name, "a directory has no page to sign in at");
        Box::pin(std::future::ready(Err(error)))
    }

    fn login(&self, proof: Proof) -> BoxFuture<'_, Result<Person, LoginError>> {
        Box::pin(async move {
            match proof {
                Proof::Password { user, password } => self.sign_in(&user, &password).await,
                Proof::Callback { .. } => Err(Refused::NotSupported.into()),
            }
        })
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        Box::pin(async move { self.found(&query).await })
    }

    fn groups_of(&self, known: Known) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        Box::pin(async move {
            match self.standing(&known).await? {
                Standing::Present(person) => Ok(person.groups),
                Standing::Gone | Standing::Disabled | Standing::Unknown => Ok(Vec::new()),
            }
        })
    }

    fn refresh(&self, known: Known) -> BoxFuture<'_, Result<Standing, ProviderError>> {
        Box::pin(async move { self.standing(&known).await })
    }

    fn test(&self, sample: Option<String>) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(async move { self.report(sample.as_deref()).await })
    }
}

impl fmt::Debug for Ldap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ldap")
            .field("name", &self.name)
            .field("servers", &self.settings.servers)
            .finish_non_exhaustive()
    }
}
