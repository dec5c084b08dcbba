//! Every kind with every verb and every form of body.

use serde_json::{Value, json};

use crate::request::Plan;

/// A kind, and an object of it that is valid.
pub struct Sample {
    /// Its plural, for keys.
    pub plural: &'static str,
    /// Where its objects are.
    pub path: &'static str,
    pub object: Value,
    /// A merge patch that changes it.
    pub change: Value,
}

/// One sample of each kind that can be stored.
pub fn samples() -> Vec<Sample> {
    let meta = |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "sample", "labels": {"app": "sample"}}});
    let with = |api_version: &str, kind: &str, rest: Value| {
        let mut object = meta(api_version, kind);
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let role = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let subject = json!([{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}, {"kind": "ServiceAccount", "name": "a", "namespace": "one"}]);
    let labels = json!({"metadata": {"labels": {"app": "changed"}, "annotations": {"a": "b"}}});
    vec![
        Sample {
            plural: "namespaces",
            path: "/api/v1/namespaces",
            object: meta("v1", "Namespace"),
            change: labels.clone(),
        },
        Sample {
            plural: "configmaps",
            path: "/api/v1/namespaces/one/configmaps",
            object: with("v1", "ConfigMap", json!({"data": {"a": "1", "b": "two"}, "binaryData": {"c": "AAEC"}})),
            change: json!({"data": {"a": "2", "b": null}}),
        },
        Sample {
            plural: "secrets",
            path: "/api/v1/namespaces/one/secrets",
            object: with("v1", "Secret", json!({"data": {"a": "AAEC"}, "stringData": {"b": "text"}})),
            change: json!({"stringData": {"c": "more"}}),
        },
        Sample {
            plural: "serviceaccounts",
            path: "/api/v1/namespaces/one/serviceaccounts",
            object: with(
                "v1",
                "ServiceAccount",
                json!({"secrets": [{"name": "x"}], "imagePullSecrets": [{"name": "y"}], "automountServiceAccountToken": false}),
            ),
            change: json!({"imagePullSecrets": [{"name": "z"}]}),
        },
        Sample {
            plural: "core-events",
            path: "/api/v1/namespaces/one/events",
            object: with(
                "v1",
                "Event",
                json!({
                    "involvedObject": {"kind": "Pod", "namespace": "one", "name": "p", "uid": "u", "apiVersion": "v1"},
                    "reason": "Tried", "message": "It was tried.", "type": "Normal", "count": 1,
                    "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "source": {"component": "tester", "host": "h"},
                }),
            ),
            change: json!({"count": 2, "message": "Again."}),
        },
        Sample {
            plural: "events",
            path: "/apis/events.k8s.io/v1/namespaces/two/events",
            object: with(
                "events.k8s.io/v1",
                "Event",
                json!({
                    "regarding": {"kind": "Pod", "namespace": "two", "name": "p", "uid": "u", "apiVersion": "v1"}, "eventTime": "2026-01-01T00:00:00.123456Z",
                    "reason": "Tried", "note": "It was tried.", "type": "Normal", "action": "Try", "reportingController": "example.com/tester",
                    "reportingInstance": "tester-1",
                }),
            ),
            change: json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}),
        },
        Sample {
            plural: "leases",
            path: "/apis/coordination.k8s.io/v1/namespaces/one/leases",
            object: with(
                "coordination.k8s.io/v1",
                "Lease",
                json!({"spec": {
                    "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 1,
                    "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.500000Z",
                }}),
            ),
            change: json!({"spec": {"holderIdentity": "you", "leaseTransitions": 2}}),
        },
        Sample {
            plural: "roles",
            path: "/apis/rbac.authorization.k8s.io/v1/namespaces/one/roles",
            object: with(rbac, "Role", json!({"rules": role})),
            change: json!({"rules": [{"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "resourceNames": ["a"], "verbs": ["get", "list"]}]}),
        },
        Sample {
            plural: "rolebindings",
            path: "/apis/rbac.authorization.k8s.io/v1/namespaces/one/rolebindings",
            object: with(
                rbac,
                "RoleBinding",
                json!({
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": subject,
                }),
            ),
            change: json!({"subjects": [{"kind": "Group", "name": "devs"}]}),
        },
        Sample {
            plural: "clusterroles",
            path: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            object: with(
                rbac,
                "ClusterRole",
                json!({"rules": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]}),
            ),
            change: json!({"rules": null}),
        },
        Sample {
            plural: "clusterrolebindings",
            path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            object: with(
                rbac,
                "ClusterRoleBinding",
                json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}),
            ),
            change: json!({"subjects": [{"kind": "User", "name": "bob"}]}),
        },
        Sample {
            plural: "validatingadmissionpolicies",
            path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            object: with(
                "admissionregistration.k8s.io/v1",
                "ValidatingAdmissionPolicy",
                json!({"spec": {
                    "matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}]},
                    "validations": [{"expression": "true"}],
                }}),
            ),
            change: json!({"spec": {"failurePolicy": "Ignore"}}),
        },
        Sample {
            plural: "validatingadmissionpolicybindings",
            path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            object: with(
                "admissionregistration.k8s.io/v1",
                "ValidatingAdmissionPolicyBinding",
                json!({"spec": {"policyName": "sample", "validationActions": ["Warn"]}}),
            ),
            change: json!({"spec": {"validationActions": ["Deny", "Audit"]}}),
        },
        Sample {
            plural: "widgets",
            path: "/apis/example.com/v1/namespaces/one/widgets",
            object: with(
                "example.com/v1",
                "Widget",
                json!({"spec": {
                    "size": 3, "ports": [{"port": 1, "name": "a"}, {"port": 2, "protocol": "UDP"}], "tags": ["x", "y"], "when": "2026-01-01T00:00:00Z", "ratio": 0.5,
                }}),
            ),
            change: json!({"spec": {"size": 4, "tags": ["z"], "ports": [{"port": 7}]}}),
        },
        Sample {
            plural: "gadgets",
            path: "/apis/example.com/v1/gadgets",
            object: with(
                "example.com/v1",
                "Gadget",
                json!({"spec": {"size": 1, "extra": {"a": [1, 2.5, "x", null]}}, "status": {"phase": "x"}}),
            ),
            change: json!({"spec": {"size": 2}}),
        },
        Sample {
            plural: "old-gadgets",
            path: "/apis/example.com/v1beta1/gadgets",
            object: json!({"apiVersion": "example.com/v1beta1", "kind": "Gadget", "metadata": {"name": "old-sample", "labels": {"app": "sample"}}, "spec": {"size": 1}}),
            change: json!({"spec": {"size": 2}}),
        },
        Sample {
            plural: "gizmos",
            path: "/apis/example.com/v1/namespaces/one/gizmos",
            object: with("example.com/v1", "Gizmo", json!({"anything": {"goes": [true, {"a": 1}]}})),
            change: json!({"anything": {"goes": 1}, "else": "x"}),
        },
    ]
}

