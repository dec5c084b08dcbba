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
/// The fields of it that have no `omitempty`.
const OWNER_ALWAYS: &[&str] = &["apiVersion", "kind", "name", "uid"];
const MANAGED_FIELDS: &[&str] =
    &["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];

/// Fields that are pointers, and so are written also where they hold nothing.
const POINTERS: &[&str] =
    &["deletionTimestamp", "deletionGracePeriodSeconds", "controller", "blockOwnerDeletion", "time", "fieldsV1"];

/// `ObjectMeta` as Go writes it.
pub fn object_meta(metadata: &Value) -> String {
    structure(metadata, OBJECT_META, &[])
}

/// A list of `OwnerReference` as Go writes it.
pub fn owner_references(references: &[Value]) -> String {
    list(references, OWNER_REFERENCE, OWNER_ALWAYS)
}

/// `always` are the fields without `omitempty`: texts, all of them.
fn structure(value: &Value, order: &[&str], always: &[&str]) -> String {
    let empty = Value::from("");
    let mut texts = Vec::with_capacity(order.len());
    for name in order {
        let value = match value.get(*name) {
            Some(value) if !is_left_out(name, value) => value,
            _ if always.contains(name) => &empty,
            _ => continue,
        };
        let text = match (*name, value) {
            ("ownerReferences", Value::Array(items)) => list(items, OWNER_REFERENCE, OWNER_ALWAYS),
            ("managedFields", Value::Array(items)) => list(items, MANAGED_FIELDS, &[]),
            _ => String::from_utf8_lossy(&encode(value)).into_owned(),
        };
        texts.push(format!("\"{name}\":{text}"));
    }
    format!("{{{}}}", texts.join(","))
}

/// What `omitempty` leaves out.
fn is_left_out(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        _ if POINTERS.contains(&name) => false,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(_) => false,
    }
}

fn list(items: &[Value], order: &[&str], always: &[&str]) -> String {
    let texts: Vec<String> = items.iter().map(|item| structure(item, order, always)).collect();
    format!("[{}]", texts.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{object_meta, owner_references};

    /// `omitempty` leaves out an empty text, list, map or number, and keeps a pointer to one: `ObjectMeta` and its parts in `types.go`.
    #[test]
    fn metadata_leaves_out_what_go_leaves_out() {
        let metadata = json!({"labels": {}, "name": "", "namespace": "dev", "finalizers": [], "generation": 0, "uid": null,
            "deletionGracePeriodSeconds": 0, "creationTimestamp": null,
            "managedFields": [{"manager": "", "fieldsV1": {}, "fieldsType": "FieldsV1"}]});
        assert_eq!(
            object_meta(&metadata),
            r#"{"namespace":"dev","deletionGracePeriodSeconds":0,"managedFields":[{"fieldsType":"FieldsV1","fieldsV1":{}}]}"#
        );
        let owners = [json!({"name": "a", "controller": false, "blockOwnerDeletion": null})];
        assert_eq!(
            owner_references(&owners),
            r#"[{"apiVersion":"","kind":"","name":"a","uid":"","controller":false}]"#
        );
    }
}
