//! Options of writes and reads, in the query and in bodies.

use serde_json::json;

use crate::request::Plan;

const MAPS: &str = "/api/v1/namespaces/one/configmaps";
const GIZMOS: &str = "/apis/example.com/v1/namespaces/one/gizmos";

pub fn add(plan: &mut Plan) {
    plan.area("options");
    for (kind, path, body) in [
        ("configmap", MAPS, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "opt"}})),
        ("gizmo", GIZMOS, json!({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "opt"}})),
    ] {
        for query in [
            "dryRun=All&dryRun=All",
            "dryRun=None",
            "dryRun=",
            "dryRun=all",
            "dryRun=All&fieldManager=tester",
            "dryRun=All&fieldManager=a%0Ab",
            "dryRun=All&fieldManager=%C3%A4",
            "dryRun=All&fieldValidation=",
            "dryRun=All&fieldValidation=strict",
            "dryRun=All&force=true",
            "dryRun=All&force=maybe",
            "dryRun=All&pretty=true",
            "dryRun=All&unknown=1",
            "dryRun=All&resourceVersion=5",
            "dryRun=All&timeout=1s",
            "dryRun=All&timeout=x",
            "dryRun=All&timeoutSeconds=1",
        ] {
            plan.post(&format!("create a {kind} with {query}"), &format!("{path}?{query}"), &body);
        }
        let long = "m".repeat(129);
        plan.post(
            &format!("create a {kind} with a long manager"),
            &format!("{path}?dryRun=All&fieldManager={long}"),
            &body,
        );
        plan.post(&format!("create a {kind}"), path, &body);
        let target = format!("{path}/opt");
        for query in ["force=true", "fieldManager=x&force=true", "dryRun=Some", "fieldValidation=Odd", "fieldManager=x"]
        {
            let empty = json!({});
            plan.merge(&format!("merge patch a {kind} with {query}"), &format!("{target}?{query}"), &empty);
            plan.json_patch(&format!("json patch a {kind} with {query}"), &format!("{target}?{query}"), &json!([]));
            plan.apply(&format!("apply a {kind} with {query}"), &format!("{target}?{query}"), &body);
            plan.put(&format!("update a {kind} with {query}"), &format!("{target}?{query}"), &body);
            plan.delete(&format!("delete a {kind} with {query}"), &format!("{path}/missing?{query}"));
        }
        for query in [
            "resourceVersion=0",
            "resourceVersion=1",
            "resourceVersion=x",
            "resourceVersion=-1",
            "resourceVersion=",
            "resourceVersionMatch=Exact",
            "exact=true",
            "export=true",
            "timeout=5s",
            "timeout=",
            "timeout=x",
            "timeout=5",
            "timeout=5q",
        ] {
            plan.get(&format!("get a {kind} with {query}"), &format!("{target}?{query}"));
        }
    }
}
