//! Whether a value is of its type: `structured-merge-diff/typed/validate.go`.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use super::element::Element;
use super::types::{ListKind, ListType, MapType, Scalar, Shape, Type};
use crate::patch::printed;

/// What is wrong with a value, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TypeErrors(Vec<(String, String)>);

impl TypeErrors {
    fn one(message: String) -> Self {
        Self(vec![(String::new(), message)])
    }

    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn within(mut self, prefix: impl FnOnce() -> String) -> Self {
        if !self.0.is_empty() {
            let prefix = prefix();
            for (path, _) in &mut self.0 {
                path.insert_str(0, &prefix);
            }
        }
        self
    }
}

impl fmt::Display for TypeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |f: &mut fmt::Formatter<'_>, (path, message): &(String, String)| {
            if path.is_empty() { f.write_str(message) } else { write!(f, "{path}: {message}") }
        };
        if let [only] = self.0.as_slice() {
            return one(f, only);
        }
        f.write_str("errors:")?;
        for error in &self.0 {
            f.write_str("\n  ")?;
            one(f, error)?;
        }
        Ok(())
    }
}

/// Checks a value. Stored lists may hold an item twice, applied ones may not.
///
/// # Errors
/// Each place where the value is not of its type.
pub(super) fn validate(of: Type<'_>, value: &Value, duplicates_allowed: bool) -> Result<(), TypeErrors> {
    let errors = Check { duplicates_allowed }.value(of, value);
    if errors.0.is_empty() { Ok(()) } else { Err(errors) }
}

struct Check {
    duplicates_allowed: bool,
}

impl Check {
    fn value(&self, of: Type<'_>, value: &Value) -> TypeErrors {
        match of.shape(Some(value)) {
            Shape::Map(map) => match value {
                Value::Object(fields) => self.map(map, fields),
                Value::Null => TypeErrors::default(),
                other => TypeErrors::one(format!("expected map, got &{{{}}}", printed(other))),
            },
            Shape::List(list) => match value {
                Value::Array(items) => self.list(list, items),
                Value::Null => TypeErrors::default(),
                other => TypeErrors::one(format!("expected list, got &{{{}}}", printed(other))),
            },
            Shape::Scalar(scalar) => scalar_error(scalar, value).map_or_else(TypeErrors::default, TypeErrors::one),
            Shape::Invalid => TypeErrors::one("schema error: invalid atom: inlined".to_owned()),
        }
    }

    fn map(&self, map: MapType<'_>, fields: &Map<String, Value>) -> TypeErrors {
        let mut errors = TypeErrors::default();
        for (name, value) in fields {
            let of = map.field(name);
            if matches!(of, Type::Undeclared) {
                errors.add(TypeErrors::one("field not declared in schema".to_owned()).within(|| format!(".{name}")));
                // As Kubernetes: the first is enough.
                break;
            }
            errors.add(self.value(of, value).within(|| format!(".{name}")));
        }
        errors
    }

    fn list(&self, list: ListType<'_>, items: &[Value]) -> TypeErrors {
        let mut errors = TypeErrors::default();
        if matches!(list.kind, ListKind::Atomic) {
            for (index, item) in items.iter().enumerate() {
                errors.add(self.value(list.items, item).within(|| format!("[{index}]")));
            }
            return errors;
        }
        let mut seen: BTreeSet<Element> = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = match list.element(item) {
                Ok(element) => element,
                Err(why) => {
                    errors.add(TypeErrors::one(format!("element {index}: {why}")));
                    return errors;
                }
            };
            if !self.duplicates_allowed && seen.contains(&element) {
                errors.add(TypeErrors::one(format!("duplicate entries for key {element}")));
            }
            errors.add(self.value(list.items, item).within(|| element.to_string()));
            if !self.duplicates_allowed {
                seen.insert(element);
            }
        }
        errors
    }
}

fn scalar_error(scalar: Scalar, value: &Value) -> Option<String> {
    let fits = match scalar {
        _ if value.is_null() => true,
        Scalar::Numeric => value.is_number(),
        Scalar::String => value.is_string(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Untyped => !value.is_array() && !value.is_object(),
    };
    if fits {
        return None;
    }
    Some(match scalar {
        Scalar::Numeric => format!("expected numeric (int or float), got {}", go_type(value)),
        Scalar::String => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)),
        Scalar::Boolean => format!("expected boolean, got &{{{}}}", printed(value)),
        Scalar::Untyped => format!("expected any scalar, got &{{{}}}", printed(value)),
    })
}

/// The Go type of a decoded value, `%T`.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A decoded value in Go's syntax, `%#v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let mut text = "map[string]interface {}{".to_owned();
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (index, (name, field)) in sorted.into_iter().enumerate() {
                let separator = if index > 0 { ", " } else { "" };
                let _ = write!(text, "{separator}{name:?}:{}", go_syntax(field));
            }
            text.push('}');
            text
        }
        scalar => printed(scalar),
    }
}
