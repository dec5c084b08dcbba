//! Kinds of which each object is a row by itself.

use std::sync::Arc;

use kube::{ResourceExt as _, api::DynamicObject};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::count_once;
use crate::{
    config::rules::Flaw,
    management::follow::Sink,
    world::{Feed, input::Change},
};

/// Projects the objects of a kind, and feeds the rows.
pub(super) struct Table<K, R> {
    feed: Feed,
    count: Arc<watch::Sender<usize>>,
    counted: bool,
    project: fn(&K) -> Result<R, Vec<Flaw>>,
    one: fn(Arc<str>, Option<R>) -> Change,
    all: fn(Vec<R>) -> Change,
    rows: Vec<R>,
}

impl<K: DeserializeOwned, R> Table<K, R> {
    pub(super) fn new(
        feed: &Feed,
        count: Arc<watch::Sender<usize>>,
        project: fn(&K) -> Result<R, Vec<Flaw>>,
        one: fn(Arc<str>, Option<R>) -> Change,
        all: fn(Vec<R>) -> Change,
    ) -> Self {
        Self { feed: feed.clone(), count, counted: false, project, one, all, rows: Vec::new() }
    }

    /// The object's row, or none where it is not as it should be: then it gives nothing.
    fn row(&self, object: &DynamicObject) -> Option<R> {
        let typed: K = read(object)?;
        (self.project)(&typed).map_err(|flaws| warn(object, &flaws)).ok()
    }
}

impl<K: DeserializeOwned, R> Sink for Table<K, R> {
    fn list(&mut self) {
        self.rows.clear();
    }

    fn item(&mut self, object: &DynamicObject) {
        self.rows.extend(self.row(object));
    }

    fn listed(&mut self) {
        self.feed.change((self.all)(std::mem::take(&mut self.rows)));
        count_once(&mut self.counted, &self.count);
    }

    fn applied(&mut self, object: &DynamicObject) {
        self.feed.change((self.one)(name(object), self.row(object)));
    }

    fn deleted(&mut self, object: &DynamicObject) {
        self.feed.change((self.one)(name(object), None));
    }
}

/// The name of an object's row: with its namespace, where it has one.
fn name(object: &DynamicObject) -> Arc<str> {
    match &object.metadata.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name_any()).into(),
        None => object.name_any().into(),
    }
}

/// The object as its type, or none where it is not of its form. The text of the failure is not logged: it may show a secret.
pub(super) fn read<K: DeserializeOwned>(object: &DynamicObject) -> Option<K> {
    let typed = serde_json::to_value(object).and_then(K::deserialize).ok();
    if typed.is_none() {
        tracing::warn!(object = %name(object), "the object is not of its kind's form; it is passed over");
    }
    typed
}

pub(super) fn warn(object: &DynamicObject, flaws: &[Flaw]) {
    for Flaw { field, message } in flaws {
        tracing::warn!(object = %name(object), field, message, "the object is not as it should be; it is passed over");
    }
}
