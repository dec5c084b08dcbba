//! Reads a `SelfSubjectRulesReview` for what may be impersonated, as Kubernetes' RBAC reads such rules
//! (`pkg/apis/rbac/v1/evaluation_helpers.go`; the attributes are those of apiserver's `filters/impersonation`).
//!
//! Kubernetes has two ways, each with verbs of its own, and a request passes by one of them as a whole: the old one, and constrained
//! impersonation (KEP-5284, on by default since 1.36), which also says what may be done as somebody else.

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

/// One way to impersonate, by its verb and by the API group that users and groups belong to there.
struct Way {
    verb: &'static str,
    group: &'static str,
}

const OLD: Way = Way { verb: "impersonate", group: "" };
const CONSTRAINED: Way = Way { verb: "impersonate:user-info", group: AUTHENTICATION };
/// What constrained impersonation asks besides: whether a request, here the commonest, may be made as somebody else.
const READ_AS_OTHERS: &str = "impersonate-on:user-info:get";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The names, and whether the cluster says that these are all. What it cannot tell is taken as not allowed.
pub(super) fn read(review: &Value) -> (Published, bool) {
    let Ok(Review { status }) = Review::deserialize(review) else { return (Published::default(), false) };
    let rules = status.resource_rules.unwrap_or_default();
    let mut published = OLD.read(&rules);
    if published == Published::default() && rules.iter().any(|rule| any(rule.verbs.as_ref(), &[READ_AS_OTHERS])) {
        published = CONSTRAINED.read(&rules);
    }
    (published, !status.incomplete)
}

impl Way {
    fn read(&self, rules: &[Rule]) -> Published {
        let mut published = Published::default();
        for rule in rules.iter().filter(|rule| any(rule.verbs.as_ref(), &[self.verb, "*"])) {
            let names = rule.resource_names.as_deref().unwrap_or_default();
            let resources = rule.resources.as_ref();
            if any(rule.api_groups.as_ref(), &[self.group, "*"]) {
                if any(resources, &["users", "*"]) {
                    add(&mut published.users, names);
                }
                if any(resources, &["groups", "*"]) {
                    add(&mut published.groups, names);
                }
            }
            // A rule for certain values only says nothing about the values that the gateway sends.
            if any(rule.api_groups.as_ref(), &[AUTHENTICATION, "*"]) && names.is_empty() {
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
        published
    }
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
    fn an_account_with_constrained_rights_alone_may_send_their_names() {
        let names = json!([
            { "verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["a"] },
            { "verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids"] },
            { "verbs": ["impersonate:user-info"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["g"] },
        ]);
        assert_eq!(read(&review(&names)).0, Published::default(), "nothing may be done as them");
        let mut rules = names;
        rules
            .as_array_mut()
            .unwrap()
            .push(json!({ "verbs": ["impersonate-on:user-info:get"], "apiGroups": ["*"], "resources": ["*"] }));
        let (published, _) = read(&review(&rules));
        assert_eq!((published.users, published.groups), (only(&["a"]), only(&[])));
        assert!(published.uids);
    }

    #[test]
    fn names_of_the_two_ways_are_not_mixed() {
        let (published, _) = read(&review(&json!([
            { "verbs": ["impersonate", "impersonate:user-info"], "apiGroups": ["", "authentication.k8s.io"], "resources": ["users"], "resourceNames": ["a"] },
            { "verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["groups"], "resourceNames": ["g"] },
            { "verbs": ["impersonate-on:user-info:get"], "apiGroups": ["*"], "resources": ["*"] },
        ])));
        assert_eq!((published.users, published.groups), (only(&["a"]), only(&[])));
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
