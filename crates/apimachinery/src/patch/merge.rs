//! Merge patch (RFC 7386) as `evanphx/json-patch` v4 applies it: nulls vanish from what is new to the object, also from maps within
//! its lists, which the RFC leaves.

use serde_json::{Map, Value};

use super::{PatchError, json_type};

/// Applies a merge patch.
///
/// # Errors
/// A patch that is no object.
pub fn merge_patch(document: &Value, patch: &Value) -> Result<Value, PatchError> {
    match (document, patch) {
        (Value::Object(document), Value::Object(patch)) => {
            let mut result = document.clone();
            merge_into(&mut result, patch);
            Ok(Value::Object(result))
        }
        (_, Value::Object(_)) => Ok(without_nulls(patch)),
        (_, Value::Null) => Err(PatchError::Malformed("Invalid JSON Patch".to_owned())),
        (_, other) => Err(PatchError::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            json_type(other)
        ))),
    }
}

fn merge_into(document: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, change) in patch {
        if change.is_null() {
            document.remove(name);
            continue;
        }
        match (document.get_mut(name), change) {
            (Some(Value::Object(current)), Value::Object(change)) => merge_into(current, change),
            (Some(current @ Value::Object(_)), other) => *current = other.clone(),
            (_, other) => {
                document.insert(name.clone(), without_nulls(other));
            }
        }
    }
}

/// The value without the fields that are null; items of lists that are null stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name.clone(), without_nulls(field)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}
