//! Metadata as Go writes it within an error: the fields in the order of its structures.

use serde_json::Value;

use crate::json::encode;

const OBJECT_META: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
const OWNER_REFERENCE: &[&str] = &["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
const MANAGED_FIELDS: &[&str] =
    &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];

/// `ObjectMeta` as Go writes it.
pub fn object_meta(metadata: &Value) -> String {
    structure(metadata, OBJECT_META)
}

/// A list of `OwnerReference` as Go writes it.
pub fn owner_references(references: &[Value]) -> String {
    list(references, OWNER_REFERENCE)
}

fn structure(value: &Value, order: &[&str]) -> String {
    // Go leaves out empty lists and maps (`omitempty`).
    let is_empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let fields = order.iter().filter_map(|name| Some((*name, value.get(*name)?))).filter(|(_, value)| !is_empty(value));
    let texts: Vec<String> = fields
        .map(|(name, value)| {
            let text = match (name, value) {
                ("ownerReferences", Value::Array(items)) => list(items, OWNER_REFERENCE),
                ("managedFields", Value::Array(items)) => list(items, MANAGED_FIELDS),
                _ => String::from_utf8_lossy(&encode(value)).into_owned(),
            };
            format!("\"{name}\":{text}")
        })
        .collect();
    format!("{{{}}}", texts.join(","))
}

fn list(items: &[Value], order: &[&str]) -> String {
    let texts: Vec<String> = items.iter().map(|item| structure(item, order)).collect();
    format!("[{}]", texts.join(","))
}
