//! The audit log from the outside: what is recorded is what comes out, in the file and at the webhook.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    convert::Infallible,
    fs,
    io::Read as _,
    net::IpAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use drover::{
    config::{
        server::{Audit, AuditLog as FileSettings, AuditQueue, AuditWebhook, WhenFull},
        units::{Period, Size},
    },
    telemetry::{
        audit::{
            AuditLog, Body, EventRef, Level, ObjectRef, RequestRef, ResponseRef, Stage, UserRef, annotation, new_id,
        },
        metrics::Metrics,
    },
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle};

const SECOND: Duration = Duration::from_secs(1);

fn to_file(path: &Path) -> Audit {
    let log = FileSettings { path: path.to_owned(), max_size: Size(0), max_backups: 0, max_age: Period::secs(0) };
    Audit { log: Some(log), ..Audit::default() }
}

fn with_policy(folder: &Path, rules: &str, audit: Audit) -> Audit {
    let path = folder.join("policy.yaml");
    fs::write(&path, format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{rules}")).unwrap();
    Audit { policy_file: Some(path), ..audit }
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn pods() -> RequestRef<'static> {
    RequestRef {
        cluster: "c-1",
        user: UserRef { name: "u-1", ..UserRef::ANONYMOUS },
        verb: "create",
        path: "/api/v1/namespaces/dev/pods",
        object: Some(ObjectRef { version: "v1", resource: "pods", namespace: "dev", ..ObjectRef::default() }),
    }
}

fn record(log: &AuditLog, request: &RequestRef<'_>, change: impl FnOnce(&mut EventRef<'_>)) {
    let decision = log.decide(request);
    let id = new_id();
    let mut event = EventRef {
        request,
        id: &id,
        stage: Stage::ResponseComplete,
        uri: "/k8s/clusters/c-1/api/v1/namespaces/dev/pods",
        impersonated: None,
        source_ips: &[],
        user_agent: b"",
        response: Some(ResponseRef { code: 201, ..ResponseRef::default() }),
        request_body: Body::None,
        response_body: Body::None,
        received: UNIX_EPOCH,
        reached: SystemTime::now(),
        annotations: &[],
    };
    change(&mut event);
    log.record(decision, &event);
}

fn metric(log: &Arc<AuditLog>, line: &str) -> u64 {
    let metrics = Metrics::new(1).unwrap();
    let log = Arc::clone(log);
    metrics.on_scrape(Box::new(move |writer| log.write_metrics(writer)));
    let text = metrics.render();
    let value = text.lines().find_map(|candidate| candidate.strip_prefix(line)).expect(&text);
    value.trim().parse().unwrap()
}

