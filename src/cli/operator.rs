//! The management plane as commands of this machine reach it: over the admin socket of the server that runs, else in its files.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::Value;
use tokio::net::UnixStream;
use tower_service::Service;

use super::Failure;
use crate::{
    cluster::BoxError,
    config::{
        address::AddressPolicy,
        server::{Chosen, ServerConfig},
    },
    management::{
        OPERATOR, Plane,
        embedded::{Embedded, Place, Surroundings},
    },
    modules,
    world::Publisher,
};

/// Bytes of an answer.
const ANSWER: usize = 256 << 20;

/// The management plane, opened.
pub(super) struct Operator {
    /// Speaks as [`OPERATOR`].
    pub client: Client,
    embedded: Option<Embedded>,
}

impl Operator {
    /// Reaches the plane of the server that runs, else opens it.
    pub(super) async fn reach(config: &ServerConfig) -> Result<Self, Failure> {
        let socket = config.admin_socket();
        if is_served(&socket) {
            let client = Client::new(Socket::from(socket), "default");
            return Ok(Self { client, embedded: None });
        }
        match config.management.chosen() {
            Chosen::Embedded(_) => Self::open(config).await,
            Chosen::Kubernetes(settings) => {
                let plane = Plane::kubernetes(&settings.kubeconfig).await.map_err(Failure::new)?;
                let client = plane.client(Some(OPERATOR)).map_err(Failure::new)?;
                Ok(Self { client, embedded: None })
            }
            Chosen::Files => Err(Failure::new("the folder of manifests is all there is: `management.files` is set")),
        }
    }

    /// Opens the embedded plane of a server that does not run.
    pub(super) async fn open(config: &ServerConfig) -> Result<Self, Failure> {
        let modules = modules::enabled(&config.modules).map_err(Failure::new)?;
        let kinds = modules.iter().flat_map(|module| module.kinds()).collect();
        let (_, world) = Publisher::start()?;
        let own = [config.listen.address, config.ops.address];
        let addresses = AddressPolicy::new(&config.upstream.allowed_addresses, &own).into_check();
        let around = Surroundings { kinds, world, tokens: None, addresses: Some(addresses) };
        let embedded = Embedded::open(place(config)?, false, around).await.map_err(Failure::caused)?;
        let client = Plane::Embedded(embedded.clone()).client(Some(OPERATOR)).map_err(Failure::new)?;
        Ok(Self { client, embedded: Some(embedded) })
    }

    /// Writes a backup of the plane that is open here.
    pub(super) async fn backup(&self, to: &Path) -> Result<(), Failure> {
        let embedded = self.embedded.as_ref().ok_or_else(|| Failure::new("it is not open here"))?;
        embedded.backup(to).await.map(drop).map_err(Failure::caused)
    }

    /// Ends it; what was written is durable.
    pub(super) async fn close(self) {
        if let Some(embedded) = self.embedded {
            embedded.close().await;
        }
    }
}

/// Where the embedded plane is.
pub(super) fn place(config: &ServerConfig) -> Result<Place, Failure> {
    match config.management.chosen() {
        Chosen::Embedded(settings) => Ok(Place::new(&settings, config.data_dir())),
        _ => Err(Failure::new("only for the embedded management plane: `management` names another one")),
    }
}

/// Whether a server answers at its admin socket.
pub(super) fn is_served(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// A runtime for one command.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// One call of the admin socket's own, in JSON both ways.
pub(super) async fn call(socket: &Path, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let asked = async {
        let mut request = Request::new(Full::new(Bytes::from(bytes)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        let response = exchange(socket, request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER).collect().await?.to_bytes();
        Ok::<_, BoxError>((status, body))
    };
    let (status, body) =
        asked.await.map_err(|error| Failure(format!("the server does not answer at {}: {error}", socket.display())))?;
    let value: Value = serde_json::from_slice(&body).map_err(Failure::new)?;
    if status.is_success() {
        return Ok(value);
    }
    let message = value.get("message").and_then(Value::as_str).unwrap_or("the server refuses");
    Err(Failure::new(message))
}

async fn exchange<B>(socket: &Path, request: Request<B>) -> Result<Response<Incoming>, BoxError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// The admin socket as a `kube::Client` takes it.
#[derive(Clone)]
struct Socket(Arc<Path>);

impl From<PathBuf> for Socket {
    fn from(path: PathBuf) -> Self {
        Self(path.into())
    }
}

impl Service<Request<kube::client::Body>> for Socket {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Incoming>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let socket = Arc::clone(&self.0);
        Box::pin(async move { exchange(&socket, request).await })
    }
}
