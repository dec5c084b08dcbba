//! One request to two servers: ours and a real one.

use std::{collections::BTreeSet, time::Duration};

use apiserver::{
    Caller, Options, Server,
    store::{MemoryLog, Store},
};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use kit::cluster::RealCluster;
use serde_json::{Value, json};

/// What a server answered, without what differs from run to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub code: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

impl Reply {
    fn new(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        // A watch is a line for each event.
        let events = || text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().map(Value::from);
        let mut body = serde_json::from_slice(body).or_else(|_| events()).unwrap_or_else(|_| text.as_ref().into());
        clean(&mut body);
        let mut warnings: Vec<String> =
            headers.get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        // Those about properties come in the order of a map of Go.
        warnings.sort();
        Self { code, body, warnings }
    }
}

/// Takes away what no two servers have in common.
fn clean(body: &mut Value) {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            metadata.remove(field);
        }
    }
    if let Some(details) = body.get_mut("details").and_then(Value::as_object_mut) {
        details.remove("uid");
    }
    for item in body.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        clean(item);
    }
    for event in body.as_array_mut().into_iter().flatten() {
        clean(event);
    }
    if let Some(object) = body.get_mut("object") {
        clean(object);
    }
    let mut causes = body.pointer_mut("/details/causes").and_then(Value::as_array_mut).into_iter().flatten();
    for text in causes.by_ref().filter_map(|cause| cause.get_mut("message")).collect::<Vec<_>>() {
        *text = without_object(text.as_str().unwrap()).into();
    }
    if let Some(message) = body.get("message").and_then(Value::as_str) {
        body["message"] = without_uids(&without_object(message)).into();
    }
}

/// A text without the stored object that it shows, which has times and UIDs in it.
fn without_object(text: &str) -> String {
    match (text.find("\"{\\\"apiVersion"), text.rfind("}\": ")) {
        (Some(start), Some(end)) if start < end => format!("{}{{…{}", &text[..=start], &text[end..]),
        _ => text.to_owned(),
    }
}

/// A text with a word in the place of each UID.
fn without_uids(text: &str) -> String {
    let is_uid = |word: &str| word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let mut words: Vec<&str> = text.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-').collect();
    for word in &mut words {
        let end = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len();
        if is_uid(&word[..end]) {
            *word = "uid ";
        }
    }
    words.concat()
}

/// Both servers, and where they differed so far.
pub struct Both {
    pub ours: Server,
    pub theirs: RealCluster,
    asked: usize,
    differences: Vec<String>,
}

impl Both {
    pub async fn start(name: &str) -> Self {
        Self::start_as(name, false).await
    }

    /// With kube-controller-manager.
    pub async fn start_with_controllers(name: &str) -> Self {
        Self::start_as(name, true).await
    }

    async fn start_as(name: &str, controllers: bool) -> Self {
        kit::tls::install_provider();
        let store = Store::open(Box::new(MemoryLog::default()), apiserver::store::Options::default()).unwrap();
        let theirs = RealCluster::builder().name(name).controller_manager(controllers);
        let (ours, theirs) = tokio::join!(Server::start(store, Options::default()), theirs.start());
        Self { ours, theirs, asked: 0, differences: Vec::new() }
    }

    /// Ours, then theirs.
    pub async fn ask(&self, method: &str, path: &str, kind: &str, body: impl Into<Bytes>) -> [Reply; 2] {
        let body: Bytes = body.into();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .header("user-agent", "tester/1")
            .extension(Caller::new("kit-admin", &["system:masters", "system:authenticated"]))
            .body(Full::new(body.clone()))
            .unwrap();
        let answer = self.ours.call(request).await;
        let (parts, read) = answer.into_parts();
        let ours = Reply::new(parts.status.as_u16(), &parts.headers, &read.collect().await.unwrap().to_bytes());

        let endpoint = self.theirs.admin_endpoint();
        let mut request = endpoint.request(method, path, "", kit::client::bytes(body));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        request.headers_mut().insert("user-agent", "tester/1".parse().unwrap());
        let theirs = match endpoint.http1().await.send_request(request).await {
            Ok(answer) => {
                let answer = kit::client::read(answer).await;
                Reply::new(answer.status().as_u16(), answer.headers(), answer.body())
            }
            Err(closed) => Reply { code: 0, body: closed.to_string().into(), warnings: Vec::new() },
        };
        [ours, theirs]
    }

