//! The selectors of a review: RBAC does not look at them, but the answer says which could not be understood.

use apimachinery::selector::{FieldSelector, LabelSelector};
use serde_json::{Value, json};

use super::text;

/// What is said of the selectors of `resourceAttributes`.
pub(super) fn errors(resource: &Value) -> Vec<String> {
    let field = resource
        .get("fieldSelector")
        .and_then(|selector| ignored(selector, |raw| FieldSelector::parse(raw).is_ok(), field_requirement));
    let label = resource
        .get("labelSelector")
        .and_then(|selector| ignored(selector, |raw| LabelSelector::parse(raw).is_ok(), label_requirement));
    [("fieldSelector", field), ("labelSelector", label)]
        .into_iter()
        .filter_map(|(name, how)| Some(format!("spec.resourceAttributes.{name} {} due to parse error", how?)))
        .collect()
}

/// `ignored`, `partially ignored`, or nothing when all was understood.
fn ignored(
    selector: &Value,
    raw_is_good: impl Fn(&str) -> bool,
    is_good: impl Fn(&Value) -> bool,
) -> Option<&'static str> {
    let requirements = selector.get("requirements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if requirements.is_empty() {
        let raw = text(selector, "rawSelector");
        return (!raw.is_empty() && !raw_is_good(raw)).then_some("ignored");
    }
    let good = requirements.iter().filter(|requirement| is_good(requirement)).count();
    match good {
        0 => Some("ignored"),
        all if all == requirements.len() => None,
        _ => Some("partially ignored"),
    }
}

/// Field selectors know one value, equal or not.
fn field_requirement(requirement: &Value) -> bool {
    let values = requirement.get("values").and_then(Value::as_array).map_or(0, Vec::len);
    values == 1 && matches!(text(requirement, "operator"), "In" | "NotIn")
}

fn label_requirement(requirement: &Value) -> bool {
    LabelSelector::from_object(&json!({"matchExpressions": [requirement]})).is_ok()
}
