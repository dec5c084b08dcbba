//! What the API allows of OpenAPI, at every depth, inside and outside of junctors.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::rules;
use crate::field::{FieldError, Path};
use crate::schema::{Schema, SchemaOrArray, SchemaOrBool};

/// What the schemas around one say.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// Why there may be no default here.
    no_defaults: Option<&'a str>,
    /// Whether it describes what every resource has.
    metadata: bool,
}

pub(super) fn check(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    check_schema(schema, path, true, Around { no_defaults: None, metadata: false }, errors);
}

fn check_schema(schema: &Schema, path: &Path<'_>, root: bool, around: Around<'_>, errors: &mut Vec<FieldError>) {
    check_unsupported(schema, path, around, errors);
    if schema.unique_items {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(&path.child("uniqueItems"), why));
    }
    if let Some(additional) = &schema.additional_properties {
        let at = path.child("additionalProperties");
        if !schema.properties.is_empty() && !matches!(additional, SchemaOrBool::Allowed(true)) {
            errors.push(FieldError::forbidden(&at, "additionalProperties and properties are mutual exclusive"));
        }
        if let SchemaOrBool::Schema(additional) = additional {
            let reason = "inside additionalProperties applying to object metadata";
            let inner = if around.metadata { Around { no_defaults: Some(reason), ..around } } else { around };
            check_schema(additional, &at, false, inner, errors);
        }
    }
    for (name, property) in &schema.properties {
        let at = path.child("properties");
        let metadata =
            (root || schema.embedded_resource) && matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        let reason = format!("in top-level {name}");
        let inner = Around {
            no_defaults: if metadata && root { Some(&reason) } else { around.no_defaults },
            metadata: around.metadata || metadata,
        };
        check_schema(property, &at.key(name), false, inner, errors);
    }
    if let Some(not) = &schema.not {
        check_schema(not, &path.child("not"), false, around, errors);
    }
    for (name, junctor) in [("allOf", &schema.all_of), ("oneOf", &schema.one_of), ("anyOf", &schema.any_of)] {
        for (index, nested) in junctor.iter().enumerate() {
            check_schema(nested, &path.child(name).index(index), false, around, errors);
        }
    }
    for (name, definition) in &schema.definitions {
        check_schema(definition, &path.child("definitions").key(name), false, around, errors);
    }
    match &schema.items {
        None => {}
        Some(SchemaOrArray::Schema(item)) => check_schema(item, &path.child("items"), false, around, errors),
        Some(SchemaOrArray::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                check_schema(item, &path.child("items").index(index), false, around, errors);
            }
        }
    }
    if schema.preserve_unknown_fields == Some(false) {
        let at = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(&at, false, "must be true or undefined"));
    }
    check_map_type(schema, path, errors);
    check_list_type(schema, path, errors);
    check_list_map(schema, path, errors);
    check_unique_lists(schema, path, errors);
    rules::check(schema, path, errors);
}

/// `specStandardValidatorV3`.
fn check_unsupported(schema: &Schema, path: &Path<'_>, around: Around<'_>, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let kind = schema.kind.as_str();
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(&path.child("type"), kind, &TYPES));
    }
    if let Some(reason) = around.no_defaults.filter(|_| schema.default.is_some()) {
        errors.push(FieldError::forbidden(&path.child("default"), format!("must not be set {reason}")));
    }
    for (set, name) in [
        (schema.id.as_ref().is_some_and(|id| !id.is_empty()), "id"),
        (schema.additional_items.is_some(), "additionalItems"),
        (!schema.pattern_properties.is_empty(), "patternProperties"),
        (!schema.definitions.is_empty(), "definitions"),
        (!schema.dependencies.is_empty(), "dependencies"),
        (schema.reference.is_some(), "$ref"),
    ] {
        if set {
            errors.push(FieldError::forbidden(&path.child(name), format!("{name} is not supported")));
        }
    }
    if kind == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(&path.child("type"), why));
    }
    if matches!(&schema.items, Some(SchemaOrArray::Array(items)) if !items.is_empty()) {
        errors.push(FieldError::forbidden(&path.child("items"), "items must be a schema object and not an array"));
    }
    if around.metadata && schema.embedded_resource {
        let at = path.child("x-kubernetes-embedded-resource");
        errors.push(FieldError::forbidden(&at, "must not be used inside of resource meta"));
    }
}

