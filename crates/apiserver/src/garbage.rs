//! Objects whose owners are gone go as well.
//!
//! See `k8s.io/kubernetes/pkg/controller/garbagecollector`. An index leads from an owner's UID to those that name it. It is made once,
//! of all objects; after that each change is looked at by itself, and what it may mean for others: a change of one object costs no look
//! at all the others.

mod index;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use apimachinery::meta::{
    FOREGROUND_DELETION, Meta, MetaMut, ORPHAN, OwnerReference,
    options::{DeleteOptions, Preconditions},
};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Notify;

use self::index::Index;
use crate::{
    api::Api,
    failure::Outcome,
    object,
    registry::{Catalog, Resource, split_api_version},
    server::Core,
    store::{Entry, Key, Range, Snapshot},
    verbs,
};

/// How long changes are gathered before they are looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// When what failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Tells the collector what may be work for it.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    state: Mutex<State>,
    work: Notify,
}

#[derive(Debug, Default)]
struct State {
    changes: Vec<Change>,
    /// Objects that the index holds: a write that takes their owners away matters as well.
    tracked: BTreeSet<Key>,
}

#[derive(Debug)]
enum Change {
    /// An object that names owners, did so, or waits to go, was written.
    Written(Key),
    /// An object is gone.
    Gone(Key, Entry),
}

/// Whether an object may name owners or wait to go, by its bytes.
fn concerns(entry: &Entry) -> bool {
    let has = |text: &[u8]| entry.pieces().iter().any(|piece| memchr::memmem::find(piece, text).is_some());
    has(b"\"ownerReferences\":") || has(b"\"deletionTimestamp\":")
}

impl Garbage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object was stored, or is gone; as it is, or was last.
    pub(crate) fn changed(&self, key: &Key, deleted: bool, entry: &Entry) {
        let named = concerns(entry);
        let mut state = self.state();
        if deleted {
            state.changes.push(Change::Gone(key.clone(), entry.clone()));
        } else if named || state.tracked.contains(key) {
            state.changes.push(Change::Written(key.clone()));
        } else {
            return;
        }
        drop(state);
        self.work.notify_one();
    }

    /// There may be kinds that were not known.
    pub(crate) fn kinds_changed(&self) {
        self.work.notify_one();
    }
}

