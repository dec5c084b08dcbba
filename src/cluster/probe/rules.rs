//! Reads a `SelfSubjectRulesReview` for what may be impersonated, as Kubernetes' RBAC reads such rules
//! (`pkg/apis/rbac/v1/evaluation_helpers.go`; the attributes are those of apiserver's `filters/impersonation.go`).

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::world::input::{Names, Published};

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    incomplete: bool,
    #[serde(default)]
    resource_rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    verbs: Option<Vec<String>>,
    #[serde(default)]
    api_groups: Option<Vec<String>>,
    #[serde(default)]
    resources: Option<Vec<String>>,
    #[serde(default)]
    resource_names: Option<Vec<Arc<str>>>,
}

fn any(list: Option<&Vec<String>>, of: &[&str]) -> bool {
    list.is_some_and(|list| list.iter().any(|item| of.contains(&item.as_str())))
}

/// The names, and whether the cluster says that these are all. What it cannot tell is taken as not allowed.
pub(super) fn read(review: &Value) -> (Published, bool) {
    let mut published = Published::default();
    let Ok(Review { status }) = Review::deserialize(review) else { return (published, false) };
    for rule in status.resource_rules.unwrap_or_default() {
        if !any(rule.verbs.as_ref(), &["impersonate", "*"]) {
            continue;
        }
        let names = rule.resource_names.as_deref().unwrap_or_default();
        let resources = rule.resources.as_ref();
        if any(rule.api_groups.as_ref(), &["", "*"]) {
            if any(resources, &["users", "*"]) {
                add(&mut published.users, names);
            }
            if any(resources, &["groups", "*"]) {
                add(&mut published.groups, names);
            }
        }
        // A rule for certain values only says nothing about the values that the gateway sends.
        if any(rule.api_groups.as_ref(), &["authentication.k8s.io", "*"]) && names.is_empty() {
            published.uids |= any(resources, &["uids", "*"]);
            for resource in resources.into_iter().flatten() {
                match resource.split_once('/') {
                    None if resource == "*" => published.extras = Names::Any,
                    // RBAC knows `*/key`, but no `userextras/*`.
                    Some(("userextras" | "*", key)) if key != "*" => add(&mut published.extras, &[key.into()]),
                    _ => {}
                }
            }
        }
    }
    (published, !status.incomplete)
}

fn add(to: &mut Names, names: &[Arc<str>]) {
    match to {
        Names::Any => {}
        Names::Only(_) if names.is_empty() => *to = Names::Any,
        Names::Only(known) => known.extend(names.iter().cloned().collect::<BTreeSet<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(names: &[&str]) -> Names {
        Names::Only(names.iter().map(|name| Arc::from(*name)).collect())
    }

    fn review(rules: &Value) -> Value {
        json!({ "status": { "incomplete": false, "resourceRules": rules, "nonResourceRules": [] } })
    }

    #[test]
    fn names_of_several_rules_are_joined() {
        let (published, complete) = read(&review(&json!([
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["a", "b"] },
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups", "users"], "resourceNames": ["c"] },
            { "verbs": ["get"], "apiGroups": [""], "resources": ["users"] },
        ])));
        assert!(complete);
        assert_eq!(published.groups, only(&["a", "b", "c"]));
        assert_eq!(published.users, only(&["c"]));
        assert!(!published.uids);
    }

    #[test]
    fn a_rule_without_names_allows_any() {
        let (published, _) = read(&review(&json!([
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"] },
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["a"] },
        ])));
        assert_eq!(published.users, Names::Any);
        assert_eq!(published.groups, only(&[]));
    }

    #[test]
    fn uids_and_extras_belong_to_another_api_group() {
        let (published, _) = read(&review(&json!([
            { "verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids", "userextras/drover.io/token", "userextras/*"] },
            { "verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["users", "userextras/limited"], "resourceNames": ["x"] },
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["userextras/core"] },
        ])));
        assert!(published.uids);
        assert_eq!(published.extras, only(&["drover.io/token"]));
        assert_eq!(published.users, only(&[]));
    }

    #[test]
    fn wildcards_allow_everything() {
        let (published, _) = read(&review(&json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }])));
        assert_eq!((published.users, published.groups, published.extras), (Names::Any, Names::Any, Names::Any));
        assert!(published.uids);
    }

    #[test]
    fn an_answer_that_cannot_be_read_allows_nothing() {
        let (published, complete) = read(&json!({ "status": { "resourceRules": "all" } }));
        assert_eq!(published, Published::default());
        assert!(!complete);
    }
}
