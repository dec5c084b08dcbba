//! RBAC's decisions, and that the compiled authorizer decides as the rules say.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

use policy::rules::{Attributes, Authorizer, Kind, MASTERS, Rule};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rule(rule: Value) -> Rule {
    serde_json::from_value(rule).unwrap()
}

fn resource<'a>(verb: &'a str, group: &'a str, resource: &'a str, name: &'a str) -> Attributes<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes { verb, is_resource: true, group, resource, subresource, name, ..Attributes::default() }
}

fn path<'a>(verb: &'a str, path: &'a str) -> Attributes<'a> {
    Attributes { verb, path, ..Attributes::default() }
}

fn groups(groups: &[&str]) -> Vec<String> {
    groups.iter().map(|group| (*group).to_owned()).collect()
}

#[test]
fn verbs_groups_and_resources_all_have_to_match() {
    let rule = rule(json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"]}));
    assert!(rule.allows(&resource("get", "apps", "deployments", "x")));
    assert!(!rule.allows(&resource("list", "apps", "deployments", "x")));
    assert!(!rule.allows(&resource("get", "extensions", "deployments", "x")));
    assert!(!rule.allows(&resource("get", "apps", "statefulsets", "x")));
    assert!(!rule.allows(&path("get", "deployments")));
}

/// R4
#[test]
fn an_api_group_matches_exactly() {
    let core = rule(json!({"verbs": ["*"], "apiGroups": [""], "resources": ["*"]}));
    assert!(core.allows(&resource("get", "", "pods", "")));
    assert!(!core.allows(&resource("get", "apps", "pods", "")));
    let none = rule(json!({"verbs": ["*"], "apiGroups": [], "resources": ["*"]}));
    assert!(!none.allows(&resource("get", "", "pods", "")));
    let missing = rule(json!({"verbs": ["*"], "apiGroups": null, "resources": ["*"]}));
    assert!(!missing.allows(&resource("get", "", "pods", "")));
    let other = rule(json!({"verbs": ["*"], "apiGroups": ["v1"], "resources": ["*"]}));
    assert!(!other.allows(&resource("get", "", "pods", "")));
    let all = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
    assert!(all.allows(&resource("get", "", "pods", "")) && all.allows(&resource("get", "apps", "pods", "")));
}

#[test]
fn a_subresource_is_a_resource_of_its_own() {
    let pods = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["pods"]}));
    assert!(!pods.allows(&resource("get", "", "pods/log", "x")));
    let log = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["pods/log"]}));
    assert!(log.allows(&resource("get", "", "pods/log", "x")));
    assert!(!log.allows(&resource("get", "", "pods", "x")));
    let scale = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/scale"]}));
    assert!(scale.allows(&resource("get", "apps", "deployments/scale", "x")));
    assert!(!scale.allows(&resource("get", "apps", "deployments/status", "x")));
    assert!(!scale.allows(&resource("get", "apps", "deployments", "x")));
    let any = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
    assert!(any.allows(&resource("get", "", "pods/exec", "x")));
    let half = rule(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["pods/*"]}));
    assert!(!half.allows(&resource("get", "", "pods/log", "x")));
}

#[test]
fn names_leave_out_requests_without_a_name() {
    let named = rule(json!({"verbs": ["*"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a", "b"]}));
    assert!(named.allows(&resource("get", "", "pods", "b")));
    assert!(!named.allows(&resource("get", "", "pods", "c")));
    assert!(!named.allows(&resource("list", "", "pods", "")));
}

#[test]
fn a_path_may_end_in_a_star() {
    let paths = rule(json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]}));
    assert!(paths.allows(&path("get", "/healthz")) && paths.allows(&path("get", "/apis/a/b")));
    assert!(!paths.allows(&path("get", "/healthz/etcd")) && !paths.allows(&path("get", "/apis")));
    assert!(!paths.allows(&path("post", "/healthz")));
    let all = rule(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    assert!(all.allows(&path("get", "/x")) && all.allows(&path("get", "")));
    assert!(!all.allows(&resource("get", "", "pods", "")));
}

fn object(kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

fn reader_rules() -> Value {
    json!({"rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]})
}

fn binding(kind: &str, role: &str, subjects: Value) -> Value {
    json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}, "subjects": subjects})
}

fn authorizer() -> Authorizer {
    let mut rbac = Authorizer::default();
    let subjects = json!([
        {"kind": "User", "name": "jo"}, {"kind": "Group", "name": "readers"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}
    ]);
    rbac.put(Kind::ClusterRole, &object("ClusterRole", "", "reader", reader_rules())).unwrap();
    rbac.put(
        Kind::ClusterRoleBinding,
        &object("ClusterRoleBinding", "", "readers", binding("ClusterRole", "reader", subjects)),
    )
    .unwrap();
    rbac
}

fn get_pod<'a>(user: &'a str, groups: &'a [String], namespace: &'a str) -> Attributes<'a> {
    Attributes { user, groups, namespace, ..resource("get", "", "pods", "x") }
}

