//! Objects of several versions that a webhook converts.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use apiserver::{
    AddressPolicy, Options, Server,
    store::{MemoryLog, Store},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kit::{
    fake::{FakeApiserver, Recorded, Reply},
    tls::Ca,
};
use serde_json::{Value, json};

use crate::both::{Both, ask, definition};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// How the webhook misbehaves.
type Mood = Arc<Mutex<&'static str>>;

/// Between `v1`, with `spec.size`, and `v2`, with `spec.dimensions.size`.
fn answer(mood: &str, request: &Value) -> Value {
    let request = &request["request"];
    let to = request["desiredAPIVersion"].as_str().unwrap();
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = to.into();
        let spec = object["spec"].as_object_mut().unwrap();
        if to.ends_with("v2") {
            if let Some(size) = spec.remove("size") {
                spec.insert("dimensions".into(), json!({ "size": size }));
            }
        } else if let Some(mut dimensions) = spec.remove("dimensions") {
            spec.insert("size".into(), dimensions["size"].take());
        }
        match mood {
            "renames" => object["metadata"]["name"] = "other".into(),
            "new uid" => object["metadata"]["uid"] = "other".into(),
            "labels" => object["metadata"]["labels"] = json!({"to": to.replace('/', ".")}),
            "bad labels" => object["metadata"]["labels"] = json!({"a b": "c"}),
            "numbers" => object["metadata"]["labels"] = json!({"a": 1}),
            "no metadata" => drop(object.as_object_mut().unwrap().remove("metadata")),
            "finalizers" => object["metadata"]["finalizers"] = json!(["example.org/x"]),
            "other version" => object["apiVersion"] = "example.org/v3".into(),
            "other kind" => object["kind"] = "Widget".into(),
            _ => {}
        }
        object
    };
    let mut objects: Vec<Value> = request["objects"].as_array().unwrap().iter().map(convert).collect();
    let mut uid = request["uid"].clone();
    let mut result = json!({"status": "Success"});
    match mood {
        "none" => objects.clear(),
        "wrong uid" => uid = "other".into(),
        "refuses" => result = json!({"status": "Failure", "message": "no such conversion"}),
        "silent" => result = json!({"status": "Failure"}),
        _ => {}
    }
    let mut review = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {"uid": uid, "result": result, "convertedObjects": objects}});
    match mood {
        "old review" => review["apiVersion"] = "apiextensions.k8s.io/v1beta1".into(),
        "no response" => drop(review.as_object_mut().unwrap().remove("response")),
        _ => {}
    }
    review
}

fn webhook(ca: &Ca) -> (FakeApiserver, Mood) {
    let mood: Mood = Arc::new(Mutex::new("good"));
    let own = Arc::clone(&mood);
    let server = FakeApiserver::builder()
        .certificate(ca.server(&["127.0.0.1", "localhost"]))
        .route("POST", "/convert", move |request: &Recorded| {
            let mood = *own.lock().unwrap();
            if mood == "broken" {
                return Reply::text("it is broken").status(500);
            }
            Reply::json(&answer(mood, &serde_json::from_slice(&request.body).unwrap()))
        })
        .start();
    (server, mood)
}

fn gadgets(client: &Value) -> Value {
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer"}, "color": {"type": "string"}}});
    let mut whole = definition("gadgets", "Gadget", &json!({"type": "object", "properties": {"spec": spec}}));
    let versions = whole["spec"]["versions"].as_array_mut().unwrap();
    versions[0]["selectableFields"] = json!([{"jsonPath": ".spec.size"}]);
    let mut second = versions[0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    second["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] = json!({
        "dimensions": {"type": "object", "properties": {"size": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 100"}]}}},
        "color": {"type": "string", "default": "red"}});
    versions.push(second);
    whole["spec"]["conversion"] =
        json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client}});
    whole
}

fn gadget(version: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("example.org/{version}"), "kind": "Gadget", "metadata": {"name": name}, "spec": spec})
}

