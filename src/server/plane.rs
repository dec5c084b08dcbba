//! Where the world comes from: the folder of manifests itself, or a management plane that the folder is written to.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

use apiserver::Tokens;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    ServeError,
    local::{DroverTokens, Local, LocalAccounts},
    reload::TlsFiles,
    tls,
    webhook::{self, Webhook},
    workers::Handle,
};
use crate::{
    cluster::{AddressPolicy, InProcess},
    config::{
        Problem, Problems, kubeconfig,
        manifests::Reading,
        server::{
            Bootstrap, Chosen, KubernetesPlane, RancherMode, ServerConfig, Staleness, Webhook as WebhookSettings,
        },
    },
    controller::WorkQueueMetrics,
    gateway::{Gateway, Pages},
    identity::{Accounts, Verifier},
    management::{
        self, Connections, Directory, Plane, Rancher,
        bootstrap::{self, Origin},
        embedded::{Embedded, Place, Surroundings},
    },
    modules::{self, Kind, Module},
    signin::{self, SignIn},
    telemetry::{
        metrics::Metrics,
        ops::{Check, Checks},
    },
    web::Web,
    world::{Feed, Watch, input::Reach},
};

/// The longest wait for the first sight of all objects.
const SYNC: Duration = Duration::from_mins(1);
/// The Lease of the replica that refreshes and purges.
const LEASE: &str = "drover-signin";
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
    plane: Plane,
    directory: Directory,
    stop: CancellationToken,
    controllers: tokio::task::JoinHandle<()>,
    can_sign_in: bool,
    signin: OnceLock<Arc<SignIn>>,
    keeping: OnceLock<tokio::task::JoinHandle<()>>,
}

impl Managed {
    /// The plane.
    pub const fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Tells when a provider fails. Who is signed in goes on, and others sign in in another way: no reason to be out of service.
    fn check_providers(&self, checks: &Checks) {
        let Some(signin) = self.signin.get() else { return };
        let health = signin.health.clone();
        checks.add_advisory("providers", Arc::new(move || health.failing().map_or(Ok(()), Err)));
    }

