//! The server: what all requests share, and the two ways to call it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tokio::task::JoinSet;
use tower_service::Service;

use crate::{
    admission::Admission,
    api::Api,
    authorize::Rbac,
    body::Body,
    bootstrap,
    builtin::Types,
    caller::Caller,
    controllers,
    convert::AddressPolicy,
    crd::Definitions,
    fairness::Fairness,
    garbage::Garbage,
    policies::force::Force,
    registry::{Registry, Resource, built_in},
    reviews::Tokens,
    serve,
    store::Store,
    tokens::{ServiceAccount, ServiceAccountTokens},
};

/// What can go wrong while a request's body is read.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A request's body, of whatever kind.
pub(crate) type RequestBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// A request's body that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BodyError(BoxError);

/// What a server is made of besides its store.
#[derive(Default)]
pub struct Options {
    /// Resources besides the built-in ones, such as those of a test.
    pub resources: Vec<Arc<Resource>>,
    /// Mutators and validators.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Answers token reviews for tokens that are not of service accounts.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// What may be dialled where somebody else says the address: webhooks. Everything, unless said.
    pub addresses: Option<AddressPolicy>,
    /// Who issues tokens of service accounts: a URL; `https://kubernetes.default.svc` unless said.
    pub issuer: Option<String>,
}

/// A Kubernetes API over a store. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    core: Arc<Core>,
    /// Ended with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

/// What all requests share.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) definitions: Definitions,
    pub(crate) policies: Force,
    pub(crate) garbage: Garbage,
    /// The types of built-in kinds, as documents tell them.
    pub(crate) types: Types,
    pub(crate) rbac: Rbac,
    pub(crate) fairness: Fairness,
    pub(crate) admission: Vec<Arc<dyn Admission>>,
    pub(crate) tokens: Option<Arc<dyn Tokens>>,
    pub(crate) tokens_of_accounts: ServiceAccountTokens,
}

impl Server {
    /// A server over `store`, with all that every cluster has from the beginning. The runtime also runs the server's own
    /// controllers, until the last clone is dropped.
    pub async fn start(store: Store, options: Options) -> Self {
        let types = Types::new();
        let mut resources = built_in(&types);
        resources.extend(options.resources);
        let registry = Registry::new(resources);
        let definitions = Definitions::new(options.addresses);
        definitions.load(&store, &registry);
        let rbac = Rbac::load(&store);
        let policies = Force::default();
        policies.load(&store);
        let core = Core {
            store,
            registry,
            definitions,
            policies,
            garbage: Garbage::default(),
            types,
            rbac,
            fairness: Fairness::default(),
            admission: options.admission,
            tokens: options.tokens,
            tokens_of_accounts: ServiceAccountTokens::new(options.issuer),
        };
        let core = Arc::new(core);
        bootstrap::once(&Api::new(&core, "kube-apiserver")).await;
        if let Err(why) = core.tokens_of_accounts.key(&core).await {
            tracing::warn!(why, "tokens of service accounts cannot be signed");
        }
        let tasks = Arc::new(controllers::start(&core));
        Self { core, _tasks: tasks }
    }

    /// Answers one request. The caller comes as an extension of type [`Caller`]; without one the answer is 401.
    pub fn call<B>(&self, request: Request<B>) -> BoxFuture<'static, Response<Body>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let request = request.map(|body| Box::pin(Erased { inner: Box::pin(body) }) as RequestBody);
        self.serve(request)
    }

    fn serve(&self, request: Request<RequestBody>) -> BoxFuture<'static, Response<Body>> {
        let core = Arc::clone(&self.core);
        Box::pin(async move { serve::serve(&core, request).await })
    }

    /// Whose the token of a service account is, if it is valid for this server: what a gateway or listener asks for a bearer token.
    pub fn service_account(&self, token: &str) -> Option<ServiceAccount> {
        self.core.tokens_of_accounts.owner(&self.core, token, &[]).ok().flatten().map(|(account, _)| account)
    }

    /// Whether the token that proved `account` would still be taken; costs two look-ups and no signature.
    pub fn holds(&self, account: &ServiceAccount) -> bool {
        ServiceAccountTokens::holds(&self.core, account)
    }

    /// A service whose every request comes from `caller`: what a `kube::Client` of this process is given.
    pub fn client_of(&self, caller: Caller) -> Client {
        Client { server: self.clone(), caller: Arc::new(caller) }
    }
}

/// The server as one caller sees it; see [`Server::client_of`].
#[derive(Clone)]
pub struct Client {
    server: Server,
    caller: Arc<Caller>,
}

/// How requests reach the server, whoever they come from.
macro_rules! service {
    ($service:ty, |$self:ident, $request:ident| $call:expr) => {
        impl<B> Service<Request<B>> for $service
        where
            B: http_body::Body<Data = Bytes> + Send + 'static,
            B::Error: Into<BoxError>,
        {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, mut $request: Request<B>) -> Self::Future {
                let $self = self;
                Box::pin($call.map(Ok))
            }
        }
    };
}

service!(Server, |server, request| {
    let _ = &mut request;
    Self::call(server, request)
});

service!(Client, |client, request| {
    request.extensions_mut().insert(Arc::clone(&client.caller));
    Server::call(&client.server, request)
});

/// A body whose error's type is forgotten.
struct Erased<B> {
    inner: Pin<Box<B>>,
}

impl<B> http_body::Body for Erased<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        self.get_mut().inner.as_mut().poll_frame(cx).map_err(|error| BodyError(error.into()))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
