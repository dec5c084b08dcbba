//! Random histories of a server: a list and the events after it lead to the list now, whatever is selected and over crashes of the store.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use apiserver::{
    Options, Server,
    store::{SqliteLog, Store},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    support::{WIDGETS, delete, get, merge, post, put, widget, widgets},
    watching::Events,
};

#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8),
    Change(u8, u8),
    Replace(u8, u8),
    /// The object waits, as it has a finalizer.
    Hold(u8),
    LetGo(u8),
    Delete(u8),
    DeleteAll(u8),
    /// Somebody lists, to watch from there on.
    List(u8),
    /// All watches read what there is.
    Follow,
    /// The process dies; another one opens its file.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, color) = (|| 0_u8..6, || 0_u8..3);
    prop_oneof![
        6 => (name(), color()).prop_map(|(name, color)| Step::Create(name, color)),
        6 => (name(), color()).prop_map(|(name, color)| Step::Change(name, color)),
        3 => (name(), color()).prop_map(|(name, color)| Step::Replace(name, color)),
        2 => name().prop_map(Step::Hold),
        2 => name().prop_map(Step::LetGo),
        4 => name().prop_map(Step::Delete),
        1 => color().prop_map(Step::DeleteAll),
        3 => (0_u8..4).prop_map(Step::List),
        2 => Just(Step::Follow),
        1 => Just(Step::Crash),
    ]
}

const COLORS: [&str; 3] = ["red", "green", "blue"];
/// All select red objects, so that a red one marks the end of what is to be read.
const SELECTORS: [&str; 4] =
    ["", "labelSelector=color%3Dred", "labelSelector=color!%3Dblue", "fieldSelector=spec.color%3Dred"];

fn object(name: &str, color: u8) -> Value {
    let color = COLORS[usize::from(color)];
    let mut object = widget(name, &json!({ "color": color }));
    object["metadata"]["labels"] = json!({ "color": color });
    object
}

fn name(at: u8) -> String {
    format!("w{at}")
}

/// Somebody who listed once, and watches.
struct Follower {
    selector: &'static str,
    objects: BTreeMap<String, Value>,
    version: String,
}

impl Follower {
    async fn list(server: &Server, selector: &'static str) -> Self {
        let listed = get(server, &format!("{WIDGETS}?{selector}")).await;
        assert_eq!(listed.code, 200, "{}", listed.text);
        let items = listed.body["items"].as_array().unwrap().iter();
        let objects = items.map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item.clone())).collect();
        Self { selector, objects, version: listed.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned() }
    }

    /// Reads up to the object `marker`, and compares with a new list.
    async fn follow(&mut self, server: &Server, marker: &str) {
        let query = format!("resourceVersion={}&{}", self.version, self.selector);
        let mut events = Events::open(server, &query).await;
        loop {
            let event = events.next().await.expect("the watch goes on");
            let object = event["object"].clone();
            let name = object["metadata"]["name"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
            let version = object["metadata"]["resourceVersion"].as_str().unwrap();
            let number = |text: &str| text.parse::<u64>().unwrap();
            assert!(number(version) > number(&self.version), "versions only grow");
            version.clone_into(&mut self.version);
            let before = match event["type"].as_str().unwrap() {
                "ADDED" => self.objects.insert(name.clone(), object).is_none(),
                "MODIFIED" => self.objects.insert(name.clone(), object).is_some(),
                "DELETED" => self.objects.remove(&name).is_some(),
                other => panic!("{other}"),
            };
            assert!(before, "{} of {name} does not follow from what was told before", event["type"]);
            if name == marker {
                break;
            }
        }
        assert_eq!(self.objects, Self::list(server, self.selector).await.objects, "{}", self.selector);
    }
}

/// A server over a file that can be left as it is.
struct Running {
    folder: tempfile::TempDir,
    file: PathBuf,
    store: Store,
    server: Server,
    crashes: usize,
}

async fn open(file: &Path) -> (Store, Server) {
    let log = SqliteLog::open(file, None).unwrap();
    let store = Store::open(Box::new(log), apiserver::store::Options::default()).unwrap();
    let options = Options { resources: vec![std::sync::Arc::new(widgets())], ..Options::default() };
    (store.clone(), Server::start(store, options).await)
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("0.db");
        let (store, server) = open(&file).await;
        Self { folder, file, store, server, crashes: 0 }
    }

    /// What lies in the file now is all that the next process finds.
    async fn crash(&mut self) {
        self.crashes += 1;
        let next = self.folder.path().join(format!("{}.db", self.crashes));
        for ending in ["", "-wal"] {
            let from = PathBuf::from(format!("{}{ending}", self.file.display()));
            if from.exists() {
                std::fs::copy(&from, format!("{}{ending}", next.display())).unwrap();
            }
        }
        let (store, server) = open(&next).await;
        std::mem::replace(&mut self.store, store).stop().await;
        self.server = server;
        self.file = next;
    }
}

async fn write(server: &Server, step: &Step) {
    let target = |at: u8| format!("{WIDGETS}/{}", name(at));
    let answer = match step {
        Step::Create(at, color) => post(server, WIDGETS, &object(&name(*at), *color)).await,
        Step::Change(at, color) => merge(server, &target(*at), &object(&name(*at), *color)).await,
        Step::Replace(at, color) => {
            let old = get(server, &target(*at)).await;
            let mut new = object(&name(*at), *color);
            new["metadata"]["resourceVersion"] = old.body["metadata"]["resourceVersion"].clone();
            put(server, &target(*at), &new).await
        }
        Step::Hold(at) => merge(server, &target(*at), &json!({"metadata": {"finalizers": ["example.com/hold"]}})).await,
        Step::LetGo(at) => merge(server, &target(*at), &json!({"metadata": {"finalizers": null}})).await,
        Step::Delete(at) => delete(server, &target(*at)).await,
        Step::DeleteAll(color) => {
            delete(server, &format!("{WIDGETS}?labelSelector=color%3D{}", COLORS[usize::from(*color)])).await
        }
        Step::List(_) | Step::Follow | Step::Crash => return,
    };
    // What cannot be done, as the object is there or is not, is a part of every history.
    assert!(matches!(answer.code, 200 | 201 | 400 | 404 | 409 | 422), "{step:?}: {}", answer.text);
}

async fn run(steps: Vec<Step>) {
    let mut running = Running::start().await;
    let mut followers: Vec<Follower> = Vec::new();
    for selector in SELECTORS {
        followers.push(Follower::list(&running.server, selector).await);
    }
    for (at, step) in steps.into_iter().chain([Step::Crash, Step::Follow]).enumerate() {
        match step {
            Step::List(selector) => {
                followers.push(Follower::list(&running.server, SELECTORS[usize::from(selector)]).await);
            }
            Step::Follow => {
                let marker = format!("marker{at}");
                assert_eq!(post(&running.server, WIDGETS, &object(&marker, 0)).await.code, 201);
                for follower in &mut followers {
                    follower.follow(&running.server, &marker).await;
                }
            }
            Step::Crash => running.crash().await,
            step => write(&running.server, &step).await,
        }
    }
    running.store.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_list_and_the_events_after_it_are_the_list_now(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
