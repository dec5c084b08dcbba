//! Watches: what they begin with, what they tell, and what kube-rs makes of them.

use std::collections::BTreeMap;

use crate::support::{WIDGETS, admin, client, delete, merge, post, server, widget};
use futures_util::TryStreamExt;
use http::Request;
use http_body_util::BodyExt;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

/// The events of a watch, as they come.
pub struct Events {
    body: apiserver::Body,
    rest: Vec<u8>,
}

impl Events {
    pub async fn open(server: &apiserver::Server, query: &str) -> Self {
        let request = Request::builder()
            .uri(format!("{WIDGETS}?watch=true&{query}"))
            .extension(admin())
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = server.call(request).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), rest: Vec::new() }
    }

    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = kit::wait::event("an event", self.body.frame()).await?;
            self.rest.extend_from_slice(frame.unwrap().data_ref().unwrap());
        }
    }

    async fn told(&mut self) -> (String, String) {
        let event = self.next().await.unwrap();
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        (event["type"].as_str().unwrap().to_owned(), name.to_owned())
    }
}

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_tells_what_there_is_and_what_changes() {
    let server = server().await;
    post(&server, WIDGETS, &widget("a", &json!({}))).await;
    let mut events = Events::open(&server, "").await;
    assert_eq!(events.told().await, pair("ADDED", "a"));
    post(&server, WIDGETS, &widget("b", &json!({}))).await;
    merge(&server, &format!("{WIDGETS}/a"), &json!({"spec": {"x": 1}})).await;
    let gone = delete(&server, &format!("{WIDGETS}/a")).await;
    assert_eq!(gone.code, 200);
    assert_eq!(events.told().await, pair("ADDED", "b"));
    assert_eq!(events.told().await, pair("MODIFIED", "a"));
    assert_eq!(events.told().await, pair("DELETED", "a"));
}

#[tokio::test]
async fn an_object_that_leaves_the_selection_is_deleted_for_the_watcher() {
    let server = server().await;
    let mut object = widget("a", &json!({}));
    object["metadata"]["labels"] = json!({"in": "yes"});
    post(&server, WIDGETS, &object).await;
    let mut events = Events::open(&server, "labelSelector=in%3Dyes").await;
    assert_eq!(events.told().await, pair("ADDED", "a"));
    let left = merge(&server, &format!("{WIDGETS}/a"), &json!({"metadata": {"labels": {"in": "no"}}})).await;
    let event = events.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["labels"]["in"], "yes");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], left.body["metadata"]["resourceVersion"]);
    merge(&server, &format!("{WIDGETS}/a"), &json!({"metadata": {"labels": {"in": "yes"}}})).await;
    assert_eq!(events.told().await, pair("ADDED", "a"));
}

#[tokio::test]
async fn a_streamed_list_ends_with_a_marked_bookmark() {
    let server = server().await;
    post(&server, WIDGETS, &widget("a", &json!({}))).await;
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let mut events = Events::open(&server, query).await;
    assert_eq!(events.told().await, pair("ADDED", "a"));
    let mark = events.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(mark["object"]["kind"], "Widget");
}

#[tokio::test(start_paused = true)]
async fn a_watch_says_how_far_it_is_and_ends_in_time() {
    let server = server().await;
    post(&server, WIDGETS, &widget("a", &json!({}))).await;
    let mut events = Events::open(&server, "allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=1").await;
    let mut kinds = Vec::new();
    while let Some(event) = events.next().await {
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["ADDED", "BOOKMARK"]);
}

fn api(server: &apiserver::Server) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    Api::default_namespaced_with(client(server), &kind)
}

#[tokio::test]
async fn an_informer_of_kube_rs_converges() {
    let server = server().await;
    let api = api(&server);
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    for streaming in [false, true] {
        let config = watcher::Config::default();
        let config = if streaming { config.streaming_lists() } else { config };
        let mut events = Box::pin(watcher(api.clone(), config).default_backoff());
        let writer = {
            let api = api.clone();
            tokio::spawn(async move {
                for at in 0..40 {
                    let name = format!("w{}", at % 7);
                    let object: DynamicObject = serde_json::from_value(widget(&name, &json!({"at": at}))).unwrap();
                    if api.create(&PostParams::default(), &object).await.is_err() {
                        let patch = json!({"spec": {"at": at}});
                        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
                    }
                }
            })
        };
        writer.await.unwrap();
        let expected: BTreeMap<String, Value> = api
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .into_iter()
            .map(|object| (object.name_any(), object.data["spec"].clone()))
            .collect();
        assert_eq!(expected.len(), 7);
        seen.clear();
        let converge = async {
            while let Some(event) = events.try_next().await.unwrap() {
                match event {
                    watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                        seen.insert(object.name_any(), object.data["spec"].clone());
                    }
                    watcher::Event::Delete(object) => {
                        seen.remove(&object.name_any());
                    }
                    watcher::Event::Init | watcher::Event::InitDone => {}
                }
                if seen == expected {
                    break;
                }
            }
        };
        kit::wait::event("the watcher to have seen all", converge).await;
    }
}