/// Collects, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    let core = Arc::clone(api.core());
    // All objects are looked at once, which takes its time.
    let Ok((index, pending)) = tokio::task::spawn_blocking(move || gather(&core)).await else { return };
    let mut collector = Collector { api, index, pending, later: Vec::new(), unknown: BTreeSet::new(), generation: 0 };
    loop {
        collector.take_changes();
        let Some(key) = collector.pending.pop_first() else {
            let work = Arc::clone(collector.api.core());
            if collector.later.is_empty() {
                work.garbage.work.notified().await;
            } else {
                let _ = tokio::time::timeout(RETRY, work.garbage.work.notified()).await;
                collector.pending.extend(collector.later.drain(..));
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        match collector.settle(&key).await {
            Ok(()) => {}
            Err(lost) if matches!(lost.code(), StatusCode::NOT_FOUND | StatusCode::CONFLICT) => {
                collector.later.push(key);
            }
            Err(failed) => {
                tracing::warn!(%key, why = failed.message(), "garbage cannot be collected");
                collector.later.push(key);
            }
        }
    }
}

/// The index of all objects that name owners, and what is to be looked at: these, and those that wait to go.
fn gather(core: &Core) -> (Index, BTreeSet<Key>) {
    let catalog = core.registry.catalog();
    let snapshot = core.store.snapshot();
    let mut index = Index::default();
    let mut pending = BTreeSet::new();
    for resource in catalog.resources().iter().filter(|resource| resource.is_stored() && !resource.prefix.is_empty()) {
        for entry in snapshot.range(&Range::prefix(&resource.prefix), None).filter(|entry| concerns(entry)) {
            let key = entry.key(&resource.prefix);
            index.put(key.clone(), owners_of(&value(entry)));
            pending.insert(key);
        }
    }
    core.garbage.state().tracked.extend(index.keys().cloned());
    (index, pending)
}

fn value(entry: &Entry) -> Value {
    // INVARIANT: the store holds what `object::draft` wrote.
    serde_json::from_slice(&entry.as_bytes()).unwrap_or_default()
}

fn owners_of(object: &Value) -> Vec<String> {
    Meta::of(object).owner_references().map(|owner| owner.uid.to_owned()).collect()
}

/// An object as it is stored.
struct Node {
    resource: Arc<Resource>,
    key: Key,
    object: Value,
}

struct Collector {
    api: Api,
    index: Index,
    /// What is to be looked at.
    pending: BTreeSet<Key>,
    /// What failed, and is tried again.
    later: Vec<Key>,
    /// Objects with an owner of a kind that is not served.
    unknown: BTreeSet<Key>,
    generation: u64,
}

impl Collector {
    /// Takes in what has changed.
    fn take_changes(&mut self) {
        let core = Arc::clone(self.api.core());
        let catalog = core.registry.catalog();
        if catalog.generation() != self.generation {
            self.generation = catalog.generation();
            self.pending.append(&mut self.unknown);
        }
        let changes = std::mem::take(&mut core.garbage.state().changes);
        let mut changes = VecDeque::from(changes);
        while let Some(change) = changes.pop_front() {
            match change {
                Change::Written(key) => {
                    let entry = core.store.snapshot().get(&key).cloned();
                    let owners = entry.map(|entry| owners_of(&value(&entry))).unwrap_or_default();
                    self.track(&key, owners);
                    self.pending.insert(key);
                }
                Change::Gone(key, entry) => {
                    let object = value(&entry);
                    self.track(&key, Vec::new());
                    self.pending.extend(self.index.dependents(Meta::of(&object).uid()).cloned());
                    // An owner may have waited for this one.
                    self.pending.extend(owner_keys(&object, &catalog));
                }
            }
        }
    }

    /// Whom an object names as its owners now.
    fn track(&mut self, key: &Key, owners: Vec<String>) {
        let mut state = self.api.core().garbage.state();
        if owners.is_empty() {
            state.tracked.remove(key);
        } else {
            state.tracked.insert(key.clone());
        }
        drop(state);
        self.index.put(key.clone(), owners);
    }

    /// The objects that name `uid` as an owner.
    fn dependents(&self, uid: &str, snapshot: &Snapshot, catalog: &Catalog) -> Vec<Node> {
        let nodes = self.index.dependents(uid).filter_map(|key| node(key, snapshot, catalog));
        nodes.filter(|node| Meta::of(&node.object).owner_references().any(|owner| owner.uid == uid)).collect()
    }

    /// Does for one object what is to be done.
    async fn settle(&mut self, key: &Key) -> Outcome<()> {
        let core = Arc::clone(self.api.core());
        let (snapshot, catalog) = (core.store.snapshot(), core.registry.catalog());
        let Some(node) = node(key, &snapshot, &catalog) else { return Ok(()) };
        let meta = Meta::of(&node.object);
        let scope = self.api.scope(&node.resource.group, &node.resource.plural, meta.namespace())?;
        let own = self.dependents(meta.uid(), &snapshot, &catalog);
        // Whom this one keeps from going may not be kept any more.
        let waiting = owner_keys(&node.object, &catalog).into_iter().filter(|owner| waits(owner, &snapshot));
        self.pending.extend(waiting.filter(|owner| owner != key));
        if meta.is_deleting() {
            let has = |finalizer: &str| meta.finalizers().any(|own| own == finalizer);
            if has(ORPHAN) {
                for dependent in &own {
                    forget_owners(&self.api, dependent, &[meta.uid()]).await?;
                }
                return drop_finalizer(&scope, meta.name(), ORPHAN).await;
            }
            if has(FOREGROUND_DELETION) {
                let blocks = |dependent: &&Node| {
                    let mut owners = Meta::of(&dependent.object).owner_references();
                    owners.any(|owner| owner.uid == meta.uid() && owner.block_owner_deletion)
                };
                let blocking: Vec<&Node> = own.iter().filter(blocks).collect();
                if blocking.is_empty() {
                    return drop_finalizer(&scope, meta.name(), FOREGROUND_DELETION).await;
                }
                // Each that goes makes this one be looked at again. Only those that keep it are: one that does not keep it would stay,
                // and have it looked at, and so on.
                let staying = blocking.into_iter().filter(|dependent| !Meta::of(&dependent.object).is_deleting());
                self.pending.extend(staying.map(|dependent| dependent.key.clone()));
            }
            return Ok(());
        }
        let owners: Vec<(String, Owner)> = meta
            .owner_references()
            .map(|owner| (owner.uid.to_owned(), state(&owner, meta.namespace(), &snapshot, &catalog)))
            .collect();
        if owners.iter().any(|(_, state)| *state == Owner::Unknown) {
            self.unknown.insert(key.clone());
        }
        let stays = |state: Owner| matches!(state, Owner::Solid | Owner::Unknown);
        let gone: Vec<&str> = owners.iter().filter(|(_, state)| !stays(*state)).map(|(uid, _)| uid.as_str()).collect();
        if owners.is_empty() || gone.is_empty() {
            return Ok(());
        }
        if gone.len() < owners.len() {
            return forget_owners(&self.api, &node, &gone).await;
        }
        let waiting = owners.iter().any(|(_, state)| *state == Owner::Waiting);
        let policy = if waiting && !own.is_empty() {
            Some("Foreground")
        } else if meta.finalizers().any(|finalizer| matches!(finalizer, ORPHAN | FOREGROUND_DELETION)) {
            // What was said before holds.
            None
        } else {
            Some("Background")
        };
        let options = DeleteOptions {
            preconditions: Some(Preconditions { uid: Some(meta.uid().to_owned()), resource_version: None }),
            propagation_policy: policy.map(str::to_owned),
            ..DeleteOptions::default()
        };
        verbs::delete::delete(&scope, meta.name(), &options).await.map(drop)
    }
}

/// The object of a key; none for a kind that is not served.
fn node(key: &Key, snapshot: &Snapshot, catalog: &Catalog) -> Option<Node> {
    let entry = snapshot.get(key)?;
    let resource = catalog.stored_at(key.prefix())?;
    let object = crate::read::value(resource, entry);
    Some(Node { resource: Arc::clone(resource), key: key.clone(), object })
}

/// Where the owners stand that an object names.
fn owner_keys(object: &Value, catalog: &Catalog) -> Vec<Key> {
    let meta = Meta::of(object);
    let keys = meta.owner_references().filter_map(|owner| owner_key(&owner, meta.namespace(), catalog));
    keys.collect()
}

fn owner_key(owner: &OwnerReference<'_>, namespace: &str, catalog: &Catalog) -> Option<Key> {
    let (group, version) = split_api_version(owner.api_version);
    let resource = catalog.of_kind(group, version, owner.kind)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    Some(Key::new(&resource.prefix, namespace, owner.name))
}

/// Whether an object waits for its dependents.
fn waits(key: &Key, snapshot: &Snapshot) -> bool {
    let Some(entry) = snapshot.get(key).filter(|entry| concerns(entry)) else { return false };
    let object = value(entry);
    let meta = Meta::of(&object);
    meta.is_deleting() && meta.finalizers().any(|finalizer| finalizer == FOREGROUND_DELETION)
}

/// What has become of an owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It is there.
    Solid,
    /// It waits for its dependents.
    Waiting,
    /// It is gone, or another one has its name.
    Absent,
    /// Its kind is not served; it may be so again, and nothing is said of it until then.
    Unknown,
}

