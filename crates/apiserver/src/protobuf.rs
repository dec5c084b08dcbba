//! Request bodies in `application/vnd.kubernetes.protobuf`, read into the same JSON trees as all others: what
//! controller-runtime and client-go send of built-in kinds.
//!
//! The schemas say what each field is; `fields` says its number. See `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`.

mod fields;
mod wire;

use apimachinery::schema::{Schema, SchemaOrArray, SchemaOrBool};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::builtin::types::DEFINITIONS;
use crate::builtin::{KINDS, Types};
use fields::{FIELDS, ROOT};
use wire::{Reader, Wire};

const MAGIC: &[u8] = b"k8s\0";
/// Schemas in a `CustomResourceDefinition` hold schemas; deeper ones than these are refused.
const DEEPEST: usize = 64;
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is something else.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NotProtobuf,
    /// It ends too early, or has a field of another form.
    #[error("the protobuf message is not well formed")]
    Malformed,
    /// A text is not UTF-8.
    #[error("the protobuf message has a text that is not UTF-8")]
    NotUtf8,
    /// A part that is JSON inside is none.
    #[error("the protobuf message holds bad JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The kind has no protobuf form here.
    #[error("no kind {kind:?} is registered for version {api_version:?} in protobuf")]
    UnknownKind {
        /// The version that the message names.
        api_version: String,
        /// The kind that it names.
        kind: String,
    },
    /// It is nested too deeply.
    #[error("the protobuf message is nested too deeply")]
    TooDeep,
}

