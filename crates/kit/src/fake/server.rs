//! The server: its builder, its handle, its thread.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::ServerConfig;
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify};

use super::{
    connection,
    record::{Recorded, Requests},
    reply::{Reply, Responder},
    reviews::{AccessReview, Reviews},
};
use crate::tls::{Ca, Pair, server_config};

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Tls,
    Plain,
    /// Accepts the TCP connection and says nothing.
    Silent,
    /// Answers the handshake with bytes that are not TLS.
    Garbage,
    /// Resets at once.
    Reset,
}

/// Limits that the server announces or keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) max_concurrent_streams: u32,
    pub(super) goaway_after: Option<u64>,
    pub(super) record: bool,
    pub(super) extended_connect: bool,
    pub(super) max_header_bytes: u32,
    pub(super) window: Option<u32>,
}

pub(super) struct Route {
    pub(super) method: String,
    pub(super) prefix: String,
    pub(super) responder: Responder,
    pub(super) early: bool,
}

/// What the handle and the connections share.
pub(super) struct State {
    pub(super) routes: Mutex<Vec<Arc<Route>>>,
    pub(super) default: Mutex<Responder>,
    pub(super) reviews: Reviews,
    pub(super) requests: Requests,
    pub(super) tls: Mutex<Arc<ServerConfig>>,
    pub(super) opening: Mutex<Opening>,
    pub(super) settings: Settings,
    pub(super) tcp_connections: AtomicU64,
    pub(super) tls_connections: AtomicU64,
    pub(super) open: AtomicUsize,
    pub(super) served: AtomicU64,
    /// Told to every connection: begin to end in an orderly way.
    pub(super) goaway: Notify,
}

impl State {
    /// The route for a request: the one added last wins.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<Arc<Route>> {
        let routes = self.routes.lock().unwrap();
        let fits = |r: &&Arc<Route>| (r.method.is_empty() || r.method == method) && path.starts_with(&r.prefix);
        routes.iter().rev().find(fits).cloned()
    }

    pub(super) fn fallback(&self, request: &Recorded) -> Reply {
        match self.reviews.answer(request) {
            Some(reply) => reply,
            None => self.default.lock().unwrap().clone().reply(request),
        }
    }
}

/// Builds a [`FakeApiserver`].
pub struct Builder {
    routes: Vec<Arc<Route>>,
    default: Responder,
    reviews: Reviews,
    ca: Option<Ca>,
    certificate: Certificate,
    names: Vec<String>,
    client_ca: Option<String>,
    alpn: Vec<&'static str>,
    opening: Opening,
    settings: Settings,
    address: String,
}

enum Certificate {
    Good,
    Expired,
    Given(Box<Pair>),
}

/// A running fake apiserver; it ends when dropped.
pub struct FakeApiserver {
    state: Arc<State>,
    ca: Ca,
    address: SocketAddr,
    plain: bool,
    running: Option<Running>,
}

struct Running {
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl Builder {
    /// Answers requests with this method (empty: any) whose path starts with `prefix`, once their body is read.
    /// The route added last is asked first.
    #[must_use]
    pub fn route(mut self, method: &str, prefix: &str, responder: impl Into<Responder>) -> Self {
        self.routes.push(route(method, prefix, responder.into(), false));
        self
    }

    /// Like [`Self::route`], but answers when the head is there, while the body still comes.
    #[must_use]
    pub fn route_early(mut self, method: &str, prefix: &str, responder: impl Into<Responder>) -> Self {
        self.routes.push(route(method, prefix, responder.into(), true));
        self
    }

    /// Answers what no route takes and what is no access review; an empty list unless set.
    #[must_use]
    pub fn default_reply(mut self, responder: impl Into<Responder>) -> Self {
        self.default = responder.into();
        self
    }

    /// The user names that whoever asks may impersonate; every name unless set.
    #[must_use]
    pub fn impersonable_users<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.reviews.users(Some(names.into_iter().map(Into::into).collect()));
        self
    }

