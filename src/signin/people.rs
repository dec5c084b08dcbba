//! From somebody whom a provider knows to a User: found by its principal, made at the first sign-in, kept up to date.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_lc_rs::digest;
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret as SecretObject};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::{Value, json};

use super::{
    local,
    providers::Entry,
    sessions::{SessionError, Sessions},
};
use crate::{
    identity::provider::{Known, Person},
    management::{GRANTS, passwords::owner},
    modules::{AccessMode, User, UserAttribute, UserAttributeSpec, UserSpec},
    secret::Secret,
    world::{
        Watch, World,
        input::Subject,
        rows::{SubjectId, UserRow},
    },
};

/// Objects a page of a list.
const PAGE: u32 = 500;

/// Why a person whom a provider knows is not let in.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The access mode says so.
    #[error("`{0}` is not among those who may sign in with this provider")]
    NotAllowed(Arc<str>),
    /// The User is disabled.
    #[error("User `{0}` is disabled")]
    Disabled(Arc<str>),
    /// The principal was another person's.
    #[error("`{0}` is another person than the one who signed in so before: its id at the provider has changed")]
    Another(Arc<str>),
    /// The principal is another User's.
    #[error("`{principal}` is an identity of User `{owner}` already")]
    Taken {
        /// The principal.
        principal: Arc<str>,
        /// Whose it is.
        owner: Arc<str>,
    },
    /// The plane refuses.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl From<kube::Error> for NotAdmitted {
    fn from(error: kube::Error) -> Self {
        Self::Session(error.into())
    }
}

/// The Users of the plane, as sign-in knows them.
#[derive(Clone)]
pub struct People {
    client: Client,
    world: Watch,
    sessions: Sessions,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Of the plane that `client` speaks to as [`super::IDENTITY`].
    pub const fn new(client: Client, world: Watch, sessions: Sessions) -> Self {
        Self { client, world, sessions }
    }

    fn users(&self) -> Api<User> {
        Api::all(self.client.clone())
    }

    fn attributes(&self) -> Api<UserAttribute> {
        Api::all(self.client.clone())
    }

    fn grants(&self) -> Api<SecretObject> {
        Api::namespaced(self.client.clone(), GRANTS)
    }

    /// The User of a person whom `entry` knows. One that there is not yet is made. T8: it is found by its principal and by nothing
    /// else; neither a name nor an e-mail address makes anybody another one's User.
    ///
    /// # Errors
    /// Somebody who may not sign in; a plane that refuses.
    pub async fn admit(&self, entry: &Entry, person: &Person, now: Timestamp) -> Result<Arc<UserRow>, NotAdmitted> {
        let world = self.world.load();
        if !is_allowed(entry, person, &world) {
            return Err(NotAdmitted::NotAllowed(Arc::clone(&person.principal.id)));
        }
        let name = match world.user_by_principal(&person.principal.id) {
            Some(user) => Arc::clone(&user.name),
            None => self.make(person).await?,
        };
        self.update(&name, &entry.name, person, now).await?;
        let world = self.world.load();
        let user = world.user(&name).ok_or(SessionError::NotSeen)?;
        if !user.enabled {
            return Err(NotAdmitted::Disabled(name));
        }
        Ok(Arc::clone(user))
    }

    /// Lets somebody in who shows an ID token: its User must be there, unless the provider makes Users of such. Nothing else is
    /// written: what the token says of groups holds for the token.
    ///
    /// # Errors
    /// Somebody who may not; a plane that refuses.
    pub async fn admit_bearer(&self, entry: &Entry, person: &Person) -> Result<(), NotAdmitted> {
        let world = self.world.load();
        if !is_allowed(entry, person, &world) {
            return Err(NotAdmitted::NotAllowed(Arc::clone(&person.principal.id)));
        }
        if world.user_by_principal(&person.principal.id).is_none() && entry.makes_users() {
            self.make(person).await?;
        }
        Ok(())
    }

