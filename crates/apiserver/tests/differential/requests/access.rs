//! Callers with few rights, and questions about rights.

use serde_json::{Value, json};

use crate::request::{Look, Plan, Who};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";

pub fn add(plan: &mut Plan) {
    plan.area("access");
    let alice = || Who::user("alice", &["devs"]);
    let nobody = || Who::user("nobody", &[]);
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    plan.post("make a role", &format!("{RBAC}/namespaces/one/roles"), &role("reader", json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "update"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"]},
        {"apiGroups": ["example.com"], "resources": ["gizmos"], "resourceNames": ["mine"], "verbs": ["get", "patch"]},
    ])));
    plan.post(
        "make a binding",
        &format!("{RBAC}/namespaces/one/rolebindings"),
        &json!({"metadata": {"name": "reader"},
        "roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "Group", "name": "devs"}]}),
    );
    plan.post("make a cluster role", &format!("{RBAC}/clusterroles"), &role("urls", json!([
        {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]}, {"apiGroups": ["example.com"], "resources": ["gadgets"], "verbs": ["list"]},
    ])));
    plan.post(
        "make a cluster binding",
        &format!("{RBAC}/clusterrolebindings"),
        &json!({"metadata": {"name": "urls"},
        "roleRef": {"kind": "ClusterRole", "name": "urls"}, "subjects": [{"kind": "User", "name": "alice"}]}),
    );
    // The real server reads its rules from a watch.
    plan.until_by(alice(), "/api/v1/namespaces/one/configmaps", 200);
    plan.until_by(alice(), "/apis/example.com/v1/gadgets", 200);
    let map = json!({"metadata": {"name": "alices"}});
    for (slug, method, target) in [
        ("get what is allowed", "GET", "/api/v1/namespaces/one/configmaps/none"),
        ("get in another namespace", "GET", "/api/v1/namespaces/two/configmaps/none"),
        ("list in all namespaces", "GET", "/api/v1/configmaps"),
        ("list what is not allowed", "GET", "/api/v1/namespaces/one/secrets"),
        ("get what is not allowed", "GET", "/api/v1/namespaces/one/secrets/x"),
        ("delete what may be read", "DELETE", "/api/v1/namespaces/one/configmaps/none"),
        ("delete all that may be read", "DELETE", "/api/v1/namespaces/one/configmaps"),
        ("get by name", "GET", "/apis/example.com/v1/namespaces/one/gizmos/mine"),
        ("get by another name", "GET", "/apis/example.com/v1/namespaces/one/gizmos/theirs"),
        ("list by name", "GET", "/apis/example.com/v1/namespaces/one/gizmos"),
        ("status by name", "GET", "/apis/example.com/v1/namespaces/one/gizmos/mine/status"),
        ("get of the cluster", "GET", "/apis/example.com/v1/gadgets/x"),
        ("an unknown resource", "GET", "/api/v1/namespaces/one/nothings"),
        ("an unknown group", "GET", "/apis/none.example.com/v1/things/x"),
        ("a namespace", "GET", "/api/v1/namespaces/one"),
        ("a namespace's status", "GET", "/api/v1/namespaces/one/status"),
        ("a namespace's end", "PUT", "/api/v1/namespaces/one/finalize"),
        ("metrics", "GET", "/logs/x"),
        ("a path", "GET", "/other"),
        ("a root", "GET", "/"),
        ("health", "GET", "/healthz"),
        ("version", "GET", "/apis"),
        ("a watch", "GET", "/api/v1/namespaces/two/configmaps?watch=true"),
        ("a proxy", "GET", "/api/v1/namespaces/two/services/x/proxy/y"),
        ("a token", "POST", "/api/v1/namespaces/one/serviceaccounts/x/token"),
        ("options", "OPTIONS", "/api/v1/namespaces/two/configmaps"),
    ] {
        for (name, who) in [("alice", alice()), ("nobody", nobody())] {
            if name == "nobody" && slug == "version" {
                continue;
            }
            let ask = plan.ask(&format!("{name}: {slug}"), method, target);
            ask.by(who);
            if matches!(slug, "a root" | "health" | "version" | "metrics") {
                ask.look(Look::Envelope);
            }
            if method == "POST" || method == "PUT" {
                ask.json(&json!({}));
            }
            if target == "/" || target == "/apis" {
                ask.look(Look::Served);
            }
        }
    }
    plan.post("alice: create", "/api/v1/namespaces/one/configmaps", &map).by(alice());
    plan.put("alice: update", "/api/v1/namespaces/one/configmaps/alices", &map).by(alice());
    plan.put("alice: create by an update", "/api/v1/namespaces/one/configmaps/alicess", &map).by(alice());
    plan.merge("alice: patch", "/api/v1/namespaces/one/configmaps/alices", &json!({})).by(alice());
    plan.apply(
        "alice: create by an apply",
        "/apis/example.com/v1/namespaces/one/gizmos/mine?fieldManager=a",
        &json!({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "mine"}}),
    )
    .by(alice());
    escalation(plan);
    reviews(plan);
}

