//! One connection of a fake apiserver.

use std::{
    convert::Infallible,
    future::pending,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::{ext::Protocol, server::conn::http1, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_rustls::TlsAcceptor;

use super::{
    body::{Incoming, ReplyBody},
    io::{BoxedStream, Shared, Stream},
    record::{Entry, Recorded},
    reply::{Act, Handler, Reply},
    server::{Opening, State},
};

/// What a request asks of its connection.
enum Order {
    Goaway,
    Reset,
    TakeOver(Handler),
}

/// What all requests of a connection share.
struct Peer {
    number: u64,
    certificate: Option<Bytes>,
    server_name: Option<String>,
    state: Arc<State>,
    stream: Shared,
    orders: UnboundedSender<Order>,
    requests: std::sync::atomic::AtomicU64,
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }
}

pub(super) async fn serve(mut socket: TcpStream, number: u64, state: Arc<State>) {
    state.open.fetch_add(1, Ordering::Relaxed);
    let _open = Open(Arc::clone(&state));
    let _ = socket.set_nodelay(true);
    let opening = *state.opening.lock().unwrap();
    match opening {
        Opening::Silent => {
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
        Opening::Garbage => {
            let _ = socket.write_all(b"220 mail.example.com ESMTP\r\n").await;
        }
        Opening::Reset => socket.close_by_reset(),
        Opening::Plain => speak(Box::new(socket), false, None, None, number, state).await,
        Opening::Tls => {
            let config = Arc::clone(&state.tls.lock().unwrap());
            let Ok(stream) = TlsAcceptor::from(config).accept(socket).await else { return };
            state.tls_connections.fetch_add(1, Ordering::Relaxed);
            let tls = stream.get_ref().1;
            let http2 = tls.alpn_protocol() == Some(b"h2");
            let certificate = tls.peer_certificates().and_then(|c| c.first()).map(|c| Bytes::copy_from_slice(c));
            let server_name = tls.server_name().map(str::to_owned);
            speak(Box::new(stream), http2, certificate, server_name, number, state).await;
        }
    }
}

async fn speak(
    stream: BoxedStream,
    http2: bool,
    certificate: Option<Bytes>,
    server_name: Option<String>,
    number: u64,
    state: Arc<State>,
) {
    let settings = state.settings;
    let stream = Shared::new(stream, !http2 && settings.record);
    let (orders, mut ordered) = unbounded_channel();
    let requests = std::sync::atomic::AtomicU64::new(0);
    let peer = Arc::new(Peer {
        number,
        certificate,
        server_name,
        state: Arc::clone(&state),
        stream: stream.clone(),
        orders,
        requests,
    });
    let service = service_fn(move |request| answer(Arc::clone(&peer), request));
    let io = TokioIo::new(stream.clone());

    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = pin!($connection);
            loop {
                tokio::select! {
                    _ = &mut connection => break None,
                    () = state.goaway.notified() => connection.as_mut().graceful_shutdown(),
                    order = ordered.recv() => match order {
                        Some(Order::Goaway) => connection.as_mut().graceful_shutdown(),
                        other => break other,
                    },
                }
            }
        }};
    }
    let order = if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .max_concurrent_streams(settings.max_concurrent_streams)
            .max_header_list_size(settings.max_header_bytes)
            .initial_stream_window_size(settings.window)
            .initial_connection_window_size(settings.window);
        if settings.extended_connect {
            builder.enable_connect_protocol();
        }
        drive!(builder.serve_connection(io, service))
    } else {
        let mut builder = http1::Builder::new();
        let head = usize::try_from(settings.max_header_bytes).unwrap_or(usize::MAX).max(1 << 16);
        builder.max_buf_size(head).max_headers(10_000);
        drive!(builder.serve_connection(io, service).with_upgrades())
    };
    match order {
        Some(Order::Reset) => stream.close_by_reset(),
        Some(Order::TakeOver(handler)) => handler(Box::new(stream)).await,
        Some(Order::Goaway) | None => {}
    }
}

