//! Objects of built-in kinds as Go reads them into structures: fields that are not known go, null and empty ones too, and a value of another
//! type is refused in Go's words. See `sigs.k8s.io/json`.

use apimachinery::{
    json::go_kind,
    schema::{Schema, SchemaOrArray, SchemaOrBool},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{Types, time, types::DEFINITIONS};
use crate::protobuf::is_pointer;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
/// Schemas hold schemas; deeper ones than these are left as they are.
const DEEPEST: usize = 64;

/// Reads an object of the type `name`; gives the paths of the fields that its type does not have. `metadata` is left as it is.
///
/// # Errors
/// The first value of another type.
pub fn read(types: &Types, name: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let mut reader = Reader { types, unknown: Vec::new(), wrong: None };
    let Value::Object(fields) = object else { return Ok(Vec::new()) };
    reader.fields(name, fields, &Place { stack: "", path: "", depth: DEEPEST });
    match reader.wrong {
        Some(wrong) => Err(wrong),
        None => Ok(reader.unknown),
    }
}

/// Where a structure stands: the fields that lead there as Go's errors tell them, and as warnings do.
struct Place<'a> {
    stack: &'a str,
    path: &'a str,
    depth: usize,
}

struct Reader<'a> {
    types: &'a Types,
    unknown: Vec<String>,
    wrong: Option<String>,
}

/// A value within a structure.
struct Field<'a> {
    /// The structure that has it.
    of: &'a str,
    stack: &'a str,
    path: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn fields(&mut self, name: &str, fields: &mut Map<String, Value>, place: &Place<'_>) {
        let Some(schema) = self.types.get(name).filter(|schema| !schema.properties.is_empty()) else { return };
        let Some(depth) = place.depth.checked_sub(1) else { return };
        let top = place.path.is_empty();
        fields.retain(|key, value| {
            let path = if top { key.clone() } else { format!("{}.{key}", place.path) };
            if top && matches!(key.as_str(), "metadata" | "apiVersion" | "kind") {
                return true;
            }
            let Some(of) = schema.properties.get(key) else {
                self.unknown.push(path);
                return false;
            };
            if value.is_null() {
                return false;
            }
            let stack = if place.stack.is_empty() { key.clone() } else { format!("{}.{key}", place.stack) };
            self.value(of, value, &Field { of: short(name), stack: &stack, path: &path, depth });
            let kept = schema.required.iter().any(|required| required == key) || is_pointer(name, key) != Some(false);
            // The rules of roles are written, whatever they are.
            kept || key == "rules" || of.reference.is_some() || !is_empty(value)
        });
    }

    fn value(&mut self, schema: &Schema, value: &mut Value, field: &Field<'_>) {
        if let Some(reference) = &schema.reference {
            let name = reference.strip_prefix(DEFINITIONS).unwrap_or(reference);
            return self.named(name, value, field);
        }
        match (schema.kind.as_str(), &mut *value) {
            ("string", Value::String(text)) if schema.format == "byte" => {
                if let Err(wrong) = STANDARD.decode(text.replace(['\r', '\n'], "")) {
                    let at = match wrong {
                        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                        _ => text.len() - text.len() % 4,
                    };
                    self.wrong.get_or_insert(format!("illegal base64 data at input byte {at}"));
                }
            }
            ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => {}
            ("integer", Value::Number(number)) => {
                let fits = match number.as_i64() {
                    Some(number) if schema.format == "int32" => i32::try_from(number).is_ok(),
                    whole => whole.is_some(),
                };
                if !fits {
                    let found = format!("number {number}");
                    self.other_type(&found, schema, field);
                }
            }
            ("array", Value::Array(items)) => {
                let Some(SchemaOrArray::Schema(item)) = &schema.items else { return };
                for (at, value) in items.iter_mut().enumerate() {
                    let path = format!("{}[{at}]", field.path);
                    self.element(item, value, &Field { path: &path, ..*field });
                }
            }
            ("object", Value::Object(values)) => {
                let Some(SchemaOrBool::Schema(item)) = &schema.additional_properties else { return };
                for (key, value) in values.iter_mut() {
                    let path = format!("{}.{key}", field.path);
                    self.element(item, value, &Field { path: &path, ..*field });
                }
            }
            ("string" | "boolean" | "integer" | "number" | "array" | "object", other) => {
                self.other_type(go_kind(other), schema, field);
            }
            _ => {}
        }
    }

    /// What a list or map holds, of which null is the empty one.
    fn element(&mut self, schema: &Schema, value: &mut Value, field: &Field<'_>) {
        if value.is_null() {
            *value = match schema.kind.as_str() {
                "string" => Value::String(String::new()),
                _ if schema.reference.is_some() => Value::Object(Map::new()),
                _ => return,
            };
        }
        self.value(schema, value, field);
    }

    fn named(&mut self, name: &str, value: &mut Value, field: &Field<'_>) {
        if let Some(meta) = name.strip_prefix(META) {
            let kind = match meta {
                "Time" => Some(time::Kind::Seconds),
                "MicroTime" => Some(time::Kind::Micros),
                _ => None,
            };
            if let Some(kind) = kind {
                return match time::read(kind, value) {
                    Ok(()) => {}
                    Err(wrong) => drop(self.wrong.get_or_insert(wrong)),
                };
            }
        }
        let Some(schema) = self.types.get(name) else { return };
        match name.strip_prefix(EXTENSIONS) {
            Some("JSON") => return,
            // These read what they hold by themselves, and drop what is not known without a word.
            Some("JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray") => {
                if let Value::Object(fields) = value {
                    let known = self.unknown.len();
                    self.fields(SCHEMA, fields, &Place { stack: "", path: field.path, depth: field.depth });
                    self.unknown.truncate(known);
                }
                return;
            }
            _ => {}
        }
        match value {
            Value::Object(fields) => {
                self.fields(name, fields, &Place { stack: field.stack, path: field.path, depth: field.depth });
            }
            _ if schema.properties.is_empty() => {}
            other => {
                let wanted = format!("v1.{}", short(name));
                self.refuse(go_kind(other), &wanted, field);
            }
        }
    }

    fn other_type(&mut self, found: &str, schema: &Schema, field: &Field<'_>) {
        let wanted = go_type(schema);
        self.refuse(found, &wanted, field);
    }

    fn refuse(&mut self, found: &str, wanted: &str, field: &Field<'_>) {
        let Field { of, stack, .. } = field;
        self.wrong.get_or_insert(format!(
            "json: cannot unmarshal {found} into Go struct field {of}.{stack} of type {wanted}"
        ));
    }
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// What Go calls the type of a field.
fn go_type(schema: &Schema) -> String {
    if let Some(reference) = &schema.reference {
        return format!("v1.{}", short(reference));
    }
    match schema.kind.as_str() {
        "string" if schema.format == "byte" => "[]uint8".to_owned(),
        "boolean" => "bool".to_owned(),
        "integer" if schema.format == "int32" => "int32".to_owned(),
        "integer" => "int64".to_owned(),
        "number" => "float64".to_owned(),
        "array" => match &schema.items {
            Some(SchemaOrArray::Schema(item)) => format!("[]{}", go_type(item)),
            _ => "[]interface {}".to_owned(),
        },
        "object" => match &schema.additional_properties {
            Some(SchemaOrBool::Schema(value)) => format!("map[string]{}", go_type(value)),
            _ => "map[string]interface {}".to_owned(),
        },
        kind => kind.to_owned(),
    }
}

/// What Go leaves out where `omitempty` stands. A structure is never empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}
