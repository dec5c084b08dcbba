//! exec, attach, port-forward and every other upgraded connection: spliced as bytes.
//!
//! Clients upgrade HTTP/1.1 (`Upgrade: SPDY/3.1`, `websocket`, any token) or open a WebSocket over HTTP/2 by extended
//! CONNECT (RFC 8441). The cluster is always asked over HTTP/1.1, on a connection that nothing else has used or will use
//! once it was refused.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use super::{Body, Refusal, exchange::Exchange, streams::Registration};

/// Bytes on their way in each direction of one upgraded connection.
const BUFFER: usize = 64 * 1024;

/// How a client asks for an upgrade.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// `Connection: Upgrade` and `Upgrade: <token>` over HTTP/1.1.
    Header(HeaderValue),
    /// Extended CONNECT with this `:protocol` over HTTP/2.
    Connect(Protocol),
}

/// Whether and how a request wants an upgrade.
///
/// # Errors
/// An upgrade that is malformed, or one that HTTP/2 does not have.
pub fn wanted<B>(request: &Request<B>) -> Result<Option<Wanted>, Refusal> {
    if request.version() >= Version::HTTP_2 {
        return match (request.method() == Method::CONNECT, request.extensions().get::<Protocol>()) {
            (true, Some(protocol)) if protocol.as_str().eq_ignore_ascii_case("websocket") => {
                Ok(Some(Wanted::Connect(protocol.clone())))
            }
            (true, Some(_)) => Err(Refusal::BadUpgrade("over HTTP/2 only `websocket` can be asked for")),
            _ => Ok(None),
        };
    }
    let headers = request.headers();
    let mut tokens = headers.get_all(header::UPGRADE).iter();
    let Some(token) = tokens.next() else { return Ok(None) };
    let asked = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    // HTTP/2 in clear text is an upgrade of the connection to us, which is not offered; RFC 9110 lets it be ignored.
    if !asked || token.as_bytes().eq_ignore_ascii_case(b"h2c") {
        return Ok(None);
    }
    if tokens.next().is_some() {
        return Err(Refusal::BadUpgrade("the request asks for more than one upgrade"));
    }
    // The cluster would count the spliced bytes as that body.
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length.as_bytes() != b"0") {
        return Err(Refusal::BadUpgrade("a request for an upgrade cannot have a body"));
    }
    Ok(Some(Wanted::Header(token.clone())))
}

/// The method that an upgrade stands for.
pub fn method<'a>(method: &'a Method, wanted: Option<&Wanted>) -> &'a Method {
    if matches!(wanted, Some(Wanted::Connect(_))) { &Method::GET } else { method }
}

/// Asks the cluster for the upgrade. `parts` has lost its hop-by-hop headers already.
pub fn ask(parts: &mut request::Parts, wanted: &Wanted, protocols: Option<HeaderValue>) -> Result<(), Refusal> {
    let headers = &mut parts.headers;
    let token = match wanted {
        Wanted::Header(token) => token.clone(),
        Wanted::Connect(_) => {
            parts.method = Method::GET;
            let key = websocket_key().ok_or(Refusal::BadUpgrade("no randomness for a WebSocket key"))?;
            headers.insert(header::SEC_WEBSOCKET_KEY, key);
            HeaderValue::from_static("websocket")
        }
    };
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, token);
    if let Some(protocols) = protocols {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocols);
    }
    Ok(())
}

fn websocket_key() -> Option<HeaderValue> {
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).ok()?;
    HeaderValue::try_from(BASE64_STANDARD.encode(key)).ok()
}

/// Answers the client's upgrade as the cluster did, and splices both sides until one closes or the stream must end.
pub fn splice(
    wanted: &Wanted,
    client: OnUpgrade,
    upstream: OnUpgrade,
    headers: &HeaderMap,
    exchange: Exchange,
    registration: Registration,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers.clone();
    match wanted {
        Wanted::Header(token) => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            response.headers_mut().insert(header::UPGRADE, token.clone());
        }
        Wanted::Connect(_) => {
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        }
    }
    tokio::spawn(run(client, upstream, exchange, registration));
    response
}

async fn run(client: OnUpgrade, upstream: OnUpgrade, mut exchange: Exchange, registration: Registration) {
    let sent = AtomicU64::new(0);
    let splice = async {
        let (client, upstream) = tokio::try_join!(client, upstream)?;
        let mut client = TokioIo::new(client);
        let mut upstream = Counted { inner: TokioIo::new(upstream), read: &sent };
        // An error here is one side going away: what else there is to say was said in the bytes.
        let _ = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await;
        Ok::<_, hyper::Error>(())
    };
    tokio::select! {
        _ = splice => {}
        end = registration.ended() => exchange.ended(end),
    }
    exchange.bytes_out = sent.load(Ordering::Relaxed);
}

/// Counts what is read, also when the splice is cut.
struct Counted<'a, T> {
    inner: T,
    read: &'a AtomicU64,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