fn path(version: &str, name: &str) -> String {
    format!("/apis/example.org/{version}/namespaces/default/gadgets{}{name}", if name.is_empty() { "" } else { "/" })
}

#[tokio::test]
async fn a_webhook_converts_as_with_kubernetes() {
    let mut both = Both::start("conversion").await;
    let ca = Ca::new("webhooks");
    let (server, mood) = webhook(&ca);
    let url = format!("https://127.0.0.1:{}/convert", server.address().port());
    both.define(&gadgets(&json!({"url": url, "caBundle": STANDARD.encode(ca.pem())}))).await;
    let json = "application/json";

    both.post("a new object of the stored version", &path("v1", ""), &gadget("v1", "a", json!({"size": 1}))).await;
    both.post(
        "a new object of another version",
        &path("v2", ""),
        &gadget("v2", "b", json!({"dimensions": {"size": 2}, "color": "blue"})),
    )
    .await;
    both.post(
        "one that a rule of its version refuses",
        &path("v2", ""),
        &gadget("v2", "c", json!({"dimensions": {"size": 200}})),
    )
    .await;
    both.post(
        "a dry run",
        &format!("{}?dryRun=All", path("v2", "")),
        &gadget("v2", "d", json!({"dimensions": {"size": 2}})),
    )
    .await;
    for version in ["v1", "v2"] {
        for name in ["a", "b"] {
            both.same(&format!("get {version} {name}"), "GET", &path(version, name), json, "").await;
        }
        both.same(&format!("list {version}"), "GET", &path(version, ""), json, "").await;
    }
    both.same("a limited list", "GET", &format!("{}?limit=5", path("v2", "")), json, "").await;
    both.same("a selected list", "GET", &format!("{}?fieldSelector=spec.color%3Dblue", path("v2", "")), json, "").await;
    both.same(
        "a list selected in the stored version",
        "GET",
        &format!("{}?fieldSelector=spec.size%3D1", path("v1", "")),
        json,
        "",
    )
    .await;
    both.merge("a merge patch", &path("v2", "a"), &json!({"spec": {"dimensions": {"size": 11}}})).await;
    both.same(
        "a JSON patch",
        "PATCH",
        &path("v2", "a"),
        "application/json-patch+json",
        json!([{"op": "replace", "path": "/spec/dimensions/size", "value": 12}]).to_string(),
    )
    .await;
    both.merge("one that changes nothing", &path("v2", "a"), &json!({"spec": {"dimensions": {"size": 12}}})).await;
    let apply = |version: &str, spec: Value| gadget(version, "e", spec).to_string();
    let yaml = "application/apply-patch+yaml";
    both.same(
        "an apply",
        "PATCH",
        &format!("{}?fieldManager=one", path("v1", "e")),
        yaml,
        apply("v1", json!({"size": 5})),
    )
    .await;
    both.same(
        "an apply by another one",
        "PATCH",
        &format!("{}?fieldManager=two", path("v2", "e")),
        yaml,
        apply("v2", json!({"dimensions": {"size": 6}})),
    )
    .await;
    both.same(
        "with force",
        "PATCH",
        &format!("{}?fieldManager=two&force=true", path("v2", "e")),
        yaml,
        apply("v2", json!({"dimensions": {"size": 6}})),
    )
    .await;
    both.same(
        "back again",
        "PATCH",
        &format!("{}?fieldManager=one", path("v1", "e")),
        yaml,
        apply("v1", json!({"color": "green"})),
    )
    .await;
    both.same("as it is then", "GET", &path("v2", "e"), json, "").await;
    both.same(
        "a watch",
        "GET",
        &format!("{}?watch=true&timeoutSeconds=1&resourceVersion=0&fieldSelector=metadata.name%3Db", path("v2", "")),
        json,
        "",
    )
    .await;
    both.same("a delete", "DELETE", &path("v2", "b"), json, "").await;

    for bad in [
        "renames",
        "new uid",
        "labels",
        "bad labels",
        "numbers",
        "no metadata",
        "finalizers",
        "other version",
        "other kind",
        "none",
        "wrong uid",
        "refuses",
        "silent",
        "old review",
        "no response",
        "broken",
    ] {
        *mood.lock().unwrap() = bad;
        both.post(&format!("{bad}: create"), &path("v2", ""), &gadget("v2", "bad", json!({"dimensions": {"size": 3}})))
            .await;
    }
    *mood.lock().unwrap() = "good";
    drop(server);
    both.post("nobody listens", &path("v2", ""), &gadget("v2", "gone", json!({"dimensions": {"size": 3}}))).await;
    both.finish();
}