fn lost(log: &Arc<AuditLog>, sink: &str) -> u64 {
    metric(log, &format!("drover_audit_dropped_total{{sink=\"{sink}\"}}"))
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

type Extra = (String, Vec<String>);

#[derive(Clone, Debug)]
struct Strings {
    texts: Vec<String>,
    groups: Vec<String>,
    extra: Vec<Extra>,
    ips: Vec<IpAddr>,
    agent: Vec<u8>,
    code: u16,
}

fn strings() -> impl Strategy<Value = Strings> {
    let text = any::<String>;
    (
        proptest::collection::vec(text(), 14),
        proptest::collection::vec(text(), 0..4),
        proptest::collection::vec((text(), proptest::collection::vec(text(), 0..3)), 0..3),
        proptest::collection::vec(any::<IpAddr>(), 0..3),
        proptest::collection::vec(any::<u8>(), 0..40),
        100..600_u16,
    )
        .prop_map(|(texts, groups, extra, ips, agent, code)| Strings { texts, groups, extra, ips, agent, code })
}

/// What `audit.k8s.io/v1` says of a user; empty parts are left out.
fn user(name: &str, uid: &str, groups: &[String], extra: &[Extra]) -> Value {
    let mut user = json!({ "username": name });
    if !uid.is_empty() {
        user["uid"] = uid.into();
    }
    if !groups.is_empty() {
        user["groups"] = groups.into();
    }
    // A key that comes twice is written twice; a parser keeps the last.
    for (key, values) in extra {
        user["extra"][key] = values.clone().into();
    }
    user
}

fn check(strings: &Strings, value: &Value) {
    let text = |index: usize| strings.texts[index].as_str();
    let optional = |value: &Value, key: &str, expected: &str| {
        assert_eq!(value[key].as_str().unwrap_or_default(), expected, "{key}");
    };
    assert_eq!(value["kind"], "Event");
    assert_eq!(value["apiVersion"], "audit.k8s.io/v1");
    assert_eq!(value["level"], "Metadata");
    assert_eq!(value["stage"], "ResponseComplete");
    assert_eq!(value["verb"], text(0));
    assert_eq!(value["requestURI"], format!("/{}", text(1).replace('?', "")));
    assert_eq!(value["user"], user(text(2), text(3), &strings.groups, &strings.extra));
    assert_eq!(value["impersonatedUser"], user(text(4), "", &[], &[]));
    assert_eq!(value["objectRef"]["resource"], text(5));
    optional(&value["objectRef"], "namespace", text(6));
    optional(&value["objectRef"], "name", text(7));
    optional(&value["objectRef"], "apiGroup", text(8));
    optional(&value["objectRef"], "subresource", text(9));
    optional(&value["responseStatus"], "reason", text(10));
    optional(&value["responseStatus"], "message", text(11));
    assert_eq!(value["responseStatus"]["code"], strings.code);
    optional(&value["annotations"], annotation::REASON, text(12));
    optional(&value["annotations"], annotation::CLUSTER, text(13));
    let ips: Vec<String> = strings.ips.iter().map(ToString::to_string).collect();
    assert_eq!(value["sourceIPs"], if ips.is_empty() { Value::Null } else { ips.into() });
    optional(value, "userAgent", &String::from_utf8_lossy(&strings.agent));
    assert_eq!(value["requestReceivedTimestamp"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(value["auditID"].as_str().unwrap().len(), 36);
}

fn record_strings(log: &AuditLog, strings: &Strings) {
    let text = |index: usize| strings.texts[index].as_str();
    let values: Vec<Vec<&str>> =
        strings.extra.iter().map(|(_, values)| values.iter().map(String::as_str).collect()).collect();
    let extra: Vec<(&str, &[&str])> =
        strings.extra.iter().zip(&values).map(|((key, _), values)| (key.as_str(), values.as_slice())).collect();
    let request = RequestRef {
        cluster: text(13),
        user: UserRef { name: text(2), uid: text(3), groups: &strings.groups, extra: &extra },
        verb: text(0),
        path: "/",
        object: Some(ObjectRef {
            group: text(8),
            version: "v1",
            resource: text(5),
            subresource: text(9),
            namespace: text(6),
            name: text(7),
        }),
    };
    let uri = format!("/{}", text(1).replace('?', ""));
    let annotations = [(annotation::REASON, text(12))];
    let id = new_id();
    let event = EventRef {
        request: &request,
        id: &id,
        stage: Stage::ResponseComplete,
        uri: &uri,
        impersonated: Some(UserRef { name: text(4), ..UserRef::ANONYMOUS }),
        source_ips: &strings.ips,
        user_agent: &strings.agent,
        response: Some(ResponseRef { code: strings.code, reason: text(10), message: text(11) }),
        request_body: Body::Whole(b"{}"),
        response_body: Body::None,
        received: UNIX_EPOCH,
        reached: SystemTime::now(),
        annotations: &annotations,
    };
    log.record(log.decide(&request), &event);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_strings_a_line_parses_to_the_same_values(events in proptest::collection::vec(strings(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let log = AuditLog::start(&to_file(&path), 1, runtime.handle()).unwrap();
        for strings in &events {
            record_strings(&log, strings);
        }
        prop_assert!(runtime.block_on(log.close(10 * SECOND)));
        let lines = lines(&path);
        prop_assert_eq!(lines.len(), events.len());
        for (strings, value) in events.iter().zip(&lines) {
            check(strings, value);
        }
    }
}

#[tokio::test]
async fn an_event_is_in_the_file_soon_and_without_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::start(&to_file(&path), 1, &Handle::current()).unwrap();
    record(&log, &pods(), |_| {});
    until("the event is written", || !lines(&path).is_empty()).await;
}

/// T1
#[tokio::test]
async fn a_token_in_the_query_never_reaches_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::start(&to_file(&path), 1, &Handle::current()).unwrap();
    record(&log, &pods(), |event| event.uri = "/k8s/clusters/c-1/api?token=hunter2&watch=true");
    assert!(log.close(10 * SECOND).await);
    assert_eq!(lines(&path)[0]["requestURI"], "/k8s/clusters/c-1/api?token=REDACTED&watch=true");
}

/// T1
#[tokio::test]
async fn bodies_are_recorded_by_level_and_never_those_of_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let rules = "- {level: RequestResponse, omitManagedFields: true}\n";
    let settings = with_policy(folder.path(), rules, to_file(&path));
    let log = AuditLog::start(&settings, 1, &Handle::current()).unwrap();
    let bodies = |event: &mut EventRef<'_>| {
        event.request_body = Body::Whole(b"{\n  \"metadata\": {\"managedFields\": [1], \"name\": \"a\"}\n}");
        event.response_body = Body::TooLong;
    };
    record(&log, &pods(), bodies);
    let mut secret = pods();
    secret.object = Some(ObjectRef { version: "v1", resource: "secrets", ..ObjectRef::default() });
    record(&log, &secret, bodies);
    record(&log, &pods(), |event| event.request_body = Body::Whole(b"k8s\0protobuf"));
    assert!(log.close(10 * SECOND).await);
    let lines = lines(&path);
    assert_eq!(lines[0]["requestObject"], json!({ "metadata": { "name": "a" } }));
    assert_eq!(lines[0]["responseObject"], Value::Null);
    assert_eq!(lines[0]["annotations"][annotation::TRUNCATED], "true");
    assert_eq!(lines[1]["level"], "Metadata");
    assert_eq!(lines[1]["requestObject"], Value::Null);
    assert_eq!(lines[2]["requestObject"], Value::Null);
    assert_eq!(lines[2]["annotations"][annotation::TRUNCATED], "true");
}

#[tokio::test]
async fn a_policy_that_is_read_again_holds_from_the_next_request_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = with_policy(folder.path(), "- level: Metadata\n", to_file(&folder.path().join("audit.log")));
    let log = AuditLog::start(&settings, 1, &Handle::current()).unwrap();
    assert_eq!(log.decide(&pods()).level, Level::Metadata);
    with_policy(folder.path(), "- level: None\n", Audit::default());
    log.reload(&settings).unwrap();
    assert_eq!(log.decide(&pods()).level, Level::None);
    with_policy(folder.path(), "- lvl: Metadata\n", Audit::default());
    assert!(log.reload(&settings).unwrap_err().to_string().contains("rules[0].lvl: unknown field"));
    assert_eq!(log.decide(&pods()).level, Level::None);
}

