//! Watches: events as lines of JSON.

use std::{collections::VecDeque, sync::Arc};

use apimachinery::{
    negotiate::{Form, Media},
    table,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::bytes;
use crate::{
    body::Body,
    failure::Outcome,
    handlers::Call,
    object, read,
    registry::Resource,
    store::Entry,
    verbs::watch::{Following, Told},
};

/// A watch that is under way.
pub(crate) fn watch(call: &Call, following: Following) -> Outcome<Response<Body>> {
    let table = match call.form.form {
        Form::Table(version) => Some(super::table(call, version)?),
        _ => None,
    };
    let events = Events { resource: Arc::clone(&call.scope.resource), form: call.form.form, table };
    let body = futures_util::stream::unfold((following, events), |(mut following, mut events)| async move {
        let told = following.next().await?;
        Some((events.write(told), (following, events)))
    });
    let mut response = bytes(StatusCode::OK, Media::Json.content_type(), Bytes::new());
    *response.body_mut() = Body::stream(body);
    Ok(response)
}

/// How events are written.
struct Events {
    resource: Arc<Resource>,
    form: Form,
    /// How rows are made; the columns are told with the first one only.
    table: Option<table::Options>,
}

impl Events {
    fn write(&mut self, told: VecDeque<Told>) -> Bytes {
        let mut out = Vec::with_capacity(1024 * told.len().min(64));
        for event in told {
            match event {
                Told::Added(entry) => self.object(&mut out, "ADDED", &entry, None),
                Told::Modified(entry) => self.object(&mut out, "MODIFIED", &entry, None),
                Told::Deleted { entry, version } => self.object(&mut out, "DELETED", &entry, Some(version)),
                Told::Bookmark { version, initial_end } => self.bookmark(&mut out, version, initial_end),
                Told::Error(status) => frame(&mut out, "ERROR", &status.to_json()),
            }
        }
        out.into()
    }

    /// An object; `version` where it is another one than the object was stored at.
    fn object(&mut self, out: &mut Vec<u8>, kind: &str, entry: &Entry, version: Option<u64>) {
        let resource = Arc::clone(&self.resource);
        let version = version.filter(|version| *version != entry.modified());
        if self.form == Form::Plain && version.is_none() {
            return framed(out, kind, |out| read::write(out, &resource, entry));
        }
        let mut value = read::value(&resource, entry);
        if let Some(version) = version {
            object::set_meta(&mut value, "resourceVersion", version.to_string());
        }
        self.tree(out, kind, value);
    }

    fn tree(&mut self, out: &mut Vec<u8>, kind: &str, value: Value) {
        let resource = &*self.resource;
        match (self.form, &mut self.table) {
            (Form::PartialMetadata(version) | Form::PartialMetadataList(version), _) => {
                frame(out, kind, &encoded(&table::partial_metadata(value, version)));
            }
            (Form::Table(_), Some(options)) => {
                options.now = jiff::Timestamp::now();
                let metadata = json!({"resourceVersion": object::meta_text(&value, "resourceVersion")});
                let table = table::render(&resource.columns, &metadata, [value], options);
                options.headers = false;
                frame(out, kind, &encoded(&table));
            }
            _ => {
                frame(out, kind, &object::rendered(&value, &resource.api_version(), &resource.kind));
            }
        }
    }

    fn bookmark(&mut self, out: &mut Vec<u8>, version: u64, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if initial_end {
            object_insert(&mut metadata, "annotations", json!({"k8s.io/initial-events-end": "true"}));
        }
        let (api_version, kind) = (self.resource.api_version(), &self.resource.kind);
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        self.tree(out, "BOOKMARK", object);
    }
}

fn object_insert(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    // INVARIANT: a tree of JSON is always written.
    serde_json::to_vec(value).unwrap_or_default()
}

/// One event, as `WatchEvent` of `meta/v1`, and a line feed.
fn frame(out: &mut Vec<u8>, kind: &str, object: &[u8]) {
    framed(out, kind, |out| out.extend_from_slice(object));
}

/// The same, with an object that `write` appends.
fn framed(out: &mut Vec<u8>, kind: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    write(out);
    out.extend_from_slice(b"}\n");
}
