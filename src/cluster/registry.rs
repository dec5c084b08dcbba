//! The clusters of this process by their id, and what is done for all of them from time to time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::{
    Options,
    in_process::InProcess,
    upstream::{Cluster, Way},
};
use crate::world::input::Connection;

/// How often expiring credentials are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two sweeps of the pools.
pub(super) const SWEEP_TICKS: u32 = 5;
/// Ticks between two looks at credential files.
const FILE_TICKS: u32 = 10;

type Map = HashMap<Arc<str>, Arc<Cluster>>;

/// The clusters of this process. Clones are the same registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.clusters.load().keys()).finish()
    }
}

struct Inner {
    clusters: ArcSwap<Map>,
    /// Held while the map is changed.
    changing: Mutex<()>,
    control: Handle,
    options: Options,
}

impl Registry {
    /// An empty one; its background work runs on `control`, which must have time and IO enabled.
    pub fn new(control: Handle, options: Options) -> Self {
        let inner = Arc::new(Inner { clusters: ArcSwap::default(), changing: Mutex::new(()), control, options });
        inner.control.spawn(tend(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// The cluster of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Cluster>> {
        self.0.clusters.load().get(id).cloned()
    }

    /// Makes the cluster `id` reached by `connection`. The same connection again changes nothing; another one takes over for new
    /// requests, and those under way end on the old one.
    pub fn put(&self, id: &Arc<str>, connection: &Arc<Connection>) -> Arc<Cluster> {
        self.put_way(id, &Way::Direct(Arc::clone(connection)))
    }

    /// Makes `local` the cluster `id`.
    pub fn put_in_process(&self, id: &Arc<str>, local: &Arc<dyn InProcess>) -> Arc<Cluster> {
        self.put_way(id, &Way::InProcess(Arc::clone(local)))
    }

    fn put_way(&self, id: &Arc<str>, way: &Way) -> Arc<Cluster> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.get(id);
        if let Some(old) = &old
            && old.way().is(way)
        {
            return Arc::clone(old);
        }
        let stats = old.as_ref().map(|old| Arc::clone(old.stats())).unwrap_or_default();
        let cluster = Cluster::new(Arc::clone(id), way.clone(), self.0.options.clone(), self.0.control.clone(), stats);
        let mut map = Map::clone(&self.0.clusters.load());
        map.insert(Arc::clone(id), Arc::clone(&cluster));
        self.0.clusters.store(Arc::new(map));
        if let Some(old) = old {
            old.retire();
        }
        cluster
    }

    /// Forgets the cluster; requests under way end in their own time.
    pub fn remove(&self, id: &str) {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut map = Map::clone(&self.0.clusters.load());
        if let Some(old) = map.remove(id) {
            self.0.clusters.store(Arc::new(map));
            old.retire();
        }
    }

    /// Every cluster now, for metrics.
    pub fn snapshot(&self) -> Arc<HashMap<Arc<str>, Arc<Cluster>>> {
        self.0.clusters.load_full()
    }
}

/// Sweeps pools and renews credentials until the registry is gone.
async fn tend(registry: Weak<Inner>) {
    let mut tick = 0_u32;
    loop {
        tokio::time::sleep(TICK).await;
        tick = tick.wrapping_add(1);
        let Some(registry) = registry.upgrade() else { return };
        for cluster in registry.clusters.load().values() {
            if tick.is_multiple_of(SWEEP_TICKS) {
                cluster.sweep();
            }
            cluster.tend_credential(tick.is_multiple_of(FILE_TICKS));
        }
    }
}
