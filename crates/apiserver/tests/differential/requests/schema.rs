//! Values that a custom kind's schema does or does not allow.

use serde_json::{Value, json};

use crate::request::Plan;

const WIDGETS: &str = "/apis/example.com/v1/namespaces/one/widgets";

pub fn add(plan: &mut Plan) {
    plan.area("schema");
    let specs: Vec<(&str, Value)> = vec![
        ("nothing", json!({})),
        ("size 0", json!({"size": 0})),
        ("size 101", json!({"size": 101})),
        ("size 1.5", json!({"size": 1.5})),
        ("size 2.0", json!({"size": 2.0})),
        ("size as text", json!({"size": "1"})),
        ("size true", json!({"size": true})),
        ("size null", json!({"size": null})),
        ("size as object", json!({"size": {}})),
        ("small too large", json!({"small": 3_000_000_000_i64})),
        ("big 0", json!({"big": 0})),
        ("big huge", json!({"big": 1e30})),
        ("ratio 1", json!({"ratio": 1})),
        ("ratio -1", json!({"ratio": -1})),
        ("ratio tiny", json!({"ratio": 0.000_000_001})),
        ("enabled as text", json!({"enabled": "yes"})),
        ("enabled false", json!({"enabled": false})),
        ("color null", json!({"color": null})),
        ("color pink", json!({"color": "pink"})),
        ("color empty", json!({"color": ""})),
        ("code A", json!({"code": "A"})),
        ("code abcde", json!({"code": "abcde"})),
        ("code ab", json!({"code": "ab"})),
        ("when bad", json!({"when": "today"})),
        ("when lower", json!({"when": "2026-01-01t00:00:00z"})),
        ("day bad", json!({"day": "2026-13-01"})),
        ("day good", json!({"day": "2026-12-01"})),
        ("for bad", json!({"for": "1 fortnight"})),
        ("for good", json!({"for": "1h30m"})),
        ("address bad", json!({"address": "1.2.3"})),
        ("address6 bad", json!({"address6": "1.2.3.4"})),
        ("range bad", json!({"range": "10.0.0.0"})),
        ("mail bad", json!({"mail": "me"})),
        ("host bad", json!({"host": "a_b"})),
        ("link bad", json!({"link": "no link"})),
        ("link good", json!({"link": "https://example.com/x"})),
        ("id bad", json!({"id": "x"})),
        ("blob bad", json!({"blob": "%"})),
        ("any format", json!({"any": "x"})),
        ("replicas -1", json!({"replicas": -1})),
        ("port number", json!({"port": 80})),
        ("port text", json!({"port": "http"})),
        ("port float", json!({"port": 1.5})),
        ("port bool", json!({"port": true})),
        ("limit good", json!({"limit": "50%"})),
        ("limit bad", json!({"limit": "half"})),
        ("nothing null", json!({"nothing": null, "nothingElse": null})),
        ("ports duplicate", json!({"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]})),
        ("ports five", json!({"ports": [{"port": 1}, {"port": 2}, {"port": 3}, {"port": 4}, {"port": 5}]})),
        ("ports without port", json!({"ports": [{"name": "x"}]})),
        ("ports of text", json!({"ports": ["x"]})),
        ("ports with more", json!({"ports": [{"port": 1, "other": 2}]})),
        ("ports null item", json!({"ports": [null]})),
        ("tags duplicate", json!({"tags": ["a", "b", "a"]})),
        ("tags null", json!({"tags": null})),
        ("steps none", json!({"steps": []})),
        ("steps duplicate", json!({"steps": ["a", "a"]})),
        ("plain", json!({"plain": [{}, {"a": "c"}, {"a": null}]})),
        ("labels four", json!({"labels": {"a": "1", "b": "2", "c": "3", "d": "4"}})),
        ("labels long", json!({"labels": {"a": "123456"}})),
        ("labels number", json!({"labels": {"a": 1}})),
        ("counts none", json!({"counts": {}})),
        ("counts text", json!({"counts": {"a": "b"}})),
        ("atom", json!({"atom": {"a": "1", "c": "2"}})),
        ("loose", json!({"loose": {"x": {"y": 1}, "strict": {"a": "1", "b": 2}}})),
        ("template without type", json!({"template": {"metadata": {"name": "x"}}})),
        (
            "template",
            json!({"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "odd": 1, "creationTimestamp": null}, "spec": {"a": 1}}}),
        ),
        ("template bad name", json!({"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "X_"}}})),
        ("template bad type", json!({"template": {"apiVersion": "a/b/c", "kind": "-"}})),
        (
            "template bad labels",
            json!({"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": 1}}}}),
        ),
        ("template as list", json!({"template": []})),
        ("nested", json!({"nested": {}})),
        ("nested null", json!({"nested": null})),
        ("nested deep", json!({"nested": {"deep": {"b": 1}}})),
        ("nested deep null", json!({"nested": {"deep": {"b": null}}})),
        ("either none", json!({"either": {}})),
        ("either a", json!({"either": {"a": "1"}})),
        ("either both", json!({"either": {"a": "1", "b": "2"}})),
        ("both short", json!({"both": "a"})),
        ("both wrong", json!({"both": "bb"})),
        ("both forbidden", json!({"both": "abc"})),
        ("both good", json!({"both": "abd"})),
        (
            "many wrong",
            json!({"size": 0, "color": "x", "code": "ABCDE", "ports": [{}], "tags": ["a", "a"], "labels": {"a": "123456"}}),
        ),
        ("spec as list", json!([])),
        ("spec as text", json!("x")),
        ("spec null", json!(null)),
    ];
    for (slug, spec) in &specs {
        let body =
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "schema"}, "spec": spec});
        plan.post(slug, &format!("{WIDGETS}?dryRun=All"), &body);
    }
    let status = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "schema"}, "status": {"phase": "Old", "conditions": [{"type": "a"}]}});
    plan.post("a status on create", &format!("{WIDGETS}?dryRun=All"), &status);
    // An object that broke no rule when it was made may keep what breaks one.
    let body =
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "schema"}, "spec": {"size": 1}});
    plan.post("create", WIDGETS, &body);
    let target = format!("{WIDGETS}/schema");
    for (slug, patch) in [
        ("patch to a bad size", json!({"spec": {"size": 0}})),
        ("patch to a bad type", json!({"spec": {"size": "x"}})),
        ("patch that removes a default", json!({"spec": {"color": null}})),
        ("patch with an unknown field", json!({"spec": {"unknown": 1}})),
        ("patch of the status", json!({"status": {"phase": "x"}})),
        ("patch to a nothing", json!({"spec": null})),
        ("patch with metadata of another type", json!({"metadata": {"labels": 7}})),
        ("patch with another kind", json!({"kind": "Other"})),
        ("patch with another version", json!({"apiVersion": "example.com/v2"})),
        ("patch with another group", json!({"apiVersion": "other/v1"})),
        ("patch of the name", json!({"metadata": {"name": "other"}})),
        ("patch of the namespace", json!({"metadata": {"namespace": "two"}})),
        ("patch of the uid", json!({"metadata": {"uid": "x"}})),
        ("patch of the version", json!({"metadata": {"resourceVersion": "1"}})),
        ("patch of the time", json!({"metadata": {"creationTimestamp": null}})),
        ("patch of the managed fields", json!({"metadata": {"managedFields": []}})),
    ] {
        plan.merge(slug, &target, &patch);
        plan.merge(&format!("{slug}, strictly"), &format!("{target}?fieldValidation=Strict&dryRun=All"), &patch);
    }
    plan.strategic("strategic patch", &target, &json!({"spec": {"size": 2}}));
}