/// H22: nothing is dialled, also where a name stands for the address.
#[tokio::test]
async fn a_webhook_at_an_address_that_the_program_refuses_is_not_dialled() {
    kit::tls::install_provider();
    let ca = Ca::new("webhooks");
    let (webhook, _) = webhook(&ca);
    let port = webhook.address().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let policy: AddressPolicy = Arc::new(move |host: &str, address: IpAddr, port: u16| {
        heard.lock().unwrap().push((host.to_owned(), address.is_loopback(), port));
        Err("it is a loopback address".to_owned())
    });
    let store = Store::open(Box::new(MemoryLog::default()), apiserver::store::Options::default()).unwrap();
    let server = Server::start(store, Options { addresses: Some(policy), ..Options::default() }).await;
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let url = format!("https://{host}:{port}/convert");
        let definition = gadgets(&json!({"url": url, "caBundle": STANDARD.encode(ca.pem())}));
        let (code, made) = ask(&server, "POST", DEFINITIONS, &definition).await;
        assert_eq!(code, 201, "{made}");
        let new = gadget("v2", "a", json!({"dimensions": {"size": 3}}));
        let refused = loop {
            let (code, answer) = ask(&server, "POST", &path("v2", ""), &new).await;
            // Not established yet.
            if code != 404 {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        let message = refused["message"].as_str().unwrap();
        let expected = format!(
            "conversion webhook for example.org/v2, Kind=Gadget failed: Post \"{url}?timeout=30s\": dial tcp {host}:{port}: \
             connecting is not allowed: it is a loopback address"
        );
        assert_eq!(message, expected);
        ask(&server, "DELETE", &format!("{DEFINITIONS}/gadgets.example.org"), &Value::Null).await;
        while ask(&server, "GET", &format!("{DEFINITIONS}/gadgets.example.org"), &Value::Null).await.0 != 404 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(webhook.tcp_connections(), 0);
    // By the host as it is said, and the address that would be dialled.
    let asked = asked.lock().unwrap();
    for host in ["127.0.0.1", "localhost", "::1"] {
        assert!(asked.contains(&(host.to_owned(), true, port)), "{asked:?}");
    }
}

#[tokio::test]
async fn a_service_cannot_be_reached_and_a_stranger_is_not_trusted() {
    let mut both = Both::start("strangers").await;
    let (server, _) = webhook(&Ca::new("webhooks"));
    let url = format!("https://127.0.0.1:{}/convert", server.address().port());
    both.define(&gadgets(&json!({"service": {"name": "hook", "namespace": "default", "path": "/convert"}}))).await;
    both.post("a service", &path("v2", ""), &gadget("v2", "a", json!({"dimensions": {"size": 3}}))).await;
    let client = json!({"url": url, "service": null, "caBundle": STANDARD.encode(Ca::new("others").pem())});
    let change = json!({"spec": {"conversion": {"webhook": {"clientConfig": client}}}});
    let replies = both
        .ask("PATCH", &format!("{DEFINITIONS}/gadgets.example.org"), "application/merge-patch+json", change.to_string())
        .await;
    assert!(replies.iter().all(|reply| reply.code == 200), "{replies:?}");
    both.until("POST", &path("v2", ""), &gadget("v2", "a", json!({"dimensions": {"size": 3}})), |reply| {
        reply.body.to_string().contains("certificate")
    })
    .await;
    both.finish();
}
