//! May this caller use this cluster at all, and with which role groups? Few look-ups, no IO, never cached beyond the
//! rows that the answer was made from.
//!
//! The rules inside a cluster are the cluster's own RBAC; the guard decides by scope, membership and publication.

use std::sync::Arc;

use crate::{
    identity::Identity,
    world::{
        World,
        input::Reach,
        names::LOCAL,
        rows::{ClusterRow, SubjectId, UserRow},
    },
};

/// The most role groups that one request carries: the apiserver's cost grows with each.
pub const MAX_GROUPS: usize = 64;

/// What a caller has in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Published role groups, in the order of their templates' names; of a service account the groups that Kubernetes gives it.
    pub groups: Vec<Arc<str>>,
}

impl Granted {
    /// Whether every group of `other` is among these.
    pub fn covers(&self, other: &Self) -> bool {
        other.groups.iter().all(|group| self.groups.contains(group))
    }
}

/// Why the guard refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such cluster, a credential for another one, or no binding there: one answer for all three.
    #[error("no binding gives this user access to the cluster")]
    NotAMember,
    /// The cluster does not let the gateway impersonate this user yet.
    #[error(
        "user `{0}` is bound here but not yet published: an administrator of the cluster applies `drover cluster rbac`"
    )]
    NotPublished(Arc<str>),
    /// The gateway has not yet heard from the cluster which names it may impersonate.
    #[error("the cluster has not yet said which identities the gateway may impersonate")]
    NotAsked,
    /// The gateway's credential may do everything and its admin did not allow that.
    #[error("the gateway's credential for the cluster may do everything there, and `allowAdministrator` is not set")]
    Administrator,
    /// More role groups than one request may carry.
    #[error("the caller's bindings give {0} role groups, more than the {MAX_GROUPS} that one request may carry")]
    TooManyGroups(usize),
}

/// The cluster that a caller may use.
///
/// # Errors
/// [`Denied::NotAMember`], whatever the reason: a hidden cluster and a missing one look the same.
pub fn admit<'w>(identity: &Identity, id: &str, world: &'w World) -> Result<&'w Arc<ClusterRow>, Denied> {
    if identity.scope().is_some_and(|scope| **scope != *id) {
        return Err(Denied::NotAMember);
    }
    let cluster = world.cluster(id).ok_or(Denied::NotAMember)?;
    if let Some(account) = identity.account() {
        // The cluster's own rules say what its accounts may do; no binding can name them.
        let comes = cluster.accounts || (cluster.reach == Reach::InProcess && *cluster.id == *LOCAL);
        return (comes && account.cluster == cluster.id).then_some(cluster).ok_or(Denied::NotAMember);
    }
    if cluster.binds(identity.subjects(world)) { Ok(cluster) } else { Err(Denied::NotAMember) }
}

/// What an admitted caller has in `cluster`.
///
/// # Errors
/// Where the cluster cannot be used under this identity at the moment.
pub fn grant(identity: &Identity, cluster: &ClusterRow, world: &World) -> Result<Granted, Denied> {
    if let Some(account) = identity.account() {
        return Ok(Granted { groups: account.groups.clone() });
    }
    granted(&identity.user, identity.subjects(world), cluster)
}

/// What a user's own bindings give in `cluster`, without the groups that only a credential carries.
///
/// # Errors
/// As [`grant`].
pub fn grant_user(user: &UserRow, cluster: &ClusterRow, world: &World) -> Result<Granted, Denied> {
    granted(user, world.membership().with_groups(user.own()), cluster)
}

fn granted(user: &UserRow, subjects: impl Iterator<Item = SubjectId>, cluster: &ClusterRow) -> Result<Granted, Denied> {
    let roles = cluster.roles_of(subjects);
    if roles.is_empty() {
        return Err(Denied::NotAMember);
    }
    check_published(user, cluster)?;
    let groups: Vec<Arc<str>> = roles
        .into_iter()
        .filter_map(|role| cluster.roles.get(usize::try_from(role).ok()?))
        .filter(|role| role.published)
        .map(|role| Arc::clone(&role.group))
        .collect();
    if groups.len() > MAX_GROUPS {
        return Err(Denied::TooManyGroups(groups.len()));
    }
    Ok(Granted { groups })
}

/// Whether `cluster` lets the gateway send `user`.
pub fn check_published(user: &UserRow, cluster: &ClusterRow) -> Result<(), Denied> {
    let published = cluster.published.as_ref().ok_or(Denied::NotAsked)?;
    if published.administrator && !cluster.allow_administrator {
        return Err(Denied::Administrator);
    }
    if published.users.contains(&user.name) { Ok(()) } else { Err(Denied::NotPublished(Arc::clone(&user.name))) }
}
