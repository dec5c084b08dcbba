//! What is remembered of a request until it is over: metrics and audit always run, also when the client goes away.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use apimachinery::{request_info::RequestInfo, target::Routing};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;

use super::{
    Busy, Peer, Worker,
    body::Seen,
    impersonate::Persona,
    limits::{Place, Turn},
    record,
    streams::End,
};
use crate::telemetry::{
    audit::{self, AuditId, Decision, Level, Stage},
    metrics::{ClusterMetrics, InFlight, Observation, OpenStream, StreamKind, Verb},
    trace::RequestSpan,
};

/// The code of a request whose client went away before there was an answer.
const CLIENT_GONE: u16 = 499;

/// One request, from its head to the last byte of its answer. Its drop writes metrics, audit and the span.
#[derive(Debug)]
pub struct Exchange {
    pub(super) worker: Arc<Worker>,
    pub(super) audit_id: AuditId,
    pub(super) received: Timestamp,
    pub(super) method: Method,
    /// What the method is read as: an extended CONNECT is a GET.
    pub(super) read_as: Method,
    pub(super) routing: Routing,
    pub(super) uri: Uri,
    pub(super) source: IpAddr,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) cluster: Option<Box<str>>,
    pub(super) caller: Option<Arc<Persona>>,
    /// The caller's name, where it is known but has no persona.
    pub(super) name: Option<Arc<str>>,
    pub(super) acting: Option<Arc<Persona>>,
    pub(super) decision: Option<Decision>,
    pub(super) code: u16,
    pub(super) refusal: Option<(&'static str, String)>,
    /// What the cluster says for the audit event.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) request_body: Option<Arc<Seen>>,
    pub(super) response_body: Option<Vec<u8>>,
    pub(super) bytes_out: u64,
    started: Instant,
    upstream: Option<Duration>,
    verb: Verb,
    metrics: Arc<ClusterMetrics>,
    span: RequestSpan,
    held: Held,
}

/// What a request holds as long as it is not over.
#[derive(Debug, Default)]
struct Held {
    _busy: Option<Busy>,
    place: Option<Place>,
    turns: [Option<Turn>; 2],
    in_flight: Option<InFlight>,
    stream: Option<OpenStream>,
}

impl Exchange {
    /// Begins with a request's head.
    pub fn begin<B>(worker: &Arc<Worker>, peer: &Arc<Peer>, request: &http::Request<B>) -> Self {
        let metrics = Arc::clone(worker.gateway.metrics.unrouted());
        Self {
            audit_id: audit::new_id(),
            received: Timestamp::now(),
            method: request.method().clone(),
            read_as: request.method().clone(),
            routing: Routing::Path,
            uri: request.uri().clone(),
            source: peer.source(request.headers()),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            cluster: None,
            caller: None,
            name: None,
            acting: None,
            decision: None,
            code: CLIENT_GONE,
            refusal: None,
            annotations: BTreeMap::new(),
            request_body: None,
            response_body: None,
            bytes_out: 0,
            started: Instant::now(),
            upstream: None,
            verb: Verb::Other,
            span: worker.gateway.tracer.request(request.method(), request.headers(), peer.trusted),
            held: Held { _busy: Some(peer.busy()), ..Held::default() },
            metrics,
            worker: Arc::clone(worker),
        }
    }

    /// The moment of the request's head.
    pub const fn received(&self) -> Timestamp {
        self.received
    }

    /// Names the request in both logs, the gateway's and the cluster's.
    pub const fn audit_id(&self) -> &AuditId {
        &self.audit_id
    }

    /// Takes a place under the process's ceiling.
    pub fn hold_place(&mut self, place: Place) {
        self.held.place = Some(place);
    }

    /// Takes the turns that the caller's and the cluster's limits gave.
    pub fn hold_turns(&mut self, user: Option<Turn>, cluster: Option<Turn>) {
        self.held.turns = [user, cluster];
    }

    /// Says which cluster is asked, and how.
    pub fn routed(&mut self, cluster: &str, method: &Method, routing: Routing, info: &RequestInfo<'_>) {
        self.cluster = Some(cluster.into());
        self.read_as = method.clone();
        self.routing = routing;
        self.verb = info.verb.into();
    }

    /// Says who calls, before it is known what they may.
    pub fn called_by(&mut self, user: &Arc<str>) {
        self.name = Some(Arc::clone(user));
    }

