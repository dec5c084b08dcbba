//! The data plane: one request's life, in order. [`stack`] shows every step with its reason.
//!
//! Nothing here does IO but to the client and to the cluster; all that decides is in the current `World`.

pub mod accounts;
pub mod authenticate;
pub mod body;
pub mod exchange;
pub mod forward;
pub mod guard;
pub mod impersonate;
pub mod limits;
mod record;
pub mod refusal;
pub mod reply;
pub mod route;
pub mod stack;
pub mod streams;
pub mod upgrade;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;

pub use body::Body;
pub use refusal::Refusal;

use crate::{
    cluster::Registry,
    identity::{Accounts, PeerCertificate, Verifier},
    telemetry::{audit::AuditLog, metrics::Metrics, ops::Checks, trace::Tracer},
    world::Watch,
};

/// Pages of Drover's own beside health: sign-in, sessions, tokens.
pub trait Pages: std::fmt::Debug + Send + Sync {
    /// The answer to a request for one, also where there is none of that path.
    fn answer(&self, peer: &Arc<Peer>, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>>;
}

/// What all workers share.
#[derive(Debug)]
pub struct Gateway {
    /// The current world.
    pub watch: Watch,
    /// The clusters' connections.
    pub clusters: Registry,
    /// Who knows the service accounts of the management plane, where that is in this process.
    pub accounts: Option<Arc<dyn Accounts>>,
    /// Who verifies ID tokens and tokens of Rancher's, where people sign in here.
    pub verifier: Option<Arc<dyn Verifier>>,
    /// Service accounts of clusters that let them through.
    pub cluster_accounts: Arc<accounts::ClusterAccounts>,
    /// Pages of Drover's own, where people sign in here.
    pub pages: Option<Arc<dyn Pages>>,
    /// The audit log.
    pub audit: Arc<AuditLog>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The spans; without the feature `otel` nothing at all.
    pub tracer: Tracer,
    /// Limits over all workers.
    pub limits: limits::Limits,
    /// Answers to `--as`, for ten seconds.
    pub reviews: impersonate::Reviews,
    /// Health checks by name.
    pub checks: Arc<Checks>,
    /// Whether what feeds the world has been silent for so long that nothing is decided by it any more.
    pub cut_off: AtomicBool,
    /// What the admin set.
    pub settings: Settings,
}

/// What the admin set for the request path.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `<id>.<base domain>` names a cluster by host.
    pub base_domain: Option<Box<str>>,
    /// The longest wait for the head of a cluster's answer.
    pub response_headers: Duration,
    /// The longest wait for the next byte of a client's body.
    pub body_stall: Duration,
    /// Bytes of a body that the audit log keeps.
    pub audit_body: usize,
}

/// One worker: a thread's own part of the gateway.
#[derive(Debug)]
pub struct Worker {
    /// Its place among the workers.
    pub index: usize,
    /// What it shares with the others.
    pub gateway: Arc<Gateway>,
    /// Its open streams.
    pub streams: Arc<streams::Streams>,
    /// Identities it has rendered.
    pub personas: impersonate::Personas,
}

impl Worker {
    /// Worker number `index`.
    pub fn new(index: usize, gateway: Arc<Gateway>) -> Arc<Self> {
        let streams = streams::Streams::new(index, gateway.watch.clone());
        Arc::new(Self { index, gateway, streams, personas: impersonate::Personas::default() })
    }
}

/// The other end of a client connection.
#[derive(Debug)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: IpAddr,
    /// The same, as `X-Forwarded-For` has it.
    pub forwarded_for: HeaderValue,
    /// Whether it is a proxy whose `X-Forwarded-For` is believed.
    pub trusted: bool,
    /// The client certificate that TLS verified.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// Requests of this connection that are not over.
    pub open: AtomicU32,
}

impl Peer {
    /// The client's address: what a trusted proxy says last, else where the connection comes from.
    pub fn source(&self, headers: &HeaderMap) -> IpAddr {
        if !self.trusted {
            return self.address;
        }
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let last = last.and_then(|line| line.to_str().ok()).and_then(|line| line.rsplit(',').next());
        last.and_then(|address| address.trim().parse().ok()).unwrap_or(self.address)
    }
}

/// A request that is not over, as its connection counts it.
#[derive(Debug)]
pub struct Busy(Arc<Peer>);

impl Peer {
    /// Counts a request until the guard goes.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.open.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
