//! Nobody gives what they do not have.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

use policy::escalation::{self, Write, compact, covers};
use policy::rules::{Authorizer, Kind, Rule};
use policy::{aggregation, bootstrap};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rules(rules: Value) -> Vec<Rule> {
    serde_json::from_value(rules).unwrap()
}

fn all_covered(owner: Value, wanted: Value) -> bool {
    covers(&rules(owner).iter(), &rules(wanted)).is_empty()
}

#[test]
fn rules_together_cover_what_each_part_of_is_in_one() {
    let wanted = json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "services"]}]);
    let owner = json!([
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["list", "get", "watch"], "apiGroups": [""], "resources": ["services"]},
    ]);
    assert!(all_covered(owner.clone(), wanted.clone()));
    assert!(!all_covered(wanted, owner));
}

#[test]
fn a_star_is_covered_by_a_star_alone() {
    let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let much = json!([{"verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"]}]);
    assert!(all_covered(all.clone(), much.clone()));
    assert!(!all_covered(much, all));
    let group = json!([{"verbs": ["get"], "apiGroups": ["*"], "resources": ["pods"]}]);
    assert!(!all_covered(json!([{"verbs": ["get"], "apiGroups": ["", "apps"], "resources": ["pods"]}]), group));
}

#[test]
fn subresources_are_covered_by_the_star_before_the_slash() {
    let scale = json!([{"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments/scale"]}]);
    assert!(all_covered(json!([{"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"]}]), scale.clone()));
    assert!(!all_covered(
        json!([{"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"]}]),
        scale.clone()
    ));
    assert!(!all_covered(scale, json!([{"verbs": ["get"], "apiGroups": ["apps"], "resources": ["*/scale"]}])));
}

#[test]
fn names_narrow_a_rule() {
    let named = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}]);
    let any = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    assert!(all_covered(any.clone(), named.clone()));
    assert!(!all_covered(named, any));
}

#[test]
fn paths_are_covered_by_their_beginning() {
    let apis = json!([{"verbs": ["*"], "nonResourceURLs": ["/apis/*"]}]);
    assert!(all_covered(apis.clone(), json!([{"verbs": ["get"], "nonResourceURLs": ["/apis/a", "/apis/b/*"]}])));
    assert!(!all_covered(apis.clone(), json!([{"verbs": ["get"], "nonResourceURLs": ["/apis"]}])));
    assert!(!all_covered(apis, json!([{"verbs": ["get"], "nonResourceURLs": ["*"]}])));
}

#[test]
fn a_rule_that_gives_nothing_needs_nothing() {
    assert!(all_covered(json!([]), json!([{"verbs": ["get"], "apiGroups": [], "resources": ["pods"]}])));
}

