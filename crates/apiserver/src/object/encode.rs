//! The bytes of an object, as they are stored and served.
//!
//! Every stored object begins with `{"apiVersion":"…","kind":"…","metadata":{"resourceVersion":"…"`, so that its version can be
//! told, and its type left out, without parsing it.

use std::io::Write as _;

use serde_json::{Map, Value};

use crate::store::{Draft, Labels};

/// The draft of `object` in the version `api_version`; what it says of its own resourceVersion is not kept.
pub(crate) fn draft(object: &Value, api_version: &str, kind: &str) -> Draft {
    let mut bytes = Vec::with_capacity(1024);
    type_head(&mut bytes, api_version, kind);
    bytes.extend_from_slice(b",\"metadata\":{\"resourceVersion\":\"");
    let revision_at = bytes.len();
    bytes.push(b'"');
    for (key, value) in super::metadata(object).into_iter().flatten().filter(|(key, _)| *key != "resourceVersion") {
        bytes.push(b',');
        pair(&mut bytes, key, value);
    }
    bytes.push(b'}');
    for (key, value) in fields(object) {
        bytes.push(b',');
        pair(&mut bytes, key, value);
    }
    bytes.push(b'}');
    Draft { bytes, revision_at, labels: Labels::from_pairs(super::labels(object)) }
}

/// An object as it is served: like [`draft`], with the resourceVersion that it has.
pub(crate) fn rendered(object: &Value, api_version: &str, kind: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    type_head(&mut bytes, api_version, kind);
    bytes.extend_from_slice(b",\"metadata\":");
    let empty = Value::Object(Map::new());
    write(&mut bytes, object.get("metadata").unwrap_or(&empty));
    for (key, value) in fields(object) {
        bytes.push(b',');
        pair(&mut bytes, key, value);
    }
    bytes.push(b'}');
    bytes
}

/// Whether encoded bytes are of this version and kind.
pub(crate) fn starts_with_type(bytes: &[u8], group: &str, version: &str, kind: &str) -> bool {
    rest_after_type(bytes, group, version, kind).is_some()
}

/// What an object looks like as an item of a list of a built-in kind: without its type.
pub(crate) fn listed<'a>(bytes: &'a [u8], group: &str, version: &str, kind: &str) -> Option<&'a [u8]> {
    rest_after_type(bytes, group, version, kind)?.strip_prefix(b",")
}

/// What follows `{"apiVersion":"…","kind":"…"`. Nothing is put together for it: a long list asks this of each object.
fn rest_after_type<'a>(bytes: &'a [u8], group: &str, version: &str, kind: &str) -> Option<&'a [u8]> {
    let mut rest = bytes.strip_prefix(b"{\"apiVersion\":\"")?;
    if !group.is_empty() {
        rest = rest.strip_prefix(group.as_bytes())?.strip_prefix(b"/")?;
    }
    rest.strip_prefix(version.as_bytes())?
        .strip_prefix(b"\",\"kind\":\"")?
        .strip_prefix(kind.as_bytes())?
        .strip_prefix(b"\"")
}

/// `{"apiVersion":"…","kind":"…"`. Both are names of which no byte needs escaping.
fn type_head(bytes: &mut Vec<u8>, api_version: &str, kind: &str) {
    for part in ["{\"apiVersion\":\"", api_version, "\",\"kind\":\"", kind, "\""] {
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// The fields besides type and metadata.
fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"))
}

fn pair(bytes: &mut Vec<u8>, key: &str, value: &Value) {
    // INVARIANT: a text and a tree of JSON are always written, and a `Vec` takes all.
    let _ = serde_json::to_writer(&mut *bytes, key);
    let _ = bytes.write_all(b":");
    write(bytes, value);
}

fn write(bytes: &mut Vec<u8>, value: &Value) {
    let _ = serde_json::to_writer(bytes, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn widget() -> Value {
        json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "a": 1, "spec": {"x": [1, "\u{e9}\""]},
            "metadata": {"name": "w", "resourceVersion": "7", "labels": {"k": "v"}},
        })
    }

    #[test]
    fn a_draft_with_its_revision_is_the_object() {
        let draft = draft(&widget(), "example.com/v2", "Widget");
        let mut bytes = draft.bytes.clone();
        bytes.splice(draft.revision_at..draft.revision_at, *b"42");
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        let mut expected = widget();
        expected["apiVersion"] = json!("example.com/v2");
        expected["metadata"]["resourceVersion"] = json!("42");
        assert_eq!(read, expected);
        assert_eq!(draft.labels.get("k"), Some("v"));
        assert!(starts_with_type(&bytes, "example.com", "v2", "Widget"));
        assert!(!starts_with_type(&bytes, "example.com", "v1", "Widget"));
    }

    #[test]
    fn a_rendered_object_is_the_object() {
        let bytes = rendered(&widget(), "example.com/v1", "Widget");
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), widget());
        let listed = listed(&bytes, "example.com", "v1", "Widget").unwrap();
        assert!(listed.starts_with(b"\"metadata\":{"));
    }
}
