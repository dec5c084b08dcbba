//! Deletes: options, preconditions, collections.

use serde_json::{Value, json};

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("deletes");
    for (slug, path, api_version, kind) in [
        ("configmap", "/api/v1/namespaces/two/configmaps", "v1", "ConfigMap"),
        ("role", "/apis/rbac.authorization.k8s.io/v1/namespaces/two/roles", "rbac.authorization.k8s.io/v1", "Role"),
        ("event", "/api/v1/namespaces/two/events", "v1", "Event"),
        ("gizmo", "/apis/example.com/v1/namespaces/two/gizmos", "example.com/v1", "Gizmo"),
        ("gadget", "/apis/example.com/v1/gadgets", "example.com/v1", "Gadget"),
    ] {
        let object = |name: &str| {
            let mut object =
                json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"gone": slug}}});
            if kind == "Event" {
                object["involvedObject"] = json!({"namespace": "two"});
            }
            object
        };
        let target = format!("{path}/gone");
        plan.post(&format!("{slug}: create"), path, &object("gone")).save("gone");
        let options: Vec<(&str, Value)> = vec![
            ("another uid", json!({"preconditions": {"uid": "x"}})),
            ("another version", json!({"preconditions": {"resourceVersion": "1"}})),
            ("an odd policy", json!({"propagationPolicy": "Odd"})),
            ("a policy and orphans", json!({"propagationPolicy": "Foreground", "orphanDependents": true})),
            ("a negative grace", json!({"gracePeriodSeconds": -1})),
            ("another kind", json!({"kind": "Other", "apiVersion": "v1"})),
            ("a kind of its group", json!({"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]})),
            ("a kind of meta", json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"]})),
            ("a kind of elsewhere", json!({"kind": "DeleteOptions", "apiVersion": "other/v1", "dryRun": ["All"]})),
            ("an odd dry run", json!({"dryRun": ["Some"]})),
            ("an unknown field", json!({"dryRun": ["All"], "other": 1})),
            ("a text", json!({"gracePeriodSeconds": "x"})),
            ("a list", json!([])),
            ("orphans, dry", json!({"propagationPolicy": "Orphan", "dryRun": ["All"]})),
            (
                "the same uid, dry",
                json!({"preconditions": {"uid": "${gone.uid}", "resourceVersion": "${gone.rv}"}, "dryRun": ["All"]}),
            ),
            (
                "ignored read errors",
                json!({"ignoreStoreReadErrorWithClusterBreakingPotential": true, "dryRun": ["All"]}),
            ),
        ];
        for (what, options) in &options {
            plan.delete(&format!("{slug}: {what}"), &target).json(options);
        }
        plan.delete(&format!("{slug}: malformed"), &target).text("{");
        plan.delete(&format!("{slug}: as text"), &target).text("x").content("text/plain");
        plan.delete(&format!("{slug}: in YAML"), &target).text("dryRun: [All]\n").content("application/yaml");
        for query in [
            "propagationPolicy=Odd",
            "propagationPolicy=Orphan&dryRun=All",
            "gracePeriodSeconds=x",
            "gracePeriodSeconds=5&dryRun=All",
            "orphanDependents=true&dryRun=All",
            "dryRun=Some",
        ] {
            plan.delete(&format!("{slug} with {query}"), &format!("{target}?{query}"));
        }
        plan.delete(&format!("{slug}: foreground"), &format!("{target}?propagationPolicy=Foreground&dryRun=All"));
        plan.delete(&format!("{slug}: delete"), &target);
        plan.delete(&format!("{slug}: delete again"), &target);
        for name in ["one", "two", "three"] {
            plan.post(&format!("{slug}: create {name}"), path, &object(name));
        }
        let all = format!("{path}?labelSelector=gone%3D{slug}");
        plan.delete(&format!("{slug}: all, dry"), &format!("{all}&dryRun=All"));
        plan.delete(&format!("{slug}: all, with a bad selector"), &format!("{path}?labelSelector=a%20b"));
        plan.delete(&format!("{slug}: all, by options"), &all)
            .json(&json!({"dryRun": ["All"], "propagationPolicy": "Background"}));
        plan.delete(&format!("{slug}: all, with a precondition"), &all).json(&json!({"preconditions": {"uid": "x"}}));
        plan.delete(&format!("{slug}: all, first"), &format!("{all}&limit=1"));
        plan.delete(&format!("{slug}: all as a table"), &format!("{all}&dryRun=All"))
            .accept("application/json;as=Table;v=v1;g=meta.k8s.io");
        plan.delete(&format!("{slug}: all"), &all);
        plan.get(&format!("{slug}: none left"), &all);
    }
}
