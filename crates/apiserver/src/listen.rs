//! The server behind a socket: for tests, and for use without a gateway in front.

use std::{convert::Infallible, future::Future, sync::Arc};

use http::{HeaderMap, Request, header};
use hyper::{body::Incoming, service::service_fn};
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
        async move { Ok::<_, Infallible>(server.call(request).await) }
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

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}
