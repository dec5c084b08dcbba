#![expect(clippy::needless_pass_by_value, reason = "schemas and values are written where they are used")]

mod costs;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn compiled(schema: Value) -> Compiled {
    Compiled::new(Arc::new(serde_json::from_value(schema).unwrap())).unwrap()
}

/// Errors for `spec`, whose schema has these properties and that rule.
fn verdict(properties: Value, rule: Value, new: Value, old: Option<Value>) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties,
        "x-kubernetes-validations": [rule]}}});
    let (new, old) = (json!({ "spec": new }), old.map(|old| json!({ "spec": old })));
    let errors = compiled(schema).validate(&new, old.as_ref(), &Path::ROOT, OBJECT_BUDGET).errors;
    errors.iter().map(ToString::to_string).collect()
}

fn properties() -> Value {
    json!({
        "i": {"type": "integer"}, "n": {"type": "number"}, "s": {"type": "string"}, "b": {"type": "boolean"},
        "date": {"type": "string", "format": "date"}, "time": {"type": "string", "format": "date-time"},
        "span": {"type": "string", "format": "duration"}, "raw": {"type": "string", "format": "byte"},
        "port": {"x-kubernetes-int-or-string": true},
        "list": {"type": "array", "items": {"type": "integer"}},
        "texts": {"type": "array", "items": {"type": "string"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "namespace": {"type": "string"}, "a-b": {"type": "string"}, "nothing": {"type": "string", "nullable": true}
    })
}

fn object() -> Value {
    json!({"i": 5, "n": 2, "s": "hello", "b": true, "date": "2024-02-29", "time": "2024-02-29T12:30:00Z", "span": "1h30m",
        "raw": "aGk=", "port": "80%", "list": [3, 1, 2], "texts": ["a", "b"], "set": ["x", "y"],
        "keyed": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "map": {"a": 1, "b": 2}, "namespace": "ns", "a-b": "dash", "nothing": null})
}

/// Each of the rules holds for the object.
#[track_caller]
fn hold(rules: &[&str]) {
    for rule in rules {
        assert_eq!(verdict(properties(), json!({ "rule": rule }), object(), None), Vec::<String>::new(), "{rule}");
    }
}

#[track_caller]
fn fails(rule: &str, detail: &str) {
    assert_eq!(
        verdict(properties(), json!({ "rule": rule }), object(), None),
        [format!("spec: Invalid value: {detail}")]
    );
}

#[test]
fn operators_work_as_in_cel() {
    hold(&[
        "self.i == 5 && self.i != 4 && self.i > 4 && self.i >= 5 && self.i < 6 && self.i <= 5",
        "self.i + 1 == 6 && self.i - 1 == 4 && self.i * 2 == 10 && self.i / 2 == 2 && self.i % 2 == 1 && -self.i == -5",
        "self.n == 2.0 && self.n == 2 && self.n < 3 && 1u < self.n && 2u == 2",
        "self.s + ' world' == 'hello world' && self.s < 'world'",
        "!(self.i == 4) || false ? true : false",
        "[1, 2] + [3] == [1, 2, 3] && 2 in [1, 2] && !(3 in [1, 2])",
        "{'a': 1}.a == 1 && {'a': 1}['a'] == 1 && 'a' in {'a': 1} && {1: 'x'}[1] == 'x'",
        "self.list[0] == 3 && self.list == [3, 1, 2] && size(self.list) == 3 && self.list.size() == 3",
        "self.map == {'a': 1, 'b': 2} && self.map.a == 1 && self.map['b'] == 2 && 'a' in self.map",
        "b'abc' == bytes('abc') && self.raw == b'hi' && r'\\d' == '\\\\d' && \"\"\"a\nb\"\"\" == 'a\\nb'",
        "0x1f == 31 && 1e3 == 1000.0 && 5u == uint(5) && -9223372036854775808 < 0",
        "'\\u00fc\\x41\\101' == 'üAA' && 'ü'.size() == 1 && size(b'\\xff') == 1",
        "self.__namespace__ == 'ns' && self.a__dash__b == 'dash' && self.nothing == null",
        "true || self.list[9] == 1",
        "self.list[9] == 1 || true",
        "!(self.list[9] == 1 && false)",
    ]);
}

#[test]
fn macros_work_as_in_cel() {
    hold(&[
        "has(self.i) && !has(self.missing) && has(self.map.a) && !has(self.map.z)",
        "self.list.all(x, x > 0) && !self.list.all(x, x > 1) && self.list.exists(x, x == 2) && !self.list.exists(x, x == 9)",
        "self.list.exists_one(x, x > 2) && !self.list.exists_one(x, x > 1)",
        "self.list.map(x, x * 2) == [6, 2, 4] && self.list.map(x, x > 1, x * 2) == [6, 4] && self.list.filter(x, x > 1) == [3, 2]",
        "self.map.all(k, self.map[k] > 0) && self.map.map(k, k) == ['a', 'b'] && self.map.exists(k, k == 'a')",
        "self.list.all(i, v, i < 3 && v > 0) && self.map.all(k, v, v > 0) && self.list.exists(i, v, i == 1 && v == 1)",
        "self.list.transformList(i, v, i + v) == [3, 2, 4] && self.map.transformMap(k, v, v * 2) == {'a': 2, 'b': 4}",
        "self.list.transformList(i, v, v > 1, v) == [3, 2] && self.texts.transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1}",
        "[self.i].all(y, self.list.exists(x, x + 2 == y))",
        "self.list.exists(x, 1 / (x - 3) > 0 || x == 2)",
        "self.keyed.sortBy(e, -e.v).map(e, e.k) == ['b', 'a']",
    ]);
}

#[test]
fn types_and_conversions_work_as_in_cel() {
    hold(&[
        "type(self.i) == int && type(self.n) == double && type(self.s) == string && type(self.list) == list && type(self.map) == map",
        "type(self.port) == string && self.port.endsWith('%') && type(null) == null_type && type(int) == type",
        "string(5) == '5' && string(1.5) == '1.5' && string(true) == 'true' && int('7') == 7 && int(2.9) == 2 && double('1.5') == 1.5",
        "int(5u) == 5 && uint('5') == 5u && bool('true') && dyn(5) == 5 && string(b'hi') == 'hi'",
        "self.time == timestamp('2024-02-29T12:30:00Z') && self.date < self.time && self.span == duration('90m')",
        "self.time.getFullYear() == 2024 && self.time.getMonth() == 1 && self.time.getDate() == 29 && self.time.getHours() == 12",
        "self.time.getHours('+02:00') == 14 && self.time.getDayOfWeek() == 4 && self.span.getMinutes() == 90",
        "self.time + duration('1h') > self.time && self.time - self.date == duration('12h30m') && string(self.span) == '5400s'",
        "type(self.time) == google.protobuf.Timestamp && type(self.span) == google.protobuf.Duration",
    ]);
}

#[test]
fn optional_values_work_as_in_cel() {
    hold(&[
        "self.?i.hasValue() && !self.?missing.hasValue() && self.?i.value() == 5 && self.?missing.orValue(7) == 7",
        "self.map[?'a'].orValue(0) == 1 && self.map[?'z'].orValue(0) == 0 && self.list[?9].orValue(8) == 8",
        "optional.of(1).or(optional.of(2)).value() == 1 && optional.none().or(optional.of(2)).value() == 2",
        "self.?map.a.orValue(0) == 1 && self.?missing.a.orValue(3) == 3 && optional.ofNonZeroValue(0) == optional.none()",
        "optional.of(2).optMap(x, x * 2).value() == 4 && optional.none().optMap(x, x * 2) == optional.none()",
        "[?self.?i, ?self.?missing] == [5] && {?'a': self.?missing, 'b': 1} == {'b': 1}",
    ]);
}

#[test]
fn the_libraries_of_kubernetes_are_there() {
    hold(&[
        "self.s.matches('^h.*o$') && self.s.contains('ell') && self.s.startsWith('he') && self.s.upperAscii() == 'HELLO'",
        "'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b' && self.s.substring(1, 3) == 'el' && ' x '.trim() == 'x'",
        "self.s.replace('l', 'L') == 'heLLo' && self.s.indexOf('l') == 2 && self.s.charAt(0) == 'h' && '%d-%s'.format([1, 'a']) == '1-a'",
        "self.list.sum() == 6 && self.list.max() == 3 && self.list.min() == 1 && !self.list.isSorted() && self.list.indexOf(2) == 2",
        "self.list.sort() == [1, 2, 3] && self.list.slice(0, 2) == [3, 1] && [[1], [2]].flatten() == [1, 2] && [1, 1].distinct() == [1]",
        "sets.contains(self.list, [1]) && sets.intersects(self.list, [9, 1]) && sets.equivalent([1, 2], [2, 1]) && lists.range(3) == [0, 1, 2]",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && isQuantity('1k') && quantity('1').add(quantity('2')).compareTo(quantity('3')) == 0",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && cidr('10.0.0.0/8').containsIP('10.1.2.3') && isCIDR('10.0.0.0/8')",
        "url('https://example.com:80/a?b=c').getHost() == 'example.com:80' && isURL('https://a') && !isURL('../a')",
        "semver('1.2.3').isLessThan(semver('1.3.0')) && isSemver('1.0.0') && semver('1.2.3').major() == 1",
        "!format.dns1123Label().validate('ok').hasValue() && format.dns1123Label().validate('Not ok').hasValue()",
        "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "self.set == ['y', 'x'] || self.set == ['x', 'y']",
        "self.list.includes(1) && !self.list.includes(9)",
    ]);
}

#[test]
fn a_broken_rule_is_told_in_its_own_words() {
    fails("self.i > 5", "failed rule: self.i > 5");
    let rule = |rule: Value| verdict(properties(), rule, object(), None);
    assert_eq!(rule(json!({"rule": "self.i > 5", "message": " too small "})), ["spec: Invalid value: too small"]);
    assert_eq!(
        rule(json!({"rule": "self.i > 5", "messageExpression": "'i is ' + string(self.i)"})),
        ["spec: Invalid value: i is 5"]
    );
    assert_eq!(
        rule(json!({"rule": "self.i > 5", "message": "m", "messageExpression": "string(self.list[9])"})),
        ["spec: Invalid value: m"]
    );
    assert_eq!(rule(json!({"rule": "false", "message": "m", "reason": "FieldValueForbidden"})), ["spec: Forbidden: m"]);
    assert_eq!(
        rule(json!({"rule": "false", "message": "m", "reason": "FieldValueRequired", "fieldPath": ".s"})),
        ["spec.s: Required value: m"]
    );
    assert_eq!(
        rule(json!({"rule": "false", "message": "m", "fieldPath": ".map['a']"})),
        ["spec.map[a]: Invalid value: m"]
    );
}

#[test]
fn a_rule_on_a_scalar_shows_it() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 3"}]},
        "l": {"type": "array", "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'b'", "message": "no b"}]}},
        "m": {"type": "object", "additionalProperties": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}}}});
    let errors = compiled(schema)
        .validate(&json!({"n": 2, "l": ["a", "b"], "m": {"k": 0}}), None, &Path::ROOT, OBJECT_BUDGET)
        .errors;
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "l[1]: Invalid value: \"b\": no b",
            "m[k]: Invalid value: 0: failed rule: self > 0",
            "n: Invalid value: 2: failed rule: self > 3"
        ]
    );
}