/// What a reader may ask for.
const ACCEPTS: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("yaml", "application/yaml"),
    ("any", "*/*"),
    ("table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
    ("partial", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
    ("partial-list", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"),
    (
        "kubectl",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
    ),
    ("yaml-table", "application/yaml;as=Table;v=v1;g=meta.k8s.io"),
    ("unacceptable", "text/html"),
];

pub fn add(plan: &mut Plan) {
    for sample in &samples() {
        one(plan, sample);
    }
}

fn one(plan: &mut Plan, sample: &Sample) {
    let Sample { plural, path, object, change } = sample;
    let name = object["metadata"]["name"].as_str().unwrap();
    let target = format!("{path}/{name}");
    let selected = format!("{path}?labelSelector=app%3Dsample");
    plan.area(plural);
    plan.get("get missing", &target);
    plan.post("create dry", &format!("{path}?dryRun=All"), object);
    plan.post("create", path, object).save("sample");
    if *plural == "validatingadmissionpolicies" {
        // Somebody writes its status soon: here the server, at the real one a controller that does not run.
        plan.delete("delete", &target);
        return;
    }
    plan.post("create again", path, object);
    let mut generated = object.clone();
    generated["metadata"] = json!({"generateName": "gen-"});
    plan.post("create with a generated name", &format!("{path}?dryRun=All"), &generated);
    for (slug, accept) in ACCEPTS {
        plan.get(&format!("get as {slug}"), &target).accept(accept);
        plan.get(&format!("list as {slug}"), &selected).accept(accept);
    }
    plan.get("get pretty", &format!("{target}?pretty=true"));
    plan.get("list pretty", &format!("{selected}&pretty=1"));
    let mut changed = object.clone();
    changed["metadata"]["labels"]["more"] = json!("x");
    changed["metadata"]["finalizers"] = json!(["example.com/hold"]);
    plan.put("update", &target, &changed).save("updated");
    plan.put("update without a change", &target, &changed);
    changed["metadata"]["resourceVersion"] = json!("${sample.rv}");
    plan.put("update of an old version", &target, &changed);
    changed["metadata"]["resourceVersion"] = json!("${updated.rv}");
    changed["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    plan.put("update of another uid", &target, &changed);
    changed["metadata"] = json!({"name": "other"});
    plan.put("update under another name", &target, &changed);
    plan.put("update of a missing one", &format!("{path}/other"), &changed);
    plan.merge("merge patch", &target, change);
    plan.merge("merge patch without a change", &target, change);
    plan.strategic("strategic patch", &target, &json!({"metadata": {"labels": {"app": "sample", "s": "1"}}}));
    plan.json_patch("json patch", &target, &json!([{"op": "add", "path": "/metadata/annotations", "value": {"j": "1"}}, {"op": "test", "path": "/metadata/name", "value": name}]));
    plan.json_patch(
        "json patch whose test fails",
        &target,
        &json!([{"op": "test", "path": "/metadata/name", "value": "other"}]),
    );
    plan.merge("patch of a missing one", &format!("{path}/other"), change);
    let mut applied = object.clone();
    applied["metadata"] = json!({"name": name, "annotations": {"applied": "yes"}});
    plan.apply("apply", &format!("{target}?fieldManager=applier"), &applied);
    plan.apply("apply again", &format!("{target}?fieldManager=applier"), &applied);
    plan.apply("apply by force", &format!("{target}?fieldManager=applier&force=true"), &applied);
    plan.apply("apply without a manager", &target, &applied);
    plan.get("get after all", &target);
    plan.delete("delete the other", &format!("{path}/other"));
    plan.delete("delete with another uid", &target)
        .json(&json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}}));
    plan.delete("delete dry", &format!("{target}?dryRun=All"));
    plan.delete("delete what is held", &target);
    if *plural == "namespaces" {
        // It goes when its content is gone, for which the real server needs a controller.
        return;
    }
    plan.get("get what is held", &target);
    plan.json_patch("let go", &target, &json!([{"op": "remove", "path": "/metadata/finalizers"}]));
    plan.delete("delete", &target);
}
