//! Attack cases on the API server: L3, R8 and R9.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use apiserver::{
    Options, Server,
    store::{self, Log, LogError, MemoryLog, Record, Revision, Row, Store},
};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{self, WIDGETS, as_jo, delete, get, post, response_to_jo, widget};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A log on a disk that can be full.
struct Disk {
    log: MemoryLog,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> Result<(), LogError> {
        if self.full.load(Ordering::SeqCst) { Err(LogError::Full { path: "store".into() }) } else { Ok(()) }
    }
}

impl Log for Disk {
    fn compacted(&mut self) -> Result<Revision, LogError> {
        self.log.compacted()
    }

    fn replay(&mut self, each: &mut dyn FnMut(Record)) -> Result<(), LogError> {
        self.log.replay(each)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        self.check()?;
        self.log.append(records)
    }

    fn compact(&mut self, to: Revision, rows: &[Row]) -> Result<(), LogError> {
        self.log.compact(to, rows)
    }

    fn probe(&mut self) -> Result<(), LogError> {
        self.check()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        self.log.tend()
    }
}

/// L3: a full disk.
#[tokio::test]
async fn a_full_disk_refuses_writes_and_reads_go_on() {
    let full = Arc::new(AtomicBool::new(false));
    let disk = Disk { log: MemoryLog::default(), full: Arc::clone(&full) };
    let options = store::Options { retry: Duration::from_millis(10), ..store::Options::default() };
    let store = Store::open(Box::new(disk), options).unwrap();
    let resources = vec![Arc::new(support::widgets())];
    let server = Server::start(store, Options { resources, ..Options::default() }).await;
    assert_eq!(post(&server, WIDGETS, &widget("a", &json!({}))).await.code, 201);
    full.store(true, Ordering::SeqCst);
    let refused = post(&server, WIDGETS, &widget("b", &json!({}))).await;
    assert_eq!(refused.code, 503, "{}", refused.text);
    assert_eq!(refused.body["reason"], "ServiceUnavailable");
    assert_eq!(delete(&server, &format!("{WIDGETS}/a")).await.code, 503);
    let list = get(&server, WIDGETS).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "{}", list.text);
    full.store(false, Ordering::SeqCst);
    kit::wait::until("writes to be taken again", || async {
        (post(&server, WIDGETS, &widget("b", &json!({}))).await.code == 201).then_some(())
    })
    .await;
}

async fn grant(server: &Server, verbs: &[&str]) {
    let role = json!({"metadata": {"name": "jo"}, "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": verbs}]});
    assert_eq!(post(server, &format!("{RBAC}/clusterroles"), &role).await.code, 201);
    let binding = json!({"metadata": {"name": "jo"}, "subjects": [{"kind": "User", "name": "jo", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "jo"}});
    assert_eq!(post(server, &format!("{RBAC}/clusterrolebindings"), &binding).await.code, 201);
}

/// R8: nothing of a kind is shown without the right to it, whichever way it is asked for.
#[tokio::test]
async fn a_kind_that_one_may_not_see_shows_nothing() {
    let server = support::server().await;
    for name in ["a", "b", "c"] {
        assert_eq!(post(&server, WIDGETS, &widget(name, &json!({"color": "red"}))).await.code, 201);
    }
    let first = get(&server, &format!("{WIDGETS}?limit=1")).await;
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    for query in [
        String::new(),
        "?watch=true".into(),
        "?limit=1".into(),
        format!("?limit=1&continue={token}"),
        "?fieldSelector=spec.color%3Dred".into(),
        "?fieldSelector=metadata.name%3Da".into(),
        "?labelSelector=x".into(),
        "?resourceVersion=0".into(),
        "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true".into(),
    ] {
        let refused = as_jo(&server, Method::GET, &format!("{WIDGETS}{query}"), &Value::Null).await;
        assert_eq!(refused.code, 403, "{query}: {}", refused.text);
        assert!(!refused.text.contains("red") && !refused.text.contains("remaining"), "{}", refused.text);
    }
    for (method, target) in [
        (Method::GET, format!("{WIDGETS}/a")),
        (Method::GET, format!("{WIDGETS}/a/status")),
        (Method::GET, "/apis/example.com/v1/widgets".to_owned()),
        (Method::DELETE, WIDGETS.to_owned()),
        (Method::DELETE, format!("{WIDGETS}/nothing")),
    ] {
        assert_eq!(as_jo(&server, method, &target, &Value::Null).await.code, 403, "{target}");
    }
}

