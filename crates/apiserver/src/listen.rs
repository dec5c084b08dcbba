//! The server behind a socket: for tests, and for use without a gateway in front.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{caller::Caller, server::Server};

/// Says who sent a request, from its headers; `None` for nobody.
pub type Authenticate = dyn Fn(&HeaderMap) -> Option<Caller> + Send + Sync;

/// Serves HTTP/1.1 and HTTP/2 on `listener` until `until` is over; connections go on until their clients close them.
pub async fn listen(
    server: Server,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    authenticate: Arc<Authenticate>,
    until: impl Future<Output = ()>,
) {
    let mut until = std::pin::pin!(until);
    loop {
        let socket = tokio::select! {
            () = &mut until => return,
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                socket
            } else {
                // Out of descriptors, mostly: the next one may be free in a moment.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            },
        };
        let _ = socket.set_nodelay(true);
        let (server, tls, authenticate) = (server.clone(), tls.clone(), Arc::clone(&authenticate));
        tokio::spawn(async move {
            match tls {
                None => connection(server, socket, false, authenticate).await,
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await {
                        let http2 = socket.get_ref().1.alpn_protocol() == Some(b"h2");
                        connection(server, socket, http2, authenticate).await;
                    }
                }
            }
        });
    }
}

async fn connection(
    server: Server,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    authenticate: Arc<Authenticate>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let server = server.clone();
        if let Some(caller) = authenticate(request.headers()) {
            request.extensions_mut().insert(caller);
        }
        let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let request = request.map(|body| Told { body, read: Arc::clone(&read) });
        async move {
            let mut response = server.call(request).await;
            // What is left of a request's body stands in the next one's way. A client that is not told takes the connection for
            // one that it may use again.
            if !http2 && !read.load(Ordering::Relaxed) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let socket = TokioIo::new(socket);
    // A connection that breaks is its client's to notice.
    if http2 {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(250)
            .serve_connection(socket, service);
        let _ = connection.await;
    } else {
        let connection =
            hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(socket, service);
        let _ = connection.await;
    }
}

/// A body that tells when it was read to its end.
struct Told {
    body: Incoming,
    read: Arc<AtomicBool>,
}

impl Body for Told {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}
