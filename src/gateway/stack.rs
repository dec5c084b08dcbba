//! The way of a request, each step with the reason why it stands where it stands.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use apimachinery::{
    frames::{FrameEnd, Framing},
    headers::read_impersonation,
    request_info::RequestInfo,
    target::Routing,
};
use http::{Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use jiff::Timestamp;

use super::{
    Body, Peer, Refusal, Worker,
    authenticate::{self, Authenticated},
    body::{Seen, Tracked},
    exchange::Exchange,
    forward, guard, impersonate,
    limits::Scope,
    reply, route,
    streams::{Basis, Kind, Registration},
    upgrade::{self, Wanted},
};
use crate::{
    cluster::{AuditAnnotations, UpstreamBody},
    identity::Unauthenticated,
    telemetry::metrics::{Source, StreamKind},
    world::World,
};

/// Serves one request. Never fails: what goes wrong becomes a `Status`.
pub async fn serve(worker: Arc<Worker>, peer: Arc<Peer>, mut request: Request<Incoming>) -> Response<Body> {
    // First of all, so that metrics and audit also see what is refused below and clients that go away.
    let mut exchange = Exchange::begin(&worker, &peer, &request);
    // Taken out before the head is: hyper files it there.
    let client = request.extensions_mut().remove::<OnUpgrade>();
    match pass(&worker, &peer, request, &mut exchange).await {
        Ok(Answer::Own(response)) => {
            exchange.own_page(response.status().as_u16());
            response
        }
        Ok(Answer::Short(response)) => {
            let keep = exchange.keeps_response(worker.gateway.settings.audit_body);
            response.map(|inner| Body::Upstream(Box::new(Tracked::short(inner, exchange, keep))))
        }
        Ok(Answer::Stream(response, registration, kind)) => {
            exchange.opened(kind);
            let frames = if kind == StreamKind::Watch { frames(&response) } else { None };
            response.map(|inner| Body::Upstream(Box::new(Tracked::stream(inner, exchange, registration, frames))))
        }
        Ok(Answer::Upgraded(mut response, registration, wanted)) => match client {
            Some(client) => {
                exchange.opened(StreamKind::Upgrade);
                let upstream = hyper::upgrade::on(&mut response);
                upgrade::splice(&wanted, client, upstream, response.headers(), exchange, registration)
            }
            None => refuse(&Refusal::BadUpgrade("this connection cannot be upgraded"), &mut exchange, None),
        },
        Err((refusal, response)) => {
            if refusal.cause().1 == Source::Gateway {
                // Clients show little of a 503: whoever runs the gateway must hear what only they can set right.
                let cluster = exchange.cluster.as_deref();
                tracing::warn!(cluster, %refusal, "a request was refused for a reason on the gateway's side");
            } else {
                tracing::debug!(audit_id = %exchange.audit_id(), %refusal, "request refused");
            }
            response
        }
    }
}

/// What a request came to.
enum Answer {
    /// A page of Drover's own.
    Own(Response<Body>),
    /// An answer that ends by itself, soon.
    Short(Response<UpstreamBody>),
    /// An answer that lasts.
    Stream(Response<UpstreamBody>, Registration, StreamKind),
    /// A connection that is now spliced.
    Upgraded(Response<UpstreamBody>, Registration, Wanted),
}

type Refused = (Refusal, Response<Body>);

async fn pass(
    worker: &Arc<Worker>,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Answer, Refused> {
    let gateway = &*worker.gateway;
    let uri = request.uri().clone();
    let method = request.method().clone();

    // Upgrade before route: an extended CONNECT stands for a GET, and is read as one.
    let (wanted, route) = upgrade::wanted(&request)
        .and_then(|wanted| {
            let method = upgrade::method(&method, wanted.as_ref());
            let domain = gateway.settings.base_domain.as_deref();
            Ok((wanted.clone(), route::route(request.version(), method, &uri, request.headers(), domain)?))
        })
        .map_err(|refusal| with_answer(refusal, exchange, None))?;
    let method = upgrade::method(&method, wanted.as_ref());
    let Some(id) = route.cluster() else {
        // Health pages need no identity: a load balancer has none. They say no more than yes or no, and nothing of the
        // checks below them, whose names are the operators'.
        let page = Some(route.target.path()).filter(|path| path.rfind('/') == Some(0));
        return match page.and_then(|page| gateway.checks.answer(page, false)) {
            Some((code, text)) if method == http::Method::GET => Ok(Answer::Own(reply::text(code, text))),
            // Signing in is no request to a cluster: it has nothing of what follows, and limits of its own.
            _ => match &gateway.pages {
                Some(pages) if wanted.is_none() => Ok(Answer::Own(pages.answer(peer, request).await)),
                _ => Err(with_answer(Refusal::NoSuchPath, exchange, None)),
            },
        };
    };
    let info = RequestInfo::of(method, &route.target).map_err(|error| with_answer(error.into(), exchange, None))?;
    let routing = if route.is_prefixed() { Routing::Path } else { Routing::Host };
    exchange.routed(id, method, routing, &info);
    match to_cluster(worker, peer, request, exchange, id, &route, &info, wanted).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(with_answer(refusal, exchange, Some(&info))),
    }
}

#[expect(clippy::too_many_arguments, reason = "what the steps before have found, each used by a step below")]
async fn to_cluster(
    worker: &Arc<Worker>,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
    exchange: &mut Exchange,
    id: &str,
    route: &route::Route<'_>,
    info: &RequestInfo<'_>,
    wanted: Option<Wanted>,
) -> Result<Answer, Refusal> {
    let gateway = &*worker.gateway;
    let kind = kind(info, route, wanted.is_some());

    // The ceiling of the process before any work that costs: past it every microsecond belongs to those inside.
    let place = if kind.is_some() { gateway.limits.enter_stream() } else { gateway.limits.enter() };
    exchange.hold_place(place.map_err(|reached| limited(worker, reached))?);

    // Before anything is decided: a gateway that is cut off must not let through what was revoked since (R20).
    if gateway.cut_off.load(Ordering::Relaxed) {
        return Err(Refusal::CutOff);
    }

    // One snapshot for the whole decision: what it is decided by is what is compared when a stream registers.
    let (world, judged) = authenticated(worker, peer, &request, id, wanted.is_some(), exchange.received()).await;
    let authenticated = judged.map_err(|refusal| failed(worker, exchange, refusal))?;
    let identity = &authenticated.identity;
    exchange.called_by(&identity.user.name);

    // Membership before limits: who may not use a cluster must not use up its rate.
    let refused = |denied| Refusal::Denied { denied, user: Arc::clone(&identity.user.name), cluster: id.into() };
    let row = guard::admit(identity, id, &world).map_err(refused)?;
    let caller = worker.personas.of(identity, row, &world, &gateway.metrics)?;

    let short = kind.is_none();
    let user_turn = gateway.limits.turn(Scope::User, &identity.user.usage, identity.user.limits, short);
    let user_turn = user_turn.map_err(|reached| limited(worker, reached))?;
    let cluster_turn = gateway.limits.turn(Scope::Cluster, &row.usage, row.limits, short);
    let cluster_turn = cluster_turn.map_err(|reached| limited(worker, reached))?;
    exchange.hold_turns(user_turn, cluster_turn);

    // `--as` after the caller's own rights: the cluster is asked under the caller's identity.
    let (mut parts, body) = request.into_parts();
    let acting = match read_impersonation(&parts.headers)? {
        Some(target) => Some(impersonate::act_as(worker, &caller, &target, &world).await?),
        None => None,
    };
    let persona = acting.as_ref().map_or(&caller, |acting| &acting.persona);
    exchange.decided(Arc::clone(&caller), acting.as_ref().map(|acting| Arc::clone(&acting.persona)), info);
    gateway.audit.ready().await;

    // From here on the head is the cluster's. The upgrade is asked for last: its headers are hop-by-hop ones.
    let cluster = gateway.clusters.get(id).ok_or(Refusal::NotConnected)?;
    forward::head(&mut parts, route, peer, persona, &cluster, exchange)?;
    if cluster.is_in_process() {
        parts.extensions.insert(Arc::clone(persona.caller()));
    }
    // Most requests have no body, and nothing to count.
    let seen = (wanted.is_none() && !hyper::body::Body::is_end_stream(&body))
        .then(|| Seen::keeping(exchange.keeps_request(gateway.settings.audit_body)));
    exchange.request_body.clone_from(&seen);
    let call = forward::call(info, wanted.is_some());
    let body = match &wanted {
        Some(wanted) => {
            upgrade::ask(&mut parts, wanted, authenticated.protocols)?;
            crate::cluster::RequestBody::Empty
        }
        None => forward::body(body, seen.as_ref(), gateway.settings.body_stall),
    };
    let limit = Some(gateway.settings.response_headers).filter(|_| kind != Some(Kind::Watch));
    let asked = Instant::now();
    let mut response =
        forward::send(worker, &cluster, call, Request::from_parts(parts, body), seen.as_deref(), limit).await?;
    exchange.answered(asked, response.status().as_u16());
    if let Some(AuditAnnotations(said)) = response.extensions_mut().remove() {
        exchange.annotated(said);
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    forward::answer(&mut response, &cluster, route, info)?;
    if authenticated.browser {
        forward::sandbox(&mut response);
    }

    // Registered last and judged against the world of the decision: a revoke in between ends the stream at once.
    let Some(kind) = kind.filter(|_| upgraded || response.status().is_success()) else {
        return Ok(Answer::Short(response));
    };
    let basis = Basis {
        presented: authenticated.presented,
        user: Arc::clone(&identity.user.name),
        target: acting.as_ref().map(impersonate::Acting::stream_target),
        cluster: Arc::clone(&row.id),
        groups: Arc::clone(&caller.granted),
        expires_at: identity.expires_at(),
    };
    let registration =
        worker.streams.register(kind, basis, route.target.raw_path(), world.generation(), exchange.received());
    match wanted {
        Some(wanted) if upgraded => Ok(Answer::Upgraded(response, registration, wanted)),
        _ if kind == Kind::Watch => Ok(Answer::Stream(response, registration, StreamKind::Watch)),
        _ => Ok(Answer::Stream(response, registration, StreamKind::Follow)),
    }
}

/// Who calls, and the world that says so. What nobody knows yet is verified once, elsewhere; whom nobody here knows may be one of
/// the cluster's own, where it lets them come.
async fn authenticated(
    worker: &Worker,
    peer: &Peer,
    request: &Request<Incoming>,
    id: &str,
    upgrade: bool,
    now: Timestamp,
) -> (Arc<World>, Result<Authenticated, Refusal>) {
    let gateway = &*worker.gateway;
    // Service accounts are nobody in any cluster but their own: elsewhere their tokens are not even looked at.
    let accounts = gateway.accounts.as_deref().filter(|accounts| accounts.cluster() == id);
    let verifier = gateway.verifier.as_deref();
    let judge = |world: &World| {
        let (method, headers, uri) = (request.method(), request.headers(), request.uri());
        authenticate::authenticate(method, headers, uri, peer, upgrade, world, accounts, verifier, now)
    };
    let mut world = gateway.watch.load();
    let mut judged = judge(&world);
    if let (Err(Refusal::Unauthenticated(Unauthenticated::NotVerified)), Some(verifier)) = (&judged, verifier)
        && let Some(token) = authenticate::unverified(request.headers(), upgrade)
    {
        match verifier.verify(&token, now).await {
            Ok(()) => {
                world = gateway.watch.load();
                judged = judge(&world);
            }
            Err(error) => tracing::debug!(%error, "a credential proves nothing"),
        }
    }
    if let Err(Refusal::Unauthenticated(Unauthenticated::NotVerified | Unauthenticated::Unknown)) = &judged
        && let Some(row) = world.cluster(id).filter(|row| row.accounts)
        && let Some(token) = authenticate::unverified(request.headers(), upgrade)
        && let Some(account) = gateway.cluster_accounts.of(&gateway.clusters, &row.id, &token).await
    {
        judged = Ok(authenticate::of_account(account, request.headers(), upgrade));
    }
    (world, judged)
}

/// Whether a request may last, and how.
fn kind(info: &RequestInfo<'_>, route: &route::Route<'_>, upgrade: bool) -> Option<Kind> {
    if upgrade {
        Some(Kind::Upgrade)
    } else if info.is_watch() {
        Some(Kind::Watch)
    } else {
        info.is_long_running(route.target.query()).then_some(Kind::Follow)
    }
}

/// How the events of a watch are told apart.
fn frames(response: &Response<UpstreamBody>) -> Option<FrameEnd> {
    // Compressed bytes have no events to be seen.
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let content_type = response.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Framing::of(content_type).map(FrameEnd::new)
}

/// A failed authentication counts against its source; past the source's limit it is told to wait.
fn failed(worker: &Worker, exchange: &Exchange, refusal: Refusal) -> Refusal {
    match worker.gateway.limits.failed(exchange.source) {
        Ok(()) => refusal,
        Err(reached) => limited(worker, reached),
    }
}

fn limited(worker: &Worker, reached: super::limits::Reached) -> Refusal {
    worker.gateway.metrics.limited(reached.scope);
    Refusal::Limit(reached)
}

fn with_answer(refusal: Refusal, exchange: &mut Exchange, info: Option<&RequestInfo<'_>>) -> Refused {
    let response = refuse(&refusal, exchange, info);
    (refusal, response)
}

fn refuse(refusal: &Refusal, exchange: &mut Exchange, info: Option<&RequestInfo<'_>>) -> Response<Body> {
    let status = refusal.status(info);
    exchange.refused(refusal, status.code().as_u16());
    exchange.decide(info);
    let mut response = reply::status(&status);
    response.headers_mut().insert("audit-id", exchange.audit_id().to_header_value());
    response
}
