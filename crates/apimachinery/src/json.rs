//! Request bodies as trees, and trees as answers: JSON and YAML, read and written as kube-apiserver reads and writes them.
//!
//! The reader is our own because Go's differs from every Rust one where clients can see it: invalid UTF-8 is replaced and not
//! refused, integers beyond 64 bits become floats, a key given twice is told (with its path) and not refused, and the texts of the
//! errors reach the person at the keyboard. Source: `sigs.k8s.io/json`, `sigs.k8s.io/yaml`, `k8s.io/apiserver` handlers.

mod read;
mod scalar;
mod write;
mod yaml;

use std::fmt::Write as _;

use serde_json::Value;

pub use self::write::{encode, encode_pretty, encode_yaml, go_float, go_g, go_quote};

/// The most bytes a body may have: `limitedReadBody` of kube-apiserver.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;

/// How many lists and objects may lie in each other.
///
/// Kubernetes takes 10,000. The readers of what we serve stop at 128 (serde's), and an object that a controller cannot read stops
/// the controller: wrapped in a list and a watch event, with its managed fields, an object of this depth is still read.
pub const MAX_DEPTH: usize = 100;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/json` and its kin.
    Json,
    /// `application/yaml`: the first document of the text.
    Yaml,
}

/// A body that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What it says; where a key stands twice, the last one holds.
    pub value: Value,
    /// One message for each key given twice, as field validation shows it: `duplicate field "spec.x"`. At most 100.
    pub duplicates: Vec<String>,
}

/// Why a body could not be read. The texts are those of Go's readers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than a body may have.
    #[error("limit is {limit}")]
    TooLarge {
        /// The most bytes there may be.
        limit: usize,
    },
    /// It is not JSON.
    #[error("{message}")]
    Syntax {
        /// What Go's reader says.
        message: String,
    },
    /// It is not YAML.
    #[error("yaml: {message}")]
    Yaml {
        /// What and, where known, in which line.
        message: String,
    },
    /// A YAML value that JSON cannot tell: `.inf`.
    #[error("json: unsupported value: {0}")]
    Unsupported(String),
    /// A number that no float can hold.
    #[error("json: cannot unmarshal number {number} into Go value of type float64")]
    Number {
        /// As it was written.
        number: String,
        /// The kind that the body names.
        kind: String,
        /// The version that the body names, without its group.
        version: String,
    },
    /// It is no object, or `apiVersion` or `kind` is no text.
    #[error("json: cannot unmarshal {found} into Go {place}")]
    Shape {
        /// What stands there: `array`, `number`.
        found: &'static str,
        /// What should take it.
        place: &'static str,
    },
}

impl DecodeError {
    /// The message of the 400 that answers a body which should have been a `kind`.
    pub fn message(&self, kind: &str, body: &[u8]) -> String {
        match self {
            Self::Syntax { .. } | Self::Shape { .. } => {
                unrecognized(kind, &format!("couldn't get version/kind; json parse error: {self}"), body)
            }
            Self::Number { kind: named, version, .. } if !named.is_empty() => {
                format!("{named} in version {} cannot be handled as a {kind}: {self}", go_quote(version))
            }
            Self::TooLarge { .. } => self.to_string(),
            _ => unrecognized(kind, &self.to_string(), body),
        }
    }
}

/// The message for a body that is not what it should be: `transformDecodeError` of kube-apiserver.
pub fn unrecognized(kind: &str, why: &str, body: &[u8]) -> String {
    format!("the object provided is unrecognized (must be of type {kind}): {why} ({})", summary(body))
}

/// The start of a body as error messages show it: text where it may be JSON, else hexadecimal.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let start = body.get(..SHOWN).unwrap_or(body);
    let mut text = match body.first() {
        None => return "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned(),
        Some(_) => start.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
    };
    if body.len() > SHOWN {
        text.push_str(" ...");
    }
    text
}

/// Reads any body: an object, or the list of a JSON patch.
///
/// # Errors
/// Not JSON (or YAML), too large, nested too deep, numbers that no float can hold.
pub fn decode(body: &[u8], form: ContentType) -> Result<Decoded, DecodeError> {
    if body.len() > MAX_BYTES {
        return Err(DecodeError::TooLarge { limit: MAX_BYTES });
    }
    match form {
        ContentType::Json => read::read(body),
        ContentType::Yaml => yaml::read(body),
    }
}

/// Reads a body that must be an object whose `apiVersion` and `kind`, where given, are texts. `null` is an object without fields.
///
/// # Errors
/// Those of [`decode`], and values of another shape.
pub fn decode_object(body: &[u8], form: ContentType) -> Result<Decoded, DecodeError> {
    const TARGET: &str = "value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
                          Kind string \"json:\\\"kind,omitempty\\\"\" }";
    let mut decoded = decode(body, form)?;
    let object = match &decoded.value {
        Value::Null => {
            decoded.value = Value::Object(serde_json::Map::new());
            return Ok(decoded);
        }
        Value::Object(object) => object,
        other => return Err(DecodeError::Shape { found: go_kind(other), place: TARGET }),
    };
    for (name, place) in
        [("apiVersion", "struct field .apiVersion of type string"), ("kind", "struct field .kind of type string")]
    {
        match object.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => return Err(DecodeError::Shape { found: go_kind(other), place }),
        }
    }
    Ok(decoded)
}

/// What Go's reader calls a value.
pub const fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
