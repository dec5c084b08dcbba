//! The rows of the world: compact, immutable, shared by every generation that did not change them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{
    TokenHash,
    input::{LimitsInput, Published, Reach, TokenKind},
    usage::Usage,
};

/// An interned [`Subject`](super::input::Subject).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub(super) u32);

/// A user as a request sees it.
#[derive(Debug)]
pub struct UserRow {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.uid`, where there is one.
    pub uid: Option<Arc<str>>,
    /// The login name.
    pub username: Arc<str>,
    /// A disabled user is refused.
    pub enabled: bool,
    /// The user and its principals as bindings name them.
    pub subjects: Box<[SubjectId]>,
    /// The groups that its providers say it is in, as bindings name them.
    pub groups: Box<[SubjectId]>,
    /// Limits of this user.
    pub limits: LimitsInput,
    /// What it uses now.
    pub usage: Arc<Usage>,
}

/// A token as a request sees it.
#[derive(Debug)]
pub struct TokenRow {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The hash it is found by.
    pub hash: TokenHash,
    /// `metadata.name` of its user.
    pub user: Arc<str>,
    /// The only cluster it works in.
    pub cluster: Option<Arc<str>>,
    /// The groups it carries, as bindings name them.
    pub groups: Box<[SubjectId]>,
    /// A disabled token is refused.
    pub enabled: bool,
    /// It ends at this moment.
    pub expires_at: Option<Timestamp>,
    /// The provider that its user signed in with.
    pub provider: Option<Arc<str>>,
    /// The principal that its user signed in as: where that is taken from the user the token is nothing any more.
    pub principal: Option<SubjectId>,
    /// A salted hash of Rancher's: until somebody has shown the token, nobody knows the hash that it is found by.
    pub salted: Option<Arc<str>>,
    /// What it is for.
    pub kind: TokenKind,
    /// So long it may be unused.
    pub idle: Option<Duration>,
    /// When it was last used.
    pub used: Arc<LastUsed>,
}

/// When a token was last used: in seconds, so that it costs a request one look and rarely a write.
#[derive(Debug, Default)]
pub struct LastUsed(AtomicI64);

impl LastUsed {
    /// Takes note of a use at `now`.
    pub fn raise(&self, now: Timestamp) {
        let now = now.as_second();
        // A plain store is enough: requests at once write the same second, or one apart.
        if self.0.load(Ordering::Relaxed) < now {
            self.0.store(now, Ordering::Relaxed);
        }
    }

    /// The last use; `None` where there was none.
    pub fn get(&self) -> Option<Timestamp> {
        let second = self.0.load(Ordering::Relaxed);
        if second == 0 { None } else { Timestamp::from_second(second).ok() }
    }
}

impl TokenRow {
    /// When it ends by itself, unless it is used meanwhile.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let Some(idle) = self.idle else { return self.expires_at };
        let idle = self.used.get().and_then(|used| used.checked_add(idle).ok());
        match (self.expires_at, idle) {
            (Some(end), Some(idle)) => Some(end.min(idle)),
            (end, idle) => end.or(idle),
        }
    }
}

/// A cluster as a request sees it.
#[derive(Debug)]
pub struct ClusterRow {
    /// Its id.
    pub id: Arc<str>,
    /// For people to read.
    pub display_name: Arc<str>,
    /// How it is reached.
    pub reach: Reach,
    /// Whether a credential that may do everything is accepted.
    pub allow_administrator: bool,
    /// Whether its own service accounts may come.
    pub accounts: bool,
    /// Limits over all its callers.
    pub limits: LimitsInput,
    /// What is used of it now.
    pub usage: Arc<Usage>,
    /// Sorted by subject, then role.
    pub grants: Box<[Grant]>,
    /// The roles in use here; a grant names one by its place.
    pub roles: Box<[Role]>,
    /// Names that the cluster lets the gateway impersonate; `None` until it was asked.
    pub published: Option<Arc<Published>>,
}

/// One bound subject of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Whom.
    pub subject: SubjectId,
    /// Place in [`ClusterRow::roles`].
    pub role: u32,
}

/// A role template in use in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The template's name.
    pub template: Arc<str>,
    /// Its role group.
    pub group: Arc<str>,
    /// Whether the cluster lets the gateway send the group.
    pub published: bool,
}

impl UserRow {
    /// What the user is by itself: its own subjects and the groups of its providers.
    pub fn own(&self) -> impl Iterator<Item = SubjectId> + Clone + '_ {
        self.subjects.iter().chain(&self.groups).copied()
    }
}

impl ClusterRow {
    /// The places of the roles that any of `subjects` is bound to, in ascending order, each once.
    pub fn roles_of(&self, subjects: impl Iterator<Item = SubjectId>) -> Vec<u32> {
        let mut roles = Vec::new();
        for subject in subjects {
            let start = self.grants.partition_point(|grant| grant.subject < subject);
            let bound = self.grants.iter().skip(start).take_while(|grant| grant.subject == subject);
            roles.extend(bound.map(|grant| grant.role));
        }
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Whether any of `subjects` is bound here.
    pub fn binds(&self, mut subjects: impl Iterator<Item = SubjectId>) -> bool {
        subjects.any(|subject| self.grants.binary_search_by_key(&subject, |grant| grant.subject).is_ok())
    }

    /// The published role group called `name`.
    pub fn published_group(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.published && *role.group == *name)
    }
}
