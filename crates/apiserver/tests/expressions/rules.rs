//! Rules of schemas: what a definition may say, and what they do to objects.

use serde_json::{Value, json};

use crate::both::{Both, definition};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All";
const GADGETS: &str = "/apis/example.org/v1/namespaces/default/gadgets";

fn with_spec(spec: &Value) -> Value {
    json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {"n": {"type": "integer"}}}}})
}

/// Schemas of `spec` whose rules are admitted or not.
fn specs() -> Vec<(&'static str, Value)> {
    let rule = |rule: Value| {
        json!({"type": "object", "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "l": {"type": "array", "items": {"type": "string"}}, "k": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}, "v": {"type": "integer"}}}}}, "x-kubernetes-validations": [rule]})
    };
    vec![
        ("a rule that holds", rule(json!({"rule": "self.i > 0"}))),
        ("a field that is not there", rule(json!({"rule": "self.x > 0"}))),
        ("no bool", rule(json!({"rule": "self.s"}))),
        ("a wrong operand", rule(json!({"rule": "self.s > 1"}))),
        ("no expression", rule(json!({"rule": "self.s =="}))),
        ("an unknown function", rule(json!({"rule": "self.s.nope()"}))),
        ("an unknown variable", rule(json!({"rule": "that.s == ''"}))),
        ("an empty rule", rule(json!({"rule": " "}))),
        ("too expensive a rule", rule(json!({"rule": "self.l.all(x, self.l.all(y, x == y))"}))),
        (
            "a very expensive rule",
            rule(json!({"rule": "self.l.all(x, self.l.all(y, self.l.all(z, x == y || y == z)))"})),
        ),
        (
            "old values of a list",
            json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}}),
        ),
        (
            "old values of an atomic map",
            json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"s": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}),
        ),
        ("an optional old value that is not read", rule(json!({"rule": "self.i > 0", "optionalOldSelf": true}))),
        ("an optional old value", rule(json!({"rule": "!oldSelf.hasValue() || self.i > 0", "optionalOldSelf": true}))),
        ("a message expression of another type", rule(json!({"rule": "self.i > 0", "messageExpression": "self.i"}))),
        ("a message expression that is none", rule(json!({"rule": "self.i > 0", "messageExpression": "self.i +"}))),
        ("a message expression", rule(json!({"rule": "self.i > 0", "messageExpression": "'i is ' + string(self.i)"}))),
        ("an unknown reason", rule(json!({"rule": "self.i > 0", "reason": "Bad"}))),
        ("a field path that is not there", rule(json!({"rule": "self.i > 0", "fieldPath": ".x"}))),
        ("a field path", rule(json!({"rule": "self.i > 0", "fieldPath": ".i", "reason": "FieldValueForbidden"}))),
        (
            "a default that breaks a rule",
            json!({"type": "object", "properties": {"i": {"type": "integer", "default": 0, "x-kubernetes-validations": [{"rule": "self > 0"}]}}}),
        ),
        ("a reserved word", rule(json!({"rule": "self.namespace == '' || namespace == ''"}))),
        ("a message over several lines", rule(json!({"rule": "self.i > 0", "message": "a\nb"}))),
        ("a rule over several lines", rule(json!({"rule": "self.i > 0 &&\nself.i < 5"}))),
        ("a regular expression that is none", rule(json!({"rule": "self.s.matches('[')"}))),
        (
            "many rules that are too much together",
            json!({"type": "object", "properties": (0..12).map(|n| (format!("l{n}"), json!({
            "type": "array", "maxItems": 1000, "items": {"type": "string", "maxLength": 10, "x-kubernetes-validations": [{"rule": "[1,2,3,4,5,6,7,8,9,10].all(x, [1,2,3,4,5,6,7,8,9,10].all(y, [1,2,3].all(z, x + y + z > 0)))"}]}
        }))).collect::<serde_json::Map<_, _>>()}),
        ),
    ]
}

