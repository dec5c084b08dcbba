//! Keeps the clusters' connections in step with the world, and says which names they should publish.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    cluster::{InProcess, Prober, Registry, Wanted},
    world::{Update, World, input::Reach, rows::ClusterRow},
};

/// What the clusters are kept in step with.
pub struct Clusters {
    /// Their connections.
    pub registry: Registry,
    /// Asks them.
    pub prober: Prober,
    /// The cluster in this process, where there is one.
    pub local: Option<Arc<dyn InProcess>>,
}

/// Follows the world until it ends.
pub async fn follow(clusters: Clusters, mut updates: mpsc::UnboundedReceiver<Update>) {
    while let Some(update) = updates.recv().await {
        let world = &update.world;
        if !update.touched.users.is_empty() || update.touched.is_empty() {
            // A new user may be bound anywhere.
            world.clusters().for_each(|row| clusters.put(world, row));
        }
        for id in &update.touched.clusters {
            match world.cluster(id) {
                Some(row) => clusters.put(world, row),
                None => clusters.registry.remove(id),
            }
        }
    }
}

impl Clusters {
    fn put(&self, world: &World, row: &ClusterRow) {
        let old = self.registry.get(&row.id);
        let new = match (&row.reach, &self.local) {
            (Reach::Direct(connection), _) => self.registry.put(&row.id, connection),
            (Reach::InProcess, Some(local)) => self.registry.put_in_process(&row.id, local),
            // Another kind of plane has left it.
            (Reach::InProcess, None) => return self.registry.remove(&row.id),
        };
        if old.is_some_and(|old| !Arc::ptr_eq(&old, &new)) {
            // Another credential may stand for another account.
            self.prober.now(&row.id);
        }
        self.prober.wanted(&row.id, wanted(world, row));
    }
}

/// The bound names that the cluster does not let the gateway impersonate: its admin may be about to allow them.
fn wanted(world: &World, row: &ClusterRow) -> Wanted {
    let Some(published) = &row.published else { return Wanted::default() };
    let groups = row.roles.iter().filter(|role| !role.published).map(|role| Arc::clone(&role.group)).collect();
    let users = world
        .users()
        .filter(|user| row.binds(user.subjects.iter().copied()) && !published.users.contains(&user.name))
        .map(|user| Arc::clone(&user.name))
        .collect();
    Wanted { users, groups }
}