fn state(owner: &OwnerReference<'_>, namespace: &str, snapshot: &Snapshot, catalog: &Catalog) -> Owner {
    let Some(key) = owner_key(owner, namespace, catalog) else { return Owner::Unknown };
    let Some(entry) = snapshot.get(&key) else { return Owner::Absent };
    let object = value(entry);
    let meta = Meta::of(&object);
    if meta.uid() != owner.uid {
        Owner::Absent
    } else if meta.is_deleting()
        && owner.block_owner_deletion
        && meta.finalizers().any(|finalizer| finalizer == FOREGROUND_DELETION)
    {
        Owner::Waiting
    } else {
        Owner::Solid
    }
}

/// Takes owners out of an object's list.
async fn forget_owners(api: &Api, node: &Node, uids: &[&str]) -> Outcome<()> {
    let meta = Meta::of(&node.object);
    let scope = api.scope(&node.resource.group, &node.resource.plural, meta.namespace())?;
    scope
        .change(meta.name(), |object| {
            let kept: Vec<Value> = Meta::of(object)
                .owner_reference_trees()
                .iter()
                .filter(|owner| !uids.contains(&object::text(owner, "uid")))
                .cloned()
                .collect();
            if let Some(mut meta) = MetaMut::of(object) {
                meta.set_owner_references(kept);
            }
        })
        .await
        .map(drop)
}

async fn drop_finalizer(scope: &crate::scope::Scope, name: &str, finalizer: &str) -> Outcome<()> {
    scope
        .change(name, |object| {
            let kept: Vec<String> =
                Meta::of(object).finalizers().filter(|own| *own != finalizer).map(str::to_owned).collect();
            if let Some(mut meta) = MetaMut::of(object) {
                meta.set_finalizers(kept);
            }
        })
        .await
        .map(drop)
}
