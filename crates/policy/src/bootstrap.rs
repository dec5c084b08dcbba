//! The roles and bindings that an API server makes for itself: the part of
//! `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` that is not about nodes and controllers.

mod reconcile;

use serde_json::{Map, Value, json};

pub use reconcile::{AUTO_UPDATE, Step, binding, role};

use crate::rules::Rule;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const READ_WRITE: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const TO_ADMIN: &str = "rbac.authorization.k8s.io/aggregate-to-admin";
const TO_EDIT: &str = "rbac.authorization.k8s.io/aggregate-to-edit";
const TO_VIEW: &str = "rbac.authorization.k8s.io/aggregate-to-view";

/// The cluster roles.
pub fn cluster_roles() -> Vec<Value> {
    let monitoring = [
        "/flagz",
        "/healthz",
        "/healthz/*",
        "/livez",
        "/livez/*",
        "/metrics",
        "/metrics/slis",
        "/readyz",
        "/readyz/*",
        "/statusz",
    ];
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    vec![
        cluster_role("cluster-admin", &[], &[on(&["*"], &["*"], &["*"]), at(&["*"], &["*"])]),
        cluster_role("system:discovery", &[], &[at(&["get"], &discovery)]),
        cluster_role("system:monitoring", &[], &[at(&["get"], &monitoring), on(&["get"], &[""], &["nodes/metrics"])]),
        cluster_role(
            "system:basic-user",
            &[],
            &[
                on(&["create"], &["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                on(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
            ],
        ),
        cluster_role("system:public-info-viewer", &[], &[at(&["get"], &public)]),
        collecting("admin", &[], TO_ADMIN),
        collecting("edit", &[TO_ADMIN], TO_EDIT),
        collecting("view", &[TO_EDIT], TO_VIEW),
        cluster_role(
            "system:aggregate-to-admin",
            &[TO_ADMIN],
            &[
                on(&["create"], &["authorization.k8s.io"], &["localsubjectaccessreviews"]),
                on(READ_WRITE, &["rbac.authorization.k8s.io"], &["rolebindings", "roles"]),
            ],
        ),
        cluster_role("system:aggregate-to-edit", &[TO_EDIT], &edit_rules()),
        cluster_role("system:aggregate-to-view", &[TO_VIEW], &view_rules()),
        cluster_role(
            "system:auth-delegator",
            &[],
            &[
                on(&["create"], &["authentication.k8s.io"], &["tokenreviews"]),
                on(&["create"], &["authorization.k8s.io"], &["subjectaccessreviews"]),
            ],
        ),
    ]
}

/// The bindings of cluster roles.
pub fn cluster_role_bindings() -> Vec<Value> {
    let authenticated = "system:authenticated";
    vec![
        cluster_role_binding("cluster-admin", &["system:masters"]),
        cluster_role_binding("system:monitoring", &["system:monitoring"]),
        cluster_role_binding("system:discovery", &[authenticated]),
        cluster_role_binding("system:basic-user", &[authenticated]),
        cluster_role_binding("system:public-info-viewer", &[authenticated, "system:unauthenticated"]),
    ]
}

/// What this API serves of what Kubernetes lets an editor of a namespace do.
fn edit_rules() -> Vec<Rule> {
    vec![
        on(READ, &[""], &["secrets"]),
        on(&["impersonate"], &[""], &["serviceaccounts"]),
        on(WRITE, &[""], &["configmaps", "secrets", "serviceaccounts"]),
        on(&["create"], &[""], &["serviceaccounts/token"]),
        on(WRITE, &["", "events.k8s.io"], &["events"]),
        on(READ_WRITE, &["coordination.k8s.io"], &["leases"]),
    ]
}

/// What this API serves of what Kubernetes lets a viewer of a namespace see.
fn view_rules() -> Vec<Rule> {
    vec![
        on(READ, &[""], &["configmaps", "serviceaccounts"]),
        on(READ, &[""], &["namespaces/status"]),
        // To see namespaces within a namespace is to see this one.
        on(READ, &[""], &["namespaces"]),
        on(READ, &["", "events.k8s.io"], &["events"]),
    ]
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn on(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Rule {
    Rule { verbs: texts(verbs), api_groups: texts(groups), resources: texts(resources), ..Rule::default() }
}

fn at(verbs: &[&str], paths: &[&str]) -> Rule {
    Rule { verbs: texts(verbs), non_resource_urls: texts(paths), ..Rule::default() }
}

fn object(kind: &str, name: &str, labels: &[&str]) -> Map<String, Value> {
    let mut all: Map<String, Value> = labels.iter().map(|label| ((*label).to_owned(), Value::from("true"))).collect();
    all.insert("kubernetes.io/bootstrapping".to_owned(), Value::from("rbac-defaults"));
    let metadata = json!({"name": name, "labels": all, "annotations": {AUTO_UPDATE: "true"}});
    Map::from_iter([
        ("apiVersion".to_owned(), Value::from("rbac.authorization.k8s.io/v1")),
        ("kind".to_owned(), Value::from(kind)),
        ("metadata".to_owned(), metadata),
    ])
}

fn cluster_role(name: &str, labels: &[&str], rules: &[Rule]) -> Value {
    let mut role = object("ClusterRole", name, labels);
    role.insert("rules".to_owned(), json!(rules));
    Value::Object(role)
}

/// A role that is made of all that carry a label.
fn collecting(name: &str, labels: &[&str], label: &str) -> Value {
    let mut role = object("ClusterRole", name, labels);
    let selectors = json!([{"matchLabels": {label: "true"}}]);
    role.insert("aggregationRule".to_owned(), json!({"clusterRoleSelectors": selectors}));
    role.insert("rules".to_owned(), json!([]));
    Value::Object(role)
}

/// A binding of the role of the same name to groups.
fn cluster_role_binding(name: &str, groups: &[&str]) -> Value {
    let group = "rbac.authorization.k8s.io";
    let subjects: Vec<Value> =
        groups.iter().map(|name| json!({"apiGroup": group, "kind": "Group", "name": name})).collect();
    let mut binding = object("ClusterRoleBinding", name, &[]);
    binding.insert("roleRef".to_owned(), json!({"apiGroup": group, "kind": "ClusterRole", "name": name}));
    binding.insert("subjects".to_owned(), Value::Array(subjects));
    Value::Object(binding)
}
