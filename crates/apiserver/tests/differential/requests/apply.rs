//! Server-side apply: sequences of appliers and updaters on one object.

use serde_json::{Value, json};

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("apply");
    maps(plan);
    widgets(plan);
    roles(plan);
    versions(plan);
}

fn maps(plan: &mut Plan) {
    let path = "/api/v1/namespaces/two/configmaps/applied";
    let map =
        |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data});
    let by = |manager: &str| format!("{path}?fieldManager={manager}");
    plan.apply("map: dry", &format!("{path}?fieldManager=a&dryRun=All"), &map(json!({"x": "1"})));
    plan.apply("map: create", &by("a"), &map(json!({"x": "1", "y": "1"}))).save("map");
    plan.apply("map: the same again", &by("a"), &map(json!({"x": "1", "y": "1"})));
    plan.apply("map: share", &by("b"), &map(json!({"x": "1", "z": "1"})));
    plan.apply("map: conflict", &by("b"), &map(json!({"x": "2", "y": "2"})));
    plan.apply("map: force", &format!("{}&force=true", by("b")), &map(json!({"x": "2"})));
    plan.apply("map: give up", &by("a"), &map(json!({})));
    plan.apply("map: give up all", &by("b"), &map(json!({})));
    plan.merge("map: update", &format!("{path}?fieldManager=c"), &json!({"data": {"u": "1"}}));
    plan.apply("map: conflict with an updater", &by("a"), &map(json!({"u": "2"})));
    plan.apply("map: with a version", &by("a"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "resourceVersion": "${map.rv}"}}));
    plan.apply(
        "map: with a uid",
        &by("a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "uid": "x"}}),
    );
    plan.apply("map: with managed fields", &by("a"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "managedFields": [{"manager": "x"}]}}));
    plan.apply(
        "map: another name",
        &by("a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}),
    );
    plan.apply("map: no name", &by("a"), &json!({"apiVersion": "v1", "kind": "ConfigMap"}));
    plan.apply(
        "map: another kind",
        &by("a"),
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied"}}),
    );
    plan.apply(
        "map: another version",
        &by("a"),
        &json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "applied"}}),
    );
    plan.apply("map: no version", &by("a"), &json!({"kind": "ConfigMap", "metadata": {"name": "applied"}}));
    plan.apply("map: no kind", &by("a"), &json!({"apiVersion": "v1", "metadata": {"name": "applied"}}));
    plan.apply(
        "map: an unknown field",
        &by("a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "other": 1}),
    );
    plan.apply(
        "map: an unknown field, strictly",
        &format!("{}&fieldValidation=Strict", by("a")),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "other": 1}),
    );
    plan.apply("map: another type", &by("a"), &map(json!({"x": 1})));
    plan.apply("map: a list", &by("a"), &json!([]));
    plan.apply("map: a null", &by("a"), &json!(null));
    plan.apply("map: null data", &by("a"), &map(json!(null)));
    plan.apply("map: null value", &by("a"), &map(json!({"n": null})));
    plan.apply("map: invalid", &by("a"), &map(json!({"a b": "x"})));
    plan.apply("map: labels and owners", &by("a"), &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "labels": {"l": "1"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "o", "uid": "u"}], "finalizers": ["example.com/f"]}}));
    plan.apply(
        "map: fewer",
        &by("a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}}),
    );
    plan.merge(
        "map: managed fields taken away",
        &format!("{path}?fieldManager=d"),
        &json!({"metadata": {"managedFields": [{}]}}),
    );
    plan.apply("map: after that", &by("a"), &map(json!({"u": "1"})));
    plan.apply("map: conflict after that", &by("b"), &map(json!({"u": "2"})));
    plan.ask("map: in YAML", "PATCH", &by("a"))
        .content("application/apply-patch+yaml")
        .text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {u: '1', w: \"2\"}\n");
    plan.get("map: as it is", path);
    plan.delete("map: delete", path);
    plan.apply("map: recreate", &by("a"), &map(json!({"x": "1"})));
    plan.apply(
        "map: with a uid that is gone",
        &format!("{path}x?fieldManager=a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "appliedx", "uid": "x"}}),
    );
    plan.apply(
        "map: with a version that is gone",
        &format!("{path}x?fieldManager=a"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "appliedx", "resourceVersion": "1"}}),
    );
}

