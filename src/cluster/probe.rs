//! Asks each cluster, with the gateway's own credential, which names it may impersonate there.
//!
//! A name that the cluster does not let the account impersonate turns a whole request into a 403, so none is sent before the cluster
//! says so itself.

mod rules;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Notify};

use super::{CONTROL, in_process, json::JsonError, registry::Registry, upstream::Cluster};
use crate::world::input::{Names, Published};

/// Between two probes while names are missing.
const SOON: Duration = Duration::from_secs(1);
/// How long the cluster may take to answer one question.
const WITHIN: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: some 100,000 names.
const LIMIT: usize = 8 * 1024 * 1024;
/// The namespace whose rules are asked for: one that cannot be. A review must name one and joins the rules of its `RoleBinding`s to
/// those of the cluster, but users and groups belong to no namespace: what a RoleBinding says of them lets nobody impersonate.
const NOWHERE: &str = "drover:nowhere";
/// Names newly asked for one by one in a round, of a cluster that cannot list its rules.
const SINGLY: usize = 64;
/// Such questions under way at once.
const AT_ONCE: usize = 8;

/// Told what a cluster lets the gateway's account impersonate, whenever that was asked.
pub type Publish = Arc<dyn Fn(&str, Published) + Send + Sync>;

/// Names that bindings need and that a cluster has not published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// User names.
    pub users: Vec<Arc<str>>,
    /// Role groups.
    pub groups: Vec<Arc<str>>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// Why a cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No answer that can be read.
    #[error(transparent)]
    Call(#[from] JsonError),
    /// The cluster refuses the question.
    #[error("the cluster answered {status}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The message of its `Status`.
        message: String,
    },
}

/// Probes the clusters of a registry until dropped.
pub struct Prober(Arc<Inner>);

struct Inner {
    registry: Registry,
    control: Handle,
    interval: Duration,
    publish: Publish,
    asked: Mutex<HashMap<Arc<str>, Arc<Asked>>>,
}

