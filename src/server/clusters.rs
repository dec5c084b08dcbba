//! Keeps the clusters' connections in step with the world, and says which names they should publish.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    cluster::{InProcess, Prober, Registry, Wanted},
    world::{
        Update, World,
        input::{Names, Reach},
        rows::{ClusterRow, UserRow},
    },
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

/// How long changes of users and memberships are gathered before the clusters are looked through for whom they bind: that takes
/// a look at every user, and its answer only says whom an admin is about to allow.
const GATHER: Duration = Duration::from_secs(1);

/// Follows the world until it ends.
pub async fn follow(clusters: Clusters, mut updates: mpsc::UnboundedReceiver<Update>) {
    // The first one touches nothing, and holds what was there before.
    let (mut first, mut version) = (true, 0);
    let mut latest = Arc::default();
    // When whoever is bound anywhere is looked for again, in the world as it is then.
    let mut due: Option<Instant> = None;
    loop {
        let when = due.unwrap_or_else(Instant::now);
        let update = tokio::select! {
            update = updates.recv() => update,
            () = sleep_until(when), if due.is_some() => {
                due = None;
                World::clusters(&latest).for_each(|row| clusters.want(&latest, row));
                continue;
            }
        };
        let Some(Update { world, touched }) = update else { return };
        if std::mem::take(&mut first) {
            world.clusters().for_each(|row| clusters.put(&world, row));
        }
        for id in &touched.clusters {
            match world.cluster(id) {
                Some(row) => clusters.put(&world, row),
                None => clusters.registry.remove(id),
            }
        }
        let memberships = std::mem::replace(&mut version, world.membership().version()) != version;
        if memberships || !touched.users.is_empty() {
            // A new user, or member, may be bound anywhere.
            due = due.or_else(|| Some(Instant::now() + GATHER));
        }
        latest = world;
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
        self.want(world, row);
    }

    fn want(&self, world: &World, row: &ClusterRow) {
        self.prober.wanted(&row.id, wanted(world, row));
    }
}

/// The bound names that the cluster does not let the gateway impersonate: its admin may be about to allow them.
fn wanted(world: &World, row: &ClusterRow) -> Wanted {
    let Some(published) = &row.published else { return Wanted::default() };
    let groups = row.roles.iter().filter(|role| !role.published).map(|role| Arc::clone(&role.group)).collect();
    let unpublished = |user: &&Arc<UserRow>| !published.users.contains(&user.name);
    let bound = |user: &&Arc<UserRow>| row.binds(world.membership().with_groups(user.own()));
    let users = match published.users {
        Names::Any => Vec::new(),
        Names::Only(_) => world.users().filter(unpublished).filter(bound).map(|user| Arc::clone(&user.name)).collect(),
    };
    Wanted { users, groups }
}
