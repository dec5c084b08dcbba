//! Validation of values against schemas: all of OpenAPI v3 that Kubernetes allows, in its words.
//!
//! A [`Validator`] is made once from a [`Schema`]; expressions are compiled then. What is checked in which order, and the texts, are
//! those of `k8s.io/kube-openapi/pkg/validation/validate`; how they become field errors is apiextensions-apiserver's
//! `pkg/apiserver/validation/validation.go`, and what an update may leave as wrong as it was is its `ratcheting.go`.

mod check;
mod node;
mod numbers;
mod old;

use serde_json::Value;

use self::check::{Fault, FaultKind, Outcome};
use self::node::Node;
use self::old::Old;
use super::Schema;
use crate::field::{ErrorType, FieldError, Path};

/// A schema ready to validate values.
#[derive(Debug)]
pub struct Validator {
    root: Node,
}

impl Validator {
    /// Compiles a schema. A pattern that is no expression refuses every text, as in Kubernetes.
    pub fn new(schema: &Schema) -> Self {
        Self { root: Node::new(schema) }
    }

    /// What is wrong with `value`, which stands at `path`.
    pub fn validate(&self, value: &Value, path: &Path<'_>) -> Vec<FieldError> {
        let mut outcome = Outcome::default();
        check::check(&self.root, value, &Path::ROOT, None, &mut outcome);
        errors(outcome, path)
    }

    /// What an update from `old` makes wrong: a part that did not change may be as invalid as it was, where the old part can be told
    /// (a field of an object, an item of a list of type map).
    pub fn validate_update(&self, new: &Value, old: &Value, path: &Path<'_>) -> Vec<FieldError> {
        let mut outcome = Outcome::default();
        let old = Old { value: old, node: &self.root };
        check::check_part(&self.root, new, &Path::ROOT, Some(old), &mut outcome);
        errors(outcome, path)
    }
}

/// [`Validator::validate`] for a schema that is used once.
pub fn validate(value: &Value, schema: &Schema, path: &Path<'_>) -> Vec<FieldError> {
    Validator::new(schema).validate(value, path)
}

/// [`Validator::validate_update`] for a schema that is used once.
pub fn validate_update(new: &Value, old: &Value, schema: &Schema, path: &Path<'_>) -> Vec<FieldError> {
    Validator::new(schema).validate_update(new, old, path)
}

fn errors(outcome: Outcome, path: &Path<'_>) -> Vec<FieldError> {
    if outcome.faults.is_empty() {
        return Vec::new();
    }
    let base = path.to_string();
    outcome.faults.into_iter().map(|fault| error(fault, &base)).collect()
}

fn error(fault: Fault, base: &str) -> FieldError {
    let Fault { name, kind, value, message } = fault;
    let field = match name.as_deref().unwrap_or_default() {
        // What Go prints for a path that is none.
        "" if base.is_empty() => "<nil>".to_owned(),
        "" => base.to_owned(),
        name if base.is_empty() => name.to_owned(),
        name => format!("{base}.{name}"),
    };
    // A null is shown as an empty text, except where it is what an enumeration refuses.
    let shown = |value: Value| if value.is_null() { Value::String(String::new()) } else { value };
    let (kind, value, detail) = match kind {
        FaultKind::Required => (ErrorType::Required, Value::Null, String::new()),
        FaultKind::Enum => (ErrorType::NotSupported, value, message),
        FaultKind::TooLong(most) => {
            let unit = if most == 1 { "byte" } else { "bytes" };
            (ErrorType::TooLong, Value::Null, format!("may not be more than {most} {unit}"))
        }
        FaultKind::TooMany(most) => {
            let unit = if most == 1 { "item" } else { "items" };
            (ErrorType::TooMany, value, format!("must have at most {most} {unit}"))
        }
        FaultKind::Type => (ErrorType::TypeInvalid, shown(value), message),
        FaultKind::Other => (ErrorType::Invalid, shown(value), message),
    };
    FieldError { kind, field, value, detail }
}

#[cfg(test)]
mod tests;
