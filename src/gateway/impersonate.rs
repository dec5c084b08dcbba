//! As whom is a request forwarded? The caller, or with `--as` another user, with the role groups that bindings give.
//!
//! Headers are rendered once for each (identity, cluster) and stay valid as long as the rows they were made from are
//! the world's current ones.

mod review;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use apimachinery::headers::{ImpersonationRequest, Rendered, render_identity};

pub use review::Reviews;

use super::{
    Refusal, Worker,
    guard::{self, Denied, Granted},
    streams,
};
use crate::{
    cluster::Caller,
    identity::{Credential, Identity, ServiceAccount},
    telemetry::metrics::{ClusterMetrics, Metrics},
    world::{
        World,
        input::Reach,
        names,
        rows::{ClusterRow, UserRow},
    },
};

/// The extra that carries the login name.
pub const EXTRA_USERNAME: &str = "drover.io/username";
/// The extra that carries the name of the token.
pub const EXTRA_TOKEN: &str = "drover.io/token";
/// Rendered identities that a worker keeps.
const KEPT: usize = 8192;

/// An identity as one cluster sees it.
#[derive(Debug)]
pub struct Persona {
    /// The user.
    pub user: Arc<UserRow>,
    /// Its role groups there.
    pub granted: Arc<Granted>,
    /// The headers that say so. A service account of the plane in this process has none, so that no cluster can be sent it.
    pub headers: Option<Rendered>,
    /// The metrics of that cluster.
    pub metrics: Arc<ClusterMetrics>,
    /// The same for a cluster in this process, which reads no header.
    caller: Arc<Caller>,
    basis: Basis,
}

/// The rows that a persona was made from.
#[derive(Clone, Debug)]
struct Basis {
    user: Arc<UserRow>,
    credential: Credential,
    cluster: Arc<ClusterRow>,
    /// Of the memberships.
    version: u64,
}

impl Basis {
    /// Whether these are the very same rows. Holding them keeps their addresses from being given to others.
    fn is(&self, user: &Arc<UserRow>, credential: &Credential, cluster: &Arc<ClusterRow>, version: u64) -> bool {
        self.version == version
            && Arc::ptr_eq(&self.user, user)
            && Arc::ptr_eq(&self.cluster, cluster)
            && match (&self.credential, credential) {
                (Credential::Token(one), Credential::Token(other)) => Arc::ptr_eq(one, other),
                (Credential::Certificate(one, groups), Credential::Certificate(other, others)) => {
                    one == other && groups == others
                }
                // One token says the same of its account each time; that it is still taken was asked before.
                (Credential::Account(one), Credential::Account(other)) => one.hash == other.hash,
                (Credential::IdToken(one, groups), Credential::IdToken(other, others)) => {
                    Arc::ptr_eq(one, other) && groups == others
                }
                _ => false,
            }
    }
}

/// What a persona is found by: structured, so that no two callers can be confused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// A token's hash or a certificate's fingerprint; both are SHA-256 of what only their owner has.
    credential: [u8; 32],
    cluster: Arc<str>,
}

fn credential_key(credential: &Credential) -> [u8; 32] {
    match credential {
        Credential::Token(token) => token.hash.0,
        Credential::Certificate(certificate, _) => certificate.fingerprint,
        Credential::Account(account) => account.hash.0,
        Credential::IdToken(token, _) => token.hash.0,
    }
}

/// The personas that a worker has rendered.
#[derive(Debug, Default)]
pub struct Personas {
    kept: Mutex<HashMap<Key, Arc<Persona>>>,
}