/// Reads a body: an object of a built-in kind, or options of a delete.
pub fn decode(body: &[u8], types: &Types) -> Result<Value, DecodeError> {
    let body = body.strip_prefix(MAGIC).ok_or(DecodeError::NotProtobuf)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Reader::new(body) {
        match field? {
            (1, Wire::Bytes(meta)) => {
                for field in Reader::new(meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let type_name = type_of(&api_version, &kind)
        .ok_or_else(|| DecodeError::UnknownKind { api_version: api_version.clone(), kind: kind.clone() })?;
    let mut object = Decoder { types }.message(type_name, raw, DEEPEST)?;
    if let Value::Object(object) = &mut object {
        object.insert("apiVersion".to_owned(), api_version.into());
        object.insert("kind".to_owned(), kind.into());
    }
    Ok(object)
}

/// Whether Go has a pointer for a field of a type, so that its zero value says something; none for a field that is not known.
pub(crate) fn is_pointer(type_name: &str, field: &str) -> Option<bool> {
    let name = type_name.strip_prefix(ROOT).unwrap_or(type_name);
    let at = FIELDS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    let (_, fields) = FIELDS.get(at)?;
    fields.split(' ').find_map(|known| match known.strip_prefix('*') {
        Some(known) => (known == field).then_some(true),
        None => (known == field).then_some(false),
    })
}

/// The type of a kind that may come as a body.
fn type_of(api_version: &str, kind: &str) -> Option<&'static str> {
    match (api_version, kind) {
        (_, "DeleteOptions") => return Some("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        ("authentication.k8s.io/v1", "TokenRequest") => return Some("io.k8s.api.authentication.v1.TokenRequest"),
        ("autoscaling/v1", "Scale") => return Some("io.k8s.api.autoscaling.v1.Scale"),
        _ => {}
    }
    let found = KINDS.iter().find(|definition| definition.kind == kind && definition.api_version() == api_version);
    found.map(|definition| definition.type_name)
}

fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::NotUtf8)
}

struct Decoder<'a> {
    types: &'a Types,
}

impl Decoder<'_> {
    /// A message of a type.
    fn message(&self, name: &str, bytes: &[u8], depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        if let Some(value) = self.special(name, bytes, depth)? {
            return Ok(value);
        }
        let mut object = Map::new();
        if let Some(schema) = self.types.get(name) {
            self.fields(name.strip_prefix(ROOT).unwrap_or(name), schema, bytes, depth, &mut object)?;
        }
        Ok(Value::Object(object))
    }

    /// Reads the fields of a message, numbered as `table` says, into an object of `schema`.
    fn fields(
        &self,
        table: &str,
        schema: &Schema,
        bytes: &[u8],
        depth: usize,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        let at = FIELDS.binary_search_by(|(name, _)| (*name).cmp(table)).ok();
        let numbers = at.and_then(|at| FIELDS.get(at)).map_or("", |(_, numbers)| numbers);
        for field in Reader::new(bytes) {
            let (number, wire) = field?;
            let Some(name) = name_of(numbers, number) else { continue };
            if let Some(inner) = name.strip_prefix('=') {
                let Wire::Bytes(bytes) = wire else { return Err(DecodeError::Malformed) };
                let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
                self.fields(inner, schema, bytes, depth, object)?;
                continue;
            }
            let (name, pointer) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
            let Some(of) = schema.properties.get(name) else { continue };
            self.field(name, of, wire, depth, object)?;
            // Go writes the zero value of what has no pointer, and reads it as nothing said.
            let keeps = pointer || schema.required.iter().any(|required| required == name);
            if !keeps && object.get(name).is_some_and(is_zero) {
                object.remove(name);
            }
        }
        Ok(())
    }

    fn field(
        &self,
        name: &str,
        schema: &Schema,
        wire: Wire<'_>,
        depth: usize,
        object: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        match (&schema.items, &schema.additional_properties) {
            (Some(SchemaOrArray::Schema(item)), _) => {
                let value = self.value(item, wire, depth)?;
                match object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(items) => items.push(value),
                    _ => return Err(DecodeError::Malformed),
                }
            }
            (_, Some(SchemaOrBool::Schema(of))) => {
                let Wire::Bytes(bytes) = wire else { return Err(DecodeError::Malformed) };
                let (mut key, mut value) = (String::new(), None);
                for field in Reader::new(bytes) {
                    match field? {
                        (1, Wire::Bytes(text)) => key = utf8(text)?,
                        (2, wire) => value = Some(self.value(of, wire, depth)?),
                        _ => {}
                    }
                }
                let value = match value {
                    Some(value) => value,
                    None => self.value(of, Wire::Bytes(&[]), depth)?,
                };
                match object.entry(name).or_insert_with(|| Value::Object(Map::new())) {
                    Value::Object(map) => drop(map.insert(key, value)),
                    _ => return Err(DecodeError::Malformed),
                }
            }
            _ => {
                let value = self.value(schema, wire, depth)?;
                if value.is_null() {
                    object.remove(name)
                } else {
                    object.insert(name.to_owned(), value)
                };
            }
        }
        Ok(())
    }

    /// One value: of a field, an item or a map.
    fn value(&self, schema: &Schema, wire: Wire<'_>, depth: usize) -> Result<Value, DecodeError> {
        if let Some(reference) = &schema.reference {
            let Wire::Bytes(bytes) = wire else { return Err(DecodeError::Malformed) };
            return self.message(reference.strip_prefix(DEFINITIONS).unwrap_or(reference), bytes, depth);
        }
        match (&*schema.kind, wire) {
            ("string", Wire::Bytes(bytes)) if schema.format == "byte" => Ok(STANDARD.encode(bytes).into()),
            ("string", Wire::Bytes(bytes)) => Ok(utf8(bytes)?.into()),
            ("integer", Wire::Varint(value)) => Ok(value.cast_signed().into()),
            ("boolean", Wire::Varint(value)) => Ok((value != 0).into()),
            ("number", Wire::Fixed64(value)) => Ok(f64::from_bits(value).into()),
            // A list in a map is a message of its items.
            ("array", Wire::Bytes(bytes)) => {
                let item = schema.item().ok_or(DecodeError::Malformed)?;
                let mut items = Vec::new();
                for field in Reader::new(bytes) {
                    if let (1, wire) = field? {
                        items.push(self.value(item, wire, depth)?);
                    }
                }
                Ok(items.into())
            }
            _ => Err(DecodeError::Malformed),
        }
    }

    /// Types whose JSON has another form than their message. Null is nothing.
    fn special(&self, name: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>, DecodeError> {
        if let Some(meta) = name.strip_prefix(META) {
            return match meta {
                "Time" => time(bytes, false).map(Some),
                "MicroTime" => time(bytes, true).map(Some),
                "FieldsV1" => json(bytes).map(Some),
                _ => Ok(None),
            };
        }
        if name == "io.k8s.apimachinery.pkg.runtime.RawExtension" {
            return json(bytes).map(Some);
        }
        let schema = format!("{EXTENSIONS}JSONSchemaProps");
        let (mut one, mut several, mut allows) = (Value::Null, Vec::new(), false);
        let form = name.strip_prefix(EXTENSIONS).unwrap_or_default();
        match form {
            "JSON" => return json(bytes).map(Some),
            "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray" => {}
            _ => return Ok(None),
        }
        for field in Reader::new(bytes) {
            match (form, field?) {
                ("JSONSchemaPropsOrBool", (1, Wire::Varint(value))) => allows = value != 0,
                ("JSONSchemaPropsOrBool", (2, Wire::Bytes(bytes)))
                | ("JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray", (1, Wire::Bytes(bytes))) => {
                    one = self.message(&schema, bytes, depth)?;
                }
                ("JSONSchemaPropsOrArray", (2, Wire::Bytes(bytes))) => {
                    several.push(self.message(&schema, bytes, depth)?);
                }
                ("JSONSchemaPropsOrStringArray", (2, Wire::Bytes(bytes))) => several.push(utf8(bytes)?.into()),
                _ => {}
            }
        }
        Ok(Some(match form {
            _ if !several.is_empty() => several.into(),
            "JSONSchemaPropsOrBool" if one.is_null() => allows.into(),
            _ => one,
        }))
    }
}

/// The name of a field by its number.
fn name_of(numbers: &'static str, number: u64) -> Option<&'static str> {
    let mut words = numbers.split(' ');
    while let (Some(found), Some(name)) = (words.next(), words.next()) {
        if found.parse() == Ok(number) {
            return Some(name);
        }
    }
    None
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A time; none is an empty message.
fn time(bytes: &[u8], micro: bool) -> Result<Value, DecodeError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0, 0);
    for field in Reader::new(bytes) {
        match field? {
            (1, Wire::Varint(value)) => seconds = value.cast_signed(),
            (2, Wire::Varint(value)) => nanos = i32::try_from(value).map_err(|_| DecodeError::Malformed)?,
            _ => {}
        }
    }
    let time = Timestamp::new(seconds, nanos).map_err(|_| DecodeError::Malformed)?;
    Ok(if micro { format!("{time:.6}") } else { format!("{time:.0}") }.into())
}

/// A message that holds JSON as its one field.
fn json(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut value = Value::Null;
    for field in Reader::new(bytes) {
        if let (1, Wire::Bytes(text)) = field? {
            value = if text.is_empty() { Value::Null } else { serde_json::from_slice(text)? };
        }
    }
    Ok(value)
}