#[test]
fn an_error_while_a_rule_runs_is_told_with_the_rule() {
    fails("self.list[9] == 1", "\"object\": index out of bounds: 9 evaluating rule: self.list[9] == 1");
    fails("self.map['z'] == 1", "\"object\": no such key: z evaluating rule: self.map['z'] == 1");
    fails("1 / (self.i - 5) == 1", "\"object\": division by zero evaluating rule: 1 / (self.i - 5) == 1");
    fails(
        "self.port > 5",
        "\"object\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.port > 5",
    );
}

#[test]
fn the_root_of_a_resource_has_type_and_name() {
    let schema = json!({"type": "object", "x-kubernetes-validations": [
        {"rule": "self.kind == 'W' && self.apiVersion == 'a/v1' && self.metadata.name.startsWith('x')", "message": "bad name"}]});
    let rules = compiled(schema);
    let object = |name: &str| json!({"kind": "W", "apiVersion": "a/v1", "metadata": {"name": name, "labels": {}}});
    assert!(rules.validate(&object("x1"), None, &Path::ROOT, OBJECT_BUDGET).errors.is_empty());
    let errors = rules.validate(&object("y"), None, &Path::ROOT, OBJECT_BUDGET).errors;
    assert_eq!(errors[0].to_string(), "<nil>: Invalid value: bad name");
}

