//! Writes to the cluster directly, and remembers each version of each object.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use kit::{
    client::{empty, json_body},
    cluster::RealCluster,
};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/informed/configmaps";

/// What happened to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The resourceVersions of its creation and its changes, in order.
    pub versions: Vec<String>,
    /// Whether it was deleted in the end.
    pub deleted: bool,
}

/// What happened to all objects, by name.
#[derive(Debug, Default)]
pub struct Written {
    pub objects: BTreeMap<String, History>,
}

impl Written {
    pub fn events(&self) -> usize {
        self.objects.values().map(|history| history.versions.len() + usize::from(history.deleted)).sum()
    }

    /// What there is in the end.
    pub fn left(&self) -> BTreeSet<String> {
        self.objects.iter().filter(|(_, history)| !history.deleted).map(|(name, _)| name.clone()).collect()
    }

    pub fn assert_seen(&self, library: &str, seen: &Seen) {
        for (name, history) in &self.objects {
            assert_eq!(seen.objects.get(name), Some(history), "{library}: object `{name}`");
        }
        let strangers: Vec<_> = seen.objects.keys().filter(|name| !self.objects.contains_key(*name)).collect();
        assert!(strangers.is_empty(), "{library}: {strangers:?}");
        assert_eq!(seen.store, self.left(), "{library}: the store is what the cluster has");
    }
}

/// What an informer saw, as events and in its store.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub objects: BTreeMap<String, History>,
    pub store: BTreeSet<String>,
    /// Whether the first list is over.
    pub synced: bool,
}

impl Seen {
    /// Whether as many events came as were written.
    pub fn is_complete(&self, written: &Written) -> bool {
        let events = |objects: &BTreeMap<String, History>| -> usize {
            objects.values().map(|history| history.versions.len() + usize::from(history.deleted)).sum()
        };
        events(&self.objects) >= written.events()
    }
}

/// Creates, changes and deletes objects for `length`.
pub async fn write(cluster: &RealCluster, length: Duration) -> Written {
    let endpoint = cluster.admin_endpoint();
    let mut sender = endpoint.http2().await;
    let mut written = Written::default();
    let started = Instant::now();
    let mut round = 0_usize;
    while started.elapsed() < length {
        let name = format!("object-{}", round / 4);
        let (method, path, body) = match round % 4 {
            0 => ("POST", PATH.to_owned(), Some(json!({"metadata": {"name": name}}))),
            3 if (round / 4).is_multiple_of(2) => ("DELETE", format!("{PATH}/{name}"), None),
            step => (
                "PATCH",
                format!("{PATH}/{name}"),
                Some(json!({"metadata": {"annotations": {"step": step.to_string()}}})),
            ),
        };
        let body = body.as_ref().map_or_else(empty, json_body);
        let mut request = endpoint.request2(method, &path, "", body);
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        request.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
        sender.ready().await.unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let answer: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert!(status.is_success(), "{method} {path}: {answer}");
        let history = written.objects.entry(name).or_default();
        if method == "DELETE" {
            history.deleted = true;
        } else {
            history.versions.push(answer["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    written
}