    async fn make(&self, person: &Person) -> Result<Arc<str>, NotAdmitted> {
        let principal = &person.principal;
        let name: Arc<str> = user_name(&principal.id).into();
        let display = [&principal.display_name, &principal.login_name].into_iter().find(|name| !name.is_empty());
        let user = User {
            metadata: ObjectMeta { name: Some(name.to_string()), ..ObjectMeta::default() },
            spec: UserSpec {
                display_name: display.cloned(),
                enabled: Some(true),
                principal_ids: vec![principal.id.to_string()],
                ..UserSpec::default()
            },
            status: None,
        };
        match self.users().create(&PostParams::default(), &user).await {
            // Another replica was quicker; or the identity was taken away from this User: then it is nobody's.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let there = self.users().get(&name).await?;
                if !there.spec.principal_ids.iter().any(|known| **known == *principal.id) {
                    return Err(NotAdmitted::NotAllowed(Arc::clone(&principal.id)));
                }
            }
            made => drop(made?),
        }
        self.sessions.seen(|world| world.user_by_principal(&principal.id).is_some()).await?;
        Ok(name)
    }

    /// Writes what a provider says of a User. When this returns it is in force here.
    ///
    /// # Errors
    /// Another person of the same name; a plane that refuses.
    pub async fn update(
        &self,
        user: &Arc<str>,
        provider: &str,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        // Local users have nothing that could be refreshed.
        if provider == local::NAME {
            return Ok(());
        }
        let there = self.attributes().get_opt(user).await?;
        let known = there.as_ref().and_then(|attribute| extra(attribute, provider, "uniqueid"));
        if let (Some(known), Some(id)) = (known, &person.unique_id)
            && known != id
        {
            return Err(NotAdmitted::Another(Arc::clone(&person.principal.id)));
        }
        // By name alone: with more the object of somebody in thousands of groups would be too large.
        let items: Vec<&str> = person.groups.iter().map(|group| &*group.id).collect();
        let some = |text: &str| Vec::from_iter((!text.is_empty()).then(|| text.to_owned()));
        let extra = json!({
            "principalid": [&*person.principal.id],
            "username": some(&person.principal.login_name),
            "displayname": some(&person.principal.display_name),
            "email": some(person.email.as_deref().unwrap_or_default()),
            "uniqueid": some(person.unique_id.as_deref().unwrap_or_default()),
        });
        let change = json!({
            "userName": &**user,
            "groupPrincipals": {provider: {"items": items}},
            "lastRefresh": now.to_string(),
            "needsRefresh": false,
            "extraByProvider": {provider: extra},
        });
        self.write_attribute(user, &change, there.is_none()).await?;
        if let Some(grant) = &person.grant {
            self.keep_grant(user, provider, Some(grant)).await?;
        }
        let wanted: Vec<Subject> = person.groups.iter().map(|group| Subject::of_principal(&group.id)).collect();
        let prefix = format!("{provider}_");
        let in_force = |world: &World| {
            let Some(row) = world.user(user) else { return false };
            let own = |id: &SubjectId| world.group_of_provider(*id).is_some_and(|group| group.starts_with(&prefix));
            row.groups.iter().filter(|id| own(id)).count() == wanted.len()
                && wanted.iter().all(|group| world.subject(group).is_some_and(|id| row.groups.contains(&id)))
        };
        Ok(self.sessions.seen(in_force).await?)
    }

    async fn write_attribute(&self, user: &str, change: &Value, new: bool) -> Result<(), SessionError> {
        let api = self.attributes();
        if new {
            let spec: UserAttributeSpec = serde_json::from_value(change.clone()).unwrap_or_default();
            let metadata = ObjectMeta { name: Some(user.to_owned()), ..ObjectMeta::default() };
            match api.create(&PostParams::default(), &UserAttribute { metadata, spec }).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                made => return Ok(made.map(drop)?),
            }
        }
        Ok(api.patch(user, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)?)
    }

    /// Notes that a provider was asked and could not say: it is asked again when that is old.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn asked(&self, user: &str, now: Timestamp) -> Result<(), SessionError> {
        let change = json!({"lastRefresh": now.to_string(), "needsRefresh": false});
        match self.attributes().patch(user, &PatchParams::default(), &Patch::Merge(&change)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            patched => Ok(patched.map(drop)?),
        }
    }

    /// Takes all that a provider said of a User back: the person is gone there, or disabled.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn forget(&self, user: &str, provider: &str, now: Timestamp) -> Result<(), SessionError> {
        let change = json!({
            "groupPrincipals": {provider: {"items": []}},
            "lastRefresh": now.to_string(),
            "needsRefresh": false,
        });
        match self.attributes().patch(user, &PatchParams::default(), &Patch::Merge(&change)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            patched => drop(patched?),
        }
        self.keep_grant(user, provider, None).await
    }

    /// Adds an identity to a User whose owner has just proved both.
    ///
    /// # Errors
    /// An identity that is another User's; a plane that refuses.
    pub async fn link(
        &self,
        user: &Arc<str>,
        entry: &Entry,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        let world = self.world.load();
        let principal = &person.principal.id;
        if !is_allowed(entry, person, &world) {
            return Err(NotAdmitted::NotAllowed(Arc::clone(principal)));
        }
        match world.user_by_principal(principal) {
            Some(owner) if owner.name == *user => {}
            Some(owner) => {
                return Err(NotAdmitted::Taken { principal: Arc::clone(principal), owner: Arc::clone(&owner.name) });
            }
            None => {
                let mut object = self.users().get(user).await?;
                object.spec.principal_ids.push(principal.to_string());
                // As it was read: what somebody else changed meanwhile is not undone.
                self.users().replace(user, &PostParams::default(), &object).await?;
                let is_own =
                    |world: &World| world.user_by_principal(principal).is_some_and(|owner| owner.name == *user);
                self.sessions.seen(is_own).await?;
            }
        }
        self.update(user, &entry.name, person, now).await
    }

    /// What a provider needs to know of a User to be asked about it: one for each of its identities there.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn known(&self, user: &str) -> Result<Vec<(Arc<str>, Known)>, SessionError> {
        let Some(object) = self.users().get_opt(user).await? else { return Ok(Vec::new()) };
        let attribute = self.attributes().get_opt(user).await?;
        let grants = self.grants().get_opt(user).await?;
        let known = |principal: &String| {
            let (provider, _) = principal.split_once("_user://")?;
            let grant = grants.as_ref().and_then(|grants| grants.data.as_ref()?.get(provider));
            let grant = grant.and_then(|grant| String::from_utf8(grant.0.clone()).ok()).map(Secret::new);
            let extra = |key| attribute.as_ref().and_then(|it| extra(it, provider, key)).map(str::to_owned);
            let known = Known {
                principal: principal.as_str().into(),
                login_name: extra("username").unwrap_or_default(),
                unique_id: extra("uniqueid"),
                grant,
            };
            Some((Arc::from(provider), known))
        };
        Ok(object.spec.principal_ids.iter().filter_map(known).collect())
    }

    /// Keeps, or forgets, what a provider gave to be asked again with. It is a secret of the person's, and in a Secret of a
    /// namespace of its own.
    async fn keep_grant(&self, user: &str, provider: &str, grant: Option<&Secret<String>>) -> Result<(), SessionError> {
        let value = grant.map(|grant| ByteString(grant.expose().clone().into_bytes()));
        let change = json!({"data": {provider: value}});
        match self.grants().patch(user, &PatchParams::default(), &Patch::Merge(&change)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            patched => return Ok(patched.map(drop)?),
        }
        let Some(value) = value else { return Ok(()) };
        let object = SecretObject {
            metadata: ObjectMeta {
                name: Some(user.to_owned()),
                owner_references: owner(user, self.world.load().user(user).and_then(|user| user.uid.as_deref())),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(provider.to_owned(), value)])),
            ..SecretObject::default()
        };
        Ok(self.grants().create(&PostParams::default(), &object).await.map(drop)?)
    }

    /// A page of Users whose groups are older than `oldest`, or are to be asked for again, and where to go on.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn stale(
        &self,
        oldest: Timestamp,
        page: Option<String>,
    ) -> Result<(Vec<Arc<str>>, Option<String>), SessionError> {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = page;
        let list = self.attributes().list(&params).await?;
        let world = self.world.load();
        let stale = list.items.iter().filter(|attribute| {
            let refreshed: Option<Timestamp> =
                attribute.spec.last_refresh.as_deref().and_then(|time| time.parse().ok());
            let old = refreshed.is_none_or(|refreshed| refreshed < oldest);
            // Who has no token has nothing that could outlive the groups; the next sign-in refreshes them.
            attribute.spec.needs_refresh == Some(true)
                || (old && world.tokens_of(&attribute.name_any()).next().is_some())
        });
        let names = stale.map(|attribute| attribute.name_any().into()).collect();
        Ok((names, list.metadata.continue_.filter(|next| !next.is_empty())))
    }
}

