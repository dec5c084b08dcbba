#![expect(clippy::needless_pass_by_value, reason = "schemas and values are written where they are used")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::{defaults, prune};

fn schema(value: Value) -> Schema {
    serde_json::from_value(value).unwrap()
}

/// Errors for `spec.x` of that schema.
fn errors(x_schema: Value, x: Value) -> Vec<String> {
    let schema =
        schema(json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": x_schema}}}}));
    validate(&json!({"spec": {"x": x}}), &schema, &Path::ROOT).iter().map(ToString::to_string).collect()
}

fn error(x_schema: Value, x: Value) -> String {
    let errors = errors(x_schema, x);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap()
}

fn wrong_type(wanted: &str, found: &str) -> String {
    format!("spec.x: Invalid value: \"{found}\": spec.x in body must be of type {wanted}: \"{found}\"")
}

#[test]
fn a_value_of_another_type_is_told_by_the_type_it_has() {
    for (kind, value, found) in [
        ("string", json!(5), "integer"),
        ("string", json!(5.5), "number"),
        ("string", json!(true), "boolean"),
        ("string", json!([]), "array"),
        ("string", json!({}), "object"),
        ("string", json!(null), "null"),
        ("integer", json!("5"), "string"),
        ("number", json!("5"), "string"),
        ("boolean", json!("true"), "string"),
        ("array", json!({}), "object"),
        ("object", json!([]), "array"),
    ] {
        assert_eq!(error(json!({ "type": kind }), value), wrong_type(kind, found));
    }
    assert_eq!(error(json!({"x-kubernetes-int-or-string": true}), json!(1.5)), wrong_type("integer,string", "number"));
}

#[test]
fn a_value_of_its_type_passes() {
    for (kind, value) in [
        ("string", json!("")),
        ("integer", json!(5)),
        ("integer", json!(5.0)),
        ("number", json!(5)),
        ("number", json!(5.5)),
        ("boolean", json!(false)),
        ("array", json!([1, "a"])),
        ("object", json!({"a": 1})),
    ] {
        assert_eq!(errors(json!({ "type": kind }), value), Vec::<String>::new());
    }
    assert!(errors(json!({"x-kubernetes-int-or-string": true}), json!("50%")).is_empty());
    assert!(errors(json!({"x-kubernetes-int-or-string": true}), json!(50)).is_empty());
    assert!(errors(json!({"type": "string", "nullable": true}), json!(null)).is_empty());
    assert!(errors(json!({}), json!(null)).is_empty());
}

#[test]
fn numbers_stay_within_their_bounds() {
    let bound = |schema: Value, value: Value| error(schema, value);
    assert_eq!(
        bound(json!({"type": "integer", "minimum": 1}), json!(0)),
        "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"
    );
    assert_eq!(
        bound(json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}), json!(1)),
        "spec.x: Invalid value: 1: spec.x in body should be greater than 1"
    );
    assert_eq!(
        bound(json!({"type": "integer", "maximum": 1_000_000}), json!(1_000_001)),
        "spec.x: Invalid value: 1000001: spec.x in body should be less than or equal to 1000000"
    );
    assert_eq!(
        bound(json!({"type": "number", "maximum": 1_000_000, "exclusiveMaximum": true}), json!(1_000_000.5)),
        "spec.x: Invalid value: 1.0000005e+06: spec.x in body should be less than 1e+06"
    );
    assert_eq!(
        bound(json!({"type": "integer", "multipleOf": 3}), json!(4)),
        "spec.x: Invalid value: 4: spec.x in body should be a multiple of 3"
    );
    assert_eq!(
        bound(json!({"type": "number", "multipleOf": 0.1}), json!(0.25)),
        "spec.x: Invalid value: 0.25: spec.x in body should be a multiple of 0.1"
    );
    assert!(errors(json!({"type": "number", "multipleOf": 0.1}), json!(0.3)).is_empty());
}

#[test]
fn numbers_fit_their_format() {
    assert_eq!(
        error(json!({"type": "integer", "format": "int32"}), json!(2_147_483_648_i64)),
        "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.x"
    );
    assert!(errors(json!({"type": "integer", "format": "int64"}), json!(2_147_483_648_i64)).is_empty());
    assert_eq!(
        error(json!({"type": "integer", "format": "int32"}), json!(true)),
        "spec.x: Invalid value: \"\": spec.x in body must be of type int32: \"\""
    );
}