    /// Lets the controllers finish what they do, and gives the lead back.
    pub async fn stop(self, deadline: Duration) {
        self.stop.cancel();
        let all = async {
            let _ = self.controllers.await;
            if let Some(keeping) = self.keeping.into_inner() {
                let _ = keeping.await;
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!("the controllers did not end in time");
        }
        if let Plane::Embedded(embedded) = &self.plane {
            embedded.close().await;
        }
    }

    /// What the plane and its providers have to say about health.
    pub fn add_checks(&self, checks: &Checks) {
        self.check_store(checks);
        self.check_providers(checks);
    }

    /// Tells when a plane in this process cannot write. What is done in `local` fails then, and reads go on, as do calls to every
    /// other cluster: that is no reason to take the gateway out of service.
    fn check_store(&self, checks: &Checks) {
        let Plane::Embedded(embedded) = &self.plane else { return };
        let embedded = embedded.clone();
        checks.add_advisory("store", writes(move || embedded.refusing()));
    }

    /// Not ready, and later no service, where the plane has been silent for too long.
    pub fn watch_age(&self, staleness: Staleness, gateway: &Arc<Gateway>, handles: &Arc<[Handle]>) {
        // A plane in this process is never out of reach.
        if !self.plane.is_shared() {
            return;
        }
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

/// The management plane that the config names, before anything is in it.
#[derive(Debug)]
pub enum Opened {
    /// The folder itself.
    Files,
    /// A Kubernetes API.
    Api(Plane),
}

impl Opened {
    /// The plane as a cluster of this process, if it is in it.
    pub fn in_process(&self, control: &tokio::runtime::Handle) -> Option<Arc<dyn InProcess>> {
        match self {
            Self::Api(Plane::Embedded(embedded)) => {
                Some(Arc::new(Local::new(embedded.server().clone(), control.clone())))
            }
            _ => None,
        }
    }

    /// The service accounts of a plane in this process.
    pub fn accounts(&self) -> Option<Arc<dyn Accounts>> {
        match self {
            Self::Api(Plane::Embedded(embedded)) => Some(Arc::new(LocalAccounts::new(embedded.server().clone()))),
            _ => None,
        }
    }
}

/// Opens the management plane that the config names. `addresses` says what an embedded one may dial: whoever may write definitions
/// chooses where their webhooks are.
///
/// # Errors
/// A file or a kubeconfig that cannot be used.
pub async fn open(config: &ServerConfig, world: &Watch, addresses: AddressPolicy) -> Result<Opened, ServeError> {
    match config.management.chosen() {
        Chosen::Files => Ok(Opened::Files),
        Chosen::Kubernetes(settings) => Ok(Opened::Api(Plane::kubernetes(&settings.kubeconfig).await?)),
        Chosen::Embedded(settings) => {
            let place = Place::new(&settings, config.data_dir());
            let kinds = kinds(&modules::enabled(&config.modules).map_err(ServeError::Modules)?);
            let tokens = Some(Arc::new(DroverTokens::new(world.clone())) as Arc<dyn Tokens>);
            let around = Surroundings { kinds, world: world.clone(), tokens, addresses: Some(addresses) };
            let embedded = Embedded::open(place, true, around).await?;
            Ok(Opened::Api(Plane::Embedded(embedded)))
        }
    }
}

/// The check of a store that says why it refuses writes, while it does.
fn writes(refusing: impl Fn() -> Option<Arc<String>> + Send + Sync + 'static) -> Check {
    Arc::new(move || refusing().map_or(Ok(()), |why| Err(format!("the management plane cannot write: {why}"))))
}

fn kinds(modules: &[&dyn Module]) -> Vec<Kind> {
    modules.iter().flat_map(|module| module.kinds()).collect()
}

/// What runs already.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// The gateway's TLS.
    pub files: &'a TlsFiles,
    /// The metrics.
    pub metrics: &'a Metrics,
    /// Where the world is fed.
    pub feed: &'a Feed,
    /// The world.
    pub world: &'a Watch,
}

/// Starts on the management plane, with `reading` of the folder; `None` for the folder itself. When this returns the world is in
/// force.
///
/// # Errors
/// A plane that cannot be reached or used.
pub async fn start(
    config: &ServerConfig,
    opened: Opened,
    reading: Reading,
    running: &Running<'_>,
) -> Result<(Source, Option<Managed>), ServeError> {
    let modules = modules::enabled(&config.modules).map_err(ServeError::Modules)?;
    let Running { metrics, feed, .. } = *running;
    let Opened::Api(plane) = opened else {
        let inputs = reading.result.map_err(ServeError::Config)?;
        let _ = feed.replace(inputs).await;
        return Ok((Source::Files, None));
    };
    let inputs = reading.result.map_err(ServeError::Config)?;
    let kinds = kinds(&modules);
    let chosen = config.management.chosen();
    let rancher = match &chosen {
        Chosen::Kubernetes(settings) => settings.rancher,
        _ => RancherMode::Refuse,
    };
    let rancher = match rancher {
        RancherMode::Refuse => Rancher::Refuse,
        RancherMode::Alongside => Rancher::Alongside,
    };
    management::install(&plane.client(None)?, &modules, rancher).await?;
    let has_users = kinds.iter().any(|kind| kind.plural() == "users");
    if let Chosen::Embedded(settings) = &chosen
        && has_users
        && inputs.users.is_empty()
    {
        bootstrap(&plane, &settings.bootstrap).await?;
    }
    let local = local(&chosen)?;
    let directory = Directory::start(&plane.client(Some(management::DIRECTORY))?, &kinds, feed, Some(local));
    directory.connections().replace(reading.connections);
    tokio::time::timeout(SYNC, directory.synced()).await.map_err(|_| ServeError::NotSynced(SYNC))?;
    let _ = feed.settle().await;
    if let Chosen::Kubernetes(KubernetesPlane { webhook: Some(webhook), .. }) = &chosen {
        serve_webhook(config, &plane, webhook, &kinds, running).await?;
    }
    let (manifests, inbox) = watch::channel(Arc::new(reading.objects));
    let queues = WorkQueueMetrics::new()?;
    metrics.register(Box::new(queues.clone()))?;
    let stop = CancellationToken::new();
    let fleet =
        management::Fleet { plane: plane.clone(), modules, metrics: queues, manifests: inbox, identity: identity()? };
    let life = fleet.run(stop.clone())?;
    let controllers = tokio::spawn(life);
    let source = Source::Plane { manifests, connections: directory.connections().clone() };
    let needed = ["users", "userattributes", "tokens", "authconfigs", "settings"];
    let can_sign_in = needed.iter().all(|plural| kinds.iter().any(|kind| kind.plural() == *plural));
    let (signin, keeping) = (OnceLock::new(), OnceLock::new());
    Ok((source, Some(Managed { plane, directory, stop, controllers, can_sign_in, signin, keeping })))
}

/// What sign-in gives the gateway.
#[derive(Debug)]
pub struct Doors {
    /// Who verifies ID tokens and tokens of Rancher's.
    pub verifier: Arc<dyn Verifier>,
    /// The pages.
    pub pages: Arc<dyn Pages>,
}

/// Starts sign-in, where there is a plane with the kinds that it needs.
///
/// # Errors
/// A plane that refuses.
pub async fn sign_in(
    managed: Option<&Managed>,
    world: &Watch,
    addresses: AddressPolicy,
    public: &str,
    metrics: &Metrics,
    control: &tokio::runtime::Handle,
) -> Result<Option<Doors>, ServeError> {
    let Some(managed) = managed else { return Ok(None) };
    if !managed.can_sign_in {
        tracing::info!("nobody can sign in: one of the modules `users`, `tokens`, `authconfigs`, `settings` is off");
        return Ok(None);
    }
    let plane = &managed.plane;
    let signin = SignIn::start(plane.client(Some(signin::IDENTITY))?, world.clone(), addresses, control).await?;
    metrics.register(Box::new(signin.health.metric()))?;
    let elector = management::elector(plane, LEASE, &identity()?)?;
    let (keeper, stop) = (Arc::clone(&signin), managed.stop.clone());
    let _ = managed.keeping.set(tokio::spawn(async move {
        let up = async {
            match elector {
                Some(elector) => elector.lead(&stop, |leading| Arc::clone(&keeper).keep_up(leading)).await,
                None => Arc::clone(&keeper).keep_up(stop.clone()).await,
            }
        };
        let keys = keeper.bearer.clone().keep_keys(stop.clone());
        let health = keeper.health.clone().publish(stop.clone());
        tokio::join!(up, keys, health, Arc::clone(&keeper).write_uses(stop.clone()));
    }));
    let _ = managed.signin.set(Arc::clone(&signin));
    let verifier = Arc::new(signin.bearer.clone());
    Ok(Some(Doors { verifier, pages: Arc::new(Web::new(signin, public, control.clone())) }))
}

/// Makes the first administrator. A password that nobody knows yet is told on standard output, which is no log.
async fn bootstrap(plane: &Plane, settings: &Bootstrap) -> Result<(), ServeError> {
    let client = plane.client(Some(management::OPERATOR))?;
    let variable = std::env::var("DROVER_BOOTSTRAP_PASSWORD").ok();
    let made = bootstrap::once(&client, settings.password_file.as_deref(), variable.as_deref()).await?;
    let Some(made) = made else { return Ok(()) };
    tracing::info!(user = bootstrap::ADMIN, "the first administrator was made");
    if made.origin == Origin::Random {
        let told = writeln!(
            io::stdout(),
            "The administrator `{}` was made. Its password, shown this once: {}",
            bootstrap::ADMIN,
            made.password.expose()
        );
        told.map_err(|error| ServeError::System("cannot tell the administrator's password", error))?;
    }
    Ok(())
}

/// How the plane itself is reached as cluster `local`.
fn local(chosen: &Chosen) -> Result<management::Local, ServeError> {
    let Chosen::Kubernetes(settings) = chosen else {
        return Ok(management::Local { reach: Reach::InProcess, allow_administrator: false });
    };
    let path = &settings.kubeconfig;
    let unreadable = |error| ServeError::System("cannot read the management plane's kubeconfig", error);
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let connection = kubeconfig::connection(&text, None, kubeconfig::Origin::AdminFile(folder)).map_err(|faults| {
        let mut problems = Problems::default();
        for fault in faults {
            problems.push(Problem::fault(path, fault));
        }
        ServeError::Config(problems)
    })?;
    let reach = Reach::Direct(Arc::new(connection));
    Ok(management::Local { reach, allow_administrator: settings.allow_administrator })
}

async fn serve_webhook(
    config: &ServerConfig,
    plane: &Plane,
    webhook: &WebhookSettings,
    kinds: &[Kind],
    running: &Running<'_>,
) -> Result<(), ServeError> {
    let mut files = running.files.clone();
    files.client_ca = Some(webhook.client_ca_file.clone());
    // A broken file is told at the start.
    files.load_mutual()?;
    let listener = Webhook::bind(webhook.address).await;
    let listener = listener.map_err(|error| ServeError::Listen(webhook.address.to_string(), error))?;
    let serving = Arc::new(Webhook { files, kinds: kinds.to_vec(), world: running.world.clone() });
    tokio::spawn(serving.serve(listener));
    let url = format!("{}{}", webhook.url.trim_end_matches('/'), webhook::PATH);
    Ok(management::register(&plane.client(None)?, kinds, &url, authority(config)?).await?)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use apiserver::store::{Draft, Expect, Key, Labels, MemoryLog, Options, Store, Write};
    use http::StatusCode;

    use super::writes;
    use crate::telemetry::ops::Checks;

    #[tokio::test]
    async fn a_plane_that_cannot_write_is_named_until_it_can_and_the_gateway_is_ready_meanwhile() {
        let log = MemoryLog::default();
        let options = Options { tick: Duration::from_millis(5), retry: Duration::from_millis(1), ..Options::default() };
        let store = Store::open(Box::new(log.clone()), options).unwrap();
        let checks = Checks::new();
        let asked = store.clone();
        checks.add_advisory("store", writes(move || asked.refusing()));
        assert_eq!(checks.answer("/readyz/store", true).unwrap().0, StatusCode::OK);

        log.set_full(true);
        let draft = Draft { bytes: b"{}".to_vec(), revision_at: 1, labels: Labels::from_pairs::<&str, &str>([]) };
        let write = (Key::new("/configmaps", "default", "a"), Expect::Any, Write::Put(draft));
        assert!(store.commit(vec![write]).await.is_err());
        let (code, text) = checks.answer("/readyz", true).unwrap();
        assert_eq!(code, StatusCode::OK, "every other cluster is served");
        let why = "[!]store: the management plane cannot write: no space is left for `memory`\n";
        assert!(text.contains(why), "{text}");
        let (code, text) = checks.answer("/readyz/store", true).unwrap();
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("[-]store failed: the management plane cannot write"), "{text}");
        assert_eq!(checks.answer("/livez", false).unwrap().0, StatusCode::OK);

        log.set_full(false);
        let back = async {
            while checks.answer("/readyz/store", false).unwrap().0 != StatusCode::OK {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.unwrap();
    }
}