/// The name of the User of a principal: the same in every replica, so that two first sign-ins at once make one User. Rancher's
/// way: `u-` and ten characters of the SHA-256 in base 32.
fn user_name(principal: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = digest::digest(&digest::SHA256, principal.as_bytes());
    let bits = hash.as_ref().iter().take(7).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    // Ten characters are the first 50 of these 56 bits.
    let letter = |place: u32| {
        let index = usize::try_from(bits >> (51 - 5 * place) & 31).unwrap_or_default();
        ALPHABET.get(index).copied().map_or('a', char::from)
    };
    format!("u-{}", (0..10).map(letter).collect::<String>())
}

/// Whether the access mode lets a person in.
fn is_allowed(entry: &Entry, person: &Person, world: &World) -> bool {
    if entry.access == AccessMode::Unrestricted || *entry.name == *local::NAME {
        return true;
    }
    let user = world.user_by_principal(&person.principal.id);
    let own = world.subject(&Subject::UserPrincipal(Arc::clone(&person.principal.id)));
    let groups = person.groups.iter().filter_map(|group| world.subject(&Subject::of_principal(&group.id)));
    let of_user = user.iter().flat_map(|user| user.subjects.iter().copied());
    let start: Vec<SubjectId> = own.into_iter().chain(groups).chain(of_user).collect();
    let subjects: Vec<SubjectId> = world.membership().with_groups(start.into_iter()).collect();
    let is_named = |allowed: &Subject| match allowed {
        // Whom no object names has no id; the list names it all the same.
        Subject::UserPrincipal(principal) if *principal == person.principal.id => true,
        Subject::GroupPrincipal(group) if person.groups.iter().any(|own| own.id == *group) => true,
        other => world.subject(other).is_some_and(|id| subjects.contains(&id)),
    };
    entry.allowed.iter().any(is_named)
        || (entry.access == AccessMode::Restricted
            && world.clusters().any(|cluster| cluster.binds(subjects.iter().copied())))
}

fn extra<'a>(attribute: &'a UserAttribute, provider: &str, key: &str) -> Option<&'a str> {
    attribute.spec.extra_by_provider.get(provider)?.get(key)?.get(0)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn the_user_of_a_principal_is_called_as_rancher_calls_it() {
        // `base32(sha256("github_user://1"))`, the first ten characters in lower case, as Python's base64 and hashlib have them.
        assert_eq!(user_name("github_user://1"), "u-ngmeaicbcg");
        assert_ne!(user_name("github_user://2"), user_name("github_user://1"));
    }
}