#[test]
fn texts_keep_length_pattern_and_format() {
    assert_eq!(
        error(json!({"type": "string", "maxLength": 2}), json!("üüü")),
        "spec.x: Too long: may not be more than 2 bytes"
    );
    assert!(errors(json!({"type": "string", "maxLength": 3}), json!("üüü")).is_empty());
    assert_eq!(
        error(json!({"type": "string", "minLength": 2}), json!("ü")),
        "spec.x: Invalid value: \"ü\": spec.x in body should be at least 2 chars long"
    );
    assert_eq!(
        error(json!({"type": "string", "pattern": "^a+$"}), json!("b")),
        "spec.x: Invalid value: \"b\": spec.x in body should match '^a+$'"
    );
    assert_eq!(
        error(json!({"type": "string", "format": "ipv4"}), json!("b")),
        "spec.x: Invalid value: \"b\": spec.x in body must be of type ipv4: \"b\""
    );
    assert!(errors(json!({"type": "string", "format": "made-up"}), json!("b")).is_empty());
    assert_eq!(error(json!({"type": "string", "format": "made-up"}), json!(5)), wrong_type("string", "integer"));
}

#[test]
fn a_value_is_one_of_those_listed() {
    assert_eq!(
        error(json!({"type": "string", "enum": ["a", "b"]}), json!("x")),
        "spec.x: Unsupported value: \"x\": supported values: \"a\", \"b\""
    );
    assert_eq!(
        error(json!({"type": "integer", "enum": [1, 2]}), json!(3)),
        "spec.x: Unsupported value: 3: supported values: \"1\", \"2\""
    );
    assert!(errors(json!({"type": "number", "enum": [1, 2]}), json!(2.0)).is_empty());
    assert_eq!(
        error(json!({"type": "string", "nullable": true, "enum": ["a"]}), json!(null)),
        "spec.x: Unsupported value: null: supported values: \"a\""
    );
}

#[test]
fn lists_keep_their_length_and_their_items_are_checked() {
    assert_eq!(
        error(json!({"type": "array", "maxItems": 1}), json!([1, 2])),
        "spec.x: Too many: 2: must have at most 1 item"
    );
    assert_eq!(
        error(json!({"type": "array", "minItems": 3}), json!([1, 2])),
        "spec.x: Invalid value: 2: spec.x in body should have at least 3 items"
    );
    assert_eq!(
        error(json!({"type": "array", "items": {"type": "string"}}), json!(["a", 5])),
        "spec.x[1]: Invalid value: \"integer\": spec.x[1] in body must be of type string: \"integer\""
    );
}

#[test]
fn objects_have_what_is_required_and_no_more_than_allowed() {
    assert_eq!(error(json!({"type": "object", "required": ["name"]}), json!({})), "spec.x.name: Required value");
    assert_eq!(
        error(json!({"type": "object", "maxProperties": 2}), json!({"a": 1, "b": 1, "c": 1})),
        "spec.x: Too many: 3: must have at most 2 items"
    );
    assert_eq!(
        error(json!({"type": "object", "minProperties": 1}), json!({})),
        "spec.x: Invalid value: 0: spec.x in body should have at least 1 properties"
    );
    assert_eq!(
        error(json!({"type": "object", "additionalProperties": {"type": "string"}}), json!({"a": "x", "b": 1})),
        "spec.x.b: Invalid value: \"integer\": spec.x.b in body must be of type string: \"integer\""
    );
}

