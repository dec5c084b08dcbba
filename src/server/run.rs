//! The server's life, from its files to its last connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    ConnectionLimits, Phase, Shared, acceptor,
    addresses::Addresses,
    admin, clusters, observe, plane,
    reload::{self, TlsFiles},
    tls,
    workers::{self, Handle, Shape},
};
use crate::{
    cluster::{self, Registry},
    config::{
        self, Problems,
        address::AddressPolicy,
        manifests,
        server::{Chosen, Runtime, ServerConfig},
    },
    gateway::{Gateway, Settings, Worker, accounts::ClusterAccounts, impersonate::Reviews, limits},
    management, modules,
    telemetry::{self, audit::AuditLog, metrics::Metrics, ops, trace},
    world::Publisher,
};

/// How long the last audit events and spans may take.
const CLOSING: Duration = Duration::from_secs(5);
/// One answers for the embedded management plane while the other does what the server itself has to do.
const CONTROL_THREADS: usize = 2;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The files are not as they should be.
    #[error("{0}")]
    Config(Problems),
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// An address or socket cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, io::Error),
    /// The audit log cannot be written.
    #[error("audit: {0}")]
    Audit(#[from] telemetry::audit::AuditError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] trace::TraceError),
    /// The metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A module that is not there.
    #[error(transparent)]
    Modules(modules::UnknownModule),
    /// The management plane cannot be reached.
    #[error(transparent)]
    Plane(#[from] management::PlaneError),
    /// The management plane cannot be used.
    #[error(transparent)]
    Install(#[from] management::InstallError),
    /// The embedded management plane cannot be opened.
    #[error(transparent)]
    Embedded(#[from] management::embedded::EmbeddedError),
    /// There is no administrator.
    #[error(transparent)]
    Bootstrap(#[from] management::bootstrap::BootstrapError),
    /// Sign-in cannot start.
    #[error("sign-in: {0}")]
    SignIn(#[from] crate::signin::keys::KeysError),
    /// The management plane does not answer.
    #[error("the management plane has not shown all objects within {0:?}")]
    NotSynced(Duration),
    /// The system refuses something.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
}

/// Serves until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting; the text says what to change.
pub fn run(config: ServerConfig) -> Result<(), ServeError> {
    let system = |what| move |error| ServeError::System(what, error);
    open_files(config.limits.max_connections);
    std::fs::create_dir_all(config.data_dir()).map_err(system("cannot make the data folder"))?;
    if config.management.chosen() != Chosen::Files {
        // Where it cannot be made, reading it says so.
        let _ = std::fs::create_dir_all(config.manifests());
    }
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("drover-control")
        .enable_all()
        .build()
        .map_err(system("cannot start the control runtime"))?;
    control.block_on(serve(Arc::new(config), control.handle().clone()))
}

async fn serve(config: Arc<ServerConfig>, control: tokio::runtime::Handle) -> Result<(), ServeError> {
    let system = |what| move |error| ServeError::System(what, error);
    let reading = manifests::read(config.manifests());
    let files = tls_files(&config)?;
    let tls = files.load()?;
    let (feed, watch) = Publisher::start().map_err(system("cannot start the publisher"))?;
    let count = config.workers().get();
    let metrics = Arc::new(Metrics::new(count)?);
    let audit = AuditLog::start(&config.audit, count, &control)?;
    let tracer = trace::Tracer::start(&config.telemetry.tracing, &control)?;

    // Bound before anything answers, so that the address policy knows the gateway's own ports.
    let listener = acceptor::bind(config.listen.address)
        .map_err(|error| ServeError::Listen(config.listen.address.to_string(), error))?;
    let gateway_address = listener.local_addr().map_err(system("cannot read the bound address"))?;
    let ops_listener = tokio::net::TcpListener::bind(config.ops.address)
        .await
        .map_err(|error| ServeError::Listen(config.ops.address.to_string(), error))?;
    let ops_address = ops_listener.local_addr().map_err(system("cannot read the bound address"))?;
    let socket = config.admin_socket();
    let admin_listener =
        admin::bind(&socket).map_err(|error| ServeError::Listen(socket.display().to_string(), error))?;

    // For all whose address somebody else says: clusters, and webhooks of the plane's definitions (H22).
    let policy = AddressPolicy::new(&config.upstream.allowed_addresses, &[gateway_address, ops_address]).into_check();
    let publish = feed.clone();
    let registry = Registry::new(control.clone(), options(&config, Arc::clone(&policy)));
    let publish: cluster::Publish = Arc::new(move |cluster, published| publish.published(cluster.into(), published));
    let interval = config.upstream.probe_interval.0;
    let prober = cluster::Prober::start(registry.clone(), control.clone(), interval, publish);
    let plane = plane::open(&config, &watch, Arc::clone(&policy)).await?;
    let followed = clusters::Clusters { registry: registry.clone(), prober, local: plane.in_process(&control) };
    tokio::spawn(clusters::follow(followed, feed.subscribe()));
    let accounts = plane.accounts();
    // In force before the first connection is taken.
    let running = plane::Running { files: &files, metrics: &metrics, feed: &feed, world: &watch };
    let (source, managed) = plane::start(&config, plane, reading, &running).await?;

    let public = public_url(&config, gateway_address);
    let doors = plane::sign_in(managed.as_ref(), &watch, policy, &public, &metrics, &control).await?;
    let checks = Arc::new(ops::Checks::new());
    let gateway = Arc::new(Gateway {
        watch: watch.clone(),
        clusters: registry.clone(),
        accounts,
        verifier: doors.as_ref().map(|doors| Arc::clone(&doors.verifier)),
        cluster_accounts: ClusterAccounts::start(&registry),
        pages: doors.map(|doors| doors.pages),
        audit: Arc::clone(&audit),
        metrics: Arc::clone(&metrics),
        tracer,
        limits: limits(&config),
        reviews: Reviews::default(),
        checks: Arc::clone(&checks),
        cut_off: AtomicBool::new(false),
        settings: Settings {
            base_domain: config.listen.base_domain.as_deref().map(Into::into),
            response_headers: config.timeouts.response_headers.0,
            body_stall: config.timeouts.body_stall.0,
            audit_body: config.audit.max_body.bytes(),
        },
    });
    let shared = Arc::new(Shared::new(tls, connection_limits(&config), config.trusted_proxies.clone(), feed.clone()));
    let workers = (0..count).map(|index| Worker::new(index, Arc::clone(&gateway))).collect();
    let handles: Arc<[Handle]> =
        workers::start(&shared, workers, shape(config.runtime)).map_err(system("cannot start the workers"))?.into();

    observe::metrics(&gateway, &handles);
    observe::checks(&checks, &gateway);
    if let Some(managed) = &managed {
        managed.add_checks(&checks);
        managed.watch_age(config.management.staleness, &gateway, &handles);
    }
    tokio::spawn(ops::serve(ops_listener, Arc::clone(&checks), Arc::clone(&metrics)));
    let admin =
        admin::Admin { workers: Arc::clone(&handles), plane: managed.as_ref().map(|managed| managed.plane().clone()) };
    tokio::spawn(admin.serve(admin_listener)?);
    let (changed, inbox) = mpsc::channel(1);
    let _watcher = config::reload::Watcher::start(&config, move || {
        // One that waits is enough: the files are read after it.
        let _ = changed.try_send(());
    })
    .map_err(system("cannot watch the files"))?;
    let subjects = reload::Subjects {
        shared: Arc::clone(&shared),
        workers: Arc::clone(&handles),
        metrics: Arc::clone(&metrics),
        audit: Arc::clone(&audit),
    };
    tokio::spawn(reload::follow(subjects, Arc::clone(&config), files, source, inbox));
    acceptor::start(listener, Arc::clone(&shared), Arc::clone(&handles))
        .map_err(system("cannot start the acceptor"))?;

    Addresses { gateway: gateway_address, ops: ops_address }
        .write(config.data_dir())
        .map_err(system("cannot write addresses.json"))?;
    tracing::info!(gateway = %gateway_address, ops = %ops_address, workers = count, "serving");
    until_told().await.map_err(system("cannot listen for signals"))?;
    drain(&config, &shared, &gateway, &handles).await;
    if let Some(managed) = managed {
        managed.stop(CLOSING).await;
    }
    tokio::join!(audit.close(CLOSING), gateway.tracer.close(CLOSING));
    tracing::info!("stopped");
    Ok(())
}

/// Where browsers and commands reach this gateway, as far as it knows.
fn public_url(config: &ServerConfig, bound: SocketAddr) -> String {
    if let Some(url) = &config.listen.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = match bound.ip() {
        address if address.is_unspecified() => {
            config.listen.tls.names.first().cloned().unwrap_or_else(|| "localhost".to_owned())
        }
        IpAddr::V6(address) => format!("[{address}]"),
        IpAddr::V4(address) => address.to_string(),
    };
    format!("https://{host}:{}", bound.port())
}

const fn shape(runtime: Runtime) -> Shape {
    match runtime {
        Runtime::PerCore => Shape::PerCore,
        Runtime::MultiThread => Shape::MultiThread,
    }
}

/// What holds for every cluster.
fn options(config: &ServerConfig, policy: cluster::AddressPolicy) -> cluster::Options {
    cluster::Options {
        workers: config.workers().get(),
        connect_timeout: config.timeouts.connect_upstream.0,
        http1_idle: config.timeouts.idle_upstream.0,
        http2_idle: config.timeouts.http2_idle_upstream.0,
        address_policy: Some(policy),
        ..cluster::Options::default()
    }
}

/// Raises the number of files that this process may have open to what the system lets it: the soft limit is mostly that of a
/// shell, and every connection is a file, as is every one to a cluster.
fn open_files(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let wanted = 2 * u64::from(connections);
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < wanted) {
        tracing::warn!(most, wanted, "the system allows fewer open files than `limits.maxConnections` may need");
    }
}

async fn until_told() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Ends what runs, in the order in which clients can follow: readiness, new connections, watches, the rest.
async fn drain(config: &ServerConfig, shared: &Shared, gateway: &Gateway, handles: &[Handle]) {
    let deadline = config.drain.deadline.0;
    tracing::info!(delay = ?config.drain.delay.0, ?deadline, "draining");
    gateway.checks.drain();
    shared.phase.send_replace(Phase::Draining);
    // Load balancers need this long to see that it is no longer ready; until then it serves as ever.
    tokio::time::sleep(config.drain.delay.0).await;
    shared.phase.send_replace(Phase::Closing);
    let end = Instant::now() + deadline;
    let watches = handles.iter().map(|handle| handle.worker.streams.drain(deadline / 2));
    let all = async {
        futures_util::future::join_all(watches).await;
        // Upgrades cannot be asked to end: they have until the deadline.
        while handles.iter().any(|handle| handle.open() > 0 || !handle.worker.streams.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout_at(end.into(), all).await.is_err() {
        let left: usize = handles.iter().map(|handle| handle.worker.streams.len()).sum();
        tracing::warn!(streams = left, "the drain's deadline is over");
        for handle in handles {
            handle.worker.streams.end_all();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tls_files(config: &ServerConfig) -> Result<TlsFiles, ServeError> {
    let tls = &config.listen.tls;
    let client_ca = tls.client_ca_file.clone();
    if let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) {
        return Ok(TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca });
    }
    let own = tls::own(config.data_dir(), &names(config))?;
    Ok(TlsFiles { certificate: own.certificate, key: own.key, client_ca })
}

/// The names that the own certificate is for.
fn names(config: &ServerConfig) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let address = config.listen.address.ip();
    if !address.is_unspecified() {
        names.push(address.to_string());
    }
    if let Some(host) = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|host| host.trim().to_owned())
        && !host.is_empty()
    {
        names.push(host);
    }
    if let Some(domain) = &config.listen.base_domain {
        names.push(domain.clone());
        names.push(format!("*.{domain}"));
    }
    names.extend(config.listen.tls.names.iter().cloned());
    let webhook = config.management.kubernetes.as_ref().and_then(|plane| plane.webhook.as_ref());
    let url = webhook.and_then(|webhook| webhook.url.parse::<http::Uri>().ok());
    names.extend(url.as_ref().and_then(http::Uri::host).map(|host| host.trim_matches(['[', ']']).to_owned()));
    names.sort();
    names.dedup();
    names
}

fn limits(config: &ServerConfig) -> limits::Limits {
    let defaults = |limits: &config::server::RateLimits| limits::Defaults {
        in_flight: limits.in_flight,
        per_second: limits.per_second,
        burst: limits.burst,
    };
    limits::Limits::new(
        defaults(&config.limits.per_user),
        defaults(&config.limits.per_cluster),
        config.limits.max_in_flight as usize,
        config.limits.max_streams as usize,
        config.limits.unauthenticated.per_second,
    )
}

fn connection_limits(config: &ServerConfig) -> ConnectionLimits {
    let (limits, timeouts) = (&config.limits, &config.timeouts);
    ConnectionLimits {
        connections: limits.max_connections as usize,
        per_source: limits.max_connections_per_source as usize,
        tls_handshake: timeouts.tls_handshake.0,
        head: timeouts.headers_in.0,
        idle: timeouts.idle_client.0,
        header_bytes: u32::try_from(limits.max_header_bytes.bytes()).unwrap_or(u32::MAX),
        headers: limits.max_headers as usize,
        streams_per_connection: limits.max_streams_per_connection,
        send_buffer: limits.http2_send_buffer.bytes(),
    }
}
