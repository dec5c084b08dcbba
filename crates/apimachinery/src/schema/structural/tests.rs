#![expect(clippy::needless_pass_by_value, reason = "schemas and values are written where they are used")]

use serde_json::{Value, json};

use super::*;

fn errors_of(schema: Value, status: bool) -> Vec<String> {
    let schema: Schema = serde_json::from_value(schema).unwrap();
    let spec = Path::ROOT.child("spec");
    let path = spec.child("validation");
    check(&schema, Place { path: &path, status }).iter().map(ToString::to_string).collect()
}

/// Errors for a root with that property `x`, with their paths from there.
fn errors(x: Value) -> Vec<String> {
    let all = errors_of(json!({"type": "object", "properties": {"x": x}}), false);
    all.iter().map(|error| error.replace("spec.validation.openAPIV3Schema.properties[x]", "x")).collect()
}

#[test]
fn a_structural_schema_passes() {
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}}},
        "spec": {"type": "object", "default": {}, "properties": {
            "replicas": {"type": "integer", "default": 1, "minimum": 0},
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^[a-z]+$"},
            "all": {"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"minimum": 1}]},
            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {
                "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-map-type": "atomic"}
        }},
        "status": {"type": "object"}
    }});
    assert_eq!(errors_of(schema.clone(), true), Vec::<String>::new());
    assert_eq!(errors_of(schema, false), Vec::<String>::new());
}

#[test]
fn the_root_is_an_object_of_named_fields() {
    let root = "spec.validation.openAPIV3Schema";
    assert_eq!(errors_of(json!({}), false), [format!("{root}.type: Required value: must not be empty at the root")]);
    assert_eq!(
        errors_of(json!({"type": "string"}), false),
        [format!("{root}.type: Invalid value: \"string\": must be object at the root")]
    );
    assert_eq!(
        errors_of(json!({"type": "object", "additionalProperties": {"type": "string"}}), false),
        [format!("{root}.additionalProperties: Forbidden: must not be used at the root")]
    );
    assert_eq!(
        errors_of(json!({"type": "object", "nullable": true}), false),
        [format!("{root}.nullable: Forbidden: nullable cannot be true at the root")]
    );
    let errors = errors_of(json!({"type": "object", "not": {}}), true);
    assert!(
        errors[0].contains("fields are allowed at the root of the schema if the status subresource is enabled"),
        "{errors:?}"
    );
}

#[test]
fn metadata_of_the_root_says_no_more_than_names() {
    let with = |metadata: Value| errors_of(json!({"type": "object", "properties": { "metadata": metadata }}), false);
    assert!(with(json!({"type": "object"})).is_empty());
    assert!(
        with(json!({"type": "object", "properties": {"generateName": {"type": "string", "pattern": "a"}}})).is_empty()
    );
    let at = "spec.validation.openAPIV3Schema.properties[metadata]";
    let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    assert_eq!(
        with(json!({"type": "object", "properties": {"labels": {"type": "object"}}})),
        [format!("{at}: Forbidden: {why}")]
    );
    assert_eq!(
        with(json!({"type": "object", "default": {}})),
        [format!("{at}.default: Forbidden: must not be set in top-level metadata")]
    );
    assert_eq!(with(json!({"type": "string"})), [format!("{at}.type: Invalid value: \"string\": must be object")]);
}

#[test]
fn every_part_has_a_type() {
    assert_eq!(errors(json!({})), ["x.type: Required value: must not be empty for specified object fields"]);
    assert_eq!(errors(json!({"type": "array"})), ["x.items: Required value: must be specified"]);
    assert_eq!(
        errors(json!({"type": "array", "items": {}})),
        ["x.items.type: Required value: must not be empty for specified array items"]
    );
    assert_eq!(
        errors(json!({"type": "text"})),
        [
            "x.type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
        ]
    );
}

#[test]
fn a_junctor_only_validates() {
    assert_eq!(
        errors(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"type": "object", "description": "x",
            "properties": {"a": {"nullable": true}}}]})
        ),
        [
            "x.anyOf[0].description: Forbidden: must be empty to be structural",
            "x.anyOf[0].properties[a].nullable: Forbidden: must be false to be structural",
            "x.anyOf[0].type: Forbidden: must be empty to be structural",
        ]
    );
    let all = errors_of(json!({"type": "object", "oneOf": [{"properties": {"a": {"minLength": 1}}}]}), false);
    assert_eq!(
        all,
        ["spec.validation.openAPIV3Schema.properties[a]: Required value: because it is defined in \
         spec.validation.openAPIV3Schema.oneOf[0].properties[a]"]
    );
}

