//! Objects that were stored before their kind changed, and other versions of them.

use serde_json::json;

use super::definitions::{DEFINITIONS, definition, version};
use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("stored");
    let schema = |extra: serde_json::Value| {
        let mut properties = json!({"a": {"type": "string"}, "b": {"type": "integer"}});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})
    };
    let first = definition("olds", "Old", "Namespaced", &json!([version("v1", true, &schema(json!({})))]));
    plan.post("create the kind", DEFINITIONS, &first);
    plan.until("/apis/example.com/v1/olds", 200);
    let path = "/apis/example.com/v1/namespaces/one/olds";
    let old =
        json!({"apiVersion": "example.com/v1", "kind": "Old", "metadata": {"name": "old"}, "spec": {"a": "x", "b": 1}});
    plan.post("create an object", path, &old).save("old");
    // A field goes, one comes with a default, one gets a rule, and there is a second version.
    let new = json!({"a": {"type": "string", "pattern": "^y"}, "c": {"type": "string", "default": "d"}});
    let changed = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": new}}});
    let mut second = version("v2", false, &schema(json!({"e": {"type": "string", "default": "f"}})));
    second["additionalPrinterColumns"] = json!([{"name": "A", "type": "string", "jsonPath": ".spec.a"}]);
    plan.merge(
        "change the kind",
        &format!("{DEFINITIONS}/olds.example.com"),
        &json!({"spec": {"versions": [version("v1", true, &changed), second]}}),
    );
    plan.until("/apis/example.com/v2/olds", 200);
    plan.get("get it", &format!("{path}/old"));
    plan.get("list it", path);
    plan.get("get it in another version", "/apis/example.com/v2/namespaces/one/olds/old");
    plan.get("get it in another version as a table", "/apis/example.com/v2/namespaces/one/olds/old")
        .accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    plan.merge(
        "change what the rule does not see",
        &format!("{path}/old"),
        &json!({"metadata": {"labels": {"x": "y"}}}),
    );
    plan.merge("change to what the rule refuses", &format!("{path}/old"), &json!({"spec": {"a": "z"}}));
    plan.merge("change to what the rule allows", &format!("{path}/old"), &json!({"spec": {"a": "yes"}}));
    plan.merge("change in another version", "/apis/example.com/v2/namespaces/one/olds/old", &json!({"spec": {"b": 5}}));
    plan.get("get it at last", &format!("{path}/old"));
    plan.get("the kind at last", &format!("{DEFINITIONS}/olds.example.com"));
}