/// The type that an extension asks for.
fn wants_type(schema: &Schema, path: &Path<'_>, why: &str) -> FieldError {
    let path = path.child("type");
    if schema.kind.is_empty() {
        FieldError::required(&path, why)
    } else {
        FieldError::invalid(&path, schema.kind.as_str(), why)
    }
}

fn check_map_type(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(map_type) = schema.map_type.as_deref() else { return };
    if schema.kind != "object" {
        errors.push(wants_type(schema, path, "must be object if x-kubernetes-map-type is specified"));
    }
    if !matches!(map_type, "atomic" | "granular") {
        errors.push(FieldError::not_supported(&path.child("x-kubernetes-map-type"), map_type, &["atomic", "granular"]));
    }
}

fn check_list_type(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(list_type) = schema.list_type.as_deref() else { return };
    if schema.kind != "array" {
        errors.push(wants_type(schema, path, "must be array if x-kubernetes-list-type is specified"));
    } else if let Some(item) = schema.item().filter(|_| list_type == "set") {
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let items = path.child("items");
        let shown = item.list_type.as_deref().map_or(Value::Null, Value::from);
        match item.kind.as_str() {
            "array" if item.list_type.as_deref().is_some_and(|list_type| list_type != "atomic") => {
                errors.push(FieldError::invalid(&items.child("x-kubernetes-list-type"), shown, why));
            }
            "object" if item.map_type.as_deref() != Some("atomic") => {
                errors.push(FieldError::invalid(&items.child("x-kubernetes-map-type"), shown, why));
            }
            _ => {}
        }
    }
    if !matches!(list_type, "atomic" | "set" | "map") {
        errors.push(FieldError::not_supported(
            &path.child("x-kubernetes-list-type"),
            list_type,
            &["atomic", "set", "map"],
        ));
    }
}

fn check_list_map(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let keys = path.child("x-kubernetes-list-map-keys");
    let items = path.child("items");
    if !schema.list_map_keys.is_empty() {
        let at = path.child("x-kubernetes-list-type");
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match schema.list_type.as_deref() {
            None => errors.push(FieldError::required(&at, why)),
            Some("map") => {}
            Some(other) => errors.push(FieldError::invalid(&at, other, why)),
        }
    }
    if schema.list_type.as_deref() != Some("map") {
        return;
    }
    if schema.list_map_keys.is_empty() {
        errors.push(FieldError::required(&keys, "must not be empty if x-kubernetes-list-type is map"));
    }
    let item = match &schema.items {
        None => {
            errors.push(FieldError::required(&items, "must have a schema if x-kubernetes-list-type is map"));
            return;
        }
        Some(SchemaOrArray::Array(schemas)) => {
            let why = "must only have a single schema if x-kubernetes-list-type is map";
            errors.push(FieldError::invalid(&items, serde_json::to_value(schemas).unwrap_or_default(), why));
            return;
        }
        Some(SchemaOrArray::Schema(item)) => item,
    };
    if item.kind != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(&items.child("type"), item.kind.as_str(), why));
        return;
    }
    let mut seen = HashSet::new();
    for key in &schema.list_map_keys {
        match item.properties.get(key) {
            Some(property) if matches!(property.kind.as_str(), "array" | "object") => {
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let at = items.child("properties");
                errors.push(FieldError::invalid(&at.key(key).child("type"), item.kind.as_str(), why));
            }
            Some(_) => {}
            None => {
                let why = "entries must all be names of item properties";
                errors.push(FieldError::invalid(&keys, json!(schema.list_map_keys), why));
            }
        }
        if !seen.insert(key) {
            errors.push(FieldError::invalid(&keys, json!(schema.list_map_keys), "must not contain duplicate entries"));
        }
    }
}

/// Items of sets and maps are there, and their keys are.
fn check_unique_lists(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (Some(item), Some(list_type @ ("set" | "map"))) = (schema.item(), schema.list_type.as_deref()) else { return };
    let items = path.child("items");
    if item.nullable {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(&items.child("nullable"), why));
    }
    if list_type == "set" {
        return;
    }
    for key in &schema.list_map_keys {
        let Some(property) = item.properties.get(key) else { continue };
        let at = items.child("properties");
        let at = at.key(key);
        if !item.required.contains(key) && property.default.is_none() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(&at.child("default"), why));
        }
        if property.nullable {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(&at.child("nullable"), why));
        }
    }
}