#[test]
fn transition_rules_run_on_updates_only() {
    let run = |new: Value, old: Option<Value>| {
        verdict(properties(), json!({"rule": "self.i >= oldSelf.i", "message": "no less"}), new, old)
    };
    assert!(run(json!({"i": 1}), None).is_empty());
    assert!(run(json!({"i": 2}), Some(json!({"i": 1}))).is_empty());
    assert_eq!(run(json!({"i": 0}), Some(json!({"i": 1}))), ["spec: Invalid value: no less"]);
    let optional =
        json!({"rule": "oldSelf.hasValue() || self.i == 1", "optionalOldSelf": true, "message": "starts at 1"});
    assert_eq!(verdict(properties(), optional.clone(), json!({"i": 2}), None), ["spec: Invalid value: starts at 1"]);
    assert!(verdict(properties(), optional, json!({"i": 2}), Some(json!({"i": 1}))).is_empty());
}

#[test]
fn items_of_maps_are_compared_with_those_of_their_key() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "no less"}]}}}});
    let old = json!({"l": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]});
    let new = json!({"l": [{"k": "new", "v": 0}, {"k": "b", "v": 2}, {"k": "a", "v": 4}]});
    let errors = compiled(schema).validate(&new, Some(&old), &Path::ROOT, OBJECT_BUDGET).errors;
    assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["l[2]"]);
}