#[tokio::test]
async fn rules_are_admitted_and_run_as_by_kubernetes() {
    let mut both = Both::start("rules").await;
    for (what, spec) in specs() {
        both.post(what, DEFINITIONS, &definition("things", "Thing", &with_spec(&spec))).await;
    }
    both.define(&definition("gadgets", "Gadget", &gadgets())).await;
    let gadget = |name: &str, spec: Value| json!({"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec});
    for (what, spec) in [
        ("all holds", json!({"size": 2, "name": "a"})),
        ("a rule is broken", json!({"size": 0})),
        ("a rule with a message", json!({"size": 200})),
        ("a rule with a made message", json!({"size": 2, "name": "bad"})),
        ("a rule with reason and path", json!({"size": 2, "name": "forbidden"})),
        ("a required field", json!({"size": 2, "name": "required"})),
        ("a duplicate", json!({"size": 2, "name": "duplicate"})),
        ("a rule that fails", json!({"size": 2, "map": {"b": "x"}})),
        ("an item breaks its rule", json!({"size": 2, "items": [{"key": "a", "value": 1}, {"key": "b", "value": -1}]})),
        ("a value of a map breaks its rule", json!({"size": 2, "map": {"c.d": ""}})),
        ("an object that is wrong itself", json!({"size": "x", "name": "bad"})),
        ("an object that is too long itself", json!({"size": 2, "name": "x".repeat(70)})),
    ] {
        both.post(what, &format!("{GADGETS}?dryRun=All"), &gadget("g", spec)).await;
    }
    both.make(
        GADGETS,
        &gadget("g", json!({"size": 5, "name": "a", "fixed": "x", "items": [{"key": "a", "value": 3}]})),
    )
    .await;
    let path = format!("{GADGETS}/g");
    for (what, patch) in [
        ("what is fixed stays", json!({"spec": {"fixed": "y"}})),
        ("what is fixed is taken away", json!({"spec": {"fixed": null}})),
        ("a number only grows", json!({"spec": {"size": 4}})),
        ("a number grows", json!({"spec": {"size": 6}})),
        ("an item of a map of items is told", json!({"spec": {"items": [{"key": "a", "value": 2}]}})),
        ("another item", json!({"spec": {"items": [{"key": "b", "value": 2}]}})),
        ("an optional old value", json!({"spec": {"once": "a"}})),
        ("an optional old value once more", json!({"spec": {"once": "b"}})),
        ("a status is judged", json!({"status": {"n": 9}})),
    ] {
        let path = if what.contains("status") { format!("{path}/status") } else { path.clone() };
        both.merge(what, &path, &patch).await;
    }
    both.merge("a status by itself", &format!("{path}/status"), &json!({"status": {"n": -1}})).await;
    // Rules that come later leave what they find alone, until it is changed.
    let strict = {
        let mut schema = gadgets();
        schema["properties"]["spec"]["properties"]["name"]["x-kubernetes-validations"] =
            json!([{"rule": "self.startsWith('z')"}]);
        schema["properties"]["spec"]["properties"]["size"]["x-kubernetes-validations"] =
            json!([{"rule": "self > 1000"}, {"rule": "self >= oldSelf || self < 0"}]);
        schema
    };
    let change = json!({"spec": {"versions": definition("gadgets", "Gadget", &strict)["spec"]["versions"]}});
    both.merge(
        "a stricter schema",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.org?dryRun=All",
        &change,
    )
    .await;
    let changed = both
        .ask(
            "PATCH",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.example.org",
            "application/merge-patch+json",
            change.to_string(),
        )
        .await;
    assert!(changed.iter().all(|reply| reply.code == 200), "{changed:?}");
    both.until("POST", &format!("{GADGETS}?dryRun=All"), &gadget("h", json!({"size": 2, "name": "a"})), |reply| {
        reply.code == 422
    })
    .await;
    both.merge("what did not change may stay", &path, &json!({"metadata": {"labels": {"a": "b"}}})).await;
    both.merge("what changes may not", &path, &json!({"spec": {"name": "b"}})).await;
    both.merge("what is next to it may", &path, &json!({"spec": {"fixed": "x", "once": "a"}})).await;
    both.finish();
}

fn gadgets() -> Value {
    let spec = json!({
        "type": "object", "required": ["size"],
        "properties": {
            "size": {"type": "integer"},
            "name": {"type": "string", "maxLength": 64},
            "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed is fixed"}]},
            "once": {"type": "string", "x-kubernetes-validations": [{"rule": "!oldSelf.hasValue() || oldSelf.value() == self", "optionalOldSelf": true}]},
            "map": {"type": "object", "additionalProperties": {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]}},
            "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
                "items": {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}, "value": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": "self.value >= 0"}, {"rule": "self.value >= oldSelf.value", "message": "values only grow"}]}},
        },
        "x-kubernetes-validations": [
            {"rule": "self.size > 0"},
            {"rule": "self.size < 100", "message": "too large"},
            {"rule": "!has(self.name) || self.name != 'bad'", "messageExpression": "'the name ' + self.name + ' is bad'"},
            {"rule": "!has(self.name) || self.name != 'forbidden'", "fieldPath": ".name", "reason": "FieldValueForbidden"},
            {"rule": "!has(self.name) || self.name != 'required'", "fieldPath": ".name", "reason": "FieldValueRequired", "message": "give another one"},
            {"rule": "!has(self.name) || self.name != 'duplicate'", "fieldPath": ".name", "reason": "FieldValueDuplicate"},
            {"rule": "!has(self.map) || self.map['a'] != 'x'"},
            {"rule": "self.size >= oldSelf.size", "message": "size only grows"},
        ],
    });
    json!({"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {"n": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "self >= 0", "message": "n is at least zero"}]}}}}})
}