#[test]
fn the_reason_names_binding_role_and_subject() {
    let rbac = authorizer();
    let reason = |user, groups: &[String]| rbac.allows(&get_pod(user, groups, "dev")).reason();
    assert_eq!(
        reason("jo", &[]),
        "RBAC: allowed by ClusterRoleBinding \"readers\" of ClusterRole \"reader\" to User \"jo\""
    );
    assert_eq!(
        reason("al", &groups(&["readers"])),
        "RBAC: allowed by ClusterRoleBinding \"readers\" of ClusterRole \"reader\" to Group \"readers\""
    );
    assert_eq!(
        reason("system:serviceaccount:ci:bot", &[]),
        "RBAC: allowed by ClusterRoleBinding \"readers\" of ClusterRole \"reader\" to ServiceAccount \"bot/ci\""
    );
    let denied = rbac.allows(&get_pod("al", &[], "dev"));
    assert!(!denied.allowed);
    assert_eq!(denied.reason(), "");
}

#[test]
fn masters_may_do_everything_without_a_word() {
    let rbac = Authorizer::default();
    let masters = groups(&[MASTERS]);
    let decision = rbac.allows(&get_pod("root", &masters, "dev"));
    assert!(decision.allowed && decision.reason().is_empty());
}

#[test]
fn a_role_binding_gives_in_its_namespace_only() {
    let mut rbac = Authorizer::default();
    rbac.put(Kind::Role, &object("Role", "dev", "reader", reader_rules())).unwrap();
    let subjects = json!([{"kind": "ServiceAccount", "name": "bot"}]);
    rbac.put(Kind::RoleBinding, &object("RoleBinding", "dev", "r", binding("Role", "reader", subjects.clone())))
        .unwrap();
    rbac.put(Kind::RoleBinding, &object("RoleBinding", "prod", "r", binding("Role", "reader", subjects))).unwrap();
    let bot = "system:serviceaccount:dev:bot";
    let allowed = rbac.allows(&get_pod(bot, &[], "dev"));
    assert_eq!(
        allowed.reason(),
        "RBAC: allowed by RoleBinding \"r/dev\" of Role \"reader\" to ServiceAccount \"bot/dev\""
    );
    assert!(!rbac.allows(&get_pod(bot, &[], "prod")).allowed);
    assert!(!rbac.allows(&get_pod(bot, &[], "")).allowed);
    let denied = rbac.allows(&get_pod("system:serviceaccount:prod:bot", &[], "prod"));
    assert_eq!(denied.reason(), "rbac: RBAC: role.rbac.authorization.k8s.io \"reader\" not found");
}

#[test]
fn what_is_removed_gives_nothing() {
    let mut rbac = authorizer();
    let before = rbac.clone();
    rbac.remove(Kind::ClusterRole, "", "reader");
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
    let mut rbac = before.clone();
    rbac.remove(Kind::ClusterRoleBinding, "", "readers");
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
    assert!(before.allows(&get_pod("jo", &[], "dev")).allowed, "a clone is a snapshot");
}

