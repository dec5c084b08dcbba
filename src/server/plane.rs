//! Where the world comes from: the folder of manifests itself, or a management plane that the folder is written to.

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    ServeError,
    reload::TlsFiles,
    tls,
    webhook::{self, Webhook},
    workers::Handle,
};
use crate::{
    config::{
        manifests::Reading,
        server::{KubernetesPlane, RancherMode, ServerConfig, Staleness},
    },
    controller::WorkQueueMetrics,
    gateway::Gateway,
    management::{self, Connections, Directory, Plane, Rancher},
    modules::{self, Kind, Module},
    telemetry::metrics::Metrics,
    world::{Feed, Watch},
};

/// The longest wait for the first sight of all objects.
const SYNC: Duration = Duration::from_mins(1);
/// How often the age of the world is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Takes what was read from the folder.
#[derive(Debug)]
pub enum Source {
    /// It is the world.
    Files,
    /// It is written to the management plane, and comes back from there.
    Plane {
        /// What is to be written.
        manifests: watch::Sender<Arc<Vec<Value>>>,
        /// Kubeconfigs that are files.
        connections: Connections,
    },
}

impl Source {
    /// Takes a reading of the folder into force; a broken one changes nothing.
    pub async fn take(&self, feed: &Feed, reading: Reading) {
        let inputs = match reading.result {
            Ok(inputs) => inputs,
            Err(problems) => {
                tracing::error!("the manifests are not taken into force; the last good state stays:\n{problems}");
                return;
            }
        };
        match self {
            Self::Files => {
                if let Ok(generation) = feed.replace(inputs).await {
                    tracing::info!(generation, "manifests are in force");
                }
            }
            Self::Plane { manifests, connections } => {
                connections.replace(reading.connections);
                manifests.send_if_modified(|known| {
                    let changed = **known != reading.objects;
                    if changed {
                        *known = Arc::new(reading.objects);
                    }
                    changed
                });
            }
        }
    }
}

/// The management plane while the server runs.
#[derive(Debug)]
pub struct Managed {
    directory: Directory,
    stop: CancellationToken,
    controllers: tokio::task::JoinHandle<()>,
}

impl Managed {
    /// Lets the controllers finish what they do, and gives the lead back.
    pub async fn stop(self, deadline: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(deadline, self.controllers).await.is_err() {
            tracing::warn!("the controllers did not end in time");
        }
    }

    /// Not ready, and later no service, where the plane has been silent for too long.
    pub fn watch_age(&self, staleness: Staleness, gateway: &Arc<Gateway>, handles: &Arc<[Handle]>) {
        let contact = self.directory.contact().clone();
        gateway.checks.add(
            "management",
            Arc::new(move || {
                let age = contact.age();
                if age < *staleness.not_ready {
                    return Ok(());
                }
                Err(format!("the management plane has not been heard of for {} s", age.as_secs()))
            }),
        );
        let contact = self.directory.contact().clone();
        let (gateway, handles) = (Arc::downgrade(gateway), Arc::clone(handles));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(gateway) = gateway.upgrade() else { return };
                let stale = contact.age() >= *staleness.refuse;
                if gateway.cut_off.swap(stale, Ordering::Relaxed) == stale {
                    continue;
                }
                if stale {
                    tracing::error!("the management plane is lost: nothing is let through until it is back");
                    handles.iter().for_each(|handle| handle.worker.streams.end_all());
                } else {
                    tracing::info!("the management plane is back");
                }
            }
        });
    }
}

/// Starts on the management plane that the config names, with `reading` of the folder; `None` for the folder itself. When this
/// returns the world is in force.
///
/// # Errors
/// A plane that cannot be reached or used.
pub async fn start(
    config: &ServerConfig,
    reading: Reading,
    files: &TlsFiles,
    metrics: &Metrics,
    feed: &Feed,
    world: &Watch,
) -> Result<(Source, Option<Managed>), ServeError> {
    let modules = modules::enabled(&config.modules).map_err(ServeError::Modules)?;
    let Some(settings) = &config.management.kubernetes else {
        let inputs = reading.result.map_err(ServeError::Config)?;
        let _ = feed.replace(inputs).await;
        return Ok((Source::Files, None));
    };
    reading.result.map_err(ServeError::Config)?;
    let kinds: Vec<Kind> = modules.iter().flat_map(|module| module.kinds()).collect();
    let plane = Plane::kubernetes(&settings.kubeconfig).await?;
    install(&plane, &modules, settings).await?;
    let directory = Directory::start(&plane.client(Some(management::DIRECTORY))?, &kinds, feed);
    directory.connections().replace(reading.connections);
    tokio::time::timeout(SYNC, directory.synced()).await.map_err(|_| ServeError::NotSynced(SYNC))?;
    let _ = feed.settle().await;
    if let Some(webhook) = &settings.webhook {
        let mut files = files.clone();
        files.client_ca = Some(webhook.client_ca_file.clone());
        // A broken file is told at the start.
        files.load_mutual()?;
        let listener = Webhook::bind(webhook.address).await;
        let listener = listener.map_err(|error| ServeError::Listen(webhook.address.to_string(), error))?;
        let serving = Arc::new(Webhook { files, kinds: kinds.clone(), world: world.clone() });
        tokio::spawn(serving.serve(listener));
        let url = format!("{}{}", webhook.url.trim_end_matches('/'), webhook::PATH);
        management::register(&plane.client(None)?, &kinds, &url, authority(config)?).await?;
    }
    let (manifests, inbox) = watch::channel(Arc::new(reading.objects));
    let queues = WorkQueueMetrics::new()?;
    metrics.register(Box::new(queues.clone()))?;
    let stop = CancellationToken::new();
    let fleet = management::Fleet { plane, modules, metrics: queues, manifests: inbox, identity: identity()? };
    let life = fleet.run(stop.clone())?;
    let controllers = tokio::spawn(life);
    let source = Source::Plane { manifests, connections: directory.connections().clone() };
    Ok((source, Some(Managed { directory, stop, controllers })))
}

async fn install(plane: &Plane, modules: &[&dyn Module], settings: &KubernetesPlane) -> Result<(), ServeError> {
    let rancher = match settings.rancher {
        RancherMode::Refuse => Rancher::Refuse,
        RancherMode::Alongside => Rancher::Alongside,
    };
    Ok(management::install(&plane.client(None)?, modules, rancher).await?)
}

/// The authority of the webhook's certificate: Drover's own, unless the admin gave a certificate.
fn authority(config: &ServerConfig) -> Result<Option<Vec<u8>>, ServeError> {
    if config.listen.tls.certificate_file.is_some() {
        return Ok(None);
    }
    let path: &Path = &config.data_dir().join(tls::CA_FILE);
    let read =
        std::fs::read(path).map_err(|error: io::Error| ServeError::System("cannot read the own authority", error));
    read.map(Some)
}

/// No other process of the fleet is called so, also not the one before on the same machine.
fn identity() -> Result<String, ServeError> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut random = [0; 8];
    let none = |_| ServeError::System("no randomness", io::Error::other("the system gives none"));
    aws_lc_rs::rand::fill(&mut random).map_err(none)?;
    Ok(format!("{}_{:016x}", host.trim(), u64::from_ne_bytes(random)))
}
