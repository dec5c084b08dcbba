//! The admission webhook's listener: TLS on both sides, one path.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::reload::TlsFiles;
use crate::{management, modules::Kind, world::Watch};

/// The path that kube-apiserver asks at.
pub const PATH: &str = "/admit";
/// An object of three megabytes, old and new, and what is around them.
const BODY: usize = 8 << 20;
/// For the handshake, and for a request's head.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers what kube-apiserver asks.
pub struct Webhook {
    /// Certificate and key of the server, and whose clients are answered: nobody without a certificate of theirs.
    pub files: TlsFiles,
    /// The kinds that are validated.
    pub kinds: Vec<Kind>,
    /// What is known of the other objects.
    pub world: Watch,
}

impl Webhook {
    /// Listens.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    /// Serves until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let webhook = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = webhook.connection(stream).await {
                    tracing::debug!(%error, "a connection to the webhook failed");
                }
            });
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // Read anew for each of the few connections: certificates change.
        let tls = self.files.load_mutual()?;
        let stream = tokio::time::timeout(PATIENCE, TlsAcceptor::from(tls).accept(stream)).await??;
        let service = service_fn(move |request| {
            let webhook = Arc::clone(&self);
            async move { Ok::<_, Infallible>(webhook.answer(request).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        Ok(builder.serve_connection(TokioIo::new(stream), service).await?)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            return text(StatusCode::NOT_FOUND, "nothing is served at this path");
        }
        if request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only POST is served here");
        }
        let Ok(body) = Limited::new(request.into_body(), BODY).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broken off");
        };
        match management::review(&self.kinds, &self.world.load(), &body.to_bytes()) {
            Ok(review) => {
                // INVARIANT: a tree of JSON, which serde_json always writes.
                let body = serde_json::to_vec(&review).unwrap_or_default();
                let mut response = Response::new(Full::new(Bytes::from(body)));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }
}

fn text(code: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = code;
    response
}
