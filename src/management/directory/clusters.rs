//! Clusters, whose rows need another object: the Secret or the file with the kubeconfig.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::{ResourceExt as _, api::DynamicObject};
use tokio::sync::watch;

use super::{
    count_once,
    table::{read, warn},
};
use crate::{
    config::{
        kubeconfig::{self, Origin},
        yaml::Fault,
    },
    management::follow::Sink,
    modules::{Cluster, Kubeconfig, Reached},
    secret::Secret,
    world::{
        Feed,
        input::{Change, ClusterInput, Connection, Reach},
    },
};

/// The values of a Secret by key.
type Values = BTreeMap<String, Secret<Vec<u8>>>;

/// Clusters and what they are joined with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Joined(Arc<Mutex<Parts>>);

struct Parts {
    feed: Feed,
    clusters: BTreeMap<Arc<str>, Reached>,
    secrets: BTreeMap<String, Values>,
    files: HashMap<String, Arc<Connection>>,
    local: Option<Local>,
    /// Whether the Secrets have been listed: before that a missing one says nothing.
    known: bool,
}

/// How the management plane itself is reached as a cluster.
#[derive(Clone, Debug)]
pub struct Local {
    /// How.
    pub reach: Reach,
    /// Whether a credential that may do everything there is accepted.
    pub allow_administrator: bool,
}

/// Takes the connections of clusters whose kubeconfigs are files of the admin's: no object of the plane can say what is in a
/// file of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Joined);

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// Takes `files`, by cluster, as all there are.
    pub fn replace(&self, files: HashMap<String, Arc<Connection>>) {
        let mut parts = self.0.lock();
        if parts.files == files {
            return;
        }
        parts.files = files;
        let by_file = parts
            .clusters
            .iter()
            .filter(|(_, cluster)| cluster.kubeconfig().is_some_and(|kubeconfig| kubeconfig.file.is_some()));
        let ids: Vec<_> = by_file.map(|(id, _)| Arc::clone(id)).collect();
        for id in &ids {
            parts.tell(id);
        }
    }
}

