//! To the cluster and back: the request as the cluster may see it, the answer as the client may see it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apimachinery::{
    headers::{Forwarded, remove_identity_headers, strip_hop_by_hop},
    request_info::{RequestInfo, Verb},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header, request, uri::Authority};
use hyper::body::Incoming;

use super::{
    Peer, Refusal, Worker,
    body::{ClientBody, Seen},
    exchange::{self, Exchange},
    impersonate::Persona,
    route::Route,
};
use crate::{
    cluster::{Call, Cluster, RequestBody, UpstreamBody},
    identity::Unauthenticated,
};

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which way a call goes to its cluster.
pub fn call(info: &RequestInfo<'_>, upgrade: bool) -> Call {
    match info.verb {
        _ if upgrade => Call::Upgrade,
        Verb::Watch => Call::Watch,
        Verb::List if info.name.is_empty() => Call::List,
        _ if info.subresource == "log" || info.subresource == "proxy" => Call::List,
        _ => Call::Short,
    }
}

/// Makes of a client's head the head that the cluster gets, as `persona`.
///
/// The order is the point: hop-by-hop headers go first, so that no `Connection` list can name what is set later; then
/// all that speaks of an identity; then the decided identity is set.
pub fn head(
    parts: &mut request::Parts,
    route: &Route<'_>,
    peer: &Peer,
    persona: &Persona,
    cluster: &Cluster,
    exchange: &Exchange,
) -> Result<(), Refusal> {
    let headers = &mut parts.headers;
    let trailers = headers.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip_hop_by_hop(headers);
    remove_identity_headers(headers, if peer.trusted { Forwarded::Keep } else { Forwarded::Drop });
    headers.remove(header::EXPECT);
    headers.remove(header::HOST);
    match &persona.headers {
        Some(identity) => identity.apply(headers).map_err(|_| Refusal::Host)?,
        // A request without an identity would be one of the gateway's own account.
        None if !cluster.is_in_process() => return Err(Unauthenticated::Unknown.into()),
        None => {}
    }
    exchange::mark(headers, exchange);
    headers.append(&FORWARDED_FOR, peer.forwarded_for.clone());
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    parts.uri = uri(route)?;
    parts.extensions.clear();
    Ok(())
}

/// The target below the cluster, as it came.
fn uri(route: &Route<'_>) -> Result<Uri, Refusal> {
    let target = &route.target;
    let mut text = String::with_capacity(target.raw_path().len() + target.query().raw().len() + 1);
    target.write_path_and_query(&mut text);
    Uri::try_from(text).map_err(|_| Refusal::Host)
}

/// A client's body as the cluster's pools take it; none where nothing of it is to be seen.
pub fn body(inner: Incoming, seen: Option<&Arc<Seen>>, stall: Duration) -> RequestBody {
    seen.map_or(RequestBody::Empty, |seen| {
        RequestBody::Stream(Box::pin(ClientBody::new(inner, Arc::clone(seen), stall)))
    })
}

/// Sends a request, and waits for the head of its answer: not longer than `limit` after the last of its body.
pub async fn send(
    worker: &Worker,
    cluster: &Arc<Cluster>,
    call: Call,
    request: Request<RequestBody>,
    seen: Option<&Seen>,
    limit: Option<Duration>,
) -> Result<Response<UpstreamBody>, Refusal> {
    let id = || Arc::clone(cluster.id());
    let mut answer = std::pin::pin!(cluster.send(worker.index, call, request));
    let answer = loop {
        let Some(limit) = limit else { break answer.await };
        let started = Instant::now();
        let passed = seen.map(Seen::bytes);
        match tokio::time::timeout(limit, &mut answer).await {
            Ok(answer) => break answer,
            // The client is still sending: its own clock runs in its body.
            Err(_) if seen.map(Seen::bytes) > passed => {}
            Err(_) => return Err(Refusal::UpstreamTimeout(id(), started.elapsed())),
        }
    };
    match answer {
        Ok(response) => Ok(response),
        Err(_) if seen.is_some_and(Seen::stalled) => Err(Refusal::SlowBody),
        Err(_) if seen.is_some_and(Seen::failed) => Err(Refusal::BadBody),
        Err(error) => Err(Refusal::Upstream(id(), error)),
    }
}

/// Makes of a cluster's head the head that the client gets.
///
/// # Errors
/// An answer that must not reach the client as it is.
pub fn answer(
    response: &mut Response<UpstreamBody>,
    cluster: &Arc<Cluster>,
    route: &Route<'_>,
    info: &RequestInfo<'_>,
) -> Result<(), Refusal> {
    if response.status() == StatusCode::UNAUTHORIZED && info.subresource != "proxy" {
        cluster.credential_refused();
        return Err(Refusal::CredentialRefused(Arc::clone(cluster.id())));
    }
    let trailer = response.headers_mut().remove(header::TRAILER);
    let headers = response.headers_mut();
    strip_hop_by_hop(headers);
    // A cookie of a cluster would become one of the gateway's host, sent to every other cluster behind it.
    headers.remove(header::SET_COOKIE);
    headers.remove(header::STRICT_TRANSPORT_SECURITY);
    if let Some(trailer) = trailer {
        headers.insert(header::TRAILER, trailer);
    }
    redirect(headers, cluster, route)
}

/// Shows a browser whatever a cluster sends as a page of no origin: no script of it can act as the session that the browser holds, or
/// will hold while the page is open (H20), and it is in no frame.
pub fn sandbox(response: &mut Response<UpstreamBody>) {
    let headers = response.headers_mut();
    headers.remove("content-security-policy-report-only");
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; frame-ancestors 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Whether a redirect's host is the one that the cluster is reached at.
fn is_host(cluster: &Cluster, authority: &Authority) -> bool {
    // One in this process has no host that a redirect could name.
    let Some(connection) = cluster.connection() else { return false };
    let port = authority.port_u16().unwrap_or(if connection.https { 443 } else { 80 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    port == connection.port && host.eq_ignore_ascii_case(&connection.host)
}

/// A redirect stays in its cluster. client-go sends its credential after any redirect, so none may leave.
fn redirect(headers: &mut HeaderMap, cluster: &Arc<Cluster>, route: &Route<'_>) -> Result<(), Refusal> {
    let Some(location) = headers.get(header::LOCATION) else { return Ok(()) };
    let refused = || Refusal::Redirect(Arc::clone(cluster.id()));
    let location = location.to_str().map_err(|_| refused())?;
    let parsed: Uri = location.parse().map_err(|_| refused())?;
    let path = match parsed.authority() {
        None if location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\") => location,
        // Relative to the request's own path: it stays below the cluster, as the request did. `//host` is read as a path
        // here, and as a host by every client.
        None if parsed.scheme().is_none()
            && !location.starts_with('/')
            && !location.contains("..")
            && !location.contains('\\') =>
        {
            return Ok(());
        }
        Some(authority) if is_host(cluster, authority) => parsed.path_and_query().map_or("/", |target| target.as_str()),
        _ => return Err(refused()),
    };
    if route.is_prefixed() {
        let prefixed = format!("/k8s/clusters/{}{path}", cluster.id());
        headers.insert(header::LOCATION, HeaderValue::try_from(prefixed).map_err(|_| refused())?);
    } else {
        let path = HeaderValue::try_from(path).map_err(|_| refused())?;
        headers.insert(header::LOCATION, path);
    }
    Ok(())
}
