//! What a review may be: `pkg/apis/authorization/validation`.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{Meta, go, validate};
use serde_json::Value;

use super::{Review, text};

pub(super) fn check(review: Review, object: &Value) -> Vec<FieldError> {
    const EXACTLY_ONE: &str = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    let mut errors = Vec::new();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let given = |field| spec.get(field).filter(|value| !value.is_null());
    let (resource, path) = (given("resourceAttributes"), given("nonResourceAttributes"));
    let at = Path::ROOT.child("spec");
    if resource.is_some() == path.is_some() {
        errors.push(FieldError::invalid(&at, path.map(as_in_go).unwrap_or_default(), EXACTLY_ONE));
    }
    if review != Review::SelfSubjectAccess
        && text(spec, "user").is_empty()
        && spec.get("groups").and_then(Value::as_array).is_none_or(Vec::is_empty)
    {
        errors.push(FieldError::invalid(&at.child("user"), "", "at least one of user or group must be specified"));
    }
    let resource_at = at.child("resourceAttributes");
    if let Some(resource) = resource {
        selector(resource.get("fieldSelector"), false, &resource_at.child("fieldSelector"), &mut errors);
        selector(resource.get("labelSelector"), true, &resource_at.child("labelSelector"), &mut errors);
    }
    metadata(review, object, &mut errors);
    if review == Review::LocalSubjectAccess {
        let namespace = Meta::of(object).namespace();
        if let Some(asked) = resource.map(|resource| text(resource, "namespace")).filter(|asked| *asked != namespace) {
            errors.push(FieldError::invalid(&resource_at.child("namespace"), asked, "must match metadata.namespace"));
        }
        if let Some(path) = path {
            let at = at.child("nonResourceAttributes");
            errors.push(FieldError::invalid(&at, as_in_go(path), "disallowed on this kind of request"));
        }
    }
    errors
}

/// The internal form, which has no names for JSON.
fn as_in_go(path: &Value) -> Value {
    serde_json::json!({"Path": text(path, "path"), "Verb": text(path, "verb")})
}

/// Metadata says nothing, but for the namespace of a local review.
fn metadata(review: Review, object: &Value, errors: &mut Vec<FieldError>) {
    let local = review == Review::LocalSubjectAccess;
    let Some(tree) = Meta::of(object).tree() else { return };
    let says = tree.iter().any(|(field, value)| {
        *field != "managedFields" && !(local && *field == "namespace") && !value.is_null() && value.as_str() != Some("")
    });
    if says {
        let words = if local { "must be empty except for namespace" } else { "must be empty" };
        let shown = go::object_meta(&Value::Object(tree.clone()));
        errors.push(FieldError::invalid_unshown(&Path::ROOT.child("metadata"), format!("{shown}: {words}")));
    }
}

/// Operators that are not known pass: a newer client's question is answered as far as it is understood.
fn selector(selector: Option<&Value>, is_label: bool, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else { return };
    let raw = text(selector, "rawSelector");
    let requirements = selector.get("requirements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !raw.is_empty() && !requirements.is_empty() {
        let words = "may not specified at the same time as requirements";
        errors.push(FieldError::invalid(&at.child("rawSelector"), raw, words));
    }
    let list = at.child("requirements");
    if raw.is_empty() && requirements.is_empty() {
        let words = format!("when {at} is specified, requirements or rawSelector is required");
        errors.push(FieldError::required(&list, words));
    }
    for (index, requirement) in requirements.iter().enumerate() {
        let at = list.index(index);
        if is_label {
            validate::selector_requirement(requirement, true, &at, errors);
        } else {
            if text(requirement, "key").is_empty() {
                errors.push(FieldError::required(&at.child("key"), "must be specified"));
            }
            validate::selector_operator(requirement, true, &at, errors);
        }
    }
}