    /// The groups that whoever asks may impersonate; every name unless set.
    #[must_use]
    pub fn impersonable_groups<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.reviews.groups(Some(names.into_iter().map(Into::into).collect()));
        self
    }

    /// Any user and group may be impersonated.
    #[must_use]
    pub fn impersonable_all(self) -> Self {
        self.reviews.users(None);
        self.reviews.groups(None);
        self
    }

    /// Decides `SelfSubjectAccessReview`s; all are denied unless set.
    #[must_use]
    pub fn allow_access_review(self, allow: impl Fn(&AccessReview) -> bool + Send + Sync + 'static) -> Self {
        self.reviews.allow(allow);
        self
    }

    /// Uses this authority rather than a new one.
    #[must_use]
    pub fn ca(mut self, ca: Ca) -> Self {
        self.ca = Some(ca);
        self
    }

    /// The names in the certificate; `127.0.0.1` and `localhost` unless set.
    #[must_use]
    pub fn certificate_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Shows this certificate, which the authority need not have signed.
    #[must_use]
    pub fn certificate(mut self, pair: Pair) -> Self {
        self.certificate = Certificate::Given(Box::new(pair));
        self
    }

    /// Shows a certificate that ran out.
    #[must_use]
    pub fn expired_certificate(mut self) -> Self {
        self.certificate = Certificate::Expired;
        self
    }

    /// Demands a client certificate of the authority with this PEM.
    #[must_use]
    pub fn require_client_certificate(mut self, ca_pem: &str) -> Self {
        self.client_ca = Some(ca_pem.to_owned());
        self
    }

    /// Speaks HTTP/1.1 only.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.alpn = vec!["http/1.1"];
        self
    }

    /// Speaks HTTP/2 only.
    #[must_use]
    pub fn http2_only(mut self) -> Self {
        self.alpn = vec!["h2"];
        self
    }

    /// Speaks HTTP/1.1 without TLS.
    #[must_use]
    pub const fn plain(mut self) -> Self {
        self.opening = Opening::Plain;
        self
    }

    /// `SETTINGS_MAX_CONCURRENT_STREAMS`; 100 unless set.
    #[must_use]
    pub const fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.settings.max_concurrent_streams = streams;
        self
    }

    /// Sends GOAWAY (HTTP/1.1: `Connection: close`) on each connection after that many requests.
    #[must_use]
    pub const fn goaway_after(mut self, requests: u64) -> Self {
        self.settings.goaway_after = Some(requests);
        self
    }

    /// Flow-control window of each HTTP/2 stream and connection, bytes.
    #[must_use]
    pub const fn window(mut self, bytes: u32) -> Self {
        self.settings.window = Some(bytes);
        self
    }

    /// Allows HTTP/2 extended CONNECT (RFC 8441), which kube-apiserver does not.
    #[must_use]
    pub const fn extended_connect(mut self) -> Self {
        self.settings.extended_connect = true;
        self
    }

    /// Accepts request heads of that many bytes; 1 MiB unless set, as kube-apiserver does.
    #[must_use]
    pub const fn max_header_bytes(mut self, bytes: u32) -> Self {
        self.settings.max_header_bytes = bytes;
        self
    }

    /// Records nothing: for load.
    #[must_use]
    pub const fn without_record(mut self) -> Self {
        self.settings.record = false;
        self
    }

    /// Listens on this address (`127.0.7.1:0`); `127.0.0.1:0` unless set.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// Starts it: it listens when this returns.
    pub fn start(self) -> FakeApiserver {
        let ca = self.ca.unwrap_or_else(|| Ca::new("fake apiserver"));
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let pair = match self.certificate {
            Certificate::Good => ca.server(&names),
            Certificate::Expired => ca.expired_server(&names),
            Certificate::Given(pair) => *pair,
        };
        let state = Arc::new(State {
            routes: Mutex::new(self.routes),
            default: Mutex::new(self.default),
            reviews: self.reviews,
            requests: Requests::default(),
            tls: Mutex::new(server_config(&pair, self.client_ca.as_deref(), &self.alpn)),
            opening: Mutex::new(self.opening),
            settings: self.settings,
            tcp_connections: AtomicU64::new(0),
            tls_connections: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            goaway: Notify::new(),
        });
        let address = self.address.parse().expect("an address with a port");
        let plain = self.opening == Opening::Plain;
        let mut fake = FakeApiserver { state, ca, address, plain, running: None };
        fake.start_again();
        fake
    }
}

