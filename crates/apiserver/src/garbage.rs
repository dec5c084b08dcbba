//! Objects whose owners are gone go as well.
//!
//! See `k8s.io/kubernetes/pkg/controller/garbagecollector`. A round looks at all objects that name owners; a round is run when
//! something went, or when something new names an owner.

use std::{collections::HashMap, sync::Arc, time::Duration};

use apimachinery::meta::{
    FOREGROUND_DELETION, Meta, MetaMut, ORPHAN, OwnerReference,
    options::{DeleteOptions, Preconditions},
};
use http::StatusCode;
use memchr::memmem;
use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    api::Api,
    failure::Outcome,
    object,
    registry::{Catalog, Resource, split_api_version},
    server::Core,
    store::{Key, Range, Snapshot, Write},
    verbs,
};

/// How long changes are gathered before a round.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells the collector that there may be work.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    work: Notify,
}

impl Garbage {
    /// Whether a write may make work for the collector.
    pub(crate) fn concerns(write: &Write) -> bool {
        match write {
            Write::Delete(_) => true,
            Write::Put(draft) => may_concern(&draft.bytes),
        }
    }

    /// There may be work.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }
}

/// Whether an encoded object, or a piece of one, names owners or says that the object waits for its end.
fn may_concern(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\"ownerReferences\":").is_some() || memmem::find(bytes, b"\"deletionTimestamp\":").is_some()
}

/// Collects, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    loop {
        match round(&api).await {
            // What was done may have made more to do.
            Ok(true) => {}
            Ok(false) => api.core().garbage.work.notified().await,
            Err(failed) => {
                tracing::warn!(why = failed.message(), "garbage cannot be collected");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An object that names owners, or waits for its dependents.
struct Node {
    resource: Arc<Resource>,
    object: Value,
}

/// One round; says whether anything was done.
async fn round(api: &Api) -> Outcome<bool> {
    let core = Arc::clone(api.core());
    // All objects are looked at, which takes its time.
    let Ok((nodes, snapshot, catalog)) = tokio::task::spawn_blocking(move || gather(&core)).await else {
        return Ok(false);
    };
    let mut dependents: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for owner in Meta::of(&node.object).owner_references() {
            dependents.entry(owner.uid.to_owned()).or_default().push(at);
        }
    }
    let mut done = false;
    for node in &nodes {
        let outcome = settle(api, node, &nodes, &dependents, &snapshot, &catalog).await;
        match outcome {
            Ok(changed) => done |= changed,
            Err(lost) if matches!(lost.code(), StatusCode::NOT_FOUND | StatusCode::CONFLICT) => done = true,
            Err(failed) => return Err(failed),
        }
    }
    Ok(done)
}

fn gather(core: &Core) -> (Vec<Node>, Snapshot, Arc<Catalog>) {
    let catalog = core.registry.catalog();
    let snapshot = core.store.snapshot();
    let mut nodes = Vec::new();
    for resource in catalog.resources().iter().filter(|resource| resource.is_stored() && !resource.prefix.is_empty()) {
        for entry in snapshot.range(&Range::prefix(&resource.prefix), None) {
            if entry.pieces().into_iter().any(may_concern) {
                nodes.push(Node { resource: Arc::clone(resource), object: crate::read::value(resource, entry) });
            }
        }
    }
    (nodes, snapshot, catalog)
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
}

async fn settle(
    api: &Api,
    node: &Node,
    nodes: &[Node],
    dependents: &HashMap<String, Vec<usize>>,
    snapshot: &Snapshot,
    catalog: &Catalog,
) -> Outcome<bool> {
    let meta = Meta::of(&node.object);
    let scope = api.scope(&node.resource.group, &node.resource.plural, meta.namespace())?;
    let own: Vec<&Node> = dependents.get(meta.uid()).into_iter().flatten().filter_map(|at| nodes.get(*at)).collect();
    if meta.is_deleting() {
        let has = |finalizer: &str| meta.finalizers().any(|own| own == finalizer);
        if has(ORPHAN) {
            for dependent in &own {
                forget_owners(api, dependent, &[meta.uid()]).await?;
            }
            drop_finalizer(&scope, meta.name(), ORPHAN).await?;
            return Ok(true);
        }
        if has(FOREGROUND_DELETION) {
            let blocked = own.iter().any(|dependent| {
                Meta::of(&dependent.object)
                    .owner_references()
                    .any(|owner| owner.uid == meta.uid() && owner.block_owner_deletion)
            });
            if !blocked {
                drop_finalizer(&scope, meta.name(), FOREGROUND_DELETION).await?;
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let owners: Vec<(String, Owner)> = meta
        .owner_references()
        .map(|owner| (owner.uid.to_owned(), state(&owner, meta.namespace(), snapshot, catalog)))
        .collect();
    let gone: Vec<&str> =
        owners.iter().filter(|(_, state)| *state != Owner::Solid).map(|(uid, _)| uid.as_str()).collect();
    if owners.is_empty() || gone.is_empty() {
        return Ok(false);
    }
    if gone.len() < owners.len() {
        forget_owners(api, node, &gone).await?;
        return Ok(true);
    }
    let waiting = owners.iter().any(|(_, state)| *state == Owner::Waiting);
    let foreground = waiting && !own.is_empty();
    let policy = if foreground {
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
    verbs::delete::delete(&scope, meta.name(), &options).await?;
    Ok(true)
}

fn state(owner: &OwnerReference<'_>, namespace: &str, snapshot: &Snapshot, catalog: &Catalog) -> Owner {
    let (group, version) = split_api_version(owner.api_version);
    let Some(resource) = catalog.of_kind(group, version, owner.kind) else {
        // A kind that is not served may be so again: nothing is said of its objects.
        return Owner::Solid;
    };
    let namespace = if resource.namespaced { namespace } else { "" };
    let Some(entry) = snapshot.get(&Key::new(&resource.prefix, namespace, owner.name)) else { return Owner::Absent };
    let object: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
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
