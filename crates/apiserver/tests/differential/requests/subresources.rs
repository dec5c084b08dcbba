//! `status`, `scale`, `finalize` and `token`.

use serde_json::{Value, json};

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("subresources");
    let path = "/apis/example.com/v1/namespaces/two/widgets";
    let widget = |rest: Value| {
        let mut widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "sub"}});
        widget.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        widget
    };
    plan.post("create", path, &widget(json!({"spec": {"size": 1}, "status": {"phase": "x"}}))).save("sub");
    let status = format!("{path}/sub/status");
    plan.get("get status", &status);
    plan.put("update status", &status, &widget(json!({"metadata": {"name": "sub", "labels": {"x": "y"}, "resourceVersion": "${sub.rv}"}, "spec": {"size": 9}, "status": {"phase": "y", "replicas": 3, "selector": "a=b"}})));
    plan.put("update status without a version", &status, &widget(json!({"status": {"phase": "z"}})));
    plan.put(
        "update status of an old version",
        &status,
        &widget(json!({"metadata": {"name": "sub", "resourceVersion": "${sub.rv}"}, "status": {"phase": "z"}})),
    );
    plan.put("update a bad status", &status, &widget(json!({"status": {"replicas": "x"}})));
    plan.merge("patch status", &status, &json!({"status": {"replicas": 4, "unknown": 1}, "spec": {"size": 50}}));
    plan.merge("patch a status away", &status, &json!({"status": null}));
    plan.json_patch(
        "json patch status",
        &status,
        &json!([{"op": "add", "path": "/status", "value": {"replicas": 2, "selector": "a=b"}}]),
    );
    plan.strategic("strategic patch status", &status, &json!({"status": {"replicas": 2}}));
    plan.get("status of a missing one", &format!("{path}/none/status"));
    plan.get("status as a table", &status).accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    let scale = format!("{path}/sub/scale");
    plan.get("get scale without replicas", &scale);
    plan.merge("give replicas", &format!("{path}/sub"), &json!({"spec": {"replicas": 3}}));
    plan.get("get scale", &scale).save("scale");
    let of = |replicas: Value, version: &str| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "sub", "namespace": "two", "resourceVersion": version}, "spec": {"replicas": replicas}});
    plan.put("update scale", &scale, &of(json!(5), "${scale.rv}")).save("scale");
    plan.put("update scale of an old version", &scale, &of(json!(6), "1"));
    plan.put("update scale without a version", &scale, &of(json!(7), ""));
    plan.put("update scale to -1", &scale, &of(json!(-1), ""));
    plan.put("update scale to a text", &scale, &of(json!("x"), ""));
    plan.put("update scale to 1.5", &scale, &of(json!(1.5), ""));
    plan.put("update scale with a widget", &scale, &widget(json!({})));
    plan.put("update scale with another name", &scale, &json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "other"}, "spec": {"replicas": 1}}));
    plan.put("update scale with nothing", &scale, &json!({}));
    plan.ask("update scale with malformed", "PUT", &scale).text("{");
    plan.merge("patch scale", &scale, &json!({"spec": {"replicas": 8}}));
    plan.merge("patch scale by an unknown field", &scale, &json!({"spec": {"other": 8}}));
    plan.json_patch("json patch scale", &scale, &json!([{"op": "replace", "path": "/spec/replicas", "value": 9}]));
    plan.apply("apply scale", &format!("{scale}?fieldManager=s"), &json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "sub"}, "spec": {"replicas": 10}}));
    plan.apply("apply scale by force", &format!("{scale}?fieldManager=s&force=true&dryRun=All"), &json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "sub"}, "spec": {"replicas": 10}}));
    plan.delete("delete scale", &scale);
    plan.get("scale as a table", &scale).accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    plan.get("scale as YAML", &scale).accept("application/yaml");
    plan.get("widget at last", &format!("{path}/sub"));
    plan.get("scale of a missing one", &format!("{path}/none/scale"));
    plan.get("scale of a gizmo", "/apis/example.com/v1/namespaces/two/gizmos/x/scale");
    plan.get("status of a gizmo", "/apis/example.com/v1/namespaces/two/gizmos/x/status");
    plan.get("scale of a configmap", "/api/v1/namespaces/two/configmaps/x/scale");
    namespaces(plan);
    tokens(plan);
}

fn namespaces(plan: &mut Plan) {
    let path = "/api/v1/namespaces";
    plan.post(
        "create a namespace",
        path,
        &json!({"metadata": {"name": "final"}, "spec": {"finalizers": ["example.com/f"]}}),
    );
    plan.get("get a namespace's status", &format!("{path}/final/status"));
    plan.put("update a namespace's status", &format!("{path}/final/status"), &json!({"metadata": {"name": "final", "labels": {"a": "b"}}, "spec": {"finalizers": []}, "status": {"phase": "Active", "conditions": [{"type": "NamespaceContentRemaining", "status": "False"}]}}));
    plan.put(
        "update a namespace to go",
        &format!("{path}/final/status"),
        &json!({"metadata": {"name": "final"}, "status": {"phase": "Terminating"}}),
    );
    plan.merge("patch a namespace's status", &format!("{path}/final/status"), &json!({"status": {"phase": "Odd"}}));
    plan.get("get finalize", &format!("{path}/final/finalize"));
    plan.put(
        "finalize",
        &format!("{path}/final/finalize"),
        &json!({"metadata": {"name": "final"}, "spec": {"finalizers": ["example.com/g"]}}),
    );
    plan.put(
        "finalize with a bad name",
        &format!("{path}/final/finalize"),
        &json!({"metadata": {"name": "final"}, "spec": {"finalizers": ["g"]}}),
    );
    plan.put("finalize a missing one", &format!("{path}/none/finalize"), &json!({"metadata": {"name": "none"}}));
    plan.merge("patch finalize", &format!("{path}/final/finalize"), &json!({}));
    plan.get("a namespace at last", &format!("{path}/final"));
}

fn tokens(plan: &mut Plan) {
    let path = "/api/v1/namespaces/two/serviceaccounts";
    plan.post("create an account", path, &json!({"metadata": {"name": "tokens"}}));
    let token = format!("{path}/tokens/token");
    plan.get("get a token", &token);
    plan.post("a token of a missing account", &format!("{path}/none/token"), &json!({}));
    plan.post("a token for a short time", &token, &json!({"spec": {"expirationSeconds": 5}}));
    plan.post("a token for a long time", &token, &json!({"spec": {"expirationSeconds": 4_294_967_297_i64}}));
    plan.post("a token for a text", &token, &json!({"spec": {"expirationSeconds": "x"}}));
    plan.post("a token of another kind", &token, &json!({"apiVersion": "v1", "kind": "Secret"}));
    plan.post(
        "a token bound to an odd kind",
        &token,
        &json!({"spec": {"boundObjectRef": {"kind": "Odd", "apiVersion": "v1", "name": "x"}}}),
    );
    plan.post(
        "a token bound to a missing secret",
        &token,
        &json!({"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "x"}}}),
    );
    plan.put("update a token", &token, &json!({}));
    plan.delete("delete a token", &token);
}