#[test]
fn what_did_not_change_may_go_on_breaking_a_rule() {
    let rule = json!({"rule": "self.i > 5"});
    assert!(verdict(properties(), rule.clone(), json!({"i": 1}), Some(json!({"i": 1}))).is_empty());
    assert_eq!(verdict(properties(), rule, json!({"i": 2}), Some(json!({"i": 1}))).len(), 1);
}

#[test]
fn a_rule_that_costs_too_much_is_stopped() {
    let many: Vec<i64> = (0..2000).collect();
    let rule = json!({"rule": "self.list.all(x, self.list.all(y, self.list.all(z, x + y + z >= 0)))", "message": "m"});
    let errors = verdict(properties(), rule, json!({ "list": many }), None);
    assert_eq!(
        errors,
        [
            "spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to \
         call cost exceeds limit for rule: m"
        ]
    );
}

#[test]
fn what_has_no_price_ends_too() {
    let many: Vec<i64> = (0..3000).collect();
    for rule in [
        "self.list.filter(x, self.list.filter(y, false) == []) == []",
        "self.list.map(x, self.list + self.list).size() > 0",
    ] {
        let errors = verdict(properties(), json!({ "rule": rule }), json!({ "list": many }), None);
        assert!(errors[0].contains("actual cost limit exceeded"), "{errors:?}");
    }
}