#[test]
fn a_changed_binding_takes_back_what_it_gave() {
    let mut rbac = authorizer();
    let subjects = json!([{"kind": "User", "name": "al"}]);
    rbac.put(
        Kind::ClusterRoleBinding,
        &object("ClusterRoleBinding", "", "readers", binding("ClusterRole", "reader", subjects)),
    )
    .unwrap();
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
    assert!(rbac.allows(&get_pod("al", &[], "dev")).allowed);
}

#[test]
fn an_object_that_cannot_be_read_gives_nothing() {
    let mut rbac = authorizer();
    assert!(
        rbac.put(Kind::ClusterRole, &object("ClusterRole", "", "reader", json!({"rules": [{"verbs": 1}]}))).is_err()
    );
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
    let mut rbac = authorizer();
    let broken = object("ClusterRoleBinding", "", "readers", json!({"roleRef": 1}));
    assert!(rbac.put(Kind::ClusterRoleBinding, &broken).is_err());
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
}

#[test]
fn a_subject_of_another_kind_is_nobody() {
    let mut rbac = authorizer();
    let subjects = json!([
        {"kind": "Robot", "name": "jo"}, {"kind": "ServiceAccount", "name": "bot"}, {"kind": "user", "name": "jo"}
    ]);
    rbac.put(
        Kind::ClusterRoleBinding,
        &object("ClusterRoleBinding", "", "readers", binding("ClusterRole", "reader", subjects)),
    )
    .unwrap();
    assert!(!rbac.allows(&get_pod("jo", &[], "dev")).allowed);
    assert!(!rbac.allows(&get_pod("system:serviceaccount::bot", &[], "dev")).allowed);
}

#[test]
fn all_rules_of_a_user_come_once_a_binding() {
    let rbac = authorizer();
    let readers = groups(&["readers"]);
    assert_eq!(rbac.rules_for("jo", &readers, "dev").iter().count(), 1);
    assert_eq!(rbac.rules_for("al", &[], "dev").iter().count(), 0);
}

const USERS: [&str; 3] = ["a", "b", "system:serviceaccount:n:s"];
const NAMESPACES: [&str; 3] = ["", "n", "m"];
const VERBS: [&str; 3] = ["get", "list", "*"];
const GROUPS: [&str; 3] = ["", "apps", "*"];
const RESOURCES: [&str; 6] = ["pods", "pods/log", "*/log", "*/scale", "deployments/scale", "*"];
const NAMES: [&str; 2] = ["x", "y"];
const PATHS: [&str; 4] = ["/healthz", "/apis/*", "*", "/a"];

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(of).prop_map(str::to_owned), 0..3)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (some(&VERBS), some(&GROUPS), some(&RESOURCES), some(&NAMES), some(&PATHS)).prop_map(
        |(verbs, api_groups, resources, resource_names, non_resource_urls)| Rule {
            verbs,
            api_groups,
            resources,
            resource_names,
            non_resource_urls,
        },
    )
}

#[derive(Clone, Debug)]
enum Change {
    Role(usize, usize, Vec<Rule>),
    Binding(usize, usize, bool, usize, Vec<Value>),
    Remove(bool, usize, usize),
}

fn any_subject() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(&USERS[..]).prop_map(|name| json!({"kind": "User", "name": name})),
        prop::sample::select(&["g", "h"][..]).prop_map(|name| json!({"kind": "Group", "name": name})),
        prop::sample::select(&NAMESPACES[..])
            .prop_map(|namespace| json!({"kind": "ServiceAccount", "name": "s", "namespace": namespace})),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..3usize, 0..2usize, prop::collection::vec(any_rule(), 0..4))
            .prop_map(|(n, r, rules)| Change::Role(n, r, rules)),
        (0..3usize, 0..4usize, any::<bool>(), 0..2usize, prop::collection::vec(any_subject(), 0..3))
            .prop_map(|(n, b, cluster, r, subjects)| Change::Binding(n, b, cluster, r, subjects)),
        (any::<bool>(), 0..3usize, 0..4usize).prop_map(|(role, n, at)| Change::Remove(role, n, at)),
    ]
}

