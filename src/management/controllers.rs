//! What runs in one process of the fleet at a time: the modules' controllers, and the writer of the config folder.

use std::{future::Future, sync::Arc, time::Duration};

use kube::Client;
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Folder, Plane, PlaneError, access};
use crate::{
    controller::{Backoff, Elector, Timing, WorkQueueMetrics},
    modules::{self, CONFIG_IDENTITY, Context, Module, NAMESPACE},
};

/// The Lease of the process that leads.
const LEASE: &str = "drover-controllers";
/// How often the folder is written again, for what others changed or deleted.
const AGAIN: Duration = Duration::from_mins(5);
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(30) };

/// One process of the fleet.
#[derive(Debug)]
pub struct Fleet {
    /// The management plane.
    pub plane: Plane,
    /// The modules that are on.
    pub modules: Vec<&'static dyn Module>,
    /// Where the controllers' queues are counted.
    pub metrics: WorkQueueMetrics,
    /// The manifests of the config folder.
    pub manifests: watch::Receiver<Arc<Vec<Value>>>,
    /// What no other process of the fleet is called.
    pub identity: String,
}

impl Fleet {
    /// Runs until `stop`: does its part whenever this process leads.
    ///
    /// # Errors
    /// A plane that no client can be made of.
    pub fn run(self, stop: CancellationToken) -> Result<impl Future<Output = ()> + Send + use<>, PlaneError> {
        let Self { plane, modules, metrics, manifests, identity } = self;
        let mut clients: Vec<(&'static dyn Module, Client)> = Vec::new();
        for module in modules {
            clients.push((module, plane.client(Some(&modules::identity(module)))?));
        }
        let folder = Folder::new(plane.client(Some(CONFIG_IDENTITY))?);
        let elector = elector(&plane, LEASE, &identity)?;
        Ok(async move {
            let work = |leading: CancellationToken| {
                let mut parts = JoinSet::new();
                for (module, client) in &clients {
                    let context = Context { client: client.clone(), metrics: metrics.clone(), stop: leading.clone() };
                    for controller in module.controllers(&context) {
                        parts.spawn(controller);
                    }
                }
                parts.spawn(write(folder.clone(), manifests.clone(), leading));
                async move { while parts.join_next().await.is_some() {} }
            };
            match elector {
                Some(elector) => elector.lead(&stop, work).await,
                None => work(stop.clone()).await,
            }
        })
    }
}

/// Who of a fleet does what is done under `lease`; none where nobody else can work on the plane.
///
/// # Errors
/// A plane that no client can be made of.
pub fn elector(plane: &Plane, lease: &str, identity: &str) -> Result<Option<Elector>, PlaneError> {
    if !plane.is_shared() {
        return Ok(None);
    }
    let client = plane.client(Some(access::LEADER))?;
    Ok(Some(Elector::new(client, NAMESPACE, lease, identity, Timing::default())))
}

/// Writes the folder's manifests whenever they change, and now and then.
async fn write(folder: Folder, mut manifests: watch::Receiver<Arc<Vec<Value>>>, stop: CancellationToken) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        let wanted = Arc::clone(&manifests.borrow_and_update());
        let wait = match folder.apply(&wanted).await {
            Ok(applied) => {
                failures = 0;
                tracing::info!(
                    applied = applied.applied,
                    pruned = applied.pruned,
                    "the manifests are in the management plane"
                );
                AGAIN
            }
            Err(error) => {
                failures += 1;
                tracing::error!(%error, "the manifests are not all in the management plane");
                BACKOFF.after(failures)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(wait) => {}
            // The sender lives as long as the server.
            changed = manifests.changed() => if changed.is_err() { stop.cancelled().await },
        }
    }
}
