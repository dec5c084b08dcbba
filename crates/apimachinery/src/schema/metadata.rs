//! `apiVersion`, `kind` and `metadata` of resources, also of those embedded in others: `pkg/apiserver/schema/objectmeta` of
//! apiextensions-apiserver.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Schema;
use crate::{
    field::{FieldError, Path},
    json::go_kind,
};

/// What a field of metadata must be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Int64,
    Bool,
    Time,
    TextMap,
    Texts,
    Any,
    List(&'static Type),
}

/// A Go type: its name, and its fields.
struct Type {
    name: &'static str,
    fields: &'static [(&'static str, Kind)],
}

static OBJECT_META: Type = Type {
    name: "ObjectMeta",
    fields: &[
        ("annotations", Kind::TextMap),
        ("creationTimestamp", Kind::Time),
        ("deletionGracePeriodSeconds", Kind::Int64),
        ("deletionTimestamp", Kind::Time),
        ("finalizers", Kind::Texts),
        ("generateName", Kind::Text),
        ("generation", Kind::Int64),
        ("labels", Kind::TextMap),
        ("managedFields", Kind::List(&MANAGED_FIELDS)),
        ("name", Kind::Text),
        ("namespace", Kind::Text),
        ("ownerReferences", Kind::List(&OWNER_REFERENCE)),
        ("resourceVersion", Kind::Text),
        ("selfLink", Kind::Text),
        ("uid", Kind::Text),
    ],
};

static OWNER_REFERENCE: Type = Type {
    name: "OwnerReference",
    fields: &[
        ("apiVersion", Kind::Text),
        ("blockOwnerDeletion", Kind::Bool),
        ("controller", Kind::Bool),
        ("kind", Kind::Text),
        ("name", Kind::Text),
        ("uid", Kind::Text),
    ],
};

static MANAGED_FIELDS: Type = Type {
    name: "ManagedFieldsEntry",
    fields: &[
        ("apiVersion", Kind::Text),
        ("fieldsType", Kind::Text),
        ("fieldsV1", Kind::Any),
        ("manager", Kind::Text),
        ("operation", Kind::Text),
        ("subresource", Kind::Text),
        ("time", Kind::Time),
    ],
};

/// Brings the metadata of a resource into form: unknown fields and empty ones go, as when Go reads and writes an `ObjectMeta`. Gives the
/// paths of the unknown fields in order.
///
/// # Errors
/// A field of another type, in the words of Go's reader: the request is a 400.
pub fn coerce(object: &mut Value) -> Result<Vec<String>, String> {
    coerce_within(object, "")
}

/// As [`coerce`], for an object that is read as a whole into a structure `of`.
///
/// # Errors
/// A field of another type.
pub fn coerce_in(object: &mut Value, of: &str) -> Result<Vec<String>, String> {
    coerce_within(object, of)
}

fn coerce_within(object: &mut Value, of: &str) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    if let Some(metadata) = object.get_mut("metadata") {
        if !of.is_empty() && !metadata.is_object() && !metadata.is_null() {
            let found = go_kind(metadata);
            return Err(format!(
                "json: cannot unmarshal {found} into Go struct field {of}.metadata of type v1.ObjectMeta"
            ));
        }
        let stack = if of.is_empty() { "" } else { "metadata" };
        coerce_metadata(metadata, stack, &Path::ROOT.child("metadata"), &mut unknown)?;
    }
    unknown.sort();
    Ok(unknown)
}