#[test]
fn missing_rules_are_joined_by_resource() {
    let joined = compact(rules(json!([
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get"], "nonResourceURLs": ["/x"]},
        {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
    ])));
    assert_eq!(
        serde_json::to_value(joined).unwrap(),
        json!([
            {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
        ])
    );
}

/// `jo` reads pods and writes roles and bindings everywhere, but may neither escalate nor bind.
fn cluster() -> Authorizer {
    let mut rbac = Authorizer::default();
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    for role in [
        role("reader", json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}])),
        role("secrets", json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}])),
        role(
            "binder",
            json!([{"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["secrets"]}]),
        ),
        role(
            "escalator",
            json!([{"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}]),
        ),
    ] {
        rbac.put(Kind::ClusterRole, &role).unwrap();
    }
    for (role, user) in [("reader", "jo"), ("binder", "bob"), ("escalator", "eve")] {
        let binding = json!({"metadata": {"name": role}, "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": user}]});
        rbac.put(Kind::ClusterRoleBinding, &binding).unwrap();
    }
    rbac
}

fn new_role(rules: Value) -> Value {
    json!({"metadata": {"name": "r"}, "rules": rules})
}

fn create<'a>(kind: Kind, namespace: &'a str, new: &'a Value) -> Write<'a> {
    Write { kind, namespace, name: "", new, old: None }
}

#[test]
fn a_role_with_more_than_the_writer_has_is_refused_with_what_is_missing() {
    let rbac = cluster();
    let role = new_role(json!([{"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}]));
    let groups = ["a".to_owned(), "b".to_owned()];
    let refused = escalation::check(&rbac, "jo", &groups, &create(Kind::Role, "dev", &role)).unwrap_err();
    assert_eq!(refused.code(), 403);
    assert_eq!(
        refused.message(),
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jo\" (groups=[\"a\" \"b\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\"]}"
    );
    let role = new_role(json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]));
    escalation::check(&rbac, "jo", &groups, &create(Kind::Role, "dev", &role)).unwrap();
}

#[test]
fn masters_and_who_may_escalate_write_any_role() {
    let rbac = cluster();
    let role = new_role(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
    escalation::check(&rbac, "root", &["system:masters".to_owned()], &create(Kind::ClusterRole, "", &role)).unwrap();
    escalation::check(&rbac, "eve", &[], &create(Kind::Role, "dev", &role)).unwrap();
    escalation::check(&rbac, "eve", &[], &create(Kind::ClusterRole, "", &role)).unwrap_err();
}

#[test]
fn an_aggregated_role_needs_all_rights() {
    let rbac = cluster();
    let role = json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": [{}]}});
    let refused = escalation::check(&rbac, "jo", &[], &create(Kind::ClusterRole, "", &role)).unwrap_err();
    assert!(refused.message().ends_with("is forbidden: must have cluster-admin privileges to use the aggregationRule"));
    let plain = json!({"metadata": {"name": "r"}});
    let update = Write { kind: Kind::ClusterRole, namespace: "", name: "r", new: &plain, old: Some(&role) };
    escalation::check(&rbac, "jo", &[], &update).unwrap_err();
}

#[test]
fn a_binding_is_for_who_has_the_rights_or_may_bind_the_role() {
    let rbac = cluster();
    let binding = |role: &str| json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}});
    let check =
        |user: &str, role: &str| escalation::check(&rbac, user, &[], &create(Kind::RoleBinding, "dev", &binding(role)));
    check("jo", "reader").unwrap();
    check("bob", "secrets").unwrap();
    let refused = check("jo", "secrets").unwrap_err();
    assert_eq!(
        refused.message(),
        "rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: user \"jo\" (groups=[]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}"
    );
    check("bob", "reader").unwrap_err();
    let missing = check("jo", "nothing").unwrap_err();
    assert_eq!(missing.code(), 404);
    assert_eq!(missing.message(), "rolebindings.rbac.authorization.k8s.io \"nothing\" not found");
}

#[test]
fn what_the_garbage_collector_does_is_no_grant() {
    let rbac = cluster();
    let old = json!({"metadata": {"name": "r", "finalizers": ["foregroundDeletion"]},
        "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    let mut new = old.clone();
    new["metadata"] = json!({"name": "r"});
    let update = Write { kind: Kind::Role, namespace: "dev", name: "r", new: &new, old: Some(&old) };
    escalation::check(&rbac, "jo", &[], &update).unwrap();
    new["metadata"] = json!({"name": "r", "labels": {"a": "b"}});
    let update = Write { kind: Kind::Role, namespace: "dev", name: "r", new: &new, old: Some(&old) };
    escalation::check(&rbac, "jo", &[], &update).unwrap_err();
}

#[test]
fn an_aggregated_role_has_the_rules_of_those_it_selects_once() {
    let role =
        |name: &str, labels: Value, rules: Value| json!({"metadata": {"name": name, "labels": labels}, "rules": rules});
    let get = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    let list = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]});
    let mut collecting = role("all", json!({"to": "all"}), json!([]));
    collecting["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]});
    let others = [
        role("b", json!({"to": "all"}), json!([list, get])),
        role("a", json!({"to": "all"}), json!([get])),
        role("c", json!({"to": "none"}), json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])),
        collecting.clone(),
    ];
    let wanted = aggregation::aggregated(&collecting, &others).unwrap().unwrap();
    assert_eq!(serde_json::to_value(&wanted).unwrap(), json!([get, list]));
    collecting["rules"] = json!([get, list]);
    assert_eq!(aggregation::aggregated(&collecting, &others).unwrap(), None);
    assert_eq!(aggregation::aggregated(&others[0], &others).unwrap(), None);
    assert!(aggregation::concerns(&collecting, &others[0]) && !aggregation::concerns(&collecting, &others[2]));
}