impl Personas {
    /// The caller's own persona in `cluster`.
    ///
    /// # Errors
    /// When the guard gives the caller nothing there, or the identity cannot be written as headers.
    pub fn of(
        &self,
        identity: &Identity,
        cluster: &Arc<ClusterRow>,
        world: &World,
        metrics: &Metrics,
    ) -> Result<Arc<Persona>, Refusal> {
        let key = Key { credential: credential_key(&identity.credential), cluster: Arc::clone(&cluster.id) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(persona) = kept.get(&key)
            && persona.basis.is(&identity.user, &identity.credential, cluster, world.membership().version())
        {
            return Ok(Arc::clone(persona));
        }
        let granted = guard::grant(identity, cluster, world).map_err(|denied| refused(denied, identity, cluster))?;
        let basis = Basis {
            user: Arc::clone(&identity.user),
            credential: identity.credential.clone(),
            cluster: Arc::clone(cluster),
            version: world.membership().version(),
        };
        let metrics = metrics.cluster(&cluster.id);
        let persona = Arc::new(match identity.account() {
            Some(account) => Persona::of_account(account, granted, basis, metrics)?,
            None => Persona::render(Arc::clone(&identity.user), granted, basis, metrics)?,
        });
        if kept.len() >= KEPT {
            // Rare, and cheaper than an order of use kept on every request.
            kept.clear();
        }
        kept.insert(key, Arc::clone(&persona));
        Ok(persona)
    }
}

impl Persona {
    /// Whom the request is from, for a cluster in this process.
    pub const fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The name of the caller's token.
    pub fn token(&self) -> Option<&str> {
        match &self.basis.credential {
            Credential::Token(token) => Some(&token.name),
            Credential::Certificate(..) | Credential::Account(_) | Credential::IdToken(..) => None,
        }
    }

    /// The service account that calls, if it is one.
    pub fn account(&self) -> Option<&ServiceAccount> {
        match &self.basis.credential {
            Credential::Account(account) => Some(account),
            Credential::Token(_) | Credential::Certificate(..) | Credential::IdToken(..) => None,
        }
    }

    /// A service account, which only its own cluster is told of. Kubernetes adds the groups.
    fn of_account(
        account: &ServiceAccount,
        granted: Granted,
        basis: Basis,
        metrics: Arc<ClusterMetrics>,
    ) -> Result<Self, Refusal> {
        let user = Arc::clone(&account.user);
        let caller = Caller {
            user: user.name.to_string(),
            uid: user.uid.as_deref().map(str::to_owned),
            groups: granted.groups.iter().map(ToString::to_string).collect(),
            extra: account.extra.clone(),
        };
        let headers = match basis.cluster.reach {
            Reach::InProcess => None,
            Reach::Direct(_) => Some(render_identity(&apimachinery::headers::Identity {
                user: &user.name,
                uid: None,
                groups: &[],
                extras: &[],
            })?),
        };
        Ok(Self { user, granted: Arc::new(granted), headers, metrics, caller: Arc::new(caller), basis })
    }