/// R8: a watch tells nothing any more once the right to it is gone.
#[tokio::test]
async fn a_watch_ends_with_the_right_to_it() {
    let server = support::server().await;
    grant(&server, &["list", "watch"]).await;
    let target = format!("{WIDGETS}?watch=true&resourceVersion=0");
    let watch = response_to_jo(&server, Method::GET, &target, &Value::Null).await;
    assert_eq!(watch.status(), 200);
    let mut body = watch.into_body();
    post(&server, WIDGETS, &widget("seen", &json!({}))).await;
    let frame = kit::wait::event("an event", body.frame()).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(frame.data_ref().unwrap()).contains("seen"));
    delete(&server, &format!("{RBAC}/clusterrolebindings/jo")).await;
    post(&server, WIDGETS, &widget("hidden", &json!({}))).await;
    let end = kit::wait::event("the end", body.frame()).await;
    assert!(end.is_none(), "the watch goes on");
}

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";

fn policy(expression: &str) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"validations": [{"expression": expression}], "matchConstraints": {"resourceRules": [
        {"apiGroups": ["example.com"], "apiVersions": ["*"], "operations": ["*"], "resources": ["widgets"]}]}}})
}

async fn bind(server: &Server, spec: Value) {
    let mut whole = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}});
    whole["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let made = post(server, &format!("{POLICIES}bindings").replace("policiesbindings", "policybindings"), &whole).await;
    assert_eq!(made.code, 201, "{}", made.text);
}

/// R9: a policy that fails denies, and a broken one does not take the place of one that works.
#[tokio::test]
async fn a_policy_that_fails_denies_and_a_broken_one_is_not_taken() {
    let server = support::server().await;
    assert_eq!(post(&server, POLICIES, &policy("object.spec.nope == 1")).await.code, 201);
    bind(&server, json!({})).await;
    let refused = post(&server, WIDGETS, &widget("a", &json!({}))).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert!(refused.text.contains("no such key"), "{}", refused.text);
    let change = json!({"spec": {"validations": [{"expression": "object.spec.nope =="}]}});
    let broken = support::merge(&server, &format!("{POLICIES}/p"), &change).await;
    assert_eq!(broken.code, 422, "{}", broken.text);
    assert_eq!(post(&server, WIDGETS, &widget("a", &json!({}))).await.code, 422);
    assert_eq!(post(&server, WIDGETS, &widget("a", &json!({"nope": 1}))).await.code, 201);
}

/// R9: parameters that are missing deny.
#[tokio::test]
async fn a_policy_without_its_parameters_denies() {
    let server = support::server().await;
    let mut policy = policy("params.data.a == 'b'");
    policy["spec"]["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    assert_eq!(post(&server, POLICIES, &policy).await.code, 201);
    bind(&server, json!({"paramRef": {"name": "p", "namespace": "default", "parameterNotFoundAction": "Deny"}})).await;
    let refused = post(&server, WIDGETS, &widget("a", &json!({}))).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    let maps = "/api/v1/namespaces/default/configmaps";
    assert_eq!(post(&server, maps, &json!({"metadata": {"name": "p"}, "data": {"a": "b"}})).await.code, 201);
    assert_eq!(post(&server, WIDGETS, &widget("a", &json!({}))).await.code, 201);
}

/// R9: a webhook that is missing stores nothing and shows nothing.
#[tokio::test]
async fn a_webhook_that_is_missing_stores_nothing() {
    let server = support::server().await;
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version =
        |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": schema});
    let definition = json!({"metadata": {"name": "things.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"}, "versions": [version("v1", true), version("v2", false)],
        "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"}}}}});
    let made = post(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let path = |version: &str| format!("/apis/example.org/{version}/namespaces/default/things");
    support::until(&server, &path("v2"), |answer| answer.code == 200).await;
    let thing = |version: &str| json!({"apiVersion": format!("example.org/{version}"), "kind": "Thing", "metadata": {"name": "t"}});
    let refused = post(&server, &path("v2"), &thing("v2")).await;
    assert_eq!(refused.code, 500, "{}", refused.text);
    assert_eq!(get(&server, &format!("{}/t", path("v1"))).await.code, 404);
    assert_eq!(post(&server, &path("v1"), &thing("v1")).await.code, 201);
    assert_eq!(get(&server, &format!("{}/t", path("v2"))).await.code, 500);
    assert_eq!(get(&server, &path("v2")).await.code, 500);
}