#[tokio::test]
async fn an_event_that_finds_the_queue_full_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let queue = AuditQueue { max_bytes: Size::kib(32), when_full: WhenFull::Drop };
    let log = AuditLog::start(&Audit { queue, ..to_file(&path) }, 1, &Handle::current()).unwrap();
    for _ in 0..5000 {
        record(&log, &pods(), |_| {});
    }
    log.ready().await;
    assert!(log.close(10 * SECOND).await);
    let dropped = lost(&log, "queue");
    assert!(dropped > 0);
    assert_eq!(lines(&path).len() as u64 + dropped, 5000);
}

#[tokio::test]
async fn a_queue_that_blocks_lets_requests_wait_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let queue = AuditQueue { max_bytes: Size::kib(32), when_full: WhenFull::Block };
    let log = AuditLog::start(&Audit { queue, ..to_file(&path) }, 1, &Handle::current()).unwrap();
    let mut recorded = 0;
    // Nobody reads the pipe: it takes 64 KiB, the writer holds a batch, the queue fills up.
    let fill = async {
        loop {
            log.ready().await;
            record(&log, &pods(), |_| {});
            recorded += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(3 * SECOND, fill).await.unwrap_err();
    tokio::time::timeout(SECOND, log.ready()).await.unwrap_err();
    let mut pipe = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let read = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&read);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = pipe.read(&mut buffer) {
            sink.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    });
    tokio::time::timeout(10 * SECOND, log.ready()).await.expect("there is room again");
    assert!(log.close(10 * SECOND).await);
    let read = || String::from_utf8(read.lock().unwrap().clone()).unwrap();
    until("all events come out", || read().lines().count() == recorded && read().ends_with('\n')).await;
    assert_eq!(lost(&log, "queue") + lost(&log, "log"), 0);
    for line in read().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_counted_and_seen_in_health() {
    let log = AuditLog::start(&to_file(Path::new("/dev/full")), 1, &Handle::current()).unwrap();
    assert_eq!(log.health(), Ok(()));
    record(&log, &pods(), |_| {});
    until("the loss is counted", || lost(&log, "log") == 1).await;
    let error = log.health().unwrap_err();
    assert!(error.starts_with("audit log `/dev/full`: No space left"), "{error}");
}

