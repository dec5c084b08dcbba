//! Metadata as a client sent it, brought into the form that decoding into Go's `ObjectMeta` and encoding again would give it:
//! types checked, unknown fields gone, empty values left out.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::time;

/// A field of another type than `ObjectMeta` has there. The text is Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Another JSON type.
    #[error("json: cannot unmarshal {found} into Go struct field {owner}.{field} of type {wanted}")]
    Type {
        /// What stands there: `number`, `object` …
        found: &'static str,
        /// The Go struct.
        owner: &'static str,
        /// The path of the field within it.
        field: String,
        /// The Go type.
        wanted: &'static str,
    },
    /// Not a time.
    #[error("parsing time {0:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {0:?} as \"2006\"")]
    Time(String),
}

/// Reads and rewrites `metadata` of `object`; returns the paths of the fields that it does not know, which are gone then.
///
/// # Errors
/// The first field that has another type than it should.
pub fn normalize(object: &mut Value) -> Result<Vec<String>, WireError> {
    let Some(metadata) = object.as_object_mut().and_then(|object| object.get_mut("metadata")) else {
        return Ok(Vec::new());
    };
    let mut reader = Reader { unknown: Vec::new() };
    let rewritten = reader.object_meta(std::mem::take(metadata))?;
    *metadata = Value::Object(rewritten);
    Ok(reader.unknown)
}

struct Reader {
    unknown: Vec<String>,
}

impl Reader {
    fn object_meta(&mut self, metadata: Value) -> Result<Map<String, Value>, WireError> {
        let fields = match metadata {
            Value::Object(fields) => fields,
            Value::Null => return Ok(Map::new()),
            other => return Err(mismatch(&other, "", "metadata", "v1.ObjectMeta")),
        };
        let mut out = Map::new();
        for (key, value) in fields {
            let path = format!("metadata.{key}");
            let kept = match key.as_str() {
                "name" | "generateName" | "namespace" | "selfLink" | "resourceVersion" => text(value, &path, "string")?,
                "uid" => text(value, &path, "types.UID")?,
                "generation" => integer(value, &path)?.filter(|number| number != 0),
                "deletionGracePeriodSeconds" => integer(value, &path)?,
                "creationTimestamp" | "deletionTimestamp" => moment(value, &path)?,
                "labels" | "annotations" => texts(value, &path)?,
                "finalizers" => list(value, &path, "[]string", |item, _| {
                    Ok(text(item, &path, "string")?.unwrap_or_else(|| "".into()))
                })?,
                "ownerReferences" => {
                    list(value, &path, "[]v1.OwnerReference", |item, index| self.owner_reference(item, &path, index))?
                }
                "managedFields" => list(value, &path, "[]v1.ManagedFieldsEntry", |item, index| {
                    self.managed_fields(item, &path, index)
                })?,
                _ => {
                    self.unknown.push(path);
                    None
                }
            };
            if let Some(value) = kept {
                out.insert(key, value);
            }
        }
        Ok(out)
    }

    fn owner_reference(&mut self, item: Value, path: &str, index: usize) -> Result<Value, WireError> {
        let fields = struct_fields(item, path, "v1.OwnerReference")?;
        // Go always writes these four, whatever is in them.
        let mut out: Map<String, Value> = ["apiVersion", "kind", "name", "uid"]
            .into_iter()
            .map(|field| (field.to_owned(), Value::from("")))
            .collect();
        for (key, value) in fields {
            let at = format!("{path}.{key}");
            let kept = match key.as_str() {
                "apiVersion" | "kind" | "name" => text(value, &at, "string")?,
                "uid" => text(value, &at, "types.UID")?,
                "controller" | "blockOwnerDeletion" => flag(value, &at)?,
                _ => {
                    self.unknown.push(format!("{path}[{index}].{key}"));
                    None
                }
            };
            if let Some(value) = kept {
                out.insert(key, value);
            }
        }
        Ok(Value::Object(out))
    }

    fn managed_fields(&mut self, item: Value, path: &str, index: usize) -> Result<Value, WireError> {
        let fields = struct_fields(item, path, "v1.ManagedFieldsEntry")?;
        let mut out = Map::new();
        for (key, value) in fields {
            let at = format!("{path}.{key}");
            let kept = match key.as_str() {
                "manager" | "apiVersion" | "fieldsType" | "subresource" => text(value, &at, "string")?,
                "operation" => text(value, &at, "v1.ManagedFieldsOperationType")?,
                "time" => moment(value, &at)?,
                "fieldsV1" => Some(value).filter(|value| !value.is_null()),
                _ => {
                    self.unknown.push(format!("{path}[{index}].{key}"));
                    None
                }
            };
            if let Some(value) = kept {
                out.insert(key, value);
            }
        }
        Ok(Value::Object(out))
    }
}

fn mismatch(found: &Value, owner: &'static str, field: &str, wanted: &'static str) -> WireError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    WireError::Type { found, owner, field: field.to_owned(), wanted }
}

fn struct_fields(item: Value, path: &str, wanted: &'static str) -> Result<Map<String, Value>, WireError> {
    match item {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        other => Err(mismatch(&other, "ObjectMeta", path, wanted)),
    }
}

fn text(value: Value, path: &str, wanted: &'static str) -> Result<Option<Value>, WireError> {
    match value {
        Value::String(text) => Ok(Some(Value::String(text)).filter(|text| text != "")),
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, wanted)),
    }
}

fn integer(value: Value, path: &str) -> Result<Option<Value>, WireError> {
    match value {
        Value::Number(number) if number.is_i64() => Ok(Some(Value::Number(number))),
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, "int64")),
    }
}

fn flag(value: Value, path: &str) -> Result<Option<Value>, WireError> {
    match value {
        Value::Bool(flag) => Ok(Some(Value::Bool(flag))),
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, "bool")),
    }
}

fn moment(value: Value, path: &str) -> Result<Option<Value>, WireError> {
    match value {
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(at) => Ok(Some(Value::String(time(at)))),
            Err(_) => Err(WireError::Time(text)),
        },
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, "string")),
    }
}

fn texts(value: Value, path: &str) -> Result<Option<Value>, WireError> {
    match value {
        Value::Object(mut entries) => {
            for value in entries.values_mut() {
                match value {
                    Value::String(_) => {}
                    Value::Null => *value = Value::from(""),
                    other => return Err(mismatch(other, "ObjectMeta", path, "string")),
                }
            }
            Ok(Some(Value::Object(entries))
                .filter(|entries| entries.as_object().is_some_and(|entries| !entries.is_empty())))
        }
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, "map[string]string")),
    }
}

fn list(
    value: Value,
    path: &str,
    wanted: &'static str,
    mut item: impl FnMut(Value, usize) -> Result<Value, WireError>,
) -> Result<Option<Value>, WireError> {
    match value {
        Value::Array(items) if items.is_empty() => Ok(None),
        Value::Array(items) => {
            let items: Result<Vec<Value>, WireError> =
                items.into_iter().enumerate().map(|(at, value)| item(value, at)).collect();
            Ok(Some(Value::Array(items?)))
        }
        Value::Null => Ok(None),
        other => Err(mismatch(&other, "ObjectMeta", path, wanted)),
    }
}