#[test]
fn the_default_roles_aggregate_to_admin() {
    let roles = bootstrap::cluster_roles();
    let named = |name: &str| roles.iter().find(|role| role["metadata"]["name"] == name).unwrap().clone();
    let mut all = roles.clone();
    for name in ["view", "edit", "admin"] {
        let wanted = aggregation::aggregated(&named(name), &all).unwrap().unwrap();
        let role = all.iter_mut().find(|role| role["metadata"]["name"] == name).unwrap();
        role["rules"] = json!(wanted);
    }
    let mut rbac = Authorizer::default();
    for role in &all {
        rbac.put(Kind::ClusterRole, role).unwrap();
    }
    for binding in bootstrap::cluster_role_bindings() {
        rbac.put(Kind::ClusterRoleBinding, &binding).unwrap();
    }
    let binding = json!({"metadata": {"name": "b", "namespace": "dev"}, "roleRef": {"kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "User", "name": "jo"}]});
    rbac.put(Kind::RoleBinding, &binding).unwrap();
    let may = |verb: &str, group: &str, resource: &str, namespace: &str| {
        let asked = policy::rules::Attributes {
            user: "jo",
            verb,
            is_resource: true,
            group,
            resource,
            namespace,
            name: "x",
            ..Default::default()
        };
        rbac.allows(&asked).allowed
    };
    assert!(may("get", "", "configmaps", "dev") && may("update", "", "secrets", "dev"));
    assert!(may("create", "rbac.authorization.k8s.io", "rolebindings", "dev"));
    assert!(!may("get", "", "secrets", "prod") && !may("get", "", "nodes", "dev"));
}

#[test]
fn reconciling_adds_what_is_missing_and_keeps_what_was_added() {
    let expected = json!({"metadata": {"name": "r", "labels": {"a": "1"}, "annotations": {bootstrap::AUTO_UPDATE: "true"}},
        "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]});
    assert_eq!(bootstrap::role(None, &expected), bootstrap::Step::Create(expected.clone()));
    assert_eq!(bootstrap::role(Some(&expected), &expected), bootstrap::Step::Nothing);
    let existing = json!({"metadata": {"name": "r", "labels": {"a": "2", "b": "3"}},
        "rules": [{"verbs": ["get", "watch"], "apiGroups": [""], "resources": ["pods"]}]});
    assert_eq!(
        bootstrap::role(Some(&existing), &expected),
        bootstrap::Step::Update(json!({
            "metadata": {"name": "r", "labels": {"a": "2", "b": "3"}, "annotations": {bootstrap::AUTO_UPDATE: "true"}},
            "rules": [
                {"verbs": ["get", "watch"], "apiGroups": [""], "resources": ["pods"]},
                {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]},
            ]
        }))
    );
    let mut kept = existing;
    kept["metadata"]["annotations"] = json!({bootstrap::AUTO_UPDATE: "false"});
    assert_eq!(bootstrap::role(Some(&kept), &expected), bootstrap::Step::Nothing);
}

#[test]
fn a_binding_of_another_role_is_made_anew() {
    let binding = |role: &str, users: &[&str]| {
        let subjects: Vec<Value> = users.iter().map(|user| json!({"kind": "User", "name": user})).collect();
        json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "g", "kind": "ClusterRole", "name": role}, "subjects": subjects})
    };
    let expected = binding("a", &["x"]);
    assert_eq!(bootstrap::binding(Some(&binding("b", &["x"])), &expected), bootstrap::Step::Recreate(expected.clone()));
    assert_eq!(
        bootstrap::binding(Some(&binding("a", &["y"])), &expected),
        bootstrap::Step::Update(binding("a", &["y", "x"]))
    );
    assert_eq!(bootstrap::binding(Some(&binding("a", &["y", "x"])), &expected), bootstrap::Step::Nothing);
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(of).prop_map(str::to_owned), 0..3)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        some(&["get", "list", "*"]),
        some(&["", "apps", "*"]),
        some(&["pods", "pods/log", "*/log", "*"]),
        some(&["x", "y"]),
        some(&["/a", "/a/*", "*"]),
    )
        .prop_map(|(verbs, api_groups, resources, resource_names, non_resource_urls)| Rule {
            verbs,
            api_groups,
            resources,
            resource_names,
            non_resource_urls,
        })
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(any_rule(), 0..4)
}

proptest! {
    #[test]
    fn rules_cover_themselves(rules in any_rules()) {
        // One that mixes names or resources with paths gives its paths to nobody, as in Kubernetes; validation refuses such rules.
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|mut rule| {
                if !rule.non_resource_urls.is_empty() {
                    rule = Rule { verbs: rule.verbs, non_resource_urls: rule.non_resource_urls, ..Rule::default() };
                }
                rule
            })
            .collect();
        prop_assert!(covers(&rules.iter(), &rules).is_empty());
    }

    #[test]
    fn more_rules_cover_no_less(owner in any_rules(), more in any_rules(), wanted in any_rules()) {
        let before = covers(&owner.iter(), &wanted);
        let after = covers(&owner.iter().chain(&more), &wanted);
        prop_assert!(after.iter().all(|missing| before.contains(missing)));
    }

    #[test]
    fn what_is_covered_is_allowed(
        owner in any_rules(),
        wanted in any_rules(),
        verb in prop::sample::select(&["get", "list", "watch"][..]),
        group in prop::sample::select(&["", "apps", "batch"][..]),
        resource in prop::sample::select(&["pods", "jobs"][..]),
        subresource in prop::sample::select(&["", "log"][..]),
        name in prop::sample::select(&["", "x", "z"][..]),
    ) {
        let missing = covers(&owner.iter(), &wanted);
        let asked = policy::rules::Attributes {
            verb, is_resource: true, group, resource, subresource, name, ..Default::default()
        };
        let allowed = |rules: &[Rule]| rules.iter().any(|rule| rule.allows(&asked));
        prop_assert!(!allowed(&wanted) || allowed(&owner) || allowed(&missing));
    }
}
