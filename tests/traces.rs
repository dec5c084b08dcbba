//! Spans from the outside: what the collector gets, and what the cluster and the caller hear of the same trace.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use drover::{config::server::Tracing, telemetry::trace::Tracer};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kit::{
    client::{empty, read},
    fake::{FakeApiserver, Recorded, Reply},
    gateway::{ConfigFolder, Gateway},
};
use tokio::net::TcpListener;

const DROVER: &str = env!("CARGO_BIN_EXE_drover");
/// How long the gateway may take to end, its last spans sent.
const LIMIT: Duration = Duration::from_secs(20);
/// A caller's trace, and the same not sampled.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// A span as the collector got it.
#[derive(Clone, Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
    failed: bool,
}

/// One field of a protobuf message: its number, its number-like value or its bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a varint");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let (value, length) = match tag & 7 {
            0 => (varint(&mut bytes), 0),
            1 => (0, 8),
            2 => (0, usize::try_from(varint(&mut bytes)).unwrap()),
            5 => (0, 4),
            wire => panic!("wire type {wire}"),
        };
        let (data, rest) = bytes.split_at(length);
        bytes = rest;
        fields.push((tag >> 3, value, data));
    }
    fields
}

fn within<'a>(messages: impl IntoIterator<Item = &'a [u8]>, field: u64) -> Vec<&'a [u8]> {
    let all = messages.into_iter().flat_map(fields);
    all.filter(|(number, ..)| *number == field).map(|(_, _, data)| data).collect()
}

/// The spans of an `ExportTraceServiceRequest` (opentelemetry-proto, `trace/v1/trace.proto`).
fn spans(export: &[u8]) -> Vec<Span> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let read = |bytes: &[u8]| {
        let mut span = Span::default();
        for (field, _, data) in fields(bytes) {
            match field {
                1 => span.trace = hex(data),
                2 => span.id = hex(data),
                4 => span.parent = hex(data),
                5 => span.name = text(data),
                9 => {
                    let (key, value) = (within([data], 1)[0], within([data], 2)[0]);
                    let (kind, number, data) = fields(value)[0];
                    let value = if kind == 1 { text(data) } else { number.to_string() };
                    span.attributes.insert(text(key), value);
                }
                15 => span.failed = fields(data).iter().any(|(field, value, _)| (*field, *value) == (3, 2)),
                _ => {}
            }
        }
        span
    };
    within(within(within([export], 1), 2), 2).into_iter().map(read).collect()
}

/// What came: to which target, and the spans in it.
type Got = Arc<Mutex<Vec<(String, Vec<Span>)>>>;

/// A collector, its address, and what it got.
struct Collector {
    url: String,
    got: Got,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = Got::default();
        let keep = Arc::clone(&got);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let keep = Arc::clone(&keep);
                let service = service_fn(move |request: Request<Incoming>| {
                    let keep = Arc::clone(&keep);
                    async move {
                        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
                        let target = format!("{} {}", request.method(), request.uri().path());
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        keep.lock().unwrap().push((target, spans(&body)));
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, got }
    }

    fn targets(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(target, _)| target.clone()).collect()
    }

    /// The only span whose id is the one that this request told the cluster.
    fn span_of(&self, request: &Recorded) -> Span {
        let told = request.header("traceparent").expect("a traceparent");
        let parts: Vec<&str> = told.split('-').collect();
        assert_eq!((parts.len(), parts[0]), (4, "00"), "{told}");
        let spans = self.spans(|span| span.id == parts[2]);
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!(spans[0].trace, parts[1]);
        spans[0].clone()
    }

    fn spans(&self, accept: impl Fn(&Span) -> bool) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        got.iter().flat_map(|(_, spans)| spans).filter(|span| accept(span)).cloned().collect()
    }
}

async fn gateway(endpoint: &str, change: impl FnOnce(&ConfigFolder)) -> (Gateway, FakeApiserver, String) {
    let fake = FakeApiserver::start();
    let folder = ConfigFolder::new();
    folder.add_cluster("c-a", &fake.kubeconfig("account"));
    folder.add_user("u-ann").add_binding("c-a", "u-ann", "view");
    let token = folder.add_token("u-ann");
    folder.set("telemetry.tracing.otlpEndpoint", endpoint).set("drain.delay", "0s");
    change(&folder);
    let gateway = Gateway::start(DROVER, folder).await;
    gateway.wait_for_cluster("c-a", &token).await;
    (gateway, fake, token)
}

async fn end(gateway: &Gateway) {
    gateway.sigterm();
    assert!(gateway.wait_for_exit(LIMIT).await.success());
}

/// One call over HTTP/1.1 and one over HTTP/2, with `traceparent` and a `tracestate`.
async fn call_with(gateway: &Gateway, token: &str, path: &str, traceparent: &'static str) {
    let path = Gateway::path("c-a", path);
    let endpoint = gateway.endpoint();
    let mark = |mut request: Request<_>| {
        request.headers_mut().insert("traceparent", HeaderValue::from_static(traceparent));
        request.headers_mut().insert("tracestate", HeaderValue::from_static("vendor=secret"));
        request
    };
    let first = endpoint.send(mark(endpoint.request("GET", &path, token, empty()))).await;
    let second = mark(endpoint.request2("GET", &path, token, empty()));
    let second = read(endpoint.http2().await.send_request(second).await.unwrap()).await;
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
}

