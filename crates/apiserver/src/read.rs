//! From what is stored to what a version of a resource shows.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    builtin::event,
    object,
    registry::Resource,
    store::{Draft, Entry},
};

/// The object of an entry in the version of `resource`.
pub(crate) fn value(resource: &Resource, entry: &Entry) -> Value {
    // INVARIANT: the store holds what `object::draft` wrote.
    let mut value: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
    if !is_current(resource, entry) {
        fit(resource, &mut value);
    }
    value
}

/// Appends the bytes of an entry in the version of `resource`; mostly those in the store.
pub(crate) fn write(out: &mut Vec<u8>, resource: &Resource, entry: &Entry) {
    if is_current(resource, entry) {
        entry.pieces().iter().for_each(|piece| out.extend_from_slice(piece));
    } else {
        out.extend_from_slice(&object::rendered(&value(resource, entry), &resource.api_version(), &resource.kind));
    }
}

/// The same as a body.
pub(crate) fn bytes(resource: &Resource, entry: &Entry) -> Bytes {
    if is_current(resource, entry) {
        entry.value()
    } else {
        object::rendered(&value(resource, entry), &resource.api_version(), &resource.kind).into()
    }
}

/// Whether the stored bytes are what `resource` shows: of its version, and written since its schema is what it is.
pub(crate) fn is_current(resource: &Resource, entry: &Entry) -> bool {
    resource.is_stored()
        && entry.modified() > resource.valid_since
        && object::starts_with_type(entry.pieces()[0], &resource.group, &resource.version, &resource.kind)
}

/// The object as it is stored.
pub(crate) fn draft(resource: &Resource, object: &Value) -> Draft {
    if resource.group != resource.storage_group {
        // Only events have two groups.
        let mut stored = object.clone();
        event::to_core(&mut stored);
        return object::draft(&stored, &resource.storage_api_version(), &resource.kind);
    }
    object::draft(object, &resource.storage_api_version(), &resource.kind)
}

/// Makes an object of another version, or of an older schema, one of `resource`.
pub(crate) fn fit(resource: &Resource, value: &mut Value) {
    if resource.group != resource.storage_group {
        event::from_core(value);
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".to_owned(), resource.api_version().into());
        fields.insert("kind".to_owned(), resource.kind.clone().into());
    }
    if resource.is_custom() {
        // INVARIANT: the metadata was found well-formed when the object was stored.
        let _ = crate::shape::settle(resource, value);
    }
}