async fn answer(
    peer: Arc<Peer>,
    mut request: Request<hyper::body::Incoming>,
) -> Result<Response<ReplyBody>, io::Error> {
    let state = &peer.state;
    state.served.fetch_add(1, Ordering::Relaxed);
    if state.settings.goaway_after == Some(peer.requests.fetch_add(1, Ordering::Relaxed) + 1) {
        let _ = peer.orders.send(Order::Goaway);
    }
    let mut recorded = describe(&peer, &request);
    let entry = state.settings.record.then(|| {
        state.requests.push(recorded.clone());
        Entry { requests: state.requests.clone(), connection: peer.number, at: recorded.at }
    });
    let upgrade = wants_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let route = state.route(parts.method.as_str(), parts.uri.path());
    let early = upgrade.is_some() || route.as_ref().is_some_and(|r| r.early);
    let mut body = Some(body);
    let mut incoming = None;
    if early {
        incoming = body.take().map(|body| Incoming::new(body, entry));
    } else if let Some(body) = body.take() {
        (recorded.body, recorded.trailers) = collect(Incoming::new(body, entry)).await?;
        recorded.body_length = recorded.body.len() as u64;
    }
    let reply = match &route {
        Some(route) => route.responder.reply(&recorded),
        None => state.fallback(&recorded),
    };
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    respond(&peer, reply, &parts, upgrade, incoming).await
}

/// Carries a reply out.
async fn respond(
    peer: &Peer,
    reply: Reply,
    parts: &http::request::Parts,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
    incoming: Option<Incoming>,
) -> Result<Response<ReplyBody>, io::Error> {
    match reply.act {
        Act::Respond => {
            let echo = matches!(reply.body.content, super::body::Content::Echo);
            let mut incoming = incoming;
            let passed = if echo { incoming.take() } else { None };
            if let Some(incoming) = incoming {
                if reply.leave_unread {
                    // Kept alive and unread until the connection ends.
                    tokio::spawn(async move {
                        let _incoming = incoming;
                        pending::<()>().await;
                    });
                } else {
                    tokio::spawn(incoming.drain());
                }
            }
            let mut response = Response::new(reply.body.start(passed));
            *response.status_mut() = reply.status;
            *response.headers_mut() = reply.headers;
            Ok(response)
        }
        Act::Hang => {
            let _incoming = incoming;
            pending::<Result<_, Infallible>>().await.map_err(io::Error::other)
        }
        Act::Reset => order(peer, Order::Reset).await,
        Act::TakeOver(handler) => order(peer, Order::TakeOver(handler)).await,
        Act::HeaderBytes(count) if parts.version == Version::HTTP_2 => Ok(header_lines(reply.body.start(None), count)),
        Act::HeaderBytes(count) => {
            let write: Handler = Arc::new(move |mut stream| {
                Box::pin(async move {
                    let _ = write_header_bytes(&mut stream, count).await;
                })
            });
            order(peer, Order::TakeOver(write)).await
        }
        Act::Upgrade(handler) => {
            let Some(upgrade) = upgrade else {
                let mut response = Response::new(Reply::text("no upgrade was asked for").body.start(None));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                return Ok(response);
            };
            let mut response = Response::new(Reply::new(101).body.start(None));
            if parts.version == Version::HTTP_2 {
                *response.status_mut() = StatusCode::OK;
            } else {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                response
                    .headers_mut()
                    .extend(parts.headers.get(header::UPGRADE).cloned().map(|v| (header::UPGRADE, v)));
            }
            response.headers_mut().extend(handshake(&parts.headers));
            response.headers_mut().extend(reply.headers);
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    handler(Box::new(Upgraded(TokioIo::new(upgraded)))).await;
                }
            });
            Ok(response)
        }
    }
}

/// Gives the connection an order that ends it as a connection of HTTP, so this never returns.
async fn order(peer: &Peer, order: Order) -> Result<Response<ReplyBody>, io::Error> {
    if peer.orders.send(order).is_err() {
        return Err(io::Error::other("the connection is gone"));
    }
    pending().await
}

