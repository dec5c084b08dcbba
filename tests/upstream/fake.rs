//! A cluster that is only its connections: TLS, HTTP/1.1 and HTTP/2, each request with the number of its connection.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use drover::{
    cluster::{Options, Protocols, Registry},
    secret::Secret,
    world::input::{Auth, Connection, DataOrFile},
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub type Body = BoxBody<Bytes, Infallible>;

/// A whole body.
pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// An authority and a server certificate for `localhost` and `127.0.0.1`.
pub struct Trust {
    pub ca: String,
    pub acceptor: TlsAcceptor,
}

impl Trust {
    pub fn new(protocols: &[&str]) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { ca: ca.pem(), acceptor: Arc::new(config).into() }
    }
}

/// How a fake is reached with `token`.
pub fn connection(address: SocketAddr, ca: &str, auth: Auth) -> Arc<Connection> {
    Arc::new(Connection {
        https: true,
        host: address.ip().to_string(),
        port: address.port(),
        path_prefix: String::new(),
        tls_server_name: None,
        ca: Some(data(ca)),
        insecure_skip_tls_verify: false,
        proxy_url: None,
        auth,
    })
}

pub fn data(text: &str) -> DataOrFile {
    DataOrFile::Data(Secret::new(text.as_bytes().into()))
}

pub fn token(text: &str) -> Auth {
    Auth::Token(data(text))
}

pub fn token_file(path: PathBuf) -> Auth {
    Auth::Token(DataOrFile::File(path))
}

/// Two workers, and every short call over HTTP/2.
pub fn registry() -> Registry {
    registry_with(Protocols { alone: 0, ..Protocols::MEASURED })
}

/// Two workers, and the protocols as said.
pub fn registry_with(protocols: Protocols) -> Registry {
    Registry::new(Handle::current(), Options { workers: 2, protocols, ..Options::default() })
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves each TLS connection by `serve`, with its number.
pub fn accept<F>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    serve: impl Fn(TlsStream<TcpStream>, usize) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(socket).await else { continue };
            tokio::spawn(serve(stream, number));
            number += 1;
        }
    });
}

/// A server whose every request is answered by `answer`.
pub struct Fake {
    pub address: SocketAddr,
    pub ca: String,
    pub connections: Arc<AtomicUsize>,
}

impl Fake {
    pub async fn start<F>(
        protocols: &[&str],
        streams: u32,
        answer: impl Fn(Request<Incoming>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (listener, address) = listen().await;
        Self::on(listener, address, protocols, streams, answer)
    }

    pub fn on<F>(
        listener: TcpListener,
        address: SocketAddr,
        protocols: &[&str],
        streams: u32,
        answer: impl Fn(Request<Incoming>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let trust = Trust::new(protocols);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        accept(listener, trust.acceptor, move |stream, number| {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            async move {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(move |request| {
                    let answered = answer(request, number);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                let io = TokioIo::new(stream);
                if http2 {
                    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = builder.max_concurrent_streams(streams).serve_connection(io, service).await;
                } else {
                    let mut builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.timer(TokioTimer::new()).serve_connection(io, service).with_upgrades().await;
                }
            }
        });
        Self { address, ca: trust.ca, connections }
    }

    pub fn connection(&self, auth: Auth) -> Arc<Connection> {
        connection(self.address, &self.ca, auth)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