fn passed(fake: &FakeApiserver, path: &str) -> Vec<Recorded> {
    fake.requests().into_iter().filter(|request| request.path() == path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_one_span_that_says_who_where_and_how_it_ended() {
    let collector = Collector::start().await;
    let (gateway, fake, token) = gateway(&collector.url, |_| {}).await;
    assert_eq!(gateway.get("c-a", "/api/v1/namespaces/seen/pods", &token).await.status(), 200);
    let refused = gateway.get("c-a", "/api/v1/namespaces/refused/pods", "wrong").await;
    assert_eq!(refused.status(), 401);
    fake.route("GET", "/api/v1/namespaces/broken", Reply::reset());
    let broken = gateway.get("c-a", "/api/v1/namespaces/broken/pods", &token).await;
    assert!(broken.status().is_server_error());
    end(&gateway).await;

    assert!(collector.targets().iter().all(|target| target == "POST /v1/traces"), "{:?}", collector.targets());
    let seen = passed(&fake, "/api/v1/namespaces/seen/pods");
    let span = collector.span_of(&seen[0]);
    assert_eq!((&*span.name, &*span.parent, span.failed), ("GET", "", false));
    let expected = [
        ("http.response.status_code", "200"),
        ("drover.cluster", "c-a"),
        ("drover.user", "u-ann"),
        ("drover.verb", "list"),
        ("drover.audit_id", &seen[0].header("audit-id").unwrap()),
    ];
    for (key, value) in expected {
        assert_eq!(span.attributes.get(key).map(String::as_str), Some(value), "{key}: {span:?}");
    }

    let by_id = |response: &Response<Bytes>| {
        let id = response.headers()["audit-id"].to_str().unwrap().to_owned();
        collector.spans(|span| span.attributes.get("drover.audit_id") == Some(&id)).remove(0)
    };
    let (refused, broken) = (by_id(&refused), by_id(&broken));
    assert_eq!((&*refused.attributes["http.response.status_code"], refused.failed), ("401", false));
    assert!(!refused.attributes["error.type"].is_empty() && !refused.attributes.contains_key("drover.user"));
    assert!(broken.failed && broken.attributes["error.type"] == "broken", "{broken:?}");
    // A span holds what a person may read who may read no object: no path, no token.
    let all = format!("{:?}", collector.spans(|_| true));
    assert!(!all.contains(&token) && !all.contains("namespaces"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_trace_is_neither_followed_nor_passed_on() {
    let collector = Collector::start().await;
    let (gateway, fake, token) = gateway(&collector.url, |_| {}).await;
    call_with(&gateway, &token, "/api/v1/stranger", PARENT).await;
    end(&gateway).await;
    let passed = passed(&fake, "/api/v1/stranger");
    assert_eq!(passed.len(), 2);
    for request in &passed {
        let span = collector.span_of(request);
        assert_eq!(span.parent, "");
        assert!(!PARENT.contains(&span.trace));
        assert_eq!(request.header("tracestate"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxys_trace_goes_on_and_its_choice_not_to_sample_holds() {
    let collector = Collector::start().await;
    let (gateway, fake, token) = gateway(&collector.url, |folder| {
        folder.set("trustedProxies", serde_json::json!(["127.0.0.0/8"]));
    })
    .await;
    call_with(&gateway, &token, "/api/v1/followed", PARENT).await;
    call_with(&gateway, &token, "/api/v1/unsampled", UNSAMPLED).await;
    end(&gateway).await;
    for request in passed(&fake, "/api/v1/followed") {
        let span = collector.span_of(&request);
        assert_eq!((&*span.trace, &*span.parent), (&PARENT[3..35], &PARENT[36..52]));
        assert_eq!(request.header("tracestate").as_deref(), Some("vendor=secret"));
    }
    for request in passed(&fake, "/api/v1/unsampled") {
        let told = request.header("traceparent").unwrap();
        assert!(told.starts_with(&UNSAMPLED[..36]) && told.ends_with("-00"), "{told}");
        assert!(collector.spans(|span| told.contains(&span.id)).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let away = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", away.local_addr().unwrap());
    drop(away);
    let (gateway, _fake, token) = gateway(&url, |_| {}).await;
    assert_eq!(gateway.get("c-a", "/api/v1/pods", &token).await.status(), 200);
    end(&gateway).await;
    assert!(gateway.log().contains("spans cannot be sent"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_named_by_a_known_method_only_and_goes_to_the_path_that_is_configured() {
    let collector = Collector::start().await;
    let settings = Tracing { otlp_endpoint: Some(format!("{}/own/path", collector.url)) };
    let tracer = Tracer::start(&settings, &tokio::runtime::Handle::current()).unwrap();
    for method in ["PATCH", "MADE-UP"] {
        drop(tracer.request(&Method::from_bytes(method.as_bytes()).unwrap(), &HeaderMap::new(), false));
    }
    tracer.close(Duration::from_secs(10)).await;
    assert_eq!(collector.targets(), ["POST /own/path"]);
    let mut names: Vec<String> = collector.spans(|_| true).into_iter().map(|span| span.name).collect();
    names.sort();
    assert_eq!(names, ["HTTP", "PATCH"]);
}