fn describe(peer: &Peer, request: &Request<hyper::body::Incoming>) -> Recorded {
    let at = Instant::now();
    let mut raw_head = None;
    if request.version() != Version::HTTP_2 {
        let line = format!("{} {} HTTP/1.", request.method(), target(request));
        raw_head = peer.stream.take_head(line.as_bytes()).map(Bytes::from);
    }
    let headers = match &raw_head {
        Some(head) => head_lines(head),
        None => request.headers().iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect(),
    };
    Recorded {
        method: request.method().clone(),
        uri: request.uri().clone(),
        version: request.version(),
        headers,
        body: Bytes::new(),
        body_length: 0,
        complete: false,
        trailers: None,
        connection: peer.number,
        client_certificate: peer.certificate.clone(),
        server_name: peer.server_name.clone(),
        raw_head,
        at,
    }
}

fn target(request: &Request<hyper::body::Incoming>) -> String {
    if request.method() == Method::CONNECT {
        return request.uri().authority().map(ToString::to_string).unwrap_or_default();
    }
    request.uri().to_string()
}

/// The header lines of a raw head.
fn head_lines(head: &[u8]) -> Vec<(String, Vec<u8>)> {
    let lines = head.split(|&b| b == b'\n').skip(1);
    let split = lines.filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|&b| b == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec()))
    });
    split.collect()
}

fn wants_upgrade<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::UPGRADE)
        || (request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_some())
}

async fn collect(mut incoming: Incoming) -> io::Result<(Bytes, Option<HeaderMap>)> {
    use http_body::Body;
    let (mut all, mut trailers) = (Vec::new(), None);
    while let Some(frame) = std::future::poll_fn(|cx| std::pin::Pin::new(&mut incoming).poll_frame(cx)).await {
        match frame.map_err(io::Error::other)?.into_data() {
            Ok(data) => all.extend_from_slice(&data[..data.len().min((1_usize << 20).saturating_sub(all.len()))]),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((Bytes::from(all), trailers))
}

/// What the server's side of a WebSocket handshake adds.
fn handshake(request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(key) = request.get(header::SEC_WEBSOCKET_KEY) {
        let mut text = key.as_bytes().to_vec();
        text.extend_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
        let accept = STANDARD.encode(hash.as_ref());
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).expect("base64 is a value"));
    }
    for (asked, chosen) in [
        (header::SEC_WEBSOCKET_PROTOCOL, header::SEC_WEBSOCKET_PROTOCOL),
        (HeaderName::from_static("x-stream-protocol-version"), HeaderName::from_static("x-stream-protocol-version")),
    ] {
        let offers = request.get_all(asked).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        let first = offers.map(str::trim).find(|p| !p.starts_with("base64url.bearer."));
        if let Some(value) = first.and_then(|p| HeaderValue::from_str(p).ok()) {
            headers.insert(chosen, value);
        }
    }
    headers
}

const LINE: usize = 4000;

fn header_lines(body: ReplyBody, count: usize) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let value = HeaderValue::from_str(&"x".repeat(LINE)).expect("a value");
    for i in 0..count.div_ceil(LINE) {
        let name = HeaderName::from_bytes(format!("x-filler-{i}").as_bytes()).expect("a name");
        response.headers_mut().insert(name, value.clone());
    }
    response
}

async fn write_header_bytes(stream: &mut BoxedStream, count: usize) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").await?;
    let line = format!("X-Filler: {}\r\n", "x".repeat(LINE));
    for _ in 0..count.div_ceil(LINE) {
        stream.write_all(line.as_bytes()).await?;
    }
    stream.write_all(b"\r\n{}").await?;
    stream.flush().await?;
    // What was written is not lost to a close with unread data.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

/// An upgraded connection as a stream.
struct Upgraded(TokioIo<hyper::upgrade::Upgraded>);

impl Stream for Upgraded {
    fn close_by_reset(&self) {}
}

impl tokio::io::AsyncRead for Upgraded {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Upgraded {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