#[test]
fn junctors_tell_their_nearest_alternative() {
    let names = json!([{"required": ["a"]}, {"required": ["b"]}]);
    assert_eq!(
        errors(json!({"type": "object", "anyOf": names}), json!({})),
        [
            "<nil>: Invalid value: \"\": \"spec.x\" must validate at least one schema (anyOf)",
            "spec.x.a: Required value"
        ]
    );
    assert_eq!(
        errors(json!({"type": "object", "oneOf": names}), json!({})),
        [
            "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found none valid",
            "spec.x.a: Required value"
        ]
    );
    assert_eq!(
        errors(json!({"type": "object", "oneOf": names}), json!({"a": 1, "b": 1})),
        [
            "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found 2 valid alternatives"
        ]
    );
    assert_eq!(
        errors(json!({"type": "object", "allOf": names}), json!({"a": 1})),
        ["spec.x.b: Required value", "<nil>: Invalid value: \"\": \"spec.x\" must validate all the schemas (allOf)"]
    );
    assert_eq!(
        errors(json!({"type": "object", "not": {"required": ["a"]}}), json!({"a": 1})),
        ["<nil>: Invalid value: \"\": \"spec.x\" must not validate the schema (not)"]
    );
    assert!(errors(json!({"type": "object", "oneOf": names}), json!({"a": 1})).is_empty());
}

#[test]
fn a_part_that_stands_elsewhere_is_told_from_there() {
    let schema = schema(json!({"type": "object", "properties": {"replicas": {"type": "integer"}}}));
    let errors = validate(&json!({"replicas": "1"}), &schema, &Path::ROOT.child("status"));
    assert_eq!(
        errors[0].to_string(),
        "status.replicas: Invalid value: \"string\": replicas in body must be of type integer: \"string\""
    );
}

fn ratcheted(new: Value, old: Value) -> Vec<String> {
    let schema = schema(
        json!({"type": "object", "properties": {"metadata": {"type": "object"}, "spec": {"type": "object",
        "required": ["must"], "properties": {
            "must": {"type": "string"},
            "a": {"type": "string", "maxLength": 3},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"}, "v": {"type": "integer", "maximum": 3}}}},
            "atomic": {"type": "array", "items": {"type": "string", "maxLength": 3}}
        }}}}),
    );
    validate_update(&new, &old, &schema, &Path::ROOT).into_iter().map(|error| error.field).collect()
}

#[test]
fn what_did_not_change_may_stay_invalid() {
    let old = json!({"spec": {"a": "too long", "map": [{"name": "x", "v": 9}, {"name": "y", "v": 1}], "atomic": ["too long"]}});
    assert_eq!(ratcheted(old.clone(), old.clone()), Vec::<String>::new());
    let new = json!({"spec": {"a": "too long", "must": "be", "map": [{"name": "y", "v": 2}, {"name": "x", "v": 9}], "atomic": ["too long"]}});
    assert_eq!(ratcheted(new, old.clone()), Vec::<String>::new());
    let new = json!({"spec": {"a": "too long!", "map": [{"name": "y", "v": 9}, {"name": "x", "v": 8}], "atomic": ["too long", "x"]}});
    assert_eq!(ratcheted(new, old), ["spec.a", "spec.atomic[0]", "spec.map[0].v", "spec.map[1].v", "spec.must"]);
}

/// Some schemas of objects, nested.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "string", "default": "d"})),
        Just(json!({"type": "integer", "default": 3, "minimum": 1})),
        Just(json!({"type": "boolean", "nullable": true})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-d]", inner.clone(), 0..4)
                .prop_map(|properties| json!({"type": "object", "properties": properties, "default": {}})),
            inner.clone().prop_map(|item| json!({"type": "array", "items": item})),
            inner.prop_map(|value| json!({"type": "object", "additionalProperties": value})),
        ]
    })
}

fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-e]", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_and_defaulting_twice_is_as_once(schema_of in schemas(), mut object in objects()) {
        let schema = schema(schema_of);
        prune::prune_value(&mut object, &schema);
        prune::prune_nulls(&mut object, &schema);
        let once = object.clone();
        prop_assert!(prune::prune_value(&mut object, &schema).is_empty());
        prune::prune_nulls(&mut object, &schema);
        prop_assert_eq!(&object, &once);
        defaults::apply(&mut object, &schema);
        let once = object.clone();
        defaults::apply(&mut object, &schema);
        prop_assert_eq!(&object, &once);
        prop_assert!(prune::prune_value(&mut object, &schema).is_empty());
    }

    #[test]
    fn an_update_that_changes_nothing_says_no_more_than_a_create(schema_of in schemas(), object in objects()) {
        let schema = schema(schema_of);
        let created = validate(&object, &schema, &Path::ROOT);
        let updated = validate_update(&object, &object, &schema, &Path::ROOT);
        prop_assert!(updated.iter().all(|error| created.contains(error)));
    }
}
