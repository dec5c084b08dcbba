//! Rules in CEL, on objects and in definitions.

use serde_json::{Value, json};

use super::definitions::{DEFINITIONS, definition, version};
use crate::request::Plan;

const RULES: &str = "/apis/example.com/v1/namespaces/one/rules";

fn rule(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Rule", "metadata": {"name": "rule"}, "spec": spec})
}

pub fn add(plan: &mut Plan) {
    plan.area("rules");
    for (slug, spec) in [
        ("good", json!({"min": 1, "max": 2})),
        ("min above max", json!({"min": 3, "max": 2})),
        ("min below 0", json!({"min": -1, "max": 2})),
        ("all broken", json!({"min": -1, "max": -2, "name": "b"})),
        ("a bad name", json!({"min": 1, "max": 2, "name": "b"})),
        ("missing", json!({"min": 1})),
        ("wrong type", json!({"min": "1", "max": 2})),
        ("too long", json!({"min": 3, "max": 2, "name": "b".repeat(21)})),
    ] {
        plan.post(&format!("create {slug}"), &format!("{RULES}?dryRun=All"), &rule(&spec));
    }
    plan.post("create", RULES, &rule(&json!({"min": 1, "max": 2, "once": "x"})));
    let target = format!("{RULES}/rule");
    for (slug, patch) in [
        ("fix", json!({"spec": {"fixed": "x"}})),
        ("change what is fixed", json!({"spec": {"fixed": "y"}})),
        ("remove what is fixed", json!({"spec": {"fixed": null}})),
        ("change what is for ever", json!({"spec": {"once": "y"}})),
        ("remove what is for ever", json!({"spec": {"once": null}})),
        ("say it again", json!({"spec": {"once": "z"}})),
        ("break a rule", json!({"spec": {"min": 9}})),
        ("change nothing", json!({"metadata": {"labels": {"a": "b"}}})),
    ] {
        plan.merge(slug, &target, &patch);
    }
    let schema = |rules: Value| {
        json!({"type": "object", "properties": {"spec": {
            "type": "object", "x-kubernetes-validations": rules,
            "properties": {
                "a": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}},
                "b": {"type": "string", "maxLength": 10}, "m": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
            },
        }}})
    };
    for (slug, rules) in [
        ("that is fine", json!([{"rule": "self.a > 1"}])),
        ("without text", json!([{"rule": ""}])),
        ("without a rule", json!([{"message": "x"}])),
        ("that cannot be parsed", json!([{"rule": "self.a >"}])),
        ("of another type", json!([{"rule": "self.a"}])),
        ("on an unknown field", json!([{"rule": "self.z == 1"}])),
        ("with a type error", json!([{"rule": "self.a == 'x'"}])),
        ("with an unknown function", json!([{"rule": "nope(self.a)"}])),
        ("that costs too much", json!([{"rule": "self.l.all(x, self.l.all(y, x == y))"}])),
        ("that is bounded", json!([{"rule": "self.m.all(x, self.m.exists(y, x == y))"}])),
        ("with a message of lines", json!([{"rule": "true", "message": "a\nb"}])),
        ("with an empty message", json!([{"rule": "true", "message": " "}])),
        ("with a message that is no text", json!([{"rule": "true", "messageExpression": "1"}])),
        ("with a message that cannot be parsed", json!([{"rule": "true", "messageExpression": "'"}])),
        ("with an odd reason", json!([{"rule": "true", "reason": "Odd"}])),
        ("with a path that is none", json!([{"rule": "true", "fieldPath": ".z"}])),
        ("with a path that is odd", json!([{"rule": "true", "fieldPath": "a b"}])),
        ("with a good path", json!([{"rule": "true", "fieldPath": ".a", "reason": "FieldValueDuplicate"}])),
        ("on the old object", json!([{"rule": "oldSelf.a == self.a"}])),
        (
            "on an optional old object",
            json!([{"rule": "!oldSelf.hasValue() || oldSelf.value().a == self.a", "optionalOldSelf": true}]),
        ),
        ("with regular expressions", json!([{"rule": "self.b.matches('^[a-z]+$')"}])),
        ("with a bad regular expression", json!([{"rule": "self.b.matches('[')"}])),
        ("with quantities", json!([{"rule": "quantity(self.b).isGreaterThan(quantity('1Mi'))"}])),
        ("twice", json!([{"rule": "true"}, {"rule": "true"}])),
    ] {
        let body = definition("tries", "Try", "Namespaced", &json!([version("v1", true, &schema(rules))]));
        plan.post(&format!("definition with a rule {slug}"), &format!("{DEFINITIONS}?dryRun=All"), &body);
    }
}
