//! Objects: how their metadata is read and set on a tree, and how a tree becomes the bytes that are stored and served.

mod encode;

use apimachinery::meta::MetaMut;
use serde_json::{Map, Value};

pub(crate) use encode::{draft, listed, rendered, starts_with_type};

/// The text of a field of the object itself.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The metadata; `None` when the object has none.
pub(crate) fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata").and_then(Value::as_object)
}

/// The text of a field of the metadata; empty when there is none.
pub(crate) fn meta_text<'a>(object: &'a Value, field: &str) -> &'a str {
    metadata(object).and_then(|meta| meta.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// The object's name.
pub(crate) fn name(object: &Value) -> &str {
    meta_text(object, "name")
}

/// The object's UID.
pub(crate) fn uid(object: &Value) -> &str {
    meta_text(object, "uid")
}

/// Sets a field of the metadata; an empty text takes it away.
pub(crate) fn set_meta(object: &mut Value, field: &str, value: impl Into<Value>) {
    let value = value.into();
    if let Some(mut meta) = MetaMut::of(object) {
        if value.is_null() || value.as_str() == Some("") {
            meta.remove(field);
        } else {
            meta.tree().insert(field.to_owned(), value);
        }
    }
}

/// Sets a field of the metadata to what it is in another object.
pub(crate) fn copy_meta(object: &mut Value, from: &Value, field: &str) {
    match metadata(from).and_then(|meta| meta.get(field)) {
        Some(value) => set_meta(object, field, value.clone()),
        None => set_meta(object, field, Value::Null),
    }
}

/// Whether the object waits for its finalizers.
pub(crate) fn is_being_deleted(object: &Value) -> bool {
    !meta_text(object, "deletionTimestamp").is_empty()
}

/// The pairs of `metadata.labels` that are text.
pub(crate) fn labels(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    metadata(object)
        .and_then(|meta| meta.get("labels"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn setting_an_empty_text_takes_the_field_away() {
        let mut object = json!({"metadata": {"uid": "u"}});
        set_meta(&mut object, "uid", "");
        assert_eq!(object, json!({"metadata": {}}));
        let mut bare = json!({});
        set_meta(&mut bare, "name", "n");
        assert_eq!(bare, json!({"metadata": {"name": "n"}}));
    }
}