    fn render(
        user: Arc<UserRow>,
        granted: Granted,
        basis: Basis,
        metrics: Arc<ClusterMetrics>,
    ) -> Result<Self, Refusal> {
        let published = basis.cluster.published.as_deref();
        let may_send = |extra| published.is_some_and(|published| published.extras.contains(extra));
        let username = [&*user.username];
        let token = match &basis.credential {
            Credential::Token(token) => Some([&*token.name]),
            Credential::Certificate(..) | Credential::Account(_) | Credential::IdToken(..) => None,
        };
        let mut extras: Vec<(&str, &[&str])> = Vec::new();
        if may_send(EXTRA_USERNAME) {
            extras.push((EXTRA_USERNAME, &username));
        }
        if let Some(token) = token.as_ref().filter(|_| may_send(EXTRA_TOKEN)) {
            extras.push((EXTRA_TOKEN, token));
        }
        let groups: Vec<&str> = granted.groups.iter().map(|group| &**group).collect();
        let uid = user.uid.as_deref().filter(|_| published.is_some_and(|published| published.uids));
        let headers = render_identity(&apimachinery::headers::Identity {
            user: &user.name,
            uid,
            groups: &groups,
            extras: &extras,
        })?;
        let caller = Caller {
            user: user.name.to_string(),
            uid: uid.map(str::to_owned),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            extra: extras
                .iter()
                .map(|&(key, values)| (key.to_owned(), values.iter().map(|&v| v.to_owned()).collect()))
                .collect(),
        };
        let headers = Some(headers);
        Ok(Self { user, granted: Arc::new(granted), headers, metrics, caller: Arc::new(caller), basis })
    }
}

/// Who runs a request, where that is not its caller.
#[derive(Clone, Debug)]
pub struct Acting {
    /// As whom.
    pub persona: Arc<Persona>,
    /// Whether its role groups are what its own bindings give.
    pub from_bindings: bool,
}

impl Acting {
    /// What an open stream remembers of it.
    pub fn stream_target(&self) -> streams::Target {
        streams::Target {
            user: Arc::clone(&self.persona.user.name),
            granted: Arc::clone(&self.persona.granted),
            from_bindings: self.from_bindings,
        }
    }
}

/// `--as`: the cluster says whether the caller may, the world whether there is such a user.
///
/// Each value is asked of the cluster under the caller's own identity, all at once. Whatever the cluster answers, the
/// user must be one of Drover's and each group a published role group.
///
/// # Errors
/// The first value that is refused, by name.
pub async fn act_as(
    worker: &Worker,
    caller: &Arc<Persona>,
    request: &ImpersonationRequest<'_>,
    world: &World,
) -> Result<Acting, Refusal> {
    let cluster = &caller.basis.cluster;
    let refuse = |what, name: &str, why| Refusal::Impersonation {
        user: Arc::clone(&caller.user.name),
        what,
        name: name.to_owned(),
        cluster: Arc::clone(&cluster.id),
        why,
    };
    if let Some(uid) = request.uid {
        return Err(refuse("uid", uid, "a uid comes with its user and cannot be chosen"));
    }
    if let Some((key, _)) = request.extras.first() {
        return Err(refuse("extra", key, "extras cannot be chosen"));
    }
    if names::is_reserved(request.user) {
        return Err(refuse("user", request.user, "only users of Drover can be impersonated"));
    }
    for &group in &request.groups {
        if cluster.published_group(group).is_none() {
            return Err(refuse("group", group, "only published role groups can be impersonated"));
        }
    }
    if request.groups.len() > guard::MAX_GROUPS {
        return Err(refuse("group", request.groups.last().unwrap_or(&""), "too many groups"));
    }

    let values: Vec<(&'static str, &str)> =
        std::iter::once(("user", request.user)).chain(request.groups.iter().map(|&group| ("group", group))).collect();
    if let Some((what, name)) = worker.gateway.reviews.first_denied(worker, caller, &values).await? {
        return Err(refuse(what, name, "the cluster does not allow it"));
    }
    let user = world
        .user(request.user)
        .filter(|user| user.enabled)
        .ok_or_else(|| refuse("user", request.user, "only users of Drover can be impersonated"))?;

    let from_bindings = request.groups.is_empty();
    let granted = if from_bindings {
        guard::grant_user(user, cluster, world)
    } else {
        let named = |role: &&crate::world::rows::Role| request.groups.contains(&&*role.group);
        let groups = cluster.roles.iter().filter(named).map(|role| Arc::clone(&role.group)).collect();
        guard::check_published(user, cluster).map(|()| Granted { groups })
    };
    let granted = granted.map_err(|denied| match denied {
        Denied::NotAMember => refuse("user", request.user, "no binding gives that user access to the cluster"),
        denied => Refusal::Denied { denied, user: Arc::clone(&caller.user.name), cluster: (*cluster.id).into() },
    })?;
    let persona = Persona::render(Arc::clone(user), granted, caller.basis.clone(), Arc::clone(&caller.metrics))?;
    Ok(Acting { persona: Arc::new(persona), from_bindings })
}

/// A denial as the refusal that names who and where.
pub fn refused(denied: Denied, identity: &Identity, cluster: &ClusterRow) -> Refusal {
    Refusal::Denied { denied, user: Arc::clone(&identity.user.name), cluster: (*cluster.id).into() }
}
