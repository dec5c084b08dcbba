//! Lists.

use apimachinery::{
    negotiate::{Form, Media, MetaVersion},
    status::Status,
    table,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{bytes, tree};
use crate::{
    body::Body,
    failure::Outcome,
    handlers::Call,
    object, read,
    registry::Resource,
    store::Entry,
    verbs::list::{Listing, More},
};

/// A list of which all objects are there.
pub(crate) fn list(call: &Call, entries: &[Entry], version: u64, more: &More) -> Outcome<Response<Body>> {
    let resource = &call.scope.resource;
    match call.form.form {
        Form::Plain if super::streams(call.form) => {
            let mut writer = Writer::new(resource, version, more);
            for entry in entries {
                writer.push(entry);
            }
            Ok(bytes(StatusCode::OK, Media::Json.content_type(), writer.end()))
        }
        Form::Table(form) => {
            let options = super::table(call, form)?;
            let metadata = list_meta(version, more);
            let objects = entries.iter().map(|entry| read::value(resource, entry));
            Ok(tree(call.form, StatusCode::OK, &table::render(&resource.columns, &metadata, objects, &options)))
        }
        Form::Plain => {
            let mut list = of_resource(resource, version, more);
            let items = entries.iter().map(|entry| item(resource, entry)).collect();
            set(&mut list, "items", Value::Array(items));
            Ok(tree(call.form, StatusCode::OK, &list))
        }
        Form::PartialMetadataList(form) => {
            let mut list = meta("PartialObjectMetadataList", form.api_version(), version, more);
            let items = entries.iter().map(|entry| partial_item(resource, entry, form)).collect();
            set(&mut list, "items", Value::Array(items));
            Ok(tree(call.form, StatusCode::OK, &list))
        }
        Form::PartialMetadata(_) => Err(Status::not_acceptable(format!(
            "you requested PartialObjectMetadata, but the requested object is a list ({}List)",
            resource.go_type()
        ))
        .into()),
    }
}

fn partial_item(resource: &Resource, entry: &Entry, form: MetaVersion) -> Value {
    table::partial_metadata(read::value(resource, entry), form)
}

/// An object as an item of a list: built-in kinds stand there without their type.
fn item(resource: &Resource, entry: &Entry) -> Value {
    let mut value = read::value(resource, entry);
    if !resource.is_custom()
        && let Some(fields) = value.as_object_mut()
    {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    value
}

/// A resource's list without its items; in one of custom objects `continue` is always said.
fn of_resource(resource: &Resource, version: u64, more: &More) -> Value {
    let mut list = meta(&resource.list_kind, &resource.api_version(), version, more);
    if let Some(metadata) = list.get_mut("metadata").filter(|_| resource.is_custom()) {
        set(metadata, "continue", more.continuation.clone().into());
    }
    list
}

/// A list without its items.
fn meta(kind: &str, api_version: &str, version: u64, more: &More) -> Value {
    json!({"kind": kind, "apiVersion": api_version, "metadata": list_meta(version, more)})
}

/// The metadata of a list.
fn list_meta(version: u64, more: &More) -> Value {
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if !more.continuation.is_empty() {
        set(&mut metadata, "continue", more.continuation.clone().into());
    }
    if let Some(remaining) = more.remaining {
        set(&mut metadata, "remainingItemCount", remaining.into());
    }
    metadata
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// Writes a list from encoded objects, one after the other.
struct Writer<'a> {
    resource: &'a Resource,
    out: Vec<u8>,
    first: bool,
}

impl<'a> Writer<'a> {
    fn new(resource: &'a Resource, version: u64, more: &More) -> Self {
        let head = of_resource(resource, version, more);
        let mut out = serde_json::to_vec(&head).unwrap_or_default();
        out.pop();
        out.extend_from_slice(b",\"items\":[");
        Self { resource, out, first: true }
    }

    fn push(&mut self, entry: &Entry) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        let start = self.out.len();
        read::write(&mut self.out, self.resource, entry);
        if self.resource.is_custom() {
            return;
        }
        // Built-in kinds stand in a list without their type.
        let written = self.out.get(start..).unwrap_or_default();
        let Resource { group, version, kind, .. } = self.resource;
        if let Some(bare) = object::listed(written, group, version, kind).map(<[u8]>::len) {
            self.out.drain(start + 1..self.out.len() - bare);
        }
    }

    /// What is written so far.
    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    fn end(mut self) -> Bytes {
        self.out.extend_from_slice(b"]}");
        self.out.into()
    }
}

/// How much of a list is written before it is sent.
const CHUNK: usize = 64 * 1024;
/// How many objects are taken from the store in one go.
const BATCH: usize = 64;

/// A list that is written while it is read, so that a large one needs little memory and starts at once.
pub(crate) fn stream_list(call: &Call, mut listing: Listing) -> Response<Body> {
    let resource = std::sync::Arc::clone(&call.scope.resource);
    let version = listing.version;
    let mut writer = Writer::new(&resource, version, &More::default());
    // A list that fits one chunk is sent whole, with its length.
    while !listing.is_over() && writer.out.len() < CHUNK {
        for entry in listing.batch(BATCH) {
            writer.push(&entry);
        }
    }
    if listing.is_over() {
        return bytes(StatusCode::OK, Media::Json.content_type(), writer.end());
    }
    let (first, started) = (writer.take(), !writer.first);
    let rest = futures_util::stream::unfold(Some((listing, started)), move |state| {
        let resource = std::sync::Arc::clone(&resource);
        async move {
            let (mut listing, started) = state?;
            // Others have their turn between two chunks.
            tokio::task::yield_now().await;
            let mut writer =
                Writer { resource: &resource, out: Vec::with_capacity(CHUNK + CHUNK / 4), first: !started };
            while !listing.is_over() && writer.out.len() < CHUNK {
                for entry in listing.batch(BATCH) {
                    writer.push(&entry);
                }
            }
            let started = !writer.first;
            if listing.is_over() {
                return Some((writer.end(), None));
            }
            Some((writer.take(), Some((listing, started))))
        }
    });
    let head = futures_util::stream::iter([first]);
    let body = futures_util::StreamExt::chain(head, rest);
    let mut response = bytes(StatusCode::OK, Media::Json.content_type(), Bytes::new());
    *response.body_mut() = Body::stream(body);
    response
}
