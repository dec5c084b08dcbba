//! Who somebody is: the entry of a name, whether the password is its, and what became of it since.

use jiff::Timestamp;
use ldap3::Scope;

use super::{
    Ldap,
    dn::Dn,
    entry::{Entry, domain_and_user, user_attributes},
    filter,
    operation::{Bound, Fault, Search},
    session::Session,
    settings::Flavor,
};
use crate::{
    identity::provider::{Known, LoginError, Person, ProviderError, Refused, Standing},
    secret::Secret,
};

/// Bytes of what is typed as a name or as a password; more is neither.
const LONGEST: usize = 1024;
/// Entries of one login name that are looked at.
const CANDIDATES: usize = 8;

impl Ldap {
    pub(super) async fn sign_in(&self, user: &str, password: &Secret<String>) -> Result<Person, LoginError> {
        let user = user.trim();
        let typed = password.expose();
        // A bind with an empty password is one of nobody's, and succeeds (T6).
        if user.is_empty() || typed.is_empty() || typed.contains('\0') || user.len().max(typed.len()) > LONGEST {
            return Err(Refused::Credentials.into());
        }
        let mut session = self.session().await?;
        let Some(person) = self.find(&mut session, user).await? else {
            // As much work as with a wrong password; whatever comes of it.
            let nobody = format!("cn=nobody of this name,{}", self.settings.users.base);
            let _ = session.prove(&nobody, password).await.map_err(|fault| self.error(fault))?;
            return Err(Refused::Credentials.into());
        };
        match session.prove(&person.dn, password).await.map_err(|fault| self.error(fault))? {
            Bound::Accepted => {}
            Bound::Credentials(_) => return Err(Refused::Credentials.into()),
            Bound::Disabled(why) => return Err(Refused::Disabled(why).into()),
            Bound::Failed(why) => return Err(ProviderError::new(&*self.name, why).into()),
        }
        // Only now: who does not know the password hears nothing of the account.
        if let Some(why) = self.disabled(&person)? {
            return Err(Refused::Disabled(why).into());
        }
        Ok(self.person(&mut session, &person).await?)
    }

    /// The one entry of a login name.
    pub(super) async fn find(&self, session: &mut Session<'_>, user: &str) -> Result<Option<Entry>, ProviderError> {
        let login = &self.settings.users.login;
        let domain = match self.settings.flavor {
            Flavor::ActiveDirectory => domain_and_user(user),
            Flavor::OpenLdap | Flavor::FreeIpa => (None, user),
        };
        let named = match domain {
            (None, name) => filter::equals(login, name),
            (Some(_), name) if user.contains('\\') => filter::equals(login, name),
            (Some(_), name) => filter::any([
                filter::equals(login, user),
                filter::equals("userPrincipalName", user),
                filter::equals(login, name),
            ]),
        };
        let wanted = self.user_filter(named);
        let search = Search::under(&self.settings.users.base, wanted, user_attributes(&self.settings), CANDIDATES);
        let found = session.search(&search).await.map_err(|fault| self.error(fault))?;
        let mut people = found.entries;
        if self.settings.flavor == Flavor::ActiveDirectory {
            let whole = |entry: &Entry| entry.is("userPrincipalName", user) || entry.is(login, user);
            if people.iter().any(whole) && domain.0.is_some() {
                people.retain(whole);
            } else if let Some(domain) = domain.0 {
                people.retain(|entry| is_of_domain(entry, domain));
            } else if let Some(domain) = self.settings.default_domain.as_deref().filter(|_| people.len() > 1) {
                people.retain(|entry| is_of_domain(entry, domain));
            }
        }
        if found.more || people.len() > 1 {
            let base = &self.settings.users.base;
            let message = format!("more than one entry under `{base}` has the login name `{}`", user.escape_debug());
            return Err(ProviderError::new(&*self.name, message));
        }
        // A bind with an empty DN is one of nobody's.
        Ok(people.pop().filter(|person| !person.dn.is_empty()))
    }