fn widgets(plan: &mut Plan) {
    let path = "/apis/example.com/v1/namespaces/two/widgets/applied";
    let widget = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "applied"}, "spec": spec});
    let by = |manager: &str| format!("{path}?fieldManager={manager}");
    let steps: &[(&str, &str, Value)] = &[
        (
            "create",
            "a",
            json!({"size": 1, "ports": [{"port": 1, "name": "one"}], "tags": ["x"], "steps": ["s"], "atom": {"a": "1"}}),
        ),
        ("another item", "b", json!({"ports": [{"port": 2}], "tags": ["y"]})),
        ("a field of an item", "b", json!({"ports": [{"port": 1, "name": "uno"}, {"port": 2}], "tags": ["y"]})),
        ("an item shared", "c", json!({"ports": [{"port": 1}]})),
        ("an item given up", "a", json!({"size": 1, "tags": ["x"], "steps": ["s"], "atom": {"a": "1"}})),
        ("a tag shared", "b", json!({"tags": ["x", "y"]})),
        ("a tag given up", "a", json!({"size": 1, "steps": ["s"], "atom": {"a": "1"}})),
        ("an atomic list", "b", json!({"steps": ["t"]})),
        ("an atomic map", "b", json!({"atom": {"b": "1"}})),
        ("the same atomic map", "b", json!({"atom": {"a": "1"}})),
        ("a default", "b", json!({"color": "red"})),
        ("a default changed", "c", json!({"color": "blue"})),
        ("duplicates", "c", json!({"ports": [{"port": 5}, {"port": 5}]})),
        ("duplicate tags", "c", json!({"tags": ["q", "q"]})),
        ("a missing key", "c", json!({"ports": [{"name": "x"}]})),
        ("the wrong type", "c", json!({"ports": "x"})),
        ("an unknown field", "c", json!({"unknown": {"a": 1}})),
        ("a loose field", "c", json!({"loose": {"any": [1, {"a": "b"}]}})),
        ("a loose field by another", "d", json!({"loose": {"any": [2], "more": 1}})),
        ("an int or string", "c", json!({"port": 80})),
        ("an int or string by another", "d", json!({"port": "80"})),
        ("a null", "d", json!({"nothing": null})),
        ("invalid", "d", json!({"size": 1000})),
        ("nothing", "d", json!({})),
    ];
    for (slug, manager, spec) in steps {
        plan.apply(&format!("widget: {slug}"), &by(manager), &widget(spec.clone()));
    }
    plan.apply(
        "widget: by force",
        &format!("{}&force=true", by("d")),
        &widget(json!({"size": 7, "steps": ["z"], "atom": {"b": "2"}})),
    );
    plan.apply("widget: status in the whole", &by("s"), &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "applied"}, "status": {"phase": "x"}}));
    let status = format!("{path}/status?fieldManager=s");
    plan.apply("widget: status", &status, &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "applied"}, "status": {"phase": "x", "replicas": 2}}));
    plan.apply("widget: status with a spec", &status, &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "applied"}, "spec": {"size": 9}, "status": {"phase": "x"}}));
    plan.apply("widget: status conflict", &format!("{path}/status?fieldManager=t"), &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "applied"}, "status": {"phase": "y"}}));
    plan.apply("widget: status of a missing one", "/apis/example.com/v1/namespaces/two/widgets/none/status?fieldManager=s", &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "none"}, "status": {"phase": "x"}}));
    plan.merge("widget: update an item", path, &json!({"spec": {"ports": [{"port": 9, "name": "nine"}]}}));
    plan.apply("widget: the item again", &by("a"), &widget(json!({"ports": [{"port": 9, "name": "neun"}]})));
    plan.get("widget: as it is", path);
}

fn roles(plan: &mut Plan) {
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/two/roles/applied";
    let role = |rules: Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "applied"}, "rules": rules});
    let get = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    plan.apply("role: create", &format!("{path}?fieldManager=a"), &role(get.clone()));
    plan.apply("role: share", &format!("{path}?fieldManager=b"), &role(get));
    plan.apply(
        "role: conflict",
        &format!("{path}?fieldManager=b"),
        &role(json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])),
    );
    plan.apply(
        "role: give up",
        &format!("{path}?fieldManager=b"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "applied"}}),
    );
    plan.apply(
        "role: give up all",
        &format!("{path}?fieldManager=a"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "applied"}}),
    );
    let account = "/api/v1/namespaces/two/serviceaccounts/applied";
    let secrets = |names: &[&str]| {
        let secrets: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "applied"}, "secrets": secrets, "imagePullSecrets": secrets})
    };
    plan.apply("account: create", &format!("{account}?fieldManager=a"), &secrets(&["x", "y"]));
    plan.apply("account: another", &format!("{account}?fieldManager=b"), &secrets(&["z"]));
    plan.apply("account: fewer", &format!("{account}?fieldManager=a"), &secrets(&["y"]));
    plan.apply("account: duplicates", &format!("{account}?fieldManager=a"), &secrets(&["y", "y"]));
    plan.put("account: update", account, &secrets(&["q"]));
    plan.apply("account: fewest", &format!("{account}?fieldManager=a"), &secrets(&[]));
}

fn versions(plan: &mut Plan) {
    let path =
        |version: &str, manager: &str| format!("/apis/example.com/{version}/gadgets/applied?fieldManager={manager}");
    let gadget = |version: &str, spec: Value| json!({"apiVersion": format!("example.com/{version}"), "kind": "Gadget", "metadata": {"name": "applied"}, "spec": spec});
    plan.apply("gadget: in v1", &path("v1", "a"), &gadget("v1", json!({"size": 1})));
    plan.apply("gadget: conflict in v1beta1", &path("v1beta1", "b"), &gadget("v1beta1", json!({"size": 2})));
    plan.apply("gadget: more in v1beta1", &path("v1beta1", "b"), &gadget("v1beta1", json!({"other": 2})));
    plan.apply("gadget: v1 through v1beta1", &path("v1beta1", "b"), &gadget("v1", json!({"other": 2})));
    plan.apply("gadget: changed in v1", &path("v1", "b"), &gadget("v1", json!({"other": 3})));
    plan.get("gadget: in v1alpha2", "/apis/example.com/v1alpha2/gadgets/applied");
    plan.get("gadget: in v1alpha1", "/apis/example.com/v1alpha1/gadgets/applied");
}