#[tokio::test]
async fn without_a_sink_nothing_is_recorded() {
    let log = AuditLog::start(&Audit::default(), 1, &Handle::current()).unwrap();
    assert_eq!(log.decide(&pods()).level, Level::None);
    assert!(log.close(Duration::ZERO).await);
}

/// A server that answers with each of `answers` in turn, the last for ever, and keeps what it was sent.
async fn collector(answers: &'static [StatusCode]) -> (AuditWebhook, tempfile::TempDir, Arc<Mutex<Vec<Value>>>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let lists = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lists);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(|request: Request<Incoming>| collect(request, Arc::clone(&kept), answers));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let webhook = AuditWebhook {
        kubeconfig: None,
        url: Some(format!("https://localhost:{port}/in")),
        ca_file: Some(ca_file),
        batch_events: 3,
        batch_wait: Period::millis(50),
        attempts: 3,
        timeout: Period::secs(5),
    };
    (webhook, folder, lists)
}

async fn collect(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Value>>>,
    answers: &[StatusCode],
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/in");
    assert_eq!(request.headers()["content-type"], "application/json");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut kept = kept.lock().unwrap();
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = answers[kept.len().min(answers.len() - 1)];
    kept.push(serde_json::from_slice(&body).unwrap());
    Ok(response)
}

fn to_webhook(webhook: AuditWebhook) -> Audit {
    Audit { webhook: Some(webhook), ..Audit::default() }
}

#[tokio::test]
async fn the_webhook_gets_every_event_in_lists_and_once_more_after_a_passing_error() {
    let (webhook, _folder, lists) = collector(&[StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK]).await;
    let log = AuditLog::start(&to_webhook(webhook), 1, &Handle::current()).unwrap();
    let uris: Vec<String> = (0..7).map(|number| format!("/{number}")).collect();
    let request = pods();
    for uri in &uris {
        let decision = log.decide(&request);
        let id = new_id();
        let event = EventRef {
            request: &request,
            id: &id,
            stage: Stage::ResponseComplete,
            uri,
            impersonated: None,
            source_ips: &[],
            user_agent: b"",
            response: None,
            request_body: Body::None,
            response_body: Body::None,
            received: UNIX_EPOCH,
            reached: UNIX_EPOCH,
            annotations: &[],
        };
        log.record(decision, &event);
    }
    assert!(log.close(10 * SECOND).await);
    let lists = lists.lock().unwrap();
    assert_eq!(lists[0], lists[1]);
    let items: Vec<&Value> = lists[1..].iter().flat_map(|list| list["items"].as_array().unwrap()).collect();
    assert!(lists.iter().all(|list| list["kind"] == "EventList" && list["apiVersion"] == "audit.k8s.io/v1"));
    assert!(lists.iter().all(|list| list["items"].as_array().unwrap().len() <= 3));
    assert_eq!(items.iter().map(|item| item["requestURI"].as_str().unwrap()).collect::<Vec<_>>(), uris);
    assert_eq!(lost(&log, "webhook"), 0);
}

#[tokio::test]
async fn what_the_webhook_refuses_is_counted_and_not_tried_again() {
    let (webhook, _folder, lists) = collector(&[StatusCode::BAD_REQUEST]).await;
    let log = AuditLog::start(&to_webhook(webhook), 1, &Handle::current()).unwrap();
    record(&log, &pods(), |_| {});
    until("the loss is counted", || lost(&log, "webhook") == 1).await;
    assert!(log.health().unwrap_err().contains("answered 400"));
    assert_eq!(lists.lock().unwrap().len(), 1);
    assert_eq!(metric(&log, "drover_audit_queue_bytes{queue=\"webhook\"}"), 0);
}

#[tokio::test]
async fn a_webhook_that_is_not_trusted_gets_nothing() {
    let (webhook, _folder, lists) = collector(&[StatusCode::OK]).await;
    let (other, _other_folder, _) = collector(&[StatusCode::OK]).await;
    let settings = to_webhook(AuditWebhook { ca_file: other.ca_file, attempts: 1, ..webhook });
    let log = AuditLog::start(&settings, 1, &Handle::current()).unwrap();
    record(&log, &pods(), |_| {});
    until("the loss is counted", || lost(&log, "webhook") == 1).await;
    assert!(lists.lock().unwrap().is_empty());
}
