//! One cluster: sends a request over the connection that suits it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    Call, Options, Protocol,
    body::{RequestBody, UpstreamBody},
    circuit::Circuit,
    credential::Source,
    error::{ConnectError, SendError},
    generation::{Generation, until},
    http1, http2,
    in_process::{self, InProcess},
    registry::SWEEP_TICKS,
    stats::ClusterStats,
};
use crate::world::input::Connection;

/// Between two probes of a cluster whose circuit is open.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long a probe waits for an answer.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// A credential is renewed this long before its end …
const RENEW_BEFORE: Duration = Duration::from_mins(1);
/// … and not more often than this, nor tried again sooner after a failure.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// A request without any credential hears of the last failure for so long before it is tried again.
const FAILURE_STANDS: Duration = Duration::from_secs(1);

/// A caller waits for so many new connections at most: thousands who come at once fill that many before its turn.
const ROUNDS: usize = 100;

/// How a cluster is reached.
#[derive(Clone)]
pub(super) enum Way {
    /// Over the network.
    Direct(Arc<Connection>),
    /// In this process.
    InProcess(Arc<dyn InProcess>),
}

impl Way {
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Direct(one), Self::Direct(other)) => one == other,
            (Self::InProcess(one), Self::InProcess(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// One cluster: its credential, pools and circuit.
pub struct Cluster {
    id: Arc<str>,
    way: Way,
    options: Options,
    control: Handle,
    stats: Arc<ClusterStats>,
    circuit: Circuit,
    current: ArcSwapOption<Generation>,
    /// Held while the credential is read: one reading at a time. A cluster in this process has none.
    source: Option<tokio::sync::Mutex<Source>>,
    renewal: Mutex<Renewal>,
    renewing: AtomicBool,
    retired: AtomicBool,
}

/// The last reading of the credential.
#[derive(Default)]
struct Renewal {
    at: Option<Instant>,
    failure: Option<Arc<str>>,
}

impl Cluster {
    pub(super) fn new(
        id: Arc<str>,
        way: Way,
        options: Options,
        control: Handle,
        stats: Arc<ClusterStats>,
    ) -> Arc<Self> {
        let source = match &way {
            Way::Direct(connection) => Some(tokio::sync::Mutex::new(Source::new(Arc::clone(connection)))),
            Way::InProcess(_) => None,
        };
        let cluster = Arc::new(Self {
            id,
            options,
            control,
            stats,
            circuit: Circuit::default(),
            current: ArcSwapOption::empty(),
            source,
            renewal: Mutex::default(),
            renewing: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            way,
        });
        cluster.renew();
        cluster
    }

    /// Its id.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// How it is reached; `None` in this process.
    pub fn connection(&self) -> Option<&Connection> {
        match &self.way {
            Way::Direct(connection) => Some(connection),
            Way::InProcess(_) => None,
        }
    }

    /// Whether it is in this process: it is told as whom a request comes by an extension of type `Arc<Caller>`.
    pub const fn is_in_process(&self) -> bool {
        matches!(self.way, Way::InProcess(_))
    }

    pub(super) const fn way(&self) -> &Way {
        &self.way
    }

    /// What its connections did.
    pub fn stats(&self) -> &Arc<ClusterStats> {
        &self.stats
    }

    /// Whether connecting to it is not tried now.
    pub fn circuit_is_open(&self) -> bool {
        self.circuit.is_open()
    }

    /// Sends `request`, which has its target in origin form and every header but `Authorization` and `Host`.
    ///
    /// `worker` is the index of the calling worker thread, or [`CONTROL`](super::CONTROL). Dropping the future gives the request up.
    pub async fn send(
        self: &Arc<Self>,
        worker: usize,
        call: Call,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        if let Way::InProcess(local) = &self.way {
            return in_process::send(local, request).await;
        }
        let generation = match self.current.load_full() {
            Some(generation) if !generation.expired() => generation,
            _ => self.first().await?,
        };
        generation.authorize(&mut request)?;
        let protocols = self.options.protocols;
        // A write stays on HTTP/2, whose peer says what it has not looked at.
        let alone = call == Call::Short
            && request.method().is_safe()
            && generation.http1.in_use(worker) + generation.http2.in_use(worker) < protocols.alone;
        let wanted =
            call != Call::Upgrade && (!generation.has_http1() || (protocols.of(call) == Protocol::Http2 && !alone));
        if wanted && generation.has_http2() {
            self.over_http2(&generation, worker, call, request).await
        } else {
            self.over_http1(&generation, worker, call, request).await
        }
    }

    async fn over_http2(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        worker: usize,
        call: Call,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        generation.for_http2(&mut request)?;
        let what = match call {
            Call::Watch => http2::Use::Long,
            _ => http2::Use::Short,
        };
        let no_body = request.method() == Method::HEAD;
        let mut retried = false;
        loop {
            let Some(lease) = self.stream(generation, worker, what).await? else {
                return self.over_http1(generation, worker, call, request).await;
            };
            match lease.send(request).await {
                Ok(response) => {
                    let (head, recv) = response.into_parts();
                    expect_final(head.status)?;
                    let body = UpstreamBody::http2(recv, lease, &head.headers, no_body);
                    return Ok(Response::from_parts(head, body));
                }
                Err((_, Some(again))) if !retried => {
                    retried = true;
                    self.stats.retries.add();
                    request = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// A free stream; `None` when the cluster turns out to have no HTTP/2.
    async fn stream(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        worker: usize,
        what: http2::Use,
    ) -> Result<Option<http2::Lease>, SendError> {
        let open = || {
            let (cluster, generation) = (Arc::clone(self), Arc::clone(generation));
            async move { cluster.noting(generation.open_http2(worker, what).await) }
        };
        for round in 0..ROUNDS {
            match generation.http2.pick(worker, what) {
                http2::Pick::Stream(lease) => {
                    if round == 0 {
                        self.stats.reused.add();
                    }
                    return Ok(Some(lease));
                }
                http2::Pick::Last(lease) => {
                    if !self.circuit.is_open() {
                        drop(generation.http2.opening(worker, what, open));
                    }
                    return Ok(Some(lease));
                }
                http2::Pick::Nothing if !generation.has_http2() => return Ok(None),
                http2::Pick::Nothing => {
                    self.may_connect()?;
                    generation.http2.wait(worker, what, open).await?;
                }
            }
        }
        Err(ConnectError::Http2("every connection is used up or closed as soon as it is made".into()).into())
    }

    async fn over_http1(
        self: &Arc<Self>,
        generation: &Arc<Generation>,
        worker: usize,
        call: Call,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        generation.for_http1(&mut request);
        let upgrade = call == Call::Upgrade;
        let home = (!upgrade).then_some((&generation.http1, worker));
        let idle = if upgrade { None } else { generation.http1.take(worker) };
        if let Some(sender) = idle {
            self.stats.reused.add();
            let mut lease = http1::Lease::new(sender, home);
            match lease.send(request).await {
                Ok(response) => return answer(response, lease, upgrade),
                // The cluster closed the idle connection as it was taken up: the request is as it was.
                Err((_, Some(again))) => {
                    self.stats.retries.add();
                    request = again;
                }
                Err((error, None)) => return Err(error),
            }
        }
        self.may_connect()?;
        let stream = match self.noting(generation.connector.connect(false).await) {
            // Where it has neither, that is the error.
            Err(ConnectError::NoHttp1) if !upgrade && generation.has_http2() => {
                generation.learn_no_http1();
                return self.after_all_over_http2(generation, worker, call, request).await;
            }
            made => made?.0,
        };
        let mut lease = http1::Lease::new(http1::start(stream, upgrade).await?, home);
        let response = lease.send(request).await.map_err(|(error, _)| error)?;
        answer(response, lease, upgrade)
    }

    /// As [`Cluster::over_http2`], for a cluster that turned out to have no HTTP/1.1.
    fn after_all_over_http2<'a>(
        self: &'a Arc<Self>,
        generation: &'a Arc<Generation>,
        worker: usize,
        call: Call,
        request: Request<RequestBody>,
    ) -> BoxFuture<'a, Result<Response<UpstreamBody>, SendError>> {
        Box::pin(self.over_http2(generation, worker, call, request))
    }

    fn may_connect(&self) -> Result<(), SendError> {
        if self.circuit.is_open() {
            self.stats.circuit_refusals.add();
            return Err(SendError::CircuitOpen { retry_after: PROBE_EVERY });
        }
        Ok(())
    }

    /// Tells the circuit how connecting went.
    fn noting<T>(self: &Arc<Self>, made: Result<T, ConnectError>) -> Result<T, ConnectError> {
        if let Err(error) = &made
            && error.is_cluster()
            && self.circuit.failed(Instant::now())
        {
            self.stats.circuit_opened.add();
            tracing::warn!(cluster = %self.id, %error, "the cluster cannot be reached");
            self.control.spawn(probe(Arc::clone(self)));
        }
        made
    }

    /// Takes it out of use: no connection is kept, none is probed.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if let Some(generation) = self.current.load_full() {
            generation.retire();
        }
    }

    pub(super) fn sweep(&self) {
        let sweeps = |idle: Duration| u32::try_from(idle.as_secs()).unwrap_or(u32::MAX) / SWEEP_TICKS;
        if let Some(generation) = self.current.load_full() {
            generation.http1.sweep(sweeps(self.options.http1_idle));
            generation.http2.sweep(sweeps(self.options.http2_idle));
        }
    }
}

/// Ends the circuit's open time: asks once a second until the cluster answers anything at all.
async fn probe(cluster: Arc<Cluster>) {
    // One that hangs must not keep the next from finding the cluster back.
    let mut asking = JoinSet::new();
    loop {
        let deadline = tokio::time::sleep(PROBE_EVERY);
        tokio::pin!(deadline);
        let answered = loop {
            tokio::select! {
                () = &mut deadline => break false,
                Some(answered) = asking.join_next() => if matches!(answered, Ok(true)) { break true },
            }
        };
        if answered {
            tracing::info!(cluster = %cluster.id, "the cluster is back");
            cluster.circuit.close();
            return;
        }
        if cluster.retired.load(Ordering::Acquire) {
            return;
        }
        let cluster = Arc::clone(&cluster);
        asking.spawn(async move { tokio::time::timeout(PROBE_WITHIN, cluster.answers()).await.unwrap_or(false) });
    }
}

impl Cluster {
    /// Whether it answers a request on a new connection.
    async fn answers(&self) -> bool {
        let Some(generation) = self.current.load_full() else { return false };
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = http::Uri::from_static("/readyz");
        if generation.authorize(&mut request).is_err() {
            return false;
        }
        generation.for_http1(&mut request);
        let Ok((stream, _)) = generation.connector.connect(false).await else { return false };
        let Ok(sender) = http1::start(stream, false).await else { return false };
        http1::Lease::new(sender, None).send(request).await.is_ok()
    }
}

/// The credential.
impl Cluster {
    /// The cluster answered 401: reads the credential again in the background, at once where its files changed.
    pub fn credential_refused(self: &Arc<Self>) {
        let renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = renewal.at.is_some_and(|at| at.elapsed() < RENEW_EVERY);
        drop(renewal);
        if recent { self.look_at_files() } else { self.renew() }
    }

    /// Renews a credential that ends soon, or whose files changed.
    pub(super) fn tend_credential(self: &Arc<Self>, look_at_files: bool) {
        if self.source.is_none() {
            return;
        }
        let ends_soon = self
            .current
            .load()
            .as_ref()
            .is_none_or(|generation| generation.material.expires.is_some_and(|at| until(at) < RENEW_BEFORE));
        if ends_soon {
            self.credential_refused();
        } else if look_at_files {
            self.look_at_files();
        }
    }

    fn look_at_files(self: &Arc<Self>) {
        let cluster = Arc::clone(self);
        self.control.spawn(async move {
            // A reading that is under way sees what there is to see.
            let changed = match cluster.source.as_ref().map(tokio::sync::Mutex::try_lock) {
                Some(Ok(source)) => source.changed().await,
                _ => false,
            };
            if changed {
                cluster.renew();
            }
        });
    }

    /// Reads the credential in the background, unless that is under way.
    fn renew(self: &Arc<Self>) {
        if self.source.is_none() || self.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let cluster = Arc::clone(self);
        self.control.spawn(async move {
            if let Some(source) = &cluster.source {
                cluster.read(&mut *source.lock().await).await;
            }
            cluster.renewing.store(false, Ordering::Release);
        });
    }

    /// The first generation, or the one after a credential that ended: waits for its reading.
    async fn first(self: &Arc<Self>) -> Result<Arc<Generation>, SendError> {
        let cluster = Arc::clone(self);
        // On the control runtime, where programs can be run, and so that the reading goes on when this caller goes.
        let reading = self.control.spawn(async move {
            let Some(source) = &cluster.source else {
                return Err(SendError::Credential("it needs none".into()));
            };
            let mut source = source.lock().await;
            if let Some(generation) = cluster.current.load_full()
                && !generation.expired()
            {
                return Ok(generation);
            }
            let failure = match cluster.standing_failure() {
                Some(failure) => failure,
                None => match cluster.read(&mut source).await {
                    Some(failure) => failure,
                    None => {
                        return cluster
                            .current
                            .load_full()
                            .ok_or_else(|| SendError::Credential("it is not there".into()));
                    }
                },
            };
            Err(SendError::Credential(failure))
        });
        reading.await.unwrap_or_else(|_| Err(SendError::Credential("its reading was given up".into())))
    }

    /// Why the last reading failed, if that was just now.
    fn standing_failure(&self) -> Option<Arc<str>> {
        let renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = renewal.at.is_some_and(|at| at.elapsed() < FAILURE_STANDS);
        renewal.failure.clone().filter(|_| stands)
    }

    /// Reads the credential and takes it into use where it is a new one; says why not.
    async fn read(&self, source: &mut Source) -> Option<Arc<str>> {
        let failure = self.take_up(source).await.err();
        if let Some(why) = &failure {
            self.stats.credential_failures.add();
            tracing::warn!(cluster = %self.id, why = &**why, "the cluster's credential cannot be renewed");
        }
        let mut renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        *renewal = Renewal { at: Some(Instant::now()), failure: failure.clone() };
        failure
    }

    async fn take_up(&self, source: &mut Source) -> Result<(), Arc<str>> {
        let material = source.load().await?;
        if material.expires.is_some_and(|at| until(at).is_zero()) {
            return Err("it has expired".into());
        }
        let old = self.current.load_full();
        if old.as_ref().is_some_and(|old| old.material == material) {
            return Ok(());
        }
        let Way::Direct(connection) = &self.way else { return Ok(()) };
        let generation =
            Generation::new(connection, material, &self.options, &self.stats).map_err(|error| error.to_string())?;
        self.stats.credential_changes.add();
        let generation = Arc::new(generation);
        self.current.store(Some(Arc::clone(&generation)));
        if let Some(old) = old {
            old.retire();
        }
        // A retirement that went on meanwhile has seen only the old one.
        if self.retired.load(Ordering::Acquire) {
            generation.retire();
        }
        Ok(())
    }
}

fn expect_final(status: StatusCode) -> Result<(), SendError> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(SendError::Protocol("it switches the protocol without being asked".into()));
    }
    Ok(())
}

fn answer(
    response: Response<hyper::body::Incoming>,
    lease: http1::Lease,
    upgrade: bool,
) -> Result<Response<UpstreamBody>, SendError> {
    if !upgrade {
        expect_final(response.status())?;
    }
    Ok(response.map(|body| UpstreamBody::http1(body, lease)))
}
