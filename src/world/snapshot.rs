//! One generation of the world: look-ups only.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::{
    TokenHash,
    build::Builder,
    input::{Inputs, LOCAL_GROUP, Subject},
    membership::Membership,
    rows::{ClusterRow, SubjectId, TokenRow, UserRow},
};

/// An immutable snapshot of all that decisions read.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub(super) generation: u64,
    pub(super) users: HashTrieMapSync<Arc<str>, Arc<UserRow>>,
    pub(super) tokens: HashTrieMapSync<TokenHash, Arc<TokenRow>>,
    pub(super) clusters: HashTrieMapSync<Arc<str>, Arc<ClusterRow>>,
    pub(super) subjects: HashTrieMapSync<Subject, SubjectId>,
    /// Groups of providers by their ids.
    pub(super) provider_groups: HashTrieMapSync<SubjectId, Arc<str>>,
    /// User principals to user names: how a client certificate finds its User.
    pub(super) principals: HashTrieMapSync<Arc<str>, Arc<str>>,
    /// Login names to user names.
    pub(super) logins: HashTrieMapSync<Arc<str>, Arc<str>>,
    /// The tokens of each user that has any.
    pub(super) tokens_of: HashTrieMapSync<Arc<str>, Arc<[TokenHash]>>,
    pub(super) membership: Membership,
    /// Providers by name, and whether they are enabled.
    pub(super) providers: HashTrieMapSync<Arc<str>, bool>,
}

impl World {
    /// The world that `inputs` make, for whoever decides nothing but by them.
    pub fn of(inputs: Inputs) -> Self {
        let mut builder = Builder::default();
        builder.replace(inputs);
        builder.next().map(|(world, _)| world).unwrap_or_default()
    }

    /// Counts publications; a later snapshot has a greater one.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The token with this hash.
    pub fn token(&self, hash: &TokenHash) -> Option<&Arc<TokenRow>> {
        self.tokens.get(hash)
    }

    /// The user of this `metadata.name`.
    pub fn user(&self, name: &str) -> Option<&Arc<UserRow>> {
        self.users.get(name)
    }

    /// The user that owns this principal.
    pub fn user_by_principal(&self, principal: &str) -> Option<&Arc<UserRow>> {
        self.principals.get(principal).and_then(|name| self.users.get(name))
    }

    /// The user that signs in as `login`.
    pub fn user_by_login(&self, login: &str) -> Option<&Arc<UserRow>> {
        self.logins.get(login).and_then(|name| self.users.get(name))
    }

    /// The tokens of a user, in no order.
    pub fn tokens_of(&self, user: &str) -> impl Iterator<Item = &Arc<TokenRow>> {
        self.tokens_of.get(user).into_iter().flat_map(|hashes| hashes.iter()).filter_map(|hash| self.tokens.get(hash))
    }

    /// All tokens, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<TokenRow>> {
        self.tokens.values()
    }

    /// The cluster of this id.
    pub fn cluster(&self, id: &str) -> Option<&Arc<ClusterRow>> {
        self.clusters.get(id)
    }

    /// All clusters, in no order.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<ClusterRow>> {
        self.clusters.values()
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Arc<UserRow>> {
        self.users.values()
    }

    /// Whether credentials of this provider are taken: it is there and enabled. Local users need none.
    pub fn provider_is_enabled(&self, name: &str) -> bool {
        self.providers.get(name).copied().unwrap_or(name == "local")
    }

    /// Who is in which group.
    pub const fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The principal of a provider's group.
    pub fn group_of_provider(&self, id: SubjectId) -> Option<&Arc<str>> {
        self.provider_groups.get(&id)
    }

    /// The names of the groups among the subjects that `which` says. A walk over all subjects: for people, not for requests.
    pub fn named(&self, which: impl Fn(SubjectId) -> bool) -> Vec<String> {
        let groups = self.subjects.iter().filter(|(_, id)| which(**id)).filter_map(|(subject, _)| match subject {
            Subject::Group(name) => Some(format!("{LOCAL_GROUP}{name}")),
            Subject::GroupPrincipal(name) => Some(name.to_string()),
            Subject::User(_) | Subject::UserPrincipal(_) => None,
        });
        groups.collect()
    }

    /// The id of a subject that some object names; `None` where nothing does, so that no binding can match it.
    pub fn subject(&self, subject: &Subject) -> Option<SubjectId> {
        self.subjects.get(subject).copied()
    }
}
