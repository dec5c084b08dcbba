//! Lease: `pkg/apis/coordination/validation`.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{NameRule, names, validate};
use serde_json::Value;

use super::{given, text, wrong};

pub(super) fn create(object: &Value) -> Vec<FieldError> {
    let mut errors = validate::create(object, true, NameRule::DnsSubdomain);
    spec(object, &mut errors);
    errors
}

pub(super) fn update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = validate::update(new, old);
    spec(new, &mut errors);
    errors
}

fn spec(object: &Value, errors: &mut Vec<FieldError>) {
    let Some(spec) = given(object, "spec") else { return };
    let path = Path::ROOT.child("spec");
    if let Some(seconds) = spec.get("leaseDurationSeconds").and_then(Value::as_i64).filter(|seconds| *seconds <= 0) {
        errors.push(FieldError::invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
    }
    if let Some(count) = spec.get("leaseTransitions").and_then(Value::as_i64).filter(|count| *count < 0) {
        let words = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(&path.child("leaseTransitions"), count, words));
    }
    if let Some(strategy) = given(spec, "strategy").and_then(Value::as_str) {
        let at = path.child("strategy");
        // Kubernetes names the field twice.
        let at = at.child("strategy");
        if strategy.contains('/') {
            wrong(errors, &at, strategy, names::qualified_name(strategy));
        } else if strategy != "OldestEmulationVersion" {
            errors.push(FieldError::not_supported(&at, strategy, &["OldestEmulationVersion"]));
        }
    }
    if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
        let words = "may only be specified if `strategy` is defined";
        errors.push(FieldError::forbidden(&path.child("preferredHolder"), words));
    }
}
