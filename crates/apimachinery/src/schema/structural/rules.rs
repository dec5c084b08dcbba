//! The form of CEL rules; whether they compile is another question.

use crate::field::{FieldError, Path};
use crate::schema::{Schema, ValidationRule, field_path};

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

pub(super) fn check(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let path = path.child("x-kubernetes-validations");
    for (index, rule) in schema.validations.iter().enumerate() {
        check_rule(rule, schema, &path.index(index), errors);
    }
}

fn check_rule(rule: &ValidationRule, schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let broken = |text: &str| text.contains(['\n', '\r']);
    let expression = rule.rule.trim();
    let message = rule.message.trim();
    let message_path = path.child("message");
    if expression.is_empty() {
        errors.push(FieldError::required(&path.child("rule"), "rule is not specified"));
    } else if !rule.message.is_empty() && message.is_empty() {
        errors.push(FieldError::invalid(&message_path, rule.message.as_str(), "must be non-empty if specified"));
    } else if broken(message) {
        errors.push(FieldError::invalid(&message_path, rule.message.as_str(), "must not contain line breaks"));
    } else if broken(expression) && message.is_empty() {
        errors.push(FieldError::required(&message_path, "message must be specified if rule contains line breaks"));
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(&path.child("messageExpression"), why));
    }
    if let Some(reason) = rule.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
        errors.push(FieldError::not_supported(&path.child("reason"), reason, &REASONS));
    }
    let at = path.child("fieldPath");
    let field = rule.field_path.as_str();
    if !field.is_empty() {
        if field.trim().is_empty() {
            errors.push(FieldError::invalid(&at, field, "must be non-empty if specified"));
        }
        if broken(field) {
            errors.push(FieldError::invalid(&at, field, "must not contain line breaks"));
        }
        if field_path::resolve(field, schema).is_err() {
            errors.push(FieldError::invalid(&at, field, "must be a valid path"));
        }
    }
}