    /// Says who calls and as whom the request runs, and asks the audit policy.
    pub fn decided(&mut self, caller: Arc<Persona>, acting: Option<Arc<Persona>>, info: &RequestInfo<'_>) {
        self.metrics = Arc::clone(&caller.metrics);
        self.held.in_flight = Some(self.metrics.enter());
        self.caller = Some(caller);
        self.acting = acting;
        self.decide(Some(info));
    }

    /// The audit policy's word on this request.
    pub fn decide(&mut self, info: Option<&RequestInfo<'_>>) -> Decision {
        if let Some(decision) = self.decision {
            return decision;
        }
        let decision = record::decide(self, info);
        self.decision = Some(decision);
        decision
    }

    /// Says when the cluster was asked, and that its head came now.
    pub fn answered(&mut self, asked: Instant, code: u16) {
        self.upstream = Some(asked.elapsed());
        self.code = code;
    }

    /// Takes what the cluster says for the audit event.
    pub fn annotated(&mut self, said: BTreeMap<String, String>) {
        self.annotations = said;
    }

    /// Says that the gateway answers itself.
    pub fn refused(&mut self, refusal: &super::Refusal, code: u16) {
        let (cause, source) = refusal.cause();
        self.code = code;
        self.refusal = Some((cause, refusal.to_string()));
        self.worker.gateway.metrics.error(cause, source);
    }

    /// Says that the gateway answered one of its own pages.
    pub const fn own_page(&mut self, code: u16) {
        self.code = code;
    }

    /// Says that a stream is open now: it counts as one, and the audit log hears of its start.
    pub fn opened(&mut self, kind: StreamKind) {
        if kind == StreamKind::Upgrade {
            self.verb = Verb::Connect;
        }
        self.held.stream = Some(self.metrics.open(kind));
        record::write(self, Stage::ResponseStarted);
    }

    /// Bytes of the request's body that the audit log keeps.
    pub fn keeps_request(&self, most: usize) -> usize {
        if self.decision.is_some_and(|decision| decision.level >= Level::Request) { most } else { 0 }
    }

    /// Bytes of the answer's body that the audit log keeps.
    pub fn keeps_response(&self, most: usize) -> usize {
        if self.decision.is_some_and(|decision| decision.level >= Level::RequestResponse) { most } else { 0 }
    }

    /// Counts bytes of the answer.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// Says why a stream was ended from this side.
    pub fn ended(&mut self, end: End) {
        let cause = match end {
            End::Revoked => "revoked",
            End::Killed => "killed",
            End::Drained => "drained",
        };
        self.refusal.get_or_insert_with(|| (cause, String::new()));
    }

    /// Tells the span what the request came to: where and by whom, not what was in it.
    fn describe(&mut self) {
        self.span.status(self.code);
        self.span.note("drover.audit_id", self.audit_id.as_str());
        self.span.note("drover.verb", self.verb.as_str());
        if let Some(cluster) = &self.cluster {
            self.span.note("drover.cluster", cluster);
        }
        if let Some(user) = &self.name {
            self.span.note("drover.user", user);
        }
        if let Some(acting) = &self.acting {
            self.span.note("drover.acting_as", &acting.user.name);
        }
        if let Some((cause, _)) = &self.refusal {
            self.span.note("error.type", cause);
        }
    }

    /// Says that the answer broke off.
    pub fn broke(&mut self, cause: &'static str, source: crate::telemetry::metrics::Source) {
        self.worker.gateway.metrics.error(cause, source);
        self.refusal.get_or_insert_with(|| (cause, String::new()));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.observe(&Observation {
            verb: self.verb,
            code: self.code,
            duration: self.started.elapsed(),
            upstream: self.upstream,
            bytes_in: self.request_body.as_ref().map_or(0, |seen| seen.bytes()),
            bytes_out: self.bytes_out,
        });
        // Where the client went away before anything was decided, the policy hears of it now.
        self.decide(None);
        record::write(self, Stage::ResponseComplete);
        self.describe();
    }
}

/// Headers that only the gateway may set towards a cluster.
pub fn mark(headers: &mut HeaderMap, exchange: &Exchange) {
    headers.insert("audit-id", exchange.audit_id.to_header_value());
    exchange.span.inject(headers);
}
