//! What differs from kind to kind in a write.
//!
//! The rules of custom resources are those of `k8s.io/apiextensions-apiserver/pkg/registry/customresource`, those of built-in kinds
//! stand in `builtin::defaults`.

use apimachinery::{
    field::FieldError,
    meta::{Meta, MetaMut, update::count_generation},
    schema,
};
use serde_json::{Map, Value, json};

use crate::{
    builtin::defaults,
    crd, object,
    registry::{Resource, split_api_version},
    scope::Part,
    shape,
    validation::Kind,
    warnings::Warnings,
};

/// The built-in kind, as far as its objects are stored.
fn kind(resource: &Resource) -> Option<Kind> {
    resource.built_in().and_then(|definition| Kind::of(definition.group, definition.plural))
}

/// The kind that errors about an object name: of a custom one what it says of itself.
pub(crate) fn named_kind<'a>(resource: &'a Resource, object: &'a Value) -> &'a str {
    if resource.is_custom() { object::text(object, "kind") } else { &resource.kind }
}

/// The group that errors about an object name, likewise.
pub(crate) fn named_group<'a>(resource: &'a Resource, object: &'a Value) -> &'a str {
    if resource.is_custom() { split_api_version(object::text(object, "apiVersion")).0 } else { resource.error_group() }
}

/// Whether a PUT makes an object that is not there.
pub(crate) fn creates_on_update(resource: &Resource) -> bool {
    kind(resource).is_some_and(Kind::creates_on_update)
}

/// Whether an update needs no resourceVersion.
pub(crate) fn updates_unconditionally(resource: &Resource) -> bool {
    kind(resource).is_some_and(Kind::updates_unconditionally)
}

/// Whether dependents of the objects are collected.
pub(crate) fn is_collected(resource: &Resource) -> bool {
    kind(resource).is_none_or(Kind::is_collected)
}

/// Completes a new object.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    if let Some(definition) = resource.built_in() {
        defaults::prepare_create(definition, object);
        return;
    }
    if resource.subresources.status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    if let Some(mut meta) = MetaMut::of(object) {
        meta.set_generation(1);
    }
}

/// Takes back what a change may not change, and counts generations.
pub(crate) fn prepare_update(resource: &Resource, part: Part, new: &mut Value, old: &Value) {
    if let Some(definition) = resource.built_in() {
        defaults::prepare_update(definition, part.as_str(), new, old);
        return;
    }
    if part == Part::Status {
        let mut kept = old.clone();
        copy_field(&mut kept, new, "status");
        object::copy_meta(&mut kept, new, "managedFields");
        *new = kept;
        return;
    }
    if resource.subresources.status {
        copy_field(new, old, "status");
    }
    count_generation(new, old);
}

fn copy_field(to: &mut Value, from: &Value, field: &str) {
    let Some(fields) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => {
            fields.insert(field.to_owned(), value.clone());
        }
        None => {
            fields.remove(field);
        }
    }
}

/// Brings an object that was found valid into the form that it is stored in.
pub(crate) fn canonicalize(resource: &Resource, object: &mut Value) {
    if let Some(definition) = resource.built_in() {
        defaults::canonicalize(definition, object);
    } else if resource.subresources.status
        && let Some(schema) = resource.schema.as_deref()
    {
        // A status that was taken off may have defaults: objects have those of their stored form too.
        schema::defaults::apply(object, schema);
    }
}

/// What is wrong with a new object.
pub(crate) fn check_create(resource: &Resource, object: &Value, warnings: &Warnings) -> Vec<FieldError> {
    shape::check(resource, Part::Whole, object, None, warnings)
}

/// What is wrong with a changed object.
pub(crate) fn check_update(
    resource: &Resource,
    part: Part,
    new: &Value,
    old: &Value,
    warnings: &Warnings,
) -> Vec<FieldError> {
    shape::check(resource, part, new, Some(old), warnings)
}

/// A definition waits for its objects.
pub(crate) fn before_delete(resource: &Resource, object: &mut Value) {
    if resource.is(crd::GROUP, crd::PLURAL) && !object::is_being_deleted(object) {
        crd::controller::prepare_delete(object);
    }
}

/// Whether a delete waits for something besides finalizers: a namespace for its content.
pub(crate) fn waits_for_content(resource: &Resource, object: &Value) -> bool {
    resource.is("", "namespaces")
        && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|finalizers| !finalizers.is_empty())
}

/// Marks a namespace that waits for its content to go; its finalizers do not count, as they may be none.
pub(crate) fn prepare_delete(resource: &Resource, object: &mut Value, old: &Value) {
    if resource.is(crd::GROUP, crd::PLURAL)
        && let Some(mut meta) = MetaMut::of(object)
    {
        // Definitions are marked by hand.
        meta.set_deletion_grace_period_seconds(None);
        meta.set_generation(Meta::of(old).generation());
    }
    if !resource.is("", "namespaces") {
        return;
    }
    if let Some(mut meta) = MetaMut::of(object) {
        let fields = meta.tree();
        fields.entry("deletionTimestamp").or_insert_with(|| apimachinery::meta::time(jiff::Timestamp::now()).into());
        fields.remove("deletionGracePeriodSeconds");
    }
    if let Some(fields) = object.as_object_mut() {
        let status = fields.entry("status").or_insert_with(|| Value::Object(Map::new()));
        if let Some(status) = status.as_object_mut() {
            status.insert("phase".to_owned(), json!("Terminating"));
        }
    }
}