impl FakeApiserver {
    /// A builder with everything as a well-behaved apiserver has it.
    pub fn builder() -> Builder {
        Builder {
            routes: Vec::new(),
            default: Reply::json(
                &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}),
            )
            .into(),
            reviews: Reviews::default(),
            ca: None,
            certificate: Certificate::Good,
            names: vec!["127.0.0.1".into(), "localhost".into()],
            client_ca: None,
            alpn: vec!["h2", "http/1.1"],
            opening: Opening::Tls,
            settings: Settings {
                max_concurrent_streams: 100,
                goaway_after: None,
                record: true,
                extended_connect: false,
                max_header_bytes: 1 << 20,
                window: None,
            },
            address: "127.0.0.1:0".into(),
        }
    }

    /// One that answers everything well.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:<port>`, or `http` where it speaks plainly.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.plain { "http" } else { "https" }, self.address)
    }

    /// The authority that signed its certificate.
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    /// A kubeconfig with a bearer token.
    pub fn kubeconfig(&self, token: &str) -> String {
        self.kubeconfig_of(&json!({"token": token}))
    }

    /// A kubeconfig with a client certificate.
    pub fn kubeconfig_with_certificate(&self, pair: &Pair) -> String {
        self.kubeconfig_of(&json!({
            "client-certificate-data": STANDARD.encode(&pair.certificate),
            "client-key-data": STANDARD.encode(&pair.key),
        }))
    }

    /// A kubeconfig whose user entry is `user`. JSON, which is YAML.
    pub fn kubeconfig_of(&self, user: &serde_json::Value) -> String {
        let mut cluster = json!({"server": self.url()});
        if !self.plain {
            cluster["certificate-authority-data"] = STANDARD.encode(self.ca.pem()).into();
        }
        crate::client::kubeconfig(&cluster, user)
    }

    /// Adds a route while it runs; see [`Builder::route`].
    pub fn route(&self, method: &str, prefix: &str, responder: impl Into<Responder>) {
        self.state.routes.lock().unwrap().push(route(method, prefix, responder.into(), false));
    }

    /// Adds a route that answers early while it runs; see [`Builder::route_early`].
    pub fn route_early(&self, method: &str, prefix: &str, responder: impl Into<Responder>) {
        self.state.routes.lock().unwrap().push(route(method, prefix, responder.into(), true));
    }

    /// Drops every route.
    pub fn clear_routes(&self) {
        self.state.routes.lock().unwrap().clear();
    }

    /// Sets the answer to what no route takes.
    pub fn set_default_reply(&self, responder: impl Into<Responder>) {
        *self.state.default.lock().unwrap() = responder.into();
    }

    /// Changes the users that may be impersonated; `None` is all.
    pub fn set_impersonable_users(&self, names: Option<&[&str]>) {
        self.state.reviews.users(names.map(owned));
    }

    /// Changes the groups that may be impersonated; `None` is all.
    pub fn set_impersonable_groups(&self, names: Option<&[&str]>) {
        self.state.reviews.groups(names.map(owned));
    }

    /// Changes what access reviews allow.
    pub fn set_access_review(&self, allow: impl Fn(&AccessReview) -> bool + Send + Sync + 'static) {
        self.state.reviews.allow(allow);
    }

    /// Shows another certificate to connections from now on, with or without a client authority.
    pub fn set_certificate(&self, pair: &Pair, client_ca: Option<&str>) {
        *self.state.tls.lock().unwrap() = server_config(pair, client_ca, &["h2", "http/1.1"]);
    }

    /// From now on accepts connections and says nothing on them.
    pub fn go_silent(&self) {
        *self.state.opening.lock().unwrap() = Opening::Silent;
    }

    /// From now on answers TLS handshakes with bytes that are not TLS.
    pub fn speak_garbage(&self) {
        *self.state.opening.lock().unwrap() = Opening::Garbage;
    }

    /// From now on resets every new connection.
    pub fn reset_connections(&self) {
        *self.state.opening.lock().unwrap() = Opening::Reset;
    }

    /// From now on behaves again.
    pub fn behave(&self) {
        *self.state.opening.lock().unwrap() = if self.plain { Opening::Plain } else { Opening::Tls };
    }

    /// All requests so far; the handle grows while the server runs.
    pub fn record(&self) -> Requests {
        self.state.requests.clone()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests.all()
    }

    /// All requests so far that are not access reviews: what a gateway passed on.
    pub fn proxied(&self) -> Vec<Recorded> {
        self.state.requests.proxied()
    }

    /// Requests served so far, recorded or not.
    pub fn served(&self) -> u64 {
        self.state.served.load(Ordering::Relaxed)
    }

    /// TLS handshakes done so far.
    pub fn tls_connections(&self) -> u64 {
        self.state.tls_connections.load(Ordering::Relaxed)
    }

    /// TCP connections accepted so far.
    pub fn tcp_connections(&self) -> u64 {
        self.state.tcp_connections.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }

    /// Sends GOAWAY (HTTP/1.1: `Connection: close`) on every connection open now.
    pub fn goaway(&self) {
        self.state.goaway.notify_waiters();
    }

    /// Breaks every connection and stops listening.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.notify_one();
            running.thread.join().expect("the fake's thread ended well");
        }
    }

    /// Listens again, on the same port.
    pub fn start_again(&mut self) {
        self.stop();
        let socket = std::net::TcpListener::bind(self.address).expect("the fake's address is free");
        socket.set_nonblocking(true).expect("a socket can be non-blocking");
        self.address = socket.local_addr().expect("a bound socket has an address");
        let stop = Arc::new(Notify::new());
        let (state, stopped) = (Arc::clone(&self.state), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("fake-apiserver".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(socket).expect("a listener");
                tokio::select! {
                    () = stopped.notified() => {}
                    () = accept(listener, &state) => {}
                }
            });
            drop(runtime);
            state.open.store(0, Ordering::Relaxed);
        });
        self.running = Some(Running { stop, thread: thread.expect("a thread") });
    }
}

impl Drop for FakeApiserver {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.notify_one();
            let _ = running.thread.join();
        }
    }
}

async fn accept(listener: TcpListener, state: &Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let number = state.tcp_connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(connection::serve(socket, number, Arc::clone(state)));
            }
            // Out of file descriptors, mostly: some will come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn route(method: &str, prefix: &str, responder: Responder, early: bool) -> Arc<Route> {
    Arc::new(Route { method: method.to_owned(), prefix: prefix.to_owned(), responder, early })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&n| n.to_owned()).collect()
}