/// What the task of one cluster is told.
#[derive(Default)]
struct Asked {
    now: Notify,
    wanted: Mutex<Wanted>,
    gone: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Prober {
    /// Asks each cluster of `registry` every `interval`, on `control`.
    pub fn start(registry: Registry, control: Handle, interval: Duration, publish: Publish) -> Self {
        let inner = Arc::new(Inner { registry, control, interval, publish, asked: Mutex::default() });
        inner.control.spawn(follow(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Asks `cluster` at once.
    pub fn now(&self, cluster: &str) {
        if let Some(asked) = self.0.asked(cluster) {
            asked.now.notify_one();
        }
    }

    /// Names that `cluster` has not published yet: while there are any it is asked every second, from now on. Empty ends that.
    pub fn wanted(&self, cluster: &str, names: Wanted) {
        let Some(asked) = self.0.asked(cluster) else { return };
        let mut wanted = lock(&asked.wanted);
        let at_once = !names.is_empty() && *wanted != names;
        *wanted = names;
        drop(wanted);
        if at_once {
            asked.now.notify_one();
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        for asked in lock(&self.0.asked).values() {
            asked.gone.store(true, Ordering::Release);
            asked.now.notify_one();
        }
    }
}

impl Inner {
    /// The task of a cluster that exists, started where there is none.
    fn asked(self: &Arc<Self>, id: &str) -> Option<Arc<Asked>> {
        let cluster = self.registry.get(id)?;
        let mut map = lock(&self.asked);
        if let Some(asked) = map.get(id) {
            return Some(Arc::clone(asked));
        }
        let asked = Arc::new(Asked::default());
        map.insert(Arc::clone(cluster.id()), Arc::clone(&asked));
        self.control.spawn(ask(Arc::downgrade(self), Arc::clone(cluster.id()), Arc::clone(&asked)));
        Some(asked)
    }
}

/// Starts a task for each new cluster.
async fn follow(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        for id in inner.registry.snapshot().keys() {
            inner.asked(id);
        }
        drop(inner);
        tokio::time::sleep(SOON).await;
    }
}

/// Asks one cluster again and again, until it or the prober is gone.
async fn ask(inner: Weak<Inner>, id: Arc<str>, asked: Arc<Asked>) {
    let mut singly = Singly::default();
    loop {
        let Some(prober) = inner.upgrade() else { return };
        let Some(cluster) = prober.registry.get(&id) else {
            lock(&prober.asked).remove(&id);
            return;
        };
        let (interval, publish) = (prober.interval, Arc::clone(&prober.publish));
        drop(prober);
        let names = singly.round(lock(&asked.wanted).clone());
        let told = cluster.published(&names).await;
        if asked.gone.load(Ordering::Acquire) {
            return;
        }
        match told {
            Ok(published) => {
                singly.keep(names, &published);
                publish(&id, published);
            }
            Err(error) => tracing::debug!(cluster = %id, %error, "the cluster does not say what may be impersonated"),
        }
        let pause = if lock(&asked.wanted).is_empty() { interval } else { interval.min(SOON) };
        let _ = tokio::time::timeout(pause, asked.now.notified()).await;
        if asked.gone.load(Ordering::Acquire) {
            return;
        }
    }
}

/// Which names are asked one by one: all that were allowed before, so that none is lost when it is not wanted any more, and some of
/// those that are wanted, others each time.
#[derive(Default)]
struct Singly {
    allowed: Wanted,
    rounds: usize,
}

impl Singly {
    fn round(&mut self, wanted: Wanted) -> Wanted {
        let start = self.rounds * SINGLY;
        self.rounds = self.rounds.wrapping_add(1) % (usize::MAX / SINGLY);
        let some = |allowed: &[Arc<str>], mut wanted: Vec<Arc<str>>| {
            if wanted.len() > SINGLY {
                let middle = start % wanted.len();
                wanted.rotate_left(middle);
                wanted.truncate(SINGLY);
            }
            wanted.retain(|name| !allowed.contains(name));
            wanted.extend_from_slice(allowed);
            wanted
        };
        Wanted { users: some(&self.allowed.users, wanted.users), groups: some(&self.allowed.groups, wanted.groups) }
    }

    fn keep(&mut self, mut names: Wanted, published: &Published) {
        names.users.retain(|name| published.users.contains(name));
        names.groups.retain(|name| published.groups.contains(name));
        self.allowed = names;
    }
}

impl Cluster {
    /// What the gateway's own account may impersonate in this cluster, by the cluster's word. Of a cluster that cannot list its
    /// rules completely, the `wanted` names are asked one by one.
    pub async fn published(self: &Arc<Self>, wanted: &Wanted) -> Result<Published, ProbeError> {
        if self.is_in_process() {
            return Ok(in_process::published());
        }
        let everything = json!({ "verb": "*", "group": "*", "resource": "*" });
        let rules = self.review("selfsubjectrulesreviews", "SelfSubjectRulesReview", json!({ "namespace": NOWHERE }));
        let (rules, administrator) = tokio::join!(rules, self.may(everything));
        let (mut published, complete) = rules::read(&rules?);
        published.administrator = administrator?;
        if !complete {
            self.ask_singly(&mut published, wanted).await?;
        }
        Ok(published)
    }

    async fn ask_singly(self: &Arc<Self>, published: &mut Published, wanted: &Wanted) -> Result<(), ProbeError> {
        let kinds = [("users", &wanted.users, &mut published.users), ("groups", &wanted.groups, &mut published.groups)];
        for (resource, wanted, names) in kinds {
            let Names::Only(known) = names else { continue };
            let unknown: Vec<_> = wanted.iter().filter(|name| !known.contains(*name)).collect();
            for some in unknown.chunks(AT_ONCE) {
                let answers = some.iter().map(|name| async move {
                    let attributes = json!({ "verb": "impersonate", "resource": resource, "name": name });
                    self.may(attributes).await.map(|allowed| (Arc::clone(name), allowed))
                });
                for answer in join_all(answers).await {
                    let (name, allowed) = answer?;
                    if allowed {
                        known.insert(name);
                    }
                }
            }
        }
        Ok(())
    }

    async fn may(self: &Arc<Self>, attributes: Value) -> Result<bool, ProbeError> {
        let spec = json!({ "resourceAttributes": attributes });
        let answer = self.review("selfsubjectaccessreviews", "SelfSubjectAccessReview", spec).await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
    }

    async fn review(self: &Arc<Self>, resource: &str, kind: &str, spec: Value) -> Result<Value, ProbeError> {
        let path = format!("/apis/authorization.k8s.io/v1/{resource}");
        let body = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
        let (status, answer) =
            self.json(CONTROL, Method::POST, &path, HeaderMap::new(), None, Some(&body), LIMIT, WITHIN).await?;
        if status == StatusCode::UNAUTHORIZED {
            self.credential_refused();
        }
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.pointer("/message").and_then(Value::as_str).unwrap_or_default();
        Err(ProbeError::Refused { status, message: message.chars().take(200).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<Arc<str>> {
        range.map(|number| format!("u-{number}").into()).collect()
    }

    #[test]
    fn many_wanted_names_are_all_asked_in_turn_and_allowed_ones_every_time() {
        let wanted = || Wanted { users: names(0..150), groups: Vec::new() };
        let mut singly = Singly::default();
        let mut asked = std::collections::BTreeSet::new();
        let users = Names::Only(names(0..1).into_iter().collect());
        let published = Published { users, ..Published::default() };
        for _ in 0..3 {
            let round = singly.round(wanted());
            assert!(round.users.len() <= SINGLY + 1);
            assert!(round.users.iter().any(|name| &**name == "u-0"), "{round:?}");
            asked.extend(round.users.iter().cloned());
            singly.keep(round, &published);
        }
        assert_eq!(asked.len(), 150);
        assert_eq!(singly.round(Wanted::default()).users, names(0..1));
    }
}
