//! Cluster roles made of others: `pkg/controller/clusterroleaggregation`, without the controller.

use apimachinery::meta::Meta;
use apimachinery::selector::{LabelSelector, SelectorError};
use serde::Deserialize as _;
use serde_json::Value;

use crate::rules::Rule;

/// The field manager that writes the rules.
pub const FIELD_MANAGER: &str = "clusterrole-aggregation-controller";

/// Whether the role is made of others.
pub fn is_aggregated(role: &Value) -> bool {
    role.get("aggregationRule").is_some_and(|rule| !rule.is_null())
}

/// The rules that `role` should have, of all cluster roles that there are; `None` if it has them already or is not made of others.
/// Each rule comes once, in the order of the selectors and of the roles' names.
///
/// # Errors
/// A selector that cannot be read.
pub fn aggregated<'a>(
    role: &Value,
    cluster_roles: impl IntoIterator<Item = &'a Value>,
) -> Result<Option<Vec<Rule>>, SelectorError> {
    if !is_aggregated(role) {
        return Ok(None);
    }
    let own_name = Meta::of(role).name();
    let mut others: Vec<&Value> =
        cluster_roles.into_iter().filter(|other| Meta::of(other).name() != own_name).collect();
    others.sort_by_key(|other| Meta::of(other).name());

    let mut wanted: Vec<Rule> = Vec::new();
    for selector in
        role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array).into_iter().flatten()
    {
        let selector = LabelSelector::from_object(selector)?;
        for other in others.iter().filter(|other| selector.matches(|key| Meta::of(other).label(key))) {
            for rule in rules(other) {
                if !wanted.contains(&rule) {
                    wanted.push(rule);
                }
            }
        }
    }
    Ok(Some(wanted).filter(|wanted| *wanted != rules(role)))
}

fn rules(role: &Value) -> Vec<Rule> {
    role.get("rules").and_then(|rules| Vec::deserialize(rules).ok()).unwrap_or_default()
}

/// Whether a change of `changed` can change what `role` should have: before or after, one of its selectors matches.
pub fn concerns(role: &Value, changed: &Value) -> bool {
    role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array).into_iter().flatten().any(
        |selector| {
            LabelSelector::from_object(selector)
                .is_ok_and(|selector| selector.matches(|key| Meta::of(changed).label(key)))
        },
    )
}
