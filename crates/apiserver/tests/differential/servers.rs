//! The two servers, and one way to ask both.

use std::{collections::HashMap, time::Duration};

use apiserver::{
    Caller, Options, Server,
    store::{MemoryLog, Store},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use kit::cluster::RealCluster;
use serde_json::Value;

use crate::request::{Ask, Body};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);
const AGENT: &str = "differential/1.0 (linux/amd64)";

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What was kept of the answers of one server, by `<name>.<what>`.
pub type Saved = HashMap<String, String>;

/// A real kube-apiserver.
pub struct Real {
    cluster: RealCluster,
    sender: SendRequest<kit::client::Body>,
    pub saved: Saved,
}

/// The embedded server.
pub struct Embedded {
    server: Server,
    /// What both servers are called by.
    host: String,
    pub saved: Saved,
}

impl Real {
    pub async fn start() -> Self {
        let cluster = RealCluster::builder().name("differential").nodes(0).start().await;
        let sender = cluster.endpoint().http2().await;
        Self { cluster, sender, saved: Saved::new() }
    }

    pub fn host(&self) -> String {
        self.cluster.endpoint().host()
    }

    pub async fn ask(&self, ask: &Ask) -> Reply {
        let (target, body) = filled(ask, &self.saved);
        let endpoint = self.cluster.endpoint();
        let uri = format!("https://{}{target}", endpoint.host());
        let token = self.cluster.admin_token();
        let mut request = Request::builder()
            .method(ask.method)
            .uri(uri)
            .header(header::USER_AGENT, AGENT)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if !ask.who.admin {
            request = request.header("impersonate-user", &ask.who.user);
            for group in &ask.who.groups {
                request = request.header("impersonate-group", group);
            }
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(kit::client::bytes(body)).unwrap();
        let mut sender = self.sender.clone();
        let answer = async {
            let response = sender.send_request(request).await.unwrap_or_else(|why| panic!("{}: {why}", ask.key));
            read(response).await
        };
        tokio::time::timeout(LIMIT, answer).await.unwrap_or_else(|_| panic!("{}: kube-apiserver is late", ask.key))
    }
}

impl Embedded {
    pub async fn start(host: String) -> Self {
        let store = Store::open(Box::new(MemoryLog::default()), apiserver::store::Options::default()).unwrap();
        Self { server: Server::start(store, Options::default()).await, host, saved: Saved::new() }
    }

    pub async fn ask(&self, ask: &Ask) -> Reply {
        let (target, body) = filled(ask, &self.saved);
        let mut caller = Caller { user: ask.who.user.clone(), groups: ask.who.groups.clone(), ..Caller::default() };
        if ask.who.admin {
            caller.uid.clone_from(&ask.who.user);
        }
        caller.groups.push("system:authenticated".into());
        let mut request =
            Request::builder().method(ask.method).uri(target).header(header::USER_AGENT, AGENT).extension(caller);
        request = request.header(header::HOST, &self.host);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = async { read(self.server.call(request).await).await };
        let reply = tokio::time::timeout(LIMIT, answer).await;
        let mut reply = reply.unwrap_or_else(|_| panic!("{}: the embedded server is late", ask.key));
        if ask.method == "HEAD" {
            // Over a connection hyper leaves the body out.
            reply.body = Bytes::new();
        }
        reply
    }
}

/// Asks until the answer has this code and text; whether it came to that.
pub async fn until(code: u16, text: &str, ask: impl AsyncFn() -> Reply) -> bool {
    let limit = tokio::time::Instant::now() + LIMIT;
    loop {
        let reply = ask().await;
        if reply.code == code && String::from_utf8_lossy(&reply.body).contains(text) {
            return true;
        }
        if tokio::time::Instant::now() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn read<B: http_body::Body<Data = Bytes>>(response: Response<B>) -> Reply
where
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Reply { code: parts.status.as_u16(), headers: parts.headers, body }
}

/// The target and body with what was saved in its place.
fn filled(ask: &Ask, saved: &Saved) -> (String, Vec<u8>) {
    let fill = |text: &str| {
        let mut text = text.to_owned();
        if text.contains("${") {
            for (name, value) in saved {
                text = text.replace(&format!("${{{name}}}"), value);
            }
            assert!(!text.contains("${"), "{}: nothing was saved for `{text}`", ask.key);
        }
        text
    };
    let body = match &ask.body {
        Body::None => Vec::new(),
        Body::Text(text) => fill(text).into_bytes(),
        Body::Bytes(bytes) => bytes.clone(),
    };
    (fill(&ask.target), body)
}

/// Keeps what later requests name.
pub fn save(saved: &mut Saved, ask: &Ask, reply: &Reply) {
    let Some(name) = &ask.save else { return };
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    for (what, field) in [("rv", "resourceVersion"), ("uid", "uid"), ("continue", "continue"), ("name", "name")] {
        let value = body["metadata"][field].as_str().unwrap_or("none");
        saved.insert(format!("{name}.{what}"), value.to_owned());
    }
}
