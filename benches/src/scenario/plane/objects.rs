//! What is stored on both sides: one kind of custom objects, and who may use it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::names;

/// Where the kind is served.
pub const API: &str = "/apis/bench.drover.io/v1";
/// The namespace with the objects of the long list.
pub const LISTED: &str = "listed";
/// The namespace with all other objects that are there from the beginning.
pub const OTHERS: &str = "others";
/// The namespace that a measurement makes objects in.
pub const MADE: &str = "made";
/// The administrator's token.
pub const ADMINISTRATOR: &str = "bench-administrator";

/// The objects of a namespace.
pub fn widgets(namespace: &str) -> String {
    format!("{API}/namespaces/{namespace}/widgets")
}

/// Who has which token: an administrator, and users in one group.
pub fn tokens() -> String {
    let mut lines = format!("{ADMINISTRATOR},admin,admin,\"system:masters\"\n");
    for number in 0..names::USERS {
        let user = names::user(number);
        lines.push_str(&format!("{},{user},{user},\"bench\"\n", names::token(number)));
    }
    lines
}

/// An object of 1 kB: what a client sends has 1,000 bytes, give or take the name.
pub fn widget(namespace: &str, name: &str) -> Bytes {
    let object = json!({
        "apiVersion": "bench.drover.io/v1", "kind": "Widget",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "widget", "app.kubernetes.io/part-of": "bench", "tier": "backend"},
        },
        "spec": {
            "replicas": 3, "paused": false, "image": "registry.example.com/team/widget:v1.24.3",
            "schedule": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:30"},
            "environment": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "DATABASE_URL", "value": "postgres://widget@database.example.com:5432/widget"},
                {"name": "CACHE_SIZE", "value": "512Mi"},
            ],
            "description": "A widget is as large as most objects of most controllers are. ".repeat(7).trim_end(),
        },
    });
    object.to_string().into()
}

/// The definition of kind number `number`; 0 is the one that is measured.
pub fn definition(number: usize) -> Value {
    let (plural, kind) = match number {
        0 => ("widgets".to_owned(), "Widget".to_owned()),
        _ => (format!("gadgets{number}"), format!("Gadget{number}")),
    };
    let text = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {
        "replicas": {"type": "integer", "minimum": 0, "maximum": 1000}, "paused": {"type": "boolean"},
        "image": {"type": "string", "minLength": 1, "maxLength": 256}, "description": {"type": "string", "maxLength": 4096},
        "schedule": {"type": "object", "properties": {
            "days": {"type": "array", "items": {"type": "string", "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
            "from": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}, "to": {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"},
        }},
        "environment": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": text, "value": text}}},
    }});
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "spec": spec, "status": {"type": "object", "properties": {"ready": {"type": "integer"}}},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.bench.drover.io")},
        "spec": {
            "group": "bench.drover.io", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}}}],
        },
    })
}

/// What is made before anything is measured, with the paths to post it to.
pub fn beginning() -> Vec<(&'static str, Value)> {
    let rbac = "rbac.authorization.k8s.io";
    let mut made = vec![
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(0)),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "bench"},
                "rules": [{"apiGroups": ["bench.drover.io"], "resources": ["*"], "verbs": ["*"]}]}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "bench"},
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "bench"},
                "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "bench"}]}),
        ),
    ];
    made.extend([LISTED, OTHERS, MADE].map(|name| {
        ("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    }));
    made
}
