//! What is to be written so that an object gives at least what it should: `k8s.io/component-helpers/auth/rbac/reconciliation`, as
//! kube-apiserver uses it at its start: what an administrator added stays.

use apimachinery::meta::{Meta, MetaMut};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::escalation::covers;
use crate::rules::{RoleRef, Rule, Subject};

/// The annotation by which an administrator keeps an object as it is: `"false"`.
pub const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// This new object.
    Create(Value),
    /// This in the place of the existing one.
    Update(Value),
    /// The existing object must go, then this is to be created: a binding's role cannot change.
    Recreate(Value),
}

/// What to do about a Role or ClusterRole.
pub fn role(existing: Option<&Value>, expected: &Value) -> Step {
    let Some(existing) = existing else { return Step::Create(expected.clone()) };
    if is_protected(existing) {
        return Step::Nothing;
    }
    let mut changed = with_metadata(existing, expected);
    let (own, wanted) = (rules(existing), rules(expected));
    let missing = covers(&own.iter(), &wanted);
    if !missing.is_empty() {
        let all: Vec<Rule> = own.into_iter().chain(missing).collect();
        set(&mut changed, "rules", json!(all));
    }
    let wanted = expected.get("aggregationRule").filter(|rule| !rule.is_null());
    let own = existing.get("aggregationRule").filter(|rule| !rule.is_null());
    match (wanted, own) {
        (None, Some(_)) => {
            if let Some(changed) = changed.as_object_mut() {
                changed.remove("aggregationRule");
            }
        }
        (Some(wanted), own) => {
            let mut all = own.map(selectors).unwrap_or_default();
            let before = all.len();
            for selector in selectors(wanted) {
                if !all.contains(&selector) {
                    all.push(selector);
                }
            }
            if all.len() > before {
                set(&mut changed, "aggregationRule", json!({"clusterRoleSelectors": all}));
            }
        }
        (None, None) => {}
    }
    step(existing, changed)
}

/// What to do about a RoleBinding or ClusterRoleBinding.
pub fn binding(existing: Option<&Value>, expected: &Value) -> Step {
    let Some(existing) = existing else { return Step::Create(expected.clone()) };
    if is_protected(existing) {
        return Step::Nothing;
    }
    if role_ref(existing) != role_ref(expected) {
        return Step::Recreate(expected.clone());
    }
    let mut changed = with_metadata(existing, expected);
    let own = subjects(existing);
    let missing: Vec<Subject> = subjects(expected).into_iter().filter(|subject| !own.contains(subject)).collect();
    if !missing.is_empty() {
        let all: Vec<Subject> = own.into_iter().chain(missing).collect();
        set(&mut changed, "subjects", json!(all));
    }
    step(existing, changed)
}

fn step(existing: &Value, changed: Value) -> Step {
    if *existing == changed { Step::Nothing } else { Step::Update(changed) }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn is_protected(existing: &Value) -> bool {
    Meta::of(existing).annotation(AUTO_UPDATE) == Some("false")
}

/// The existing object with the labels and annotations that it lacks; those that it has stay.
fn with_metadata(existing: &Value, expected: &Value) -> Value {
    let mut changed = existing.clone();
    let (own, wanted) = (Meta::of(existing), Meta::of(expected));
    if let Some(mut meta) = MetaMut::of(&mut changed) {
        for (key, value) in wanted.labels().filter(|(key, _)| own.label(key).is_none()) {
            meta.set_label(key, value);
        }
        for (key, value) in wanted.annotations().filter(|(key, _)| own.annotation(key).is_none()) {
            meta.set_annotation(key, value);
        }
    }
    changed
}

fn rules(role: &Value) -> Vec<Rule> {
    role.get("rules").and_then(|rules| Vec::deserialize(rules).ok()).unwrap_or_default()
}

fn subjects(binding: &Value) -> Vec<Subject> {
    binding.get("subjects").and_then(|subjects| Vec::deserialize(subjects).ok()).unwrap_or_default()
}

fn role_ref(binding: &Value) -> RoleRef {
    binding.get("roleRef").and_then(|role| RoleRef::deserialize(role).ok()).unwrap_or_default()
}

fn selectors(rule: &Value) -> Vec<Value> {
    let normal = |selector: &Value| {
        let parts: Map<String, Value> = selector
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, part)| part.as_object().is_none_or(|part| !part.is_empty()) && !part.is_null())
            .map(|(name, part)| (name.clone(), part.clone()))
            .collect();
        Value::Object(parts)
    };
    rule.get("clusterRoleSelectors").and_then(Value::as_array).into_iter().flatten().map(normal).collect()
}