#[test]
fn rules_of_one_object_share_a_budget() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "self >= 0"}]}}}});
    let object = json!({"l": vec![1; 100]});
    let errors = compiled(schema).validate(&object, None, &Path::ROOT, 50).errors;
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0]
            .to_string()
            .contains("validation failed due to running out of cost budget, no further validation rules will be run")
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (rule, error) in [
        (
            "self.i >",
            "ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self.i >\n | ........^",
        ),
        (
            "self.i == 'a",
            "ERROR: <input>:1:11: Syntax error: token recognition error at: ''a'\n | self.i == 'a\n | ..........^\nERROR: <input>:1:13: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self.i == 'a\n | ............^",
        ),
        ("has(self)", "ERROR: <input>:1:5: invalid argument to has() macro\n | has(self)\n | ....^"),
        (
            "self.namespace == package",
            "ERROR: <input>:1:19: reserved identifier: package\n | self.namespace == package\n | ..................^",
        ),
        (
            "self.i = 5",
            "ERROR: <input>:1:8: Syntax error: token recognition error at: '= '\n | self.i = 5\n | .......^\nERROR: <input>:1:10: Syntax error: extraneous input '5' expecting <EOF>\n | self.i = 5\n | .........^",
        ),
        ("x'a' == 1", "ERROR: <input>:1:2: Syntax error: mismatched input ''a'' expecting <EOF>\n | x'a' == 1\n | .^"),
    ] {
        let schema: Schema =
            serde_json::from_value(json!({"type": "object", "x-kubernetes-validations": [{ "rule": rule }]})).unwrap();
        let errors = Compiled::new(Arc::new(schema)).unwrap_err();
        assert_eq!(errors[0].detail, format!("compilation failed: {error}"));
    }
}

#[test]
fn deep_expressions_are_refused_and_not_run() {
    for rule in
        ["(".repeat(100_000), format!("{}1", "-(".repeat(5000)), vec!["1"; 5000].join(" + "), "!".repeat(50_000)]
    {
        let schema: Schema =
            serde_json::from_value(json!({"type": "object", "x-kubernetes-validations": [{ "rule": rule }]})).unwrap();
        assert!(Compiled::new(Arc::new(schema)).is_err());
    }
    let long = vec!["self.i == 5"; 2000].join(" && ");
    hold(&[&long]);
}

#[test]
fn some_errors_keep_rules_from_running() {
    assert!(blocked(&[FieldError::required(&Path::ROOT, "")]).is_some());
    assert!(blocked(&[FieldError::invalid(&Path::ROOT, 1, "")]).is_none());
}

/// Expressions of all kinds, most of which make no sense.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("self".to_owned()),
        Just("oldSelf".to_owned()),
        "self\\.(i|n|s|b|list|map|keyed|port|missing|time)".prop_map(|text| text),
        "[0-9]{1,3}".prop_map(|text| text),
        "'[a-z%]{0,3}'".prop_map(|text| text),
        Just("[]".to_owned()),
        Just("{'a': 1}".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("x".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 3, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]);
        let method = prop::sample::select(vec![
            "size",
            "startsWith",
            "orValue",
            "hasValue",
            "split",
            "sum",
            "getHours",
            "value",
            "find",
            "format",
        ]);
        let fold = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter", "sortBy", "optMap"]);
        let function = prop::sample::select(vec![
            "size",
            "string",
            "int",
            "type",
            "duration",
            "quantity",
            "optional.of",
            "sets.contains",
            "ip",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), method, prop::option::of(inner.clone()))
                .prop_map(|(a, method, b)| format!("({a}).{method}({})", b.unwrap_or_default())),
            (inner.clone(), fold, inner.clone()).prop_map(|(a, fold, b)| format!("({a}).{fold}(x, {b})")),
            (function, inner.clone()).prop_map(|(function, a)| format!("{function}({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, ?{b}]")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse::parse(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(text in "[a-c0-9.?:,(){}\\[\\]+*!&|<>='\"r -]{0,60}") {
        let _ = parse::parse(&text);
    }

    #[test]
    fn any_expression_is_run_within_its_budget(rule in expressions()) {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties(),
            "x-kubernetes-validations": [{ "rule": rule }]}}});
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let admitted = check(&schema, &Path::ROOT, false).is_empty();
        let (new, old) = (json!({"spec": object()}), json!({"spec": {"i": 1}}));
        if let Ok(compiled) = Compiled::new(Arc::new(schema)) {
            let errors = compiled.validate(&new, Some(&old), &Path::ROOT, OBJECT_BUDGET).errors;
            // What the types allow never meets an operator that does not take it, but for what has no type.
            let untyped = rule.contains("port") || rule.contains("optMap") || rule.contains("[]");
            let overload = errors.iter().any(|error| error.detail.contains("no such overload"));
            prop_assert!(!admitted || untyped || !overload, "{}: {:?}", rule, errors);
        }
    }
}
