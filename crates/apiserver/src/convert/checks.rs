//! What a webhook may answer: `getConvertedObjectsFromResponse`, `validateConvertedObject` and `restoreObjectMeta`.

use apimachinery::{
    field::{FieldError, Path},
    meta::validate,
};
use serde_json::{Map, Value};

use crate::object;

/// The objects of an answer.
pub(super) fn converted(review: &str, uid: &str, answer: &Value) -> Result<Vec<Value>, String> {
    let version = object::text(answer, "apiVersion");
    if review == "v1" && (version != "apiextensions.k8s.io/v1" || object::text(answer, "kind") != "ConversionReview") {
        if version == "apiextensions.k8s.io/v1beta1" {
            return Err("converting (v1beta1.ConversionReview) to (v1.ConversionReview): unknown conversion".to_owned());
        }
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        return Err(format!(
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {group}/{version}, Kind={}",
            object::text(answer, "kind")
        ));
    }
    let Some(response) = answer.get("response").filter(|response| !response.is_null()) else {
        return Err("no response provided".to_owned());
    };
    let own = object::text(response, "uid");
    if review == "v1" && own != uid {
        return Err(format!("expected response.uid={uid:?}, got {own:?}"));
    }
    let null = Value::Null;
    let result = response.get("result").unwrap_or(&null);
    let status = object::text(result, "status");
    if status != "Success" {
        let message = object::text(result, "message");
        return Err(if message.is_empty() {
            format!("response.result.status was '{status}', not 'Success'")
        } else {
            message.to_owned()
        });
    }
    Ok(response.get("convertedObjects").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// A converted object with the metadata of the one that it was made of; it may change labels and annotations only.
pub(super) fn restored(original: &Value, mut object: Value, to: &str) -> Result<Value, String> {
    let shown = |api_version: &str| {
        // As Go shows a group and version.
        if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
    };
    let version = object::text(&object, "apiVersion");
    if version != to {
        return Err(format!(
            "returned invalid object at index 0: invalid groupVersion (expected {to}, received {})",
            shown(version)
        ));
    }
    let (expected, kind) = (object::text(original, "kind"), object::text(&object, "kind"));
    if kind != expected {
        return Err(format!("returned invalid object at index 0: invalid kind (expected {expected}, received {kind})"));
    }
    for (field, called) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (own, made) = (object::meta_text(original, field), object::meta_text(&object, field));
        if own != made {
            return Err(format!("returned invalid object: must have the same {called}: {own} != {made}"));
        }
    }
    let metadata = metadata(original, &object).map_err(|why| format!("returned invalid metadata: {why}"))?;
    if let Some(fields) = object.as_object_mut() {
        fields.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Ok(object)
}

fn metadata(original: &Value, converted: &Value) -> Result<Map<String, Value>, String> {
    let Some(made) = converted.get("metadata") else { return Err("missing metadata in converted object".to_owned()) };
    let Some(made) = made.as_object() else {
        return Err(format!("invalid metadata of type {} in converted object", go_type(made)));
    };
    let mut metadata = object::metadata(original).cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        let pairs = match made.get(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
                continue;
            }
            Some(Value::Object(pairs)) => pairs,
            Some(other) => {
                return Err(format!("invalid metadata.{field} of type {} in converted object", go_type(other)));
            }
        };
        if let Some((key, value)) = pairs.iter().find(|(_, value)| !value.is_string()) {
            let kind = go_type(value);
            return Err(format!("metadata.{field}[{key}] must be a string, but is {kind} in converted object"));
        }
        if metadata.get(field).and_then(Value::as_object) != Some(pairs) {
            let at = Path::ROOT.child("metadata");
            let texts = pairs.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
            let mut errors = Vec::new();
            if field == "labels" {
                validate::labels(texts, &at.child("labels"), &mut errors);
            } else {
                validate::annotations(texts, &at.child("annotation"), &mut errors);
            }
            if !errors.is_empty() {
                return Err(aggregate(&errors));
            }
        }
        metadata.insert(field.to_owned(), Value::Object(pairs.clone()));
    }
    Ok(metadata)
}

/// Errors in one text, as Go's `Aggregate` has them.
fn aggregate(errors: &[FieldError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// The type that Go reads a value of JSON into.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
