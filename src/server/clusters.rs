//! Keeps the clusters' connections in step with the world, and says which names they should publish.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    cluster::{Prober, Registry, Wanted},
    world::{Update, World, rows::ClusterRow},
};

/// Follows the world until it ends.
pub async fn follow(registry: Registry, prober: Prober, mut updates: mpsc::UnboundedReceiver<Update>) {
    while let Some(update) = updates.recv().await {
        let world = &update.world;
        if !update.touched.users.is_empty() || update.touched.is_empty() {
            // A new user may be bound anywhere.
            world.clusters().for_each(|row| put(&registry, &prober, world, row));
        }
        for id in &update.touched.clusters {
            match world.cluster(id) {
                Some(row) => put(&registry, &prober, world, row),
                None => registry.remove(id),
            }
        }
    }
}

fn put(registry: &Registry, prober: &Prober, world: &World, row: &ClusterRow) {
    let old = registry.get(&row.id);
    let new = registry.put(&row.id, &row.connection);
    if old.is_some_and(|old| !Arc::ptr_eq(&old, &new)) {
        // Another credential may stand for another account.
        prober.now(&row.id);
    }
    prober.wanted(&row.id, wanted(world, row));
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
