//! Errors that name the field and the value: `k8s.io/apimachinery/pkg/util/validation/field`.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::json::{encode, go_g, go_quote};
use crate::status::Cause;

/// Where a value stands in an object: `spec.rules[0].verbs`. Cheap to extend, rendered only for an error.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// The field `name` of this.
    #[must_use]
    pub const fn child(&'a self, name: &'a str) -> Self {
        Path { parent: Some(self), step: Step::Field(name) }
    }

    /// The item at `index` of this list.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// The value at `key` of this map: `labels[key]`.
    #[must_use]
    pub const fn key(&'a self, key: &'a str) -> Self {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => {
                if self.parent.is_some_and(|parent| parent.parent.is_some() || !matches!(parent.step, Step::Root)) {
                    f.write_char('.')?;
                }
                f.write_str(name)
            }
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// What is wrong with a field; the names are Kubernetes' cause types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by the constructor of `FieldError` that sets it")]
pub enum ErrorType {
    Required,
    Invalid,
    InvalidUnshown,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    TooFew,
    Duplicate,
    NotFound,
    TypeInvalid,
    Internal,
}

impl ErrorType {
    /// The `CauseType` of `meta/v1`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid | Self::InvalidUnshown => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotFound => "FieldValueNotFound",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::InvalidUnshown | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Duplicate => "Duplicate value",
            Self::NotFound => "Not found",
            Self::Internal => "Internal error",
        }
    }

    /// Whether the message shows the value.
    const fn shows_value(self) -> bool {
        matches!(self, Self::Invalid | Self::TypeInvalid | Self::NotSupported | Self::Duplicate | Self::NotFound)
    }
}

/// One thing that is wrong with an object. Its text is what kubectl shows:
/// `spec.replicas: Invalid value: -1: should be greater than or equal to 0`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: ErrorType,
    /// Where.
    pub field: String,
    /// The value that is wrong, where the message shows one.
    pub value: Value,
    /// Why.
    pub detail: String,
}

impl FieldError {
    /// Any error at `path`.
    pub fn new(kind: ErrorType, path: &Path<'_>, value: Value, detail: impl Into<String>) -> Self {
        Self { kind, field: path.to_string(), value, detail: detail.into() }
    }

    /// The value must be there.
    pub fn required(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, path, Value::Null, detail)
    }

    /// The value is not well-formed.
    pub fn invalid(path: &Path<'_>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, value.into(), detail)
    }

    /// The value is not well-formed, and too large or of no help to be shown.
    pub fn invalid_unshown(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidUnshown, path, Value::Null, detail)
    }

    /// The value is of another type.
    pub fn type_invalid(path: &Path<'_>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, path, value.into(), detail)
    }

    /// The value may not be set here or now.
    pub fn forbidden(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, path, Value::Null, detail)
    }

    /// The value stands there twice.
    pub fn duplicate(path: &Path<'_>, value: impl Into<Value>) -> Self {
        Self::new(ErrorType::Duplicate, path, value.into(), "")
    }

    /// The value is none of `supported`.
    pub fn not_supported(path: &Path<'_>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        Self::new(ErrorType::NotSupported, path, value.into(), detail)
    }

    /// The value is longer than `most` bytes.
    pub fn too_long(path: &Path<'_>, most: usize) -> Self {
        Self::new(ErrorType::TooLong, path, Value::Null, format!("may not be more than {most} bytes"))
    }

    /// The list has more than `most` items.
    pub fn too_many(path: &Path<'_>, actual: usize, most: usize) -> Self {
        Self::new(ErrorType::TooMany, path, actual.into(), format!("must have at most {most} items"))
    }

    /// The text without the field.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        // A value that is too large to be shown is null here; no null stands anywhere twice.
        let hidden = self.kind == ErrorType::Duplicate && self.value.is_null();
        if self.kind.shows_value() && !hidden {
            let _ = write!(text, ": {}", shown(&self.value));
        } else if self.kind == ErrorType::TooMany && !self.value.is_null() {
            let _ = write!(text, ": {}", self.value);
        }
        if !self.detail.is_empty() {
            let _ = write!(text, ": {}", self.detail);
        }
        text
    }

    /// As a cause of a `Status`.
    pub fn cause(&self) -> Cause {
        Cause { reason: self.kind.reason().to_owned(), message: self.body(), field: self.field.clone() }
    }
}

/// Texts stand quoted, as Go's `%q` writes them; all else is JSON, as Kubernetes shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => go_quote(text),
        Value::Number(number) if number.is_f64() => go_g(number.as_f64().unwrap_or_default()),
        other => String::from_utf8_lossy(&encode(other)).into_owned(),
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.body()) } else { write!(f, "{}: {}", self.field, self.body()) }
    }
}

impl std::error::Error for FieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_kubernetes_writes_it() {
        let spec = Path::ROOT.child("spec");
        let rules = spec.child("rules");
        let first = rules.index(0);
        assert_eq!(first.child("verbs").to_string(), "spec.rules[0].verbs");
        let labels = spec.child("labels");
        assert_eq!(labels.key("a/b").to_string(), "spec.labels[a/b]");
        assert_eq!(Path::ROOT.to_string(), "");
    }

    #[test]
    fn an_error_names_field_value_and_reason() {
        let spec = Path::ROOT.child("spec");
        let error = FieldError::invalid(&spec.child("replicas"), -1, "should be greater than or equal to 0");
        assert_eq!(error.to_string(), "spec.replicas: Invalid value: -1: should be greater than or equal to 0");
        let error = FieldError::not_supported(&spec.child("type"), "x", &["a", "b"]);
        assert_eq!(error.to_string(), "spec.type: Unsupported value: \"x\": supported values: \"a\", \"b\"");
        let error = FieldError::required(&spec.child("x"), "");
        assert_eq!(error.to_string(), "spec.x: Required value");
    }
}
