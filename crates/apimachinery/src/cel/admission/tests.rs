#![expect(clippy::needless_pass_by_value, reason = "schemas are written where they are used")]

use serde_json::Value;

use serde_json::json;

use super::*;

fn errors_of(schema: Value) -> Vec<String> {
    let schema: Schema = serde_json::from_value(schema).unwrap();
    let spec = Path::ROOT.child("spec");
    check(&schema, &spec.child("schema"), false).iter().map(ToString::to_string).collect()
}

fn spec(rule: Value) -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": [rule], "properties": {
        "i": {"type": "integer"}, "n": {"type": "number"}, "s": {"type": "string", "maxLength": 20}, "long": {"type": "string"},
        "b": {"type": "boolean"}, "time": {"type": "string", "format": "date-time"}, "port": {"x-kubernetes-int-or-string": true},
        "list": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 20}},
        "endless": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "maxProperties": 10, "additionalProperties": {"type": "integer"}},
        "items": {"type": "array", "maxItems": 10, "items": {"type": "object", "properties": {"k": {"type": "string", "maxLength": 5}}}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}, "a-b": {"type": "string"}
    }}}})
}

fn errors(rule: &str) -> Vec<String> {
    errors_of(spec(json!({ "rule": rule })))
}

#[track_caller]
fn refused(rule: &str, problem: &str) {
    let all = errors(rule);
    assert_eq!(all.len(), 1, "{all:?}");
    let message = all[0].split_once("compilation failed: ").map(|(_, message)| message);
    assert_eq!(message, Some(problem), "{all:?}");
}