impl Joined {
    pub(super) fn new(feed: Feed, local: Option<Local>) -> Self {
        let (clusters, secrets, files) = (BTreeMap::new(), BTreeMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Parts { feed, clusters, secrets, files, local, known: false })))
    }

    pub(super) fn connections(&self) -> Connections {
        Connections(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parts {
    /// Feeds one cluster as it is now.
    fn tell(&self, id: &Arc<str>) {
        if !self.known {
            return;
        }
        let row = self.clusters.get(id).and_then(|cluster| self.row(cluster));
        self.feed.change(Change::Cluster(Arc::clone(id), row));
    }

    fn tell_all(&self) {
        if !self.known {
            return;
        }
        self.feed.change(Change::Clusters(self.clusters.values().filter_map(|cluster| self.row(cluster)).collect()));
    }

    /// A cluster's row, or none where its kubeconfig is missing or not as it should be.
    fn row(&self, cluster: &Reached) -> Option<ClusterInput> {
        let Some(kubeconfig) = cluster.kubeconfig() else {
            let Local { reach, allow_administrator } = self.local.clone()?;
            return Some(cluster.reached_by(reach, allow_administrator));
        };
        let connection = match kubeconfig {
            Kubeconfig { secret_ref: Some(reference), context, .. } => {
                let value = self.secrets.get(&reference.name).and_then(|values| values.get(reference.key()));
                connection(value, context.as_deref()).map(Arc::new)
            }
            _ => self
                .files
                .get(cluster.id())
                .cloned()
                .ok_or_else(|| "no manifest of the config folder names its file".to_owned()),
        };
        let warn =
            |error: &String| tracing::warn!(cluster = cluster.id(), error, "the cluster has no kubeconfig to use");
        connection.inspect_err(warn).ok().map(|connection| cluster.input(connection))
    }
}

/// The connection that a Secret's value holds. The reason of a failure shows no value.
fn connection(value: Option<&Secret<Vec<u8>>>, context: Option<&str>) -> Result<Connection, String> {
    let value = value.ok_or("there is no such Secret, or no such key in it")?;
    let text = std::str::from_utf8(value.expose()).map_err(|_| "the Secret's value is no text")?;
    kubeconfig::connection(text, context, Origin::Inline).map_err(|faults| {
        let told = |Fault { line, field, message, .. }: &Fault| format!("line {line}: {field}: {message}");
        faults.iter().map(told).collect::<Vec<_>>().join("; ")
    })
}

/// Takes the Cluster objects.
pub(super) struct ClusterSink {
    joined: Joined,
    count: Arc<watch::Sender<usize>>,
    counted: bool,
    listed: BTreeMap<Arc<str>, Reached>,
}

impl ClusterSink {
    pub(super) const fn new(joined: Joined, count: Arc<watch::Sender<usize>>) -> Self {
        Self { joined, count, counted: false, listed: BTreeMap::new() }
    }
}

fn reached(object: &DynamicObject) -> Option<Reached> {
    let cluster: Cluster = read(object)?;
    cluster.reached().map_err(|flaws| warn(object, &flaws)).ok()
}

impl Sink for ClusterSink {
    fn list(&mut self) {
        self.listed.clear();
    }

    fn item(&mut self, object: &DynamicObject) {
        self.listed.extend(reached(object).map(|cluster| (object.name_any().into(), cluster)));
    }

    fn listed(&mut self) {
        let mut parts = self.joined.lock();
        parts.clusters = std::mem::take(&mut self.listed);
        parts.tell_all();
        drop(parts);
        count_once(&mut self.counted, &self.count);
    }

    fn applied(&mut self, object: &DynamicObject) {
        let mut parts = self.joined.lock();
        let id: Arc<str> = object.name_any().into();
        match reached(object) {
            // Its status changes often, and its row not with it.
            Some(cluster) if parts.clusters.get(&id) == Some(&cluster) => return,
            Some(cluster) => parts.clusters.insert(Arc::clone(&id), cluster),
            None => parts.clusters.remove(&id),
        };
        parts.tell(&id);
    }

    fn deleted(&mut self, object: &DynamicObject) {
        let mut parts = self.joined.lock();
        let id: Arc<str> = object.name_any().into();
        parts.clusters.remove(&id);
        parts.tell(&id);
    }
}

/// Takes the Secrets of Drover's namespace.
pub(super) struct SecretSink {
    joined: Joined,
    count: Arc<watch::Sender<usize>>,
    counted: bool,
    listed: BTreeMap<String, Values>,
}

impl SecretSink {
    pub(super) const fn new(joined: Joined, count: Arc<watch::Sender<usize>>) -> Self {
        Self { joined, count, counted: false, listed: BTreeMap::new() }
    }

    /// Takes the values of one Secret, and feeds the clusters that refer to it.
    fn put(&self, name: String, values: Option<Values>) {
        let mut parts = self.joined.lock();
        if parts.secrets.get(&name) == values.as_ref() {
            return;
        }
        let refers = |cluster: &Reached| {
            let secret = cluster.kubeconfig().and_then(|kubeconfig| kubeconfig.secret_ref.as_ref());
            secret.is_some_and(|secret| secret.name == name)
        };
        let ids: Vec<_> =
            parts.clusters.iter().filter(|(_, cluster)| refers(cluster)).map(|(id, _)| Arc::clone(id)).collect();
        match values {
            Some(values) => parts.secrets.insert(name, values),
            None => parts.secrets.remove(&name),
        };
        for id in &ids {
            parts.tell(id);
        }
    }
}

fn values(object: &DynamicObject) -> Option<Values> {
    let secret: SecretObject = read(object)?;
    Some(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, Secret::new(value.0))).collect())
}

impl Sink for SecretSink {
    fn list(&mut self) {
        self.listed.clear();
    }

    fn item(&mut self, object: &DynamicObject) {
        self.listed.extend(values(object).map(|values| (object.name_any(), values)));
    }

    fn listed(&mut self) {
        let mut parts = self.joined.lock();
        parts.secrets = std::mem::take(&mut self.listed);
        parts.known = true;
        parts.tell_all();
        drop(parts);
        count_once(&mut self.counted, &self.count);
    }

    fn applied(&mut self, object: &DynamicObject) {
        self.put(object.name_any(), values(object));
    }

    fn deleted(&mut self, object: &DynamicObject) {
        self.put(object.name_any(), None);
    }
}
