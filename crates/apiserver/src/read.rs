//! From what is stored to what a version of a resource shows.

use apimachinery::schema;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    builtin::event,
    object,
    registry::{Origin, Resource, split_api_version},
    shape,
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
    // What a webhook converts is made to fit when it is converted.
    (resource.conversion.is_some() || resource.is_stored() && entry.modified() > resource.valid_since)
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
    if resource.is_stored() {
        return object::draft(object, &resource.storage_api_version(), &resource.kind);
    }
    let mut stored = object.clone();
    shape::unfit(resource, &mut stored);
    object::draft(&stored, &resource.storage_api_version(), &resource.kind)
}

/// What would be read of an object if it were stored.
pub(crate) fn as_stored(resource: &Resource, mut object: Value) -> Value {
    if resource.is_custom() && !resource.is_stored() && resource.conversion.is_none() {
        shape::unfit(resource, &mut object);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), resource.storage_api_version().into());
        }
        fit(resource, &mut object);
    }
    object
}

/// An object of one version in another one.
pub(crate) fn in_version(resource: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    if resource.group == resource.storage_group && !resource.is_custom() {
        // Only events have two groups.
        event::to_core(&mut object);
    }
    fit(resource, &mut object);
    object
}

/// Makes an object of another version, or of an older schema, one of `resource`.
pub(crate) fn fit(resource: &Resource, value: &mut Value) {
    if resource.group != resource.storage_group {
        event::from_core(value);
    }
    complete(resource, value);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".to_owned(), resource.api_version().into());
        fields.insert("kind".to_owned(), resource.kind.clone().into());
    }
    prune(resource, value);
}

/// Prunes and defaults an object of a custom resource by the schema of the version that it is stored in.
pub(crate) fn complete(resource: &Resource, value: &mut Value) {
    let Origin::Custom(definition) = &resource.origin else { return };
    let (_, version) = split_api_version(object::text(value, "apiVersion"));
    let schema = definition.schemas.get(version).or(resource.schema.as_ref()).cloned();
    // INVARIANT: the metadata was found well-formed when the object was stored.
    let _ = shape::settle_as(resource, schema.as_deref(), value);
}

/// Takes what a version does not have from an object that was converted to it; nothing is filled in then.
pub(crate) fn prune(resource: &Resource, value: &mut Value) {
    if let Some(schema) = resource.schema.as_deref().filter(|_| resource.is_custom()) {
        schema::prune::prune(value, schema);
    }
}