    /// What has become of a person.
    pub(super) async fn standing(&self, known: &Known) -> Result<Standing, ProviderError> {
        let mut session = self.session().await?;
        let Some(entry) = self.entry(&mut session, &known.principal).await? else { return Ok(Standing::Gone) };
        let flavor = self.settings.flavor;
        match (&known.unique_id, entry.unique_id(flavor)) {
            (None, _) => {}
            (Some(known), Some(found)) if *known == found => {}
            // Another entry of the same name (T8).
            (Some(_), Some(_)) => return Ok(Standing::Gone),
            (Some(_), None) => {
                let message = format!("`{}` of `{}` cannot be read", flavor.unique_id(), entry.dn);
                return Err(ProviderError::new(&*self.name, message));
            }
        }
        if self.disabled(&entry)?.is_some() {
            return Ok(Standing::Disabled);
        }
        Ok(Standing::Present(Box::new(self.person(&mut session, &entry).await?)))
    }

    /// The entry of a principal; `None` where it is not there, or is no user by the settings.
    pub(super) async fn entry(
        &self,
        session: &mut Session<'_>,
        principal: &str,
    ) -> Result<Option<Entry>, ProviderError> {
        let prefix = format!("{}_user://", self.name);
        let dn = principal.strip_prefix(&prefix).filter(|dn| !dn.is_empty()).ok_or_else(|| {
            ProviderError::new(&*self.name, format!("`{}` is no user of it", principal.escape_debug()))
        })?;
        let base = &self.settings.users.base;
        let is_under = |dn: &str| Some(Dn::parse(dn)?.is_under(&Dn::parse(base)?));
        let found = if is_under(dn) == Some(true) {
            let wanted = self.user_filter(String::new());
            let search = Search::entry(dn, wanted, user_attributes(&self.settings));
            match session.search(&search).await {
                Ok(found) => found.entries.into_iter().next(),
                Err(Fault::NoSuchObject(_)) => None,
                Err(fault) => return Err(self.error(fault)),
            }
        } else {
            None
        };
        if found.is_none() {
            // A directory that is empty, or does not show its users, is down: nobody is gone because of it.
            self.must_be_there(session, base).await?;
        }
        Ok(found)
    }

    /// Whether the entry `dn` is shown.
    pub(super) async fn must_be_there(&self, session: &mut Session<'_>, dn: &str) -> Result<(), ProviderError> {
        let any = "(objectClass=*)".to_owned();
        let search = Search { scope: Scope::Base, ..Search::under(dn, any, vec!["1.1"], 1) };
        let found = session.search(&search).await.map_err(|fault| self.error(fault))?;
        if found.count == 0 {
            return Err(ProviderError::new(&*self.name, format!("`{dn}` is not there, or is not shown to it")));
        }
        Ok(())
    }

    pub(super) async fn person(&self, session: &mut Session<'_>, entry: &Entry) -> Result<Person, ProviderError> {
        let groups = self.groups(session, entry).await.map_err(|fault| self.error(fault))?;
        let person = Person {
            principal: entry.user(&self.name, &self.settings),
            groups,
            unique_id: entry.unique_id(self.settings.flavor),
            email: entry.email(),
            grant: None,
            session: None,
        };
        person.checked(&self.name)
    }

    fn disabled(&self, entry: &Entry) -> Result<Option<String>, ProviderError> {
        let disabled = entry.disabled(&self.settings, Timestamp::now());
        disabled.map_err(|why| ProviderError::new(&*self.name, why))
    }
}

/// Whether an entry is of a domain: by its DNS name, or by its `NetBIOS` name, which mostly is the first part of that.
fn is_of_domain(entry: &Entry, domain: &str) -> bool {
    let Some(dns) = Dn::parse(&entry.dn).map(|dn| dn.domain()) else { return false };
    let domain = domain.to_lowercase();
    let mut names = entry.texts("msDS-PrincipalName").filter_map(|name| Some(name.split_once('\\')?.0.to_lowercase()));
    match names.next() {
        Some(net_bios) => domain == net_bios || domain == dns,
        None => domain == dns || dns.split('.').next() == Some(&domain),
    }
}