    /// Asks both and remembers a difference; gives ours.
    pub async fn same(&mut self, what: &str, method: &str, path: &str, kind: &str, body: impl Into<Bytes>) -> Reply {
        let [ours, theirs] = self.ask(method, path, kind, body).await;
        self.asked += 1;
        if ours != theirs {
            self.differences.push(format!("{what}:\n{}", difference(&ours, &theirs)));
        }
        ours
    }

    pub async fn post(&mut self, what: &str, path: &str, body: &Value) -> Reply {
        self.same(what, "POST", path, "application/json", body.to_string()).await
    }

    pub async fn merge(&mut self, what: &str, path: &str, body: &Value) -> Reply {
        self.same(what, "PATCH", path, "application/merge-patch+json", body.to_string()).await
    }

    /// Writes without comparing; both must take it.
    pub async fn make(&self, path: &str, body: &Value) {
        for reply in self.ask("POST", path, "application/json", body.to_string()).await {
            assert!(matches!(reply.code, 201 | 409), "POST {path}: {reply:?}");
        }
    }

    /// Waits until both answer so.
    pub async fn until(&self, method: &str, path: &str, body: &Value, fits: impl Fn(&Reply) -> bool) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut last = None;
        for _ in 0..200 {
            let replies = self.ask(method, path, "application/json", body.clone()).await;
            if replies.iter().all(&fits) {
                return;
            }
            last = Some(replies);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{method} {path}: {last:?}");
    }

    /// Makes a kind, and waits until both serve it.
    pub async fn define(&self, definition: &Value) {
        self.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
        let spec = &definition["spec"];
        let (group, plural) = (spec["group"].as_str().unwrap(), spec["names"]["plural"].as_str().unwrap());
        for version in spec["versions"].as_array().unwrap() {
            let path = format!("/apis/{group}/{}/{plural}", version["name"].as_str().unwrap());
            self.until("GET", &path, &Value::Null, |reply| reply.code == 200).await;
        }
    }

    /// Fails with all that differed.
    pub fn finish(self) {
        assert!(
            self.differences.is_empty(),
            "{} of {} differ\n{}",
            self.differences.len(),
            self.asked,
            self.differences.join("\n")
        );
    }
}

fn difference(ours: &Reply, theirs: &Reply) -> String {
    let mut lines = Vec::new();
    let mut line = |at: &str, ours: &dyn std::fmt::Display, theirs: &dyn std::fmt::Display| {
        lines.push(format!("  {at}\n    ours   {ours:.700}\n    theirs {theirs:.700}"));
    };
    if ours.code != theirs.code {
        line("code", &ours.code, &theirs.code);
    }
    if ours.warnings != theirs.warnings {
        line("warnings", &ours.warnings.join(" "), &theirs.warnings.join(" "));
    }
    differ("", &ours.body, &theirs.body, &mut line);
    lines.join("\n")
}

fn differ(
    at: &str,
    ours: &Value,
    theirs: &Value,
    line: &mut dyn FnMut(&str, &dyn std::fmt::Display, &dyn std::fmt::Display),
) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                differ(&format!("{at}/{name}"), &ours[name.as_str()], &theirs[name.as_str()], line);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(&format!("{at}/{index}"), a, b, line);
            }
        }
        (a, b) if a != b => line(at, a, b),
        _ => {}
    }
}

/// A definition of `<plural>.<group>` with one version and this schema.
pub fn definition(plural: &str, kind: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.org")},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}],
        },
    })
}

/// Asks a server in this process, as an administrator.
pub async fn ask(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .extension(Caller::new("admin", &["system:masters"]))
        .body(Full::new(body))
        .unwrap();
    let (parts, body) = server.call(request).await.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
}
