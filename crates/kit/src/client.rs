//! HTTP/1.1, HTTP/2 and raw TLS connections to whatever is tested.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::tls::{Pair, client_config, server_name};

/// The bodies that the connections here send.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// How a server is reached: its address, the name to verify, whom to trust, who one is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: SocketAddr,
    name: String,
    ca: String,
    pair: Option<Pair>,
}

impl Endpoint {
    /// A server at `address`, whose certificate an authority of `ca_pem` signed.
    pub fn new(address: SocketAddr, ca_pem: &str) -> Self {
        Self { address, name: address.ip().to_string(), ca: ca_pem.to_owned(), pair: None }
    }

    /// Verifies, and asks for by SNI, this name rather than the address.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Shows this client certificate.
    #[must_use]
    pub fn certificate(mut self, pair: Pair) -> Self {
        self.pair = Some(pair);
        self
    }

    fn config(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        client_config(&self.ca, self.pair.as_ref(), alpn)
    }

    /// A TLS connection that offers these protocols.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn try_connect(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        TlsConnector::from(self.config(alpn)).connect(server_name(&self.name), socket).await
    }

    /// A TLS connection to write bytes of HTTP/1.1 into.
    pub async fn raw(&self) -> TlsStream<TcpStream> {
        self.try_connect(&["http/1.1"]).await.expect("a TLS connection")
    }

    /// A TLS connection to write frames of HTTP/2 into, the preface too.
    pub async fn raw_http2(&self) -> TlsStream<TcpStream> {
        let stream = self.try_connect(&["h2"]).await.expect("a TLS connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the server speaks HTTP/2");
        stream
    }

    /// An HTTP/1.1 connection; upgrades work on it.
    pub async fn http1(&self) -> http1::SendRequest<Body> {
        let io = TokioIo::new(self.raw().await);
        let (sender, connection) = http1::handshake(io).await.expect("an HTTP/1.1 connection");
        tokio::spawn(connection.with_upgrades());
        sender
    }

    /// An HTTP/2 connection; extended CONNECT works on it where the server allows it.
    pub async fn http2(&self) -> http2::SendRequest<Body> {
        let io = TokioIo::new(self.raw_http2().await);
        let (sender, connection) =
            http2::Builder::new(TokioExecutor::new()).handshake(io).await.expect("an HTTP/2 connection");
        tokio::spawn(connection);
        sender
    }

    /// Sends one request on a new HTTP/1.1 connection and reads the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Response<Bytes> {
        let mut sender = self.http1().await;
        read(sender.send_request(request).await.expect("an answer")).await
    }

    /// GET over a new HTTP/1.1 connection with a bearer token (none where empty).
    pub async fn get(&self, path: &str, token: &str) -> Response<Bytes> {
        self.send(self.request("GET", path, token, empty())).await
    }

    /// A request with `Host` and a bearer token (none where empty), to add to.
    pub fn request(&self, method: &str, path: &str, token: &str, body: Body) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path).header("host", self.host());
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(body).expect("a request")
    }

    /// Like [`Self::request`], for an HTTP/2 connection: an absolute URI and no `Host`.
    pub fn request2(&self, method: &str, path: &str, token: &str, body: Body) -> Request<Body> {
        let uri = format!("https://{}{path}", self.host());
        let mut request = Request::builder().method(method).uri(uri);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(body).expect("a request")
    }

    /// `<name>:<port>`.
    pub fn host(&self) -> String {
        format!("{}:{}", self.name, self.address.port())
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The PEM of the authorities it trusts.
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }
}

/// Reads an answer's body to its end.
pub async fn read(response: Response<Incoming>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Response::from_parts(parts, body)
}

/// No body.
pub fn empty() -> Body {
    bytes(Bytes::new())
}

/// A body of these bytes.
pub fn bytes(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body of this JSON.
pub fn json_body(value: &Value) -> Body {
    bytes(value.to_string())
}

/// A kubeconfig of one cluster, user and context, all called `kit`. JSON, which is YAML.
pub fn kubeconfig(cluster: &Value, user: &Value) -> String {
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "kit",
        "clusters": [{"name": "kit", "cluster": cluster}],
        "users": [{"name": "kit", "user": user}],
        "contexts": [{"name": "kit", "context": {"cluster": "kit", "user": "kit"}}],
    });
    format!("{text:#}\n")
}

/// A kubeconfig with a bearer token.
pub fn kubeconfig_with_token(server: &str, ca_pem: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca_pem);
    kubeconfig(&json!({"server": server, "certificate-authority-data": ca}), &json!({"token": token}))
}
