//! What all tests of the server share: a server over memory with one kind of its own, and ways to call it.

use std::sync::Arc;

use apiserver::{
    Body, Caller, Options, Server,
    registry::{Definition, Origin, Resource, SelectableField, Subresources},
    store::{MemoryLog, Store},
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

/// `widgets` of `example.com/v1`: namespaced, with a status, selectable by colour.
pub fn widgets() -> Resource {
    Resource {
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Widget".into(),
        list_kind: "WidgetList".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        short_names: vec!["wd".into()],
        categories: vec!["all".into()],
        namespaced: true,
        served: true,
        schema: None,
        validator: None,
        rules: None,
        conversion: None,
        columns: Arc::default(),
        subresources: Subresources { status: true, ..Subresources::default() },
        selectable: vec![SelectableField::of(".spec.color")],
        prefix: "example.com/widgets".into(),
        storage_group: "example.com".into(),
        storage_version: "v1".into(),
        origin: Origin::Custom(Arc::new(Definition { name: "widgets.example.com".into(), ..Definition::default() })),
        deprecation: None,
        group_priority: 1000,
        valid_since: 0,
    }
}

pub fn store() -> Store {
    Store::open(Box::new(MemoryLog::default()), apiserver::store::Options::default()).unwrap()
}

pub async fn server() -> Server {
    Server::start(store(), Options { resources: vec![Arc::new(widgets())], ..Options::default() }).await
}

pub fn admin() -> Caller {
    Caller::new("admin", &["system:masters", "system:authenticated"])
}

pub fn client(server: &Server) -> kube::Client {
    kube::Client::new(server.client_of(admin()), "default")
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
    pub text: String,
}

pub async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer {
        code: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        text,
    }
}

/// One request of an administrator.
pub async fn ask(
    server: &Server,
    method: Method,
    target: &str,
    content_type: &str,
    body: impl Into<Vec<u8>>,
) -> Answer {
    answer(server.call(request(admin(), method, target, content_type, body)).await).await
}

/// The answer to `jo`, who may do what roles give, before its body is read.
pub async fn response_to_jo(server: &Server, method: Method, target: &str, body: &Value) -> Response<Body> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let jo = Caller::new("jo", &["system:authenticated"]);
    server.call(request(jo, method, target, "application/json", body)).await
}

/// One request of `jo`, who may do what roles give.
pub async fn as_jo(server: &Server, method: Method, target: &str, body: &Value) -> Answer {
    answer(response_to_jo(server, method, target, body).await).await
}

fn request(
    caller: Caller,
    method: Method,
    target: &str,
    content_type: &str,
    body: impl Into<Vec<u8>>,
) -> Request<Full<bytes::Bytes>> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("content-type", content_type)
        .header("user-agent", "tester/1")
        .extension(caller)
        .body(Full::new(bytes::Bytes::from(body.into())))
        .unwrap()
}

pub async fn get(server: &Server, target: &str) -> Answer {
    ask(server, Method::GET, target, "application/json", "").await
}

/// Asks until the answer is what is waited for.
pub async fn until(server: &Server, target: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
    let asked = async || Some(get(server, target).await).filter(|answer| holds(answer));
    kit::wait::until(target, asked).await
}

pub async fn post(server: &Server, target: &str, body: &Value) -> Answer {
    ask(server, Method::POST, target, "application/json", body.to_string()).await
}

pub async fn put(server: &Server, target: &str, body: &Value) -> Answer {
    ask(server, Method::PUT, target, "application/json", body.to_string()).await
}

pub async fn delete(server: &Server, target: &str) -> Answer {
    ask(server, Method::DELETE, target, "application/json", "").await
}

pub async fn merge(server: &Server, target: &str, body: &Value) -> Answer {
    ask(server, Method::PATCH, target, "application/merge-patch+json", body.to_string()).await
}

/// A widget.
pub fn widget(name: &str, spec: &Value) -> Value {
    serde_json::json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

pub const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