fn escalation(plan: &mut Plan) {
    let alice = || Who::user("alice", &["devs"]);
    let roles = &format!("{RBAC}/namespaces/one/roles");
    let bindings = &format!("{RBAC}/namespaces/one/rolebindings");
    for (slug, rules) in [
        ("what she has", json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])),
        ("more", json!([{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "delete"]}])),
        ("all", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])),
        (
            "a name",
            json!([{"apiGroups": ["example.com"], "resources": ["gizmos"], "resourceNames": ["mine"], "verbs": ["get"]}]),
        ),
        (
            "another name",
            json!([{"apiGroups": ["example.com"], "resources": ["gizmos"], "resourceNames": ["mine", "theirs"], "verbs": ["get"]}]),
        ),
        ("nothing", json!([])),
    ] {
        plan.post(
            &format!("escalate to {slug}"),
            &format!("{roles}?dryRun=All"),
            &json!({"metadata": {"name": "more"}, "rules": rules}),
        )
        .by(alice());
    }
    plan.merge(
        "escalate one's own role",
        &format!("{roles}/reader?dryRun=All"),
        &json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
    )
    .by(alice());
    plan.merge(
        "label one's own role",
        &format!("{roles}/reader?dryRun=All"),
        &json!({"metadata": {"labels": {"a": "b"}}}),
    )
    .by(alice());
    for (slug, kind, name) in [
        ("what she has", "Role", "reader"),
        ("more", "ClusterRole", "view"),
        ("all", "ClusterRole", "cluster-admin"),
        ("what is missing", "Role", "missing"),
        ("a missing cluster role", "ClusterRole", "missing"),
    ] {
        plan.post(&format!("bind {slug}"), &format!("{bindings}?dryRun=All"), &json!({"metadata": {"name": "more"}, "roleRef": {"kind": kind, "name": name}, "subjects": [{"kind": "User", "name": "alice"}]})).by(alice());
    }
    plan.post(
        "escalate to a cluster role",
        &format!("{RBAC}/clusterroles?dryRun=All"),
        &json!({"metadata": {"name": "more2"}}),
    )
    .by(alice());
}

