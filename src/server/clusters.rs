//! Keeps the clusters' connections in step with the world, and the world in step with what clusters publish.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    cluster::Registry,
    world::{Update, World},
};

/// Follows the world until it ends.
pub async fn follow(registry: Registry, mut updates: mpsc::UnboundedReceiver<Update>) {
    while let Some(update) = updates.recv().await {
        if update.touched.is_empty() {
            update.world.clusters().for_each(|cluster| put(&registry, &update.world, &cluster.id));
        } else {
            update.touched.clusters.iter().for_each(|id| put(&registry, &update.world, id));
        }
    }
}

fn put(registry: &Registry, world: &World, id: &Arc<str>) {
    let Some(row) = world.cluster(id) else {
        registry.remove(id);
        return;
    };
    registry.put(id, &row.connection);
    // While a bound name is not published its admin may be about to publish it: ask more often.
    let unpublished = row.published.is_none() || row.roles.iter().any(|role| !role.published);
    registry.hurry(id, unpublished);
}
