//! What the fields that `scale` shows may hold, whatever the schema says.
//!
//! See `ValidateScaleSpec` and `ValidateScaleStatus` of `apiextensions-apiserver/pkg/registry/customresource/validator.go`.

use apimachinery::field::{FieldError, Path};
use serde_json::Value;

use crate::{registry::Scale, scope::Part};

/// What is wrong with an object's replicas and selector.
pub(super) fn check(paths: &Scale, part: Part, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if part != Part::Status {
        errors.extend(number(object, &paths.spec_replicas_path));
    }
    errors.extend(number(object, &paths.status_replicas_path));
    if let Some(path) = &paths.label_selector_path {
        errors.extend(match find(object, path) {
            Ok(None | Some(Value::String(_))) => None,
            Ok(Some(other)) => Some(wrong(path, "", &accessor(path, other, "string"))),
            Err(why) => Some(wrong(path, "", &why)),
        });
    }
    errors
}

fn number(object: &Value, path: &str) -> Option<FieldError> {
    let found = match find(object, path) {
        Ok(found) => found?,
        Err(why) => return Some(wrong(path, 0, &why)),
    };
    match found.as_i64() {
        None => Some(wrong(path, 0, &accessor(path, found, "int64"))),
        Some(number) if number < 0 => Some(wrong(path, number, "should be a non-negative integer")),
        Some(number) if number > i64::from(i32::MAX) => {
            Some(wrong(path, number, &format!("should be less than or equal to {}", i32::MAX)))
        }
        Some(_) => None,
    }
}

fn wrong(path: &str, value: impl Into<Value>, why: &str) -> FieldError {
    FieldError::invalid(&Path::ROOT.child(path), value, why)
}

/// The field at a path, as `NestedFieldNoCopy` of `unstructured/helpers.go` looks for it.
fn find<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let mut at = object;
    let mut before = String::new();
    for step in path.trim_start_matches('.').split('.') {
        before.push('.');
        before.push_str(step);
        let fields = match at {
            Value::Object(fields) => fields,
            Value::Null => return Ok(None),
            other => return Err(accessor(&before, other, "map[string]interface{}")),
        };
        let Some(found) = fields.get(step) else { return Ok(None) };
        at = found;
    }
    Ok(Some(at))
}

fn accessor(path: &str, found: &Value, expected: &str) -> String {
    let (shown, kind) = match found {
        Value::Null => ("<nil>".to_owned(), "<nil>"),
        Value::Bool(value) => (value.to_string(), "bool"),
        Value::Number(value) if value.is_i64() => (value.to_string(), "int64"),
        Value::Number(value) => (value.to_string(), "float64"),
        Value::String(value) => (value.clone(), "string"),
        Value::Array(_) => (found.to_string(), "[]interface {}"),
        Value::Object(_) => (found.to_string(), "map[string]interface {}"),
    };
    let path = if path.starts_with('.') { path.to_owned() } else { format!(".{path}") };
    format!("{path} accessor error: {shown} is of the type {kind}, expected {expected}")
}