fn reviews(plan: &mut Plan) {
    let alice = || Who::user("alice", &["devs"]);
    let attributes = |verb: &str, resource: &str, namespace: &str| json!({"verb": verb, "resource": resource, "namespace": namespace});
    let specs: Vec<(&str, Value)> = vec![
        ("nothing", json!({})),
        ("a resource", json!({"resourceAttributes": attributes("get", "configmaps", "one")})),
        ("another resource", json!({"resourceAttributes": attributes("delete", "secrets", "one")})),
        (
            "a name",
            json!({"resourceAttributes": {"verb": "get", "group": "example.com", "resource": "gizmos", "name": "mine", "namespace": "one"}}),
        ),
        (
            "a subresource",
            json!({"resourceAttributes": {"verb": "get", "resource": "configmaps", "subresource": "status", "namespace": "one"}}),
        ),
        ("a url", json!({"nonResourceAttributes": {"path": "/metrics", "verb": "get"}})),
        ("both", json!({"resourceAttributes": {}, "nonResourceAttributes": {}})),
        (
            "a label selector",
            json!({"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "one", "labelSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b"]}]}}}),
        ),
        (
            "a bad label selector",
            json!({"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "one", "labelSelector": {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Odd"}]}}}),
        ),
        (
            "a raw field selector",
            json!({"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "one", "fieldSelector": {"rawSelector": "a=b"}}}),
        ),
        ("metadata", json!({"resourceAttributes": attributes("get", "configmaps", "one")})),
    ];
    for (slug, spec) in &specs {
        let mut review = json!({ "spec": spec });
        if *slug == "metadata" {
            review["metadata"] = json!({"name": "x"});
        }
        plan.post(&format!("may alice: {slug}"), &format!("{AUTHORIZATION}/selfsubjectaccessreviews"), &review)
            .by(alice());
        plan.post(
            &format!("may the administrator: {slug}"),
            &format!("{AUTHORIZATION}/selfsubjectaccessreviews"),
            &review,
        );
        for (who, user) in [
            ("alice", json!({"user": "alice", "groups": ["devs"]})),
            ("a group", json!({"groups": ["devs"]})),
            ("no one", json!({})),
            ("another", json!({"user": "bob", "extra": {"a": ["b"]}, "uid": "u"})),
        ] {
            let mut review = review.clone();
            review["spec"].as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
            plan.post(&format!("is {who} allowed: {slug}"), &format!("{AUTHORIZATION}/subjectaccessreviews"), &review);
        }
        let mut local = review.clone();
        local["spec"]["user"] = json!("alice");
        local["spec"]["groups"] = json!(["devs"]);
        plan.post(
            &format!("is alice allowed in one: {slug}"),
            &format!("{AUTHORIZATION}/namespaces/one/localsubjectaccessreviews"),
            &local,
        );
        plan.post(
            &format!("is alice allowed in two: {slug}"),
            &format!("{AUTHORIZATION}/namespaces/two/localsubjectaccessreviews"),
            &local,
        );
    }
    plan.post("a review by alice", &format!("{AUTHORIZATION}/subjectaccessreviews"), &json!({"spec": {"user": "x"}}))
        .by(alice());
    for namespace in ["one", "two", ""] {
        plan.post(
            &format!("alice's rules in `{namespace}`"),
            &format!("{AUTHORIZATION}/selfsubjectrulesreviews"),
            &json!({"spec": {"namespace": namespace}}),
        )
        .by(alice());
        plan.post(
            &format!("the administrator's rules in `{namespace}`"),
            &format!("{AUTHORIZATION}/selfsubjectrulesreviews"),
            &json!({"spec": {"namespace": namespace}}),
        );
    }
    let authentication = "/apis/authentication.k8s.io/v1";
    for (name, who) in [("alice", alice()), ("the administrator", Who::admin()), ("nobody", Who::user("nobody", &[]))] {
        plan.post(&format!("who is {name}"), &format!("{authentication}/selfsubjectreviews"), &json!({}))
            .by(who.clone());
        plan.post(
            &format!("who is {name}, with metadata"),
            &format!("{authentication}/selfsubjectreviews"),
            &json!({"metadata": {"name": "x", "labels": {"a": "b"}}}),
        )
        .by(who);
    }
    for (slug, spec) in [
        ("nothing", json!({})),
        ("an unknown token", json!({"token": "x"})),
        ("audiences", json!({"token": "x", "audiences": ["a"]})),
    ] {
        plan.post(&format!("whose is {slug}"), &format!("{authentication}/tokenreviews"), &json!({ "spec": spec }));
    }
    for kind in ["subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"] {
        plan.get(&format!("list {kind}"), &format!("{AUTHORIZATION}/{kind}"));
        plan.get(&format!("get {kind}"), &format!("{AUTHORIZATION}/{kind}/x"));
        plan.post(
            &format!("a dry {kind}"),
            &format!("{AUTHORIZATION}/{kind}?dryRun=All"),
            &json!({"spec": {"user": "a", "namespace": "one", "nonResourceAttributes": {"path": "/", "verb": "get"}}}),
        );
        plan.post(
            &format!("an unknown field in {kind}"),
            &format!("{AUTHORIZATION}/{kind}?fieldValidation=Strict"),
            &json!({"spec": {"other": 1}}),
        );
        plan.post(
            &format!("{kind} as a table"),
            &format!("{AUTHORIZATION}/{kind}"),
            &json!({"spec": {"user": "a", "namespace": "one", "nonResourceAttributes": {"path": "/", "verb": "get"}}}),
        )
        .accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    }
}
