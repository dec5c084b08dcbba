//! What the schema of a `CustomResourceDefinition` must be: `pkg/apiserver/schema/validation.go`, `complete.go`,
//! `defaulting/validation.go` and `pkg/apis/apiextensions/validation/validation.go` of apiextensions-apiserver.

mod completeness;
mod default_values;
mod invariants;
mod openapi;
mod rules;

use super::{Schema, SchemaOrArray, SchemaOrBool};
use crate::field::{FieldError, Path};

/// Where a schema stands, and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Of what holds the schema: `spec.validation` where all versions have the same schema, else `spec.versions[i].schema`.
    pub path: &'a Path<'a>,
    /// Whether the version has the `status` subresource, which then must be checkable on its own.
    pub status: bool,
}

/// What is wrong with the schema of a version of a custom resource, but for what its CEL rules say.
pub fn check(schema: &Schema, place: Place<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let path = place.path.child("openAPIV3Schema");
    if place.status {
        check_root_with_status(schema, &path, &mut errors);
    }
    if schema.nullable {
        errors.push(FieldError::forbidden(&path.child("nullable"), "nullable cannot be true at the root"));
    }
    let unsupported = unsupported(schema);
    if unsupported.is_none() {
        let mut found = Vec::new();
        invariants::check(schema, &path, &mut found);
        completeness::check(schema, &path, &mut found);
        found.sort_by_cached_key(ToString::to_string);
        if found.is_empty() {
            default_values::check(schema, &path, &mut found);
        }
        errors.append(&mut found);
    }
    openapi::check(schema, &path, &mut errors);
    if let Some(why) = unsupported.filter(|_| errors.is_empty()) {
        errors.push(FieldError::invalid(&path, "", why));
    }
    errors
}

/// With a status subresource, `properties.status` alone is the schema of the status: what stands beside it at the root would be lost.
fn check_root_with_status(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const ALLOWED: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern \
                           MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example \
                           XPreserveUnknownFields XValidations]";
    if !schema.kind.is_empty() && schema.kind != "object" {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(FieldError::invalid(&path.child("type"), schema.kind.as_str(), why));
        return;
    }
    let others = Schema {
        description: String::new(),
        kind: String::new(),
        format: String::new(),
        title: String::new(),
        maximum: None,
        exclusive_maximum: false,
        minimum: None,
        exclusive_minimum: false,
        max_length: None,
        min_length: None,
        pattern: String::new(),
        max_items: None,
        min_items: None,
        unique_items: false,
        multiple_of: None,
        required: Vec::new(),
        items: None,
        properties: std::collections::BTreeMap::new(),
        external_docs: None,
        example: None,
        preserve_unknown_fields: None,
        validations: Vec::new(),
        ..schema.clone()
    };
    if others != Schema::default() {
        let value = serde_json::to_value(schema).unwrap_or_default();
        let why =
            format!("only {ALLOWED} fields are allowed at the root of the schema if the status subresource is enabled");
        errors.push(FieldError::invalid(path, value, why));
    }
}

/// The first thing, at any depth, for which a structural schema has no place.
fn unsupported(schema: &Schema) -> Option<&'static str> {
    if schema.id.as_ref().is_some_and(|id| !id.is_empty()) {
        return Some("OpenAPIV3Schema 'id' is not supported");
    }
    if schema.schema.as_ref().is_some_and(|schema| !schema.is_empty()) {
        return Some("OpenAPIV3Schema 'schema' is not supported");
    }
    if schema.reference.as_ref().is_some_and(|reference| !reference.is_empty()) {
        return Some("OpenAPIV3Schema '$ref' is not supported");
    }
    if !schema.pattern_properties.is_empty() {
        return Some("OpenAPIV3Schema 'patternProperties' is not supported");
    }
    if !schema.dependencies.is_empty() {
        return Some("OpenAPIV3Schema 'dependencies' is not supported");
    }
    if schema.additional_items.is_some() {
        return Some("OpenAPIV3Schema 'additionalItems' is not supported");
    }
    if !schema.definitions.is_empty() {
        return Some("OpenAPIV3Schema 'definitions' is not supported");
    }
    if schema.preserve_unknown_fields == Some(false) {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined");
    }
    if matches!(&schema.items, Some(SchemaOrArray::Array(schemas)) if !schemas.is_empty()) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array");
    }
    let additional = match &schema.additional_properties {
        Some(SchemaOrBool::Schema(schema)) => Some(&**schema),
        _ => None,
    };
    let junctors = schema.all_of.iter().chain(&schema.any_of).chain(&schema.one_of).chain(schema.not.as_deref());
    junctors.chain(schema.properties.values()).chain(additional).chain(schema.item()).find_map(unsupported)
}

#[cfg(test)]
mod tests;