#[test]
fn what_structural_schemas_have_no_place_for_is_refused() {
    for (part, error) in [
        (json!({"type": "object", "$ref": "#/x"}), "x.$ref: Forbidden: $ref is not supported"),
        (
            json!({"type": "object", "definitions": {"a": {"type": "string"}}}),
            "x.definitions: Forbidden: definitions is not supported",
        ),
        (
            json!({"type": "object", "dependencies": {"a": ["b"]}}),
            "x.dependencies: Forbidden: dependencies is not supported",
        ),
        (
            json!({"type": "object", "patternProperties": {"a": {}}}),
            "x.patternProperties: Forbidden: patternProperties is not supported",
        ),
        (json!({"type": "object", "id": "a"}), "x.id: Forbidden: id is not supported"),
        (
            json!({"type": "array", "items": [{"type": "string"}]}),
            "x.items: Forbidden: items must be a schema object and not an array",
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            "x.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            "x.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false}),
            "x.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            json!({"type": "string", "pattern": "("}),
            "x.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`",
        ),
    ] {
        assert_eq!(errors(part), [error]);
    }
    let all = errors_of(json!({"type": "object", "$schema": "x"}), false);
    assert_eq!(
        all,
        ["spec.validation.openAPIV3Schema: Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported"]
    );
}

#[test]
fn lists_of_type_map_have_keys_that_every_item_has() {
    let list = |keys: Value, item: Value| {
        errors(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": item}),
        )
    };
    let item = json!({"type": "object", "properties": {"a": {"type": "string"}, "o": {"type": "object"}}});
    assert_eq!(
        list(json!([]), item.clone()),
        ["x.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"]
    );
    assert_eq!(
        list(json!(["a"]), item.clone()),
        [
            "x.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        ]
    );
    assert_eq!(
        list(json!(["b"]), item.clone()),
        ["x.x-kubernetes-list-map-keys: Invalid value: [\"b\"]: entries must all be names of item properties"]
    );
    assert!(list(json!(["o"]), item)[0].starts_with(
        "x.items.properties[o].type: Invalid value: \"object\": must be a scalar type if parent array's x-kubernetes-list-type is map"
    ));
    assert_eq!(
        list(json!(["a"]), json!({"type": "string"})),
        ["x.items.type: Invalid value: \"string\": must be object if parent array's x-kubernetes-list-type is map"]
    );
    assert_eq!(
        errors(json!({"type": "array", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "string"}})),
        ["x.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"]
    );
    assert_eq!(
        errors(json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}})),
        [
            "x.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"
        ]
    );
    assert_eq!(
        errors(json!({"type": "string", "x-kubernetes-map-type": "granular"})),
        ["x.type: Invalid value: \"string\": must be object if x-kubernetes-map-type is specified"]
    );
}

#[test]
fn an_embedded_resource_is_an_object_that_says_something() {
    assert_eq!(
        errors(json!({"type": "object", "x-kubernetes-embedded-resource": true})),
        [
            "x.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        ]
    );
    assert_eq!(
        errors(
            json!({"type": "string", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true})
        ),
        ["x.type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true"]
    );
    assert_eq!(
        errors(
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"metadata": {"type": "object",
            "properties": {"x": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}}})
        ),
        [
            "x.properties[metadata].properties[x].x-kubernetes-embedded-resource: Forbidden: must not be used inside of resource meta"
        ]
    );
}

#[test]
fn a_default_is_a_value_that_the_schema_takes() {
    assert_eq!(
        errors(json!({"type": "integer", "default": "a"})),
        ["x.default: Invalid value: \"string\":  in body must be of type integer: \"string\""]
    );
    assert_eq!(
        errors(json!({"type": "object", "default": {"a": "x", "b": 1}, "properties": {"a": {"type": "string"}}})),
        ["x.default: Invalid value: {\"a\":\"x\",\"b\":1}: must not have unknown fields"]
    );
    assert_eq!(
        errors(json!({"type": "object", "default": {"a": 1}, "properties": {"a": {"type": "string"}}})),
        ["x.default.a: Invalid value: \"integer\": a in body must be of type string: \"integer\""]
    );
}

#[test]
fn rules_are_well_formed() {
    let rule = |rule: Value| {
        let all = errors(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-validations": [rule]}),
        );
        all.iter().map(|error| error.replace("x.x-kubernetes-validations[0].", "")).collect::<Vec<_>>()
    };
    assert_eq!(rule(json!({"rule": " "})), ["rule: Required value: rule is not specified"]);
    assert_eq!(
        rule(json!({"rule": "true", "message": " "})),
        ["message: Invalid value: \" \": must be non-empty if specified"]
    );
    assert_eq!(
        rule(json!({"rule": "true", "message": "a\nb"})),
        ["message: Invalid value: \"a\\nb\": must not contain line breaks"]
    );
    assert_eq!(
        rule(json!({"rule": "true &&\ntrue"})),
        ["message: Required value: message must be specified if rule contains line breaks"]
    );
    assert_eq!(
        rule(json!({"rule": "true", "reason": "x"})),
        [
            "reason: Unsupported value: \"x\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\""
        ]
    );
    assert!(rule(json!({"rule": "true", "fieldPath": ".a"})).is_empty());
    assert_eq!(
        rule(json!({"rule": "true", "fieldPath": ".b"})),
        ["fieldPath: Invalid value: \".b\": must be a valid path"]
    );
}
