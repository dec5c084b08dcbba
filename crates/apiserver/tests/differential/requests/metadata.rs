//! Names, labels, annotations, owners and finalizers, good and bad.

use serde_json::{Value, json};

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("metadata");
    let kinds = [
        ("namespace", "/api/v1/namespaces", "v1", "Namespace"),
        ("configmap", "/api/v1/namespaces/one/configmaps", "v1", "ConfigMap"),
        ("serviceaccount", "/api/v1/namespaces/one/serviceaccounts", "v1", "ServiceAccount"),
        (
            "clusterrole",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
        ),
        ("lease", "/apis/coordination.k8s.io/v1/namespaces/one/leases", "coordination.k8s.io/v1", "Lease"),
        ("gizmo", "/apis/example.com/v1/namespaces/one/gizmos", "example.com/v1", "Gizmo"),
        ("gadget", "/apis/example.com/v1/gadgets", "example.com/v1", "Gadget"),
    ];
    let long = "a".repeat(254);
    let label = "b".repeat(64);
    let names = ["A", "a_b", "a.b", "-a", "a-", ".", "..", "a/b", "a%b", "a b", "ä", "a:b", &long, &label, ""];
    for (slug, path, api_version, kind) in kinds {
        let target = format!("{path}?dryRun=All");
        for name in names {
            let shown = if name.len() > 20 { format!("{} letters", name.len()) } else { name.to_owned() };
            let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
            plan.post(&format!("{slug} named `{shown}`"), &target, &body);
        }
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"generateName": "A_"}});
        plan.post(&format!("{slug} with a bad generated name"), &target, &body);
    }
    let many: Value =
        (0..10_000).map(|at| (format!("l{at}"), Value::from("x"))).collect::<serde_json::Map<_, _>>().into();
    let uid = "00000000-0000-4000-8000-000000000000";
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": uid});
    let with = |field: &str, value: Value| {
        let mut owner = owner.clone();
        owner[field] = value;
        owner
    };
    let metadata: Vec<(&str, Value)> = vec![
        ("another namespace", json!({"namespace": "two"})),
        ("a bad label key", json!({"labels": {"a b": "x"}})),
        ("a bad label prefix", json!({"labels": {"A_/b": "x"}})),
        ("two slashes in a label", json!({"labels": {"a/b/c": "x"}})),
        ("an empty label key", json!({"labels": {"": "x"}})),
        ("a bad label value", json!({"labels": {"a": "x y"}})),
        ("a long label value", json!({"labels": {"a": "x".repeat(64)}})),
        ("a long label key", json!({"labels": {"x".repeat(64): "x"}})),
        ("an empty label value", json!({"labels": {"a": ""}})),
        ("bad labels", json!({"labels": {"a b": "x y", "-": "-", "c": "."}})),
        ("a bad annotation key", json!({"annotations": {"a b": "x"}})),
        ("a capital annotation key", json!({"annotations": {"A.B/C": "x"}})),
        ("large annotations", json!({"annotations": {"a": "x".repeat(262_145)}})),
        ("a plain finalizer", json!({"finalizers": ["mine"]})),
        ("an unqualified finalizer", json!({"finalizers": ["example.com/a b"]})),
        ("orphan and foreground", json!({"finalizers": ["orphan", "foregroundDeletion"]})),
        ("an empty finalizer", json!({"finalizers": [""]})),
        ("an owner", json!({"ownerReferences": [owner]})),
        ("an owner twice", json!({"ownerReferences": [owner, owner]})),
        ("an owner without a uid", json!({"ownerReferences": [with("uid", "".into())]})),
        ("an owner without a name", json!({"ownerReferences": [with("name", "".into())]})),
        ("an owner without a kind", json!({"ownerReferences": [with("kind", "".into())]})),
        ("an owner without a version", json!({"ownerReferences": [with("apiVersion", "".into())]})),
        ("an owner of an odd version", json!({"ownerReferences": [with("apiVersion", "a/b/c".into())]})),
        ("an event as an owner", json!({"ownerReferences": [with("kind", "Event".into())]})),
        (
            "two controllers",
            json!({"ownerReferences": [with("controller", true.into()), json!({"apiVersion": "v1", "kind": "Secret", "name": "p", "uid": uid, "controller": true})]}),
        ),
        ("a version", json!({"resourceVersion": "5"})),
        ("a version that is no number", json!({"resourceVersion": "x"})),
        ("a uid", json!({"uid": uid})),
        ("a time of deletion", json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5})),
        ("a generation", json!({"generation": 7})),
        ("a negative generation", json!({"generation": -7})),
        ("a self link", json!({"selfLink": "/x"})),
        ("a creation time", json!({"creationTimestamp": "2020-01-01T00:00:00Z"})),
        (
            "managed fields",
            json!({"managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {}}}, "time": "2020-01-01T00:00:00Z"}]}),
        ),
        (
            "bad managed fields",
            json!({"managedFields": [{"manager": "m", "operation": "Other", "apiVersion": "v1", "fieldsType": "FieldsV2", "fieldsV1": {}}]}),
        ),
        (
            "managed fields of an odd set",
            json!({"managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": 1}}]}),
        ),
        ("10,000 labels", json!({"labels": many})),
        ("a long generated name", json!({"name": null, "generateName": "g".repeat(70)})),
    ];
    for (slug, path, api_version, kind) in [kinds[1], kinds[5], kinds[6]] {
        for (what, extra) in &metadata {
            let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "meta"}});
            body["metadata"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            if *what == "a long generated name" {
                body["metadata"].as_object_mut().unwrap().remove("name");
                // The name is made up: only the answer's form is compared.
                continue;
            }
            plan.post(&format!("{slug} with {what}"), &format!("{path}?dryRun=All"), &body);
        }
    }
    updates(plan);
}

/// What an update may not change.
fn updates(plan: &mut Plan) {
    for (slug, path, api_version, kind) in [
        ("configmap", "/api/v1/namespaces/one/configmaps", "v1", "ConfigMap"),
        ("gizmo", "/apis/example.com/v1/namespaces/one/gizmos", "example.com/v1", "Gizmo"),
    ] {
        let target = format!("{path}/steady");
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "steady"}});
        plan.post(&format!("{slug} that is updated"), path, &body).save("steady");
        for (what, extra) in [
            ("another namespace", json!({"namespace": "two"})),
            ("no name", json!({"name": null})),
            ("the same uid", json!({"uid": "${steady.uid}"})),
            ("an early version", json!({"resourceVersion": "1"})),
            ("no version", json!({"resourceVersion": ""})),
            ("version 0", json!({"resourceVersion": "0"})),
            ("a version that is no number", json!({"resourceVersion": "x"})),
            ("another time of creation", json!({"creationTimestamp": "2020-01-01T00:00:00Z"})),
            ("a time of deletion", json!({"deletionTimestamp": "2020-01-01T00:00:00Z"})),
            ("a generation", json!({"generation": 9})),
            ("a generated name", json!({"generateName": "x-"})),
            ("no managed fields", json!({"managedFields": [{}]})),
            ("a finalizer", json!({"finalizers": ["plain"]})),
        ] {
            let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "steady", "resourceVersion": "${steady.rv}"}});
            for (field, value) in extra.as_object().unwrap() {
                if value.is_null() {
                    body["metadata"].as_object_mut().unwrap().remove(field);
                } else {
                    body["metadata"][field] = value.clone();
                }
            }
            plan.put(&format!("{slug} updated with {what}"), &format!("{target}?dryRun=All"), &body);
        }
    }
}