#[test]
fn rules_that_fit_their_schema_pass() {
    for rule in [
        "self.i > 1 && self.n > 1.0 && self.n > 1 && self.s == 'a' && !self.b",
        "self.list.all(x, x.startsWith('a')) && self.list.exists(x, x in ['a', 'b']) && size(self.list) < 5",
        "self.map.all(k, self.map[k] > 0 && k != '') && 'a' in self.map && self.map.a == 1",
        "self.items.map(x, x.k).filter(k, k != 'a').size() > 1 && self.items[0].k.lowerAscii() == 'a'",
        "has(self.s) ? self.s.matches('^a') : self.time > timestamp('2024-01-01T00:00:00Z')",
        "type(self.port) == int ? self.port < 5 : self.port.endsWith('%')",
        "self.?s.orValue('x') == 'x' && self.map[?'a'].hasValue() && optional.of(1).value() == 1",
        "self.i == oldSelf.i && self.list == oldSelf.list && self == oldSelf",
        "quantity(self.s).isGreaterThan(quantity('1')) && isQuantity(self.s) && url(self.s).getHost() == 'a'",
        "self.list.transformList(i, v, v + 'x').size() > 0 && {'a': 1}.transformMap(k, v, v + 1).a == 2",
        "dyn(self.i) == 'a' || [] == [] || ([] + [1]).size() == 1 || self.a__dash__b == 'x'",
        "!format.dns1123Label().validate(self.s).hasValue() && self.time.getFullYear() > 2000 && int(self.s) > 1",
        "self.items.sortBy(x, x.k)[0].k == 'a' && self.list.sort() == self.list && ip.isCanonical(self.s)",
    ] {
        assert_eq!(errors(rule), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    refused("self.x > 1", "ERROR: <input>:1:5: undefined field 'x'\n | self.x > 1\n | ....^");
    refused(
        "self.i == 'a'",
        "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'\n | self.i == 'a'\n | .......^",
    );
    refused(
        "self.i.startsWith('a')",
        "ERROR: <input>:1:18: found no matching overload for 'startsWith' applied to 'int.(string)'\n | self.i.startsWith('a')\n | .................^",
    );
    refused("other > 1", "ERROR: <input>:1:1: undeclared reference to 'other' (in container '')\n | other > 1\n | ^");
    refused(
        "self.s.nothing()",
        "ERROR: <input>:1:15: undeclared reference to 'nothing' (in container '')\n | self.s.nothing()\n | ..............^",
    );
    refused(
        "self.i.x == 1",
        "ERROR: <input>:1:7: type 'int' does not support field selection\n | self.i.x == 1\n | ......^",
    );
    refused(
        "self.i.all(x, true)",
        "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.i.all(x, true)\n | ....^",
    );
    refused(
        "self.b && self.i",
        "ERROR: <input>:1:15: expected type 'bool' but found 'int'\n | self.b && self.i\n | ..............^",
    );
    refused(
        "self.s == null",
        "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(string, null)'\n | self.s == null\n | .......^",
    );
    refused("self.any.x == 1", "ERROR: <input>:1:9: undefined field 'x'\n | self.any.x == 1\n | ........^");
    refused(
        "[1, 'a'].size() == 2",
        "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a'].size() == 2\n | ....^",
    );
    refused(
        "self.s.matches('(')",
        "ERROR: <input>:1:16: invalid matches argument\n | self.s.matches('(')\n | ...............^",
    );
    refused(
        "self.y == self.z",
        "ERROR: <input>:1:5: undefined field 'y'\n | self.y == self.z\n | ....^\nERROR: <input>:1:15: undefined field 'z'\n | self.y == self.z\n | ..............^",
    );
}

#[test]
fn a_rule_says_yes_or_no_and_its_message_is_a_text() {
    assert!(errors("self.i")[0].ends_with("cel expression must evaluate to a bool"));
    let all = errors_of(spec(json!({"rule": "true", "messageExpression": "self.i"})));
    assert!(
        all[0].starts_with("spec.schema.properties[spec].x-kubernetes-validations[0].messageExpression: "),
        "{all:?}"
    );
    assert!(all[0].ends_with("messageExpression must evaluate to a string"), "{all:?}");
    assert!(errors_of(spec(json!({"rule": "true", "messageExpression": "'s: ' + self.s"}))).is_empty());
}

#[test]
fn what_has_no_bound_is_too_expensive() {
    assert!(errors("self.list.all(x, self.list.all(y, x != y))").is_empty());
    let all = errors("self.endless.all(x, self.endless.all(y, x == y))");
    assert_eq!(
        all,
        [
            "spec.schema.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more \
         than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)",
            "spec.schema.properties[spec].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost \
         limit for entire OpenAPIv3 schema",
            "spec.schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of \
         more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
        ]
    );
}

#[test]
fn a_rule_costs_as_often_as_it_may_run() {
    let schema = |bound: Value| {
        let mut list = json!({"type": "array", "items": {"type": "object", "properties": {"s": {"type": "string", "maxLength": 10000}},
            "x-kubernetes-validations": [{"rule": "self.s.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"}]}});
        list.as_object_mut().unwrap().extend(bound.as_object().unwrap().clone());
        json!({"type": "object", "properties": {"list": list}})
    };
    assert!(errors_of(schema(json!({"maxItems": 10}))).is_empty());
    assert!(errors_of(schema(json!({})))[0].contains("estimated rule cost exceeds budget by factor of"));
}

#[test]
fn old_values_are_read_only_where_they_can_be_told() {
    let list = |kind: Value| {
        let mut list = json!({"type": "array", "maxItems": 5, "items": {"type": "object", "properties": {"k": {"type": "string", "maxLength": 5}},
            "required": ["k"], "x-kubernetes-validations": [{"rule": "self.k == oldSelf.k"}]}});
        list.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        errors_of(json!({"type": "object", "properties": {"list": list}}))
    };
    assert!(list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})).is_empty());
    assert_eq!(
        list(json!({})),
        [
            "spec.schema.properties[list].items.x-kubernetes-validations[0].rule: Invalid value: \"self.k == oldSelf.k\": oldSelf cannot be used \
         on the uncorrelatable portion of the schema within spec.schema.properties[list]"
        ]
    );
    let all = errors_of(spec(json!({"rule": "self.i > 1", "optionalOldSelf": true})));
    assert!(
        all[0].ends_with("optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"),
        "{all:?}"
    );
    assert!(errors_of(spec(json!({"rule": "oldSelf.hasValue() || self.i == 1", "optionalOldSelf": true}))).is_empty());
    assert!(errors_of(spec(json!({"rule": "self.i >= oldSelf.value().i", "optionalOldSelf": true}))).is_empty());
}

#[test]
fn a_default_keeps_the_rules() {
    let schema = |default: i64| {
        json!({"type": "object", "properties": {"n": {"type": "integer", "default": default,
            "x-kubernetes-validations": [{"rule": "self > 3", "message": "more"}]}}})
    };
    assert!(errors_of(schema(4)).is_empty());
    assert_eq!(errors_of(schema(3)), ["spec.schema.properties[n].default: Invalid value: 3: more"]);
}
