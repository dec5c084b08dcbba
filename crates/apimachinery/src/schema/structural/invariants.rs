//! What makes a schema structural: types are said outside of junctors, and nothing but validation inside of them.

use serde_json::Value;

use crate::field::{FieldError, Path};
use crate::schema::{Schema, SchemaOrBool, pattern};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

pub(super) fn check(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    check_schema(schema, Level::Root, path, errors);
}

fn check_schema(schema: &Schema, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if schema.kind == "array" && schema.item().is_none() {
        errors.push(FieldError::required(&path.child("items"), "must be specified"));
    }
    if let Some(item) = schema.item() {
        check_schema(item, Level::Item, &path.child("items"), errors);
    }
    for (name, property) in &schema.properties {
        check_schema(property, Level::Field, &path.child("properties").key(name), errors);
    }
    if schema.additional_properties.is_some() {
        let path = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(FieldError::forbidden(&path, "must not be used at the root"));
        }
        if let Some(additional) = schema.additional() {
            check_schema(additional, Level::Field, &path, errors);
        }
    }
    check_extensions(schema, path, errors);
    let first_of_all = schema.all_of.first().is_some_and(|first| is_int_or_string(&first.any_of));
    check_validation(schema, is_int_or_string(&schema.any_of), first_of_all, path, errors);
    check_type(schema, level, path, errors);
    check_resource(schema, level, path, errors);
}

fn check_extensions(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let why = "must be false if x-kubernetes-int-or-string is true";
    if schema.int_or_string && schema.preserves_unknown_fields() {
        errors.push(FieldError::invalid(&path.child("x-kubernetes-preserve-unknown-fields"), true, why));
    }
    if schema.int_or_string && schema.embedded_resource {
        errors.push(FieldError::invalid(&path.child("x-kubernetes-embedded-resource"), true, why));
    }
}

fn check_type(schema: &Schema, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let type_path = path.child("type");
    if schema.embedded_resource && schema.kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if schema.kind.is_empty() {
            FieldError::required(&type_path, why)
        } else {
            FieldError::invalid(&type_path, schema.kind.as_str(), why)
        });
    } else if schema.kind.is_empty() && !schema.int_or_string && !schema.preserves_unknown_fields() {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(&type_path, why));
    }
    if schema.embedded_resource && schema.additional_properties.is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(&path.child("additionalProperties"), why));
    }
    if level == Level::Root && !schema.kind.is_empty() && schema.kind != "object" {
        errors.push(FieldError::invalid(&type_path, schema.kind.as_str(), "must be object at the root"));
    }
}

/// What a resource's schema says of what every resource has.
fn check_resource(schema: &Schema, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let properties = path.child("properties");
    let resource = level == Level::Root || schema.embedded_resource;
    for name in ["kind", "apiVersion"] {
        if let Some(property) = schema.properties.get(name).filter(|property| resource && property.kind != "string") {
            errors.push(FieldError::invalid(
                &properties.key(name).child("type"),
                property.kind.as_str(),
                "must be string",
            ));
        }
    }
    if let Some(metadata) = schema.properties.get("metadata") {
        let path = properties.key("metadata");
        if resource && metadata.kind != "object" {
            errors.push(FieldError::invalid(&path.child("type"), metadata.kind.as_str(), "must be object"));
        }
        if level == Level::Root && restricts_metadata(metadata) {
            let why =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(FieldError::forbidden(&path, why));
        }
    }
    if schema.embedded_resource && !schema.preserves_unknown_fields() && schema.properties.is_empty() {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(&properties, why));
    }
}

/// Whether the schema of the root's metadata says more than what `name` and `generateName` must be.
fn restricts_metadata(metadata: &Schema) -> bool {
    let names_only = metadata.properties.keys().all(|name| name == "name" || name == "generateName");
    let mut rest = metadata.clone();
    if names_only {
        rest.properties.clear();
    }
    rest.kind.clear();
    rest.default = None;
    rest != Schema::default()
}

/// The alternatives that spell out what `x-kubernetes-int-or-string` means.
fn is_int_or_string(any_of: &[Schema]) -> bool {
    let only = |schema: &Schema, kind: &str| *schema == Schema { kind: kind.to_owned(), ..Schema::default() };
    matches!(any_of, [first, second] if only(first, "integer") && only(second, "string"))
}

fn check_validation(
    schema: &Schema,
    skip_any_of: bool,
    skip_first: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if !skip_any_of {
        for (index, schema) in schema.any_of.iter().enumerate() {
            check_nested(schema, false, &path.child("anyOf").index(index), errors);
        }
    }
    for (index, schema) in schema.all_of.iter().enumerate() {
        check_nested(schema, skip_first && index == 0, &path.child("allOf").index(index), errors);
    }
    for (index, schema) in schema.one_of.iter().enumerate() {
        check_nested(schema, false, &path.child("oneOf").index(index), errors);
    }
    if let Some(not) = &schema.not {
        check_nested(not, false, &path.child("not"), errors);
    }
    if let Err(error) = pattern::compile(&schema.pattern) {
        let why = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(FieldError::invalid(&path.child("pattern"), schema.pattern.as_str(), why));
    }
}

/// A schema inside a junctor.
fn check_nested(schema: &Schema, skip_any_of: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    check_validation(schema, skip_any_of, false, path, errors);
    if let Some(item) = schema.item() {
        check_nested(item, false, &path.child("items"), errors);
    }
    for (name, property) in &schema.properties {
        check_nested(property, false, &path.child("properties").key(name), errors);
    }
    let has_additional = !matches!(schema.additional_properties, None | Some(SchemaOrBool::Allowed(false)));
    let default = schema.default.as_ref().is_some_and(|default| *default != Value::Null);
    for (forbidden, name, must) in [
        (!schema.kind.is_empty(), "type", "empty"),
        (has_additional, "additionalProperties", "undefined"),
        (default, "default", "undefined"),
        (!schema.title.is_empty(), "title", "empty"),
        (!schema.description.is_empty(), "description", "empty"),
        (schema.nullable, "nullable", "false"),
        (schema.preserves_unknown_fields(), "x-kubernetes-preserve-unknown-fields", "false"),
        (schema.embedded_resource, "x-kubernetes-embedded-resource", "false"),
        (schema.int_or_string, "x-kubernetes-int-or-string", "false"),
        (!schema.list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "empty"),
        (schema.list_type.is_some(), "x-kubernetes-list-type", "undefined"),
        (schema.map_type.is_some(), "x-kubernetes-map-type", "undefined"),
        (!schema.validations.is_empty(), "x-kubernetes-validations", "empty"),
    ] {
        if forbidden {
            errors.push(FieldError::forbidden(&path.child(name), format!("must be {must} to be structural")));
        }
    }
    if schema.properties.contains_key("metadata") {
        let path = path.child("properties");
        errors.push(FieldError::forbidden(&path.key("metadata"), "must not be specified in a nested context"));
    }
}
