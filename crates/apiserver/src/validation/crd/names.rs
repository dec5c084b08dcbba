//! The names of a definition, wanted or accepted.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::names;
use serde_json::Value;

use crate::validation::{text, texts};

/// Checks the names that are there.
pub(super) fn check(own: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["plural", "singular"] {
        let name = text(own, field);
        let wrong = names::dns1035_label(name);
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(FieldError::invalid(&path.child(field), name, wrong.join(",")));
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(own, field);
        let wrong = names::dns1035_label(&name.to_lowercase());
        if !name.is_empty() && !wrong.is_empty() {
            let words = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            errors.push(FieldError::invalid(&path.child(field), name, words));
        }
    }
    labels(own, "shortNames", path, errors);
    let kind = text(own, "kind");
    if !kind.is_empty() && kind == text(own, "listKind") {
        errors.push(FieldError::invalid(&path.child("listKind"), kind, "kind and listKind may not be the same"));
    }
    labels(own, "categories", path, errors);
}

fn labels(own: &Value, field: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child(field);
    for (index, name) in texts(own, field).into_iter().enumerate() {
        let wrong = names::dns1035_label(name);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(&list.index(index), name, wrong.join(",")));
        }
    }
}
