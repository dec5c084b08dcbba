//! What is answered to which target.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::names;

/// An answer that was built when the server started.
#[derive(Clone, Debug)]
pub struct Prebuilt {
    /// The JSON document.
    pub body: Bytes,
    /// The same behind an HTTP/1.1 head.
    pub whole: Bytes,
    /// The status code.
    pub status: u16,
}

impl Prebuilt {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let body: Bytes = body.into();
        let reason = if status == 201 {
            "Created"
        } else if status == 200 {
            "OK"
        } else {
            "Not Found"
        };
        let mut whole = format!(
            "HTTP/1.1 {status} {reason}\r\nAudit-Id: 3f1c1c9e-1c0a-4c8e-9d2c-6a2c6b6f1f10\r\nCache-Control: no-cache, private\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\n\r\n",
            body.len()
        )
        .into_bytes();
        whole.extend_from_slice(&body);
        Self { body, whole: whole.into(), status }
    }
}

/// The answer to one request.
#[derive(Debug)]
pub enum Answer<'a> {
    /// A document, at once.
    Now(&'a Prebuilt),
    /// A document, after a while.
    Later(Duration, &'a Prebuilt),
    /// An access review.
    Review(&'a Prebuilt),
    /// One event, then nothing until the client goes.
    Watch,
    /// The head of the request, as text.
    Head,
    /// What the server counted.
    Counters,
}

/// All prebuilt documents.
#[derive(Debug)]
pub struct Answers {
    documents: HashMap<&'static str, Prebuilt>,
    posts: HashMap<&'static str, Prebuilt>,
    allowed: Prebuilt,
    denied: Prebuilt,
    small: Prebuilt,
    missing: Prebuilt,
}

impl Answers {
    /// Builds them; `extra` role groups more than the used one may be impersonated.
    pub fn new(extra: usize) -> Self {
        let small = Prebuilt::new(200, pod(0, 2000));
        let mut documents = HashMap::new();
        documents.insert(names::SMALL, small.clone());
        documents.insert(names::LIST_1MB, Prebuilt::new(200, list(1_000_000)));
        documents.insert(names::LIST_20MB, Prebuilt::new(200, list(20_000_000)));
        documents.insert(
            "/version",
            Prebuilt::new(200, json!({"major": "1", "minor": "37", "gitVersion": "v1.37.2"}).to_string()),
        );
        for check in ["/livez", "/readyz", "/healthz"] {
            documents.insert(check, Prebuilt::new(200, "ok"));
        }
        let kube_system = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "6a0f7e6e-5d1a-4c55-9f43-0d6b3c1c5b10", "resourceVersion": "1"}});
        documents.insert("/api/v1/namespaces/kube-system", Prebuilt::new(200, kube_system.to_string()));
        let mut posts = HashMap::new();
        posts.insert("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", Prebuilt::new(201, rules(extra)));
        let review = |allowed| {
            let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}, "spec": {}, "status": {"allowed": allowed}});
            Prebuilt::new(201, review.to_string())
        };
        let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
            "status": {"userInfo": {"username": "drover:gateway", "groups": ["system:authenticated"]}}});
        posts.insert("/apis/authentication.k8s.io/v1/selfsubjectreviews", Prebuilt::new(201, who.to_string()));
        let missing = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no such document"});
        Self {
            documents,
            posts,
            allowed: review(true),
            denied: review(false),
            small,
            missing: Prebuilt::new(404, missing.to_string()),
        }
    }

    /// What `method target` is answered. A `/k8s/clusters/<id>` before the path is passed over: the
    /// peers forward it as it is, Drover takes it off.
    pub fn to(&self, method: &str, target: &str, body: &[u8]) -> Answer<'_> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = match path.strip_prefix("/k8s/clusters/") {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        if query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1") {
            return Answer::Watch;
        }
        if method == "POST" {
            if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" {
                // Anybody may impersonate; the account may not do everything.
                let impersonate = body.windows(13).any(|word| word == b"\"impersonate\"");
                return Answer::Review(if impersonate { &self.allowed } else { &self.denied });
            }
            return Answer::Now(self.posts.get(path).unwrap_or(&self.missing));
        }
        if let Some(document) = self.documents.get(path) {
            return Answer::Now(document);
        }
        if let Some(ms) = path.strip_prefix(names::SLOW).and_then(|ms| ms.parse().ok()) {
            return Answer::Later(Duration::from_millis(ms), &self.small);
        }
        match path {
            names::HEAD => Answer::Head,
            names::COUNTERS => Answer::Counters,
            _ => Answer::Now(&self.missing),
        }
    }
}

/// One watch event, with its newline.
pub fn event() -> Bytes {
    format!("{{\"type\":\"ADDED\",\"object\":{}}}\n", pod(0, 500)).into()
}

/// A pod as JSON, of about `size` bytes.
fn pod(number: usize, size: usize) -> String {
    let mut text = format!(
        "{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"web-{number:05}\",\"namespace\":\"default\",\"uid\":\"0b7f3c56-9f0e-4f0d-8a53-{number:012}\",\
         \"resourceVersion\":\"{}\",\"labels\":{{\"app\":\"web\"}},\"annotations\":{{\"drover.io/padding\":\"",
        100_000 + number
    );
    let tail = "\"}},\"spec\":{\"nodeName\":\"node-1\",\"containers\":[{\"name\":\"web\",\"image\":\"registry.example/web:1.2.3\"}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}";
    let mut word = number as u64 + 1;
    while text.len() + tail.len() + 17 < size {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let _ = write!(text, "{word:016x} ");
    }
    text.push_str(tail);
    text
}

/// A PodList of about `size` bytes.
fn list(size: usize) -> String {
    let mut text = String::with_capacity(size + 4096);
    text.push_str(
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"200000\"},\"items\":[",
    );
    let mut number = 0;
    while text.len() + 2000 < size {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&pod(number, 2000));
        number += 1;
    }
    text.push_str("]}");
    text
}

/// What the gateway's account may do: exactly what `drover cluster rbac` prints for this cluster.
fn rules(extra: usize) -> String {
    let mut groups = vec![names::GROUP.to_owned()];
    groups.extend((0..extra).map(names::extra_group));
    let users: Vec<String> = (0..names::USERS).map(names::user).collect();
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "metadata": {}, "spec": {},
        "status": {"incomplete": false, "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/version", "/livez", "/readyz", "/healthz"]}], "resourceRules": [
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": users},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": groups},
            {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids"]},
            {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/drover.io/token", "userextras/drover.io/user"]},
            {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}
        ]}
    })
    .to_string()
}