/// As [`coerce`], for the resources that a schema embeds in an object.
///
/// # Errors
/// The first field of another type.
pub fn coerce_embedded(object: &mut Value, schema: &Schema) -> Result<Vec<String>, FieldError> {
    let mut unknown = Vec::new();
    visit(object, schema, &Path::ROOT, &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

fn visit(value: &mut Value, schema: &Schema, path: &Path<'_>, unknown: &mut Vec<String>) -> Result<(), FieldError> {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if schema.embedded_resource {
                    match name.as_str() {
                        "apiVersion" | "kind" if !value.is_string() => {
                            return Err(FieldError::invalid(&path.child(name), value.clone(), "must be a string"));
                        }
                        "metadata" => {
                            let original = value.clone();
                            coerce_metadata(value, "", &path.child(name), unknown)
                                .map_err(|error| FieldError::invalid(&path.child(name), original, error))?;
                        }
                        _ => {}
                    }
                }
                if let Some(property) = schema.properties.get(name) {
                    visit(value, property, &path.child(name), unknown)?;
                } else if let Some(additional) = schema.additional() {
                    visit(value, additional, &path.child(name), unknown)?;
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.item() {
                for (index, value) in items.iter_mut().enumerate() {
                    visit(value, item, &path.index(index), unknown)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn coerce_metadata(
    metadata: &mut Value,
    stack: &str,
    path: &Path<'_>,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    match metadata {
        Value::Null => *metadata = Value::Object(Map::new()),
        Value::Object(fields) => coerce_fields(fields, &OBJECT_META, stack, path, unknown)?,
        other => return Err(format!("json: cannot unmarshal {} into Go value of type v1.ObjectMeta", go_kind(other))),
    }
    Ok(())
}

fn coerce_fields(
    fields: &mut Map<String, Value>,
    of: &Type,
    stack: &str,
    path: &Path<'_>,
    unknown: &mut Vec<String>,
) -> Result<(), String> {
    let mut wrong = None;
    fields.retain(|name, value| {
        let Some((_, kind)) = of.fields.iter().find(|(known, _)| known == name) else {
            unknown.push(path.child(name).to_string());
            return false;
        };
        let full = if stack.is_empty() { name.clone() } else { format!("{stack}.{name}") };
        match coerce_field(value, *kind, of, &full, &path.child(name), unknown) {
            Ok(kept) => kept,
            Err(error) => {
                wrong.get_or_insert(error);
                true
            }
        }
    });
    wrong.map_or(Ok(()), Err)
}

/// Whether the field is kept: what is empty is not written again.
fn coerce_field(
    value: &mut Value,
    kind: Kind,
    of: &Type,
    stack: &str,
    path: &Path<'_>,
    unknown: &mut Vec<String>,
) -> Result<bool, String> {
    let wrong = |value: &Value, wanted: &str| {
        let found = match value {
            Value::Number(number) if wanted == "int64" => format!("number {number}"),
            other => go_kind(other).to_owned(),
        };
        Err(format!("json: cannot unmarshal {found} into Go struct field {}.{stack} of type {wanted}", of.name))
    };
    // Owner references always tell all of who they are.
    let required = of.name == OWNER_REFERENCE.name && matches!(kind, Kind::Text);
    match (kind, &mut *value) {
        (Kind::Any, value) => Ok(!value.is_null()),
        (Kind::Text, Value::Null) if required => {
            *value = Value::String(String::new());
            Ok(true)
        }
        (_, Value::Null) => Ok(false),
        (Kind::Text, Value::String(text)) => Ok(required || !text.is_empty()),
        (Kind::Text, other) => wrong(other, if stack.ends_with("uid") { "types.UID" } else { "string" }),
        (Kind::Int64, Value::Number(number)) => match number.as_i64() {
            // A grace period of zero is a pointer to zero, and is kept.
            Some(number) => Ok(number != 0 || stack.ends_with("deletionGracePeriodSeconds")),
            None => wrong(value, "int64"),
        },
        (Kind::Int64, other) => wrong(other, "int64"),
        (Kind::Bool, Value::Bool(_)) => Ok(true),
        (Kind::Bool, other) => wrong(other, "bool"),
        (Kind::Time, Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(time) => {
                *value = Value::String(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                Ok(true)
            }
            Err(_) => Err(format!(
                "parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse {} as \"2006\"",
                crate::json::go_quote(text),
                crate::json::go_quote(text)
            )),
        },
        (Kind::Time, other) => wrong(other, "string"),
        (Kind::TextMap, Value::Object(map)) => {
            for value in map.values_mut() {
                match value {
                    Value::String(_) => {}
                    Value::Null => *value = Value::String(String::new()),
                    other => return wrong(other, "string"),
                }
            }
            Ok(!map.is_empty())
        }
        (Kind::TextMap, other) => wrong(other, "map[string]string"),
        (Kind::Texts, Value::Array(list)) => {
            for value in list.iter_mut() {
                match value {
                    Value::String(_) => {}
                    Value::Null => *value = Value::String(String::new()),
                    other => return wrong(other, "string"),
                }
            }
            Ok(!list.is_empty())
        }
        (Kind::Texts, other) => wrong(other, "[]string"),
        (Kind::List(item), Value::Array(list)) => {
            for (index, value) in list.iter_mut().enumerate() {
                match value {
                    Value::Object(fields) => coerce_fields(fields, item, stack, &path.index(index), unknown)?,
                    Value::Null => *value = Value::Object(Map::new()),
                    other => return wrong(other, &format!("v1.{}", item.name)),
                }
                if item.name == OWNER_REFERENCE.name {
                    complete_owner(value);
                }
            }
            Ok(!list.is_empty())
        }
        (Kind::List(item), other) => wrong(other, &format!("[]v1.{}", item.name)),
    }
}

/// An owner reference is written with all its texts, given or not.
fn complete_owner(value: &mut Value) {
    if let Value::Object(fields) = value {
        for name in ["apiVersion", "kind", "name", "uid"] {
            fields.entry(name).or_insert_with(|| Value::String(String::new()));
        }
    }
}

/// What is wrong with the resources that a schema embeds in an object. `metadata` checks the metadata of one; the path given is that of
/// the metadata.
pub fn validate_embedded(
    object: &Value,
    schema: &Schema,
    path: &Path<'_>,
    metadata: &dyn Fn(&Value, &Path<'_>) -> Vec<FieldError>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    visit_embedded(object, schema, path, metadata, &mut errors);
    errors
}

fn visit_embedded(
    value: &Value,
    schema: &Schema,
    path: &Path<'_>,
    metadata: &dyn Fn(&Value, &Path<'_>) -> Vec<FieldError>,
    errors: &mut Vec<FieldError>,
) {
    match value {
        Value::Object(object) => {
            if schema.embedded_resource {
                validate_resource(object, path, metadata, errors);
            }
            for (name, value) in object {
                if let Some(property) = schema.properties.get(name) {
                    visit_embedded(value, property, &path.child(name), metadata, errors);
                } else if let Some(additional) = schema.additional() {
                    visit_embedded(value, additional, &path.key(name), metadata, errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.item() {
                for (index, value) in items.iter().enumerate() {
                    visit_embedded(value, item, &path.index(index), metadata, errors);
                }
            }
        }
        _ => {}
    }
}

fn validate_resource(
    object: &Map<String, Value>,
    path: &Path<'_>,
    metadata: &dyn Fn(&Value, &Path<'_>) -> Vec<FieldError>,
    errors: &mut Vec<FieldError>,
) {
    for name in ["apiVersion", "kind"] {
        let path = path.child(name);
        match object.get(name) {
            None => errors.push(FieldError::required(&path, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(&path, "", "must not be empty"));
            }
            Some(Value::String(text)) if name == "apiVersion" && text.matches('/').count() > 1 => {
                errors.push(FieldError::invalid(
                    &path,
                    text.as_str(),
                    format!("unexpected GroupVersion string: {text}"),
                ));
            }
            Some(Value::String(text)) if name == "kind" && !is_dns1035_label(&text.to_lowercase()) => {
                let why = "may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case \
                           alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric \
                           character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
                errors.push(FieldError::invalid(&path, text.as_str(), why));
            }
            Some(Value::String(_)) => {}
            Some(other) => errors.push(FieldError::invalid(&path, other.clone(), "must be a string")),
        }
    }
    if let Some(value) = object.get("metadata") {
        errors.extend(metadata(value, &path.child("metadata")));
    }
}

fn is_dns1035_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    text.len() <= 63
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|byte| *byte != b'-')
        && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_and_empty_metadata_goes() {
        let mut object = json!({"metadata": {"name": "a", "odd": 1, "labels": {}, "namespace": "", "generation": 0,
            "creationTimestamp": null, "annotations": {"a": null}, "finalizers": [], "ownerReferences": [{"name": "o", "x": 1}],
            "deletionTimestamp": "2024-01-02T03:04:05.678+01:00"}});
        assert_eq!(coerce(&mut object).unwrap(), ["metadata.odd", "metadata.ownerReferences[0].x"]);
        assert_eq!(
            object,
            json!({"metadata": {"name": "a", "annotations": {"a": ""}, "deletionTimestamp": "2024-01-02T02:04:05Z",
                "ownerReferences": [{"apiVersion": "", "kind": "", "name": "o", "uid": ""}]}})
        );
    }

    #[test]
    fn metadata_of_another_type_is_refused_in_the_words_of_go() {
        for (metadata, words) in [
            (json!([]), "array into Go value of type v1.ObjectMeta"),
            (json!({"name": 5}), "number into Go struct field ObjectMeta.name of type string"),
            (json!({"labels": {"a": 1}}), "number into Go struct field ObjectMeta.labels of type string"),
            (json!({"labels": "a"}), "string into Go struct field ObjectMeta.labels of type map[string]string"),
            (json!({"generation": 1.5}), "number 1.5 into Go struct field ObjectMeta.generation of type int64"),
            (json!({"finalizers": "a"}), "string into Go struct field ObjectMeta.finalizers of type []string"),
            (
                json!({"ownerReferences": [{"controller": "x"}]}),
                "string into Go struct field OwnerReference.ownerReferences.controller of type bool",
            ),
        ] {
            let error = coerce(&mut json!({ "metadata": metadata })).unwrap_err();
            assert_eq!(error, format!("json: cannot unmarshal {words}"));
        }
    }

    #[test]
    fn an_embedded_resource_has_type_and_metadata_of_its_own() {
        let schema: Schema =
            serde_json::from_value(json!({"type": "object", "properties": {"items": {"type": "array", "items": {
            "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}}))
            .unwrap();
        let mut object =
            json!({"items": [{"metadata": {"name": "x", "odd": 1}}, {"apiVersion": "a/b/c", "kind": "-x"}]});
        assert_eq!(coerce_embedded(&mut object, &schema).unwrap(), ["items[0].metadata.odd"]);
        let metadata = |_: &Value, path: &Path<'_>| vec![FieldError::required(&path.child("name"), "")];
        let errors = validate_embedded(&object, &schema, &Path::ROOT, &metadata);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            ["items[0].apiVersion", "items[0].kind", "items[0].metadata.name", "items[1].apiVersion", "items[1].kind"]
        );
        let error = coerce_embedded(&mut json!({"items": [{"kind": 5}]}), &schema).unwrap_err();
        assert_eq!(error.to_string(), "items[0].kind: Invalid value: 5: must be a string");
    }
}