/// What the objects say, asked one by one as kube-apiserver does.
#[derive(Default)]
struct Naive {
    roles: std::collections::BTreeMap<(String, String), Vec<Rule>>,
    bindings: std::collections::BTreeMap<(String, String), policy::rules::Binding>,
}

impl Naive {
    fn allows(&self, asked: &Attributes<'_>) -> bool {
        self.bindings.iter().any(|((namespace, _), binding)| {
            (namespace.is_empty() || namespace == asked.namespace)
                && binding.subjects.iter().any(|subject| subject.applies_to(asked.user, asked.groups, namespace))
                && self
                    .roles
                    .get(&(
                        if binding.role.kind == "ClusterRole" { String::new() } else { namespace.clone() },
                        binding.role.name.clone(),
                    ))
                    .filter(|_| binding.role.kind == "ClusterRole" || !namespace.is_empty())
                    .is_some_and(|rules| rules.iter().any(|rule| rule.allows(asked)))
        })
    }
}

proptest! {
    #[test]
    fn the_compiled_authorizer_decides_as_the_objects_say(
        changes in prop::collection::vec(any_change(), 1..14),
        user in prop::sample::select(&USERS[..]),
        caller_groups in some(&["g", "h"]),
        namespace in prop::sample::select(&NAMESPACES[..]),
        verb in prop::sample::select(&["get", "list", "watch"][..]),
        group in prop::sample::select(&["", "apps"][..]),
        asked in prop::sample::select(&["pods", "pods/log", "deployments/scale", "services"][..]),
        name in prop::sample::select(&["", "x", "z"][..]),
        non_resource in prop::option::of(prop::sample::select(&["/healthz", "/apis/v1", "/b"][..])),
    ) {
        let mut rbac = Authorizer::default();
        let mut naive = Naive::default();
        for change in changes {
            match change {
                Change::Role(n, r, rules) => {
                    let (namespace, name) = (NAMESPACES[n], format!("r{r}"));
                    let kind = if namespace.is_empty() { Kind::ClusterRole } else { Kind::Role };
                    rbac.put(kind, &object("Role", namespace, &name, json!({ "rules": rules }))).unwrap();
                    naive.roles.insert((namespace.to_owned(), name), rules);
                }
                Change::Binding(n, b, cluster, r, subjects) => {
                    let (namespace, name) = (NAMESPACES[n], format!("b{b}"));
                    let kind = if namespace.is_empty() { Kind::ClusterRoleBinding } else { Kind::RoleBinding };
                    let role = if cluster { "ClusterRole" } else { "Role" };
                    let object = object("Binding", namespace, &name, binding(role, &format!("r{r}"), json!(subjects)));
                    rbac.put(kind, &object).unwrap();
                    naive.bindings.insert((namespace.to_owned(), name), policy::rules::Binding::read(&object).unwrap());
                }
                Change::Remove(true, n, r) => {
                    let (namespace, name) = (NAMESPACES[n], format!("r{r}"));
                    rbac.remove(if namespace.is_empty() { Kind::ClusterRole } else { Kind::Role }, namespace, &name);
                    naive.roles.remove(&(namespace.to_owned(), name));
                }
                Change::Remove(false, n, b) => {
                    let (namespace, name) = (NAMESPACES[n], format!("b{b}"));
                    rbac.remove(if namespace.is_empty() { Kind::ClusterRoleBinding } else { Kind::RoleBinding }, namespace, &name);
                    naive.bindings.remove(&(namespace.to_owned(), name));
                }
            }
        }
        let mut attributes = match non_resource {
            Some(asked) => path(verb, asked),
            None => resource(verb, group, asked, name),
        };
        attributes.user = user;
        attributes.groups = &caller_groups;
        attributes.namespace = if non_resource.is_some() { "" } else { namespace };
        let decision = rbac.allows(&attributes);
        prop_assert_eq!(decision.allowed, naive.allows(&attributes));
        prop_assert_eq!(decision.grant().is_some(), decision.allowed);
        let rules = rbac.rules_for(user, &caller_groups, attributes.namespace);
        prop_assert_eq!(rules.iter().any(|rule| rule.allows(&attributes)), decision.allowed);
    }
}
