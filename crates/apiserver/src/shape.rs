//! What a resource's schema does to an object and says of it.
//!
//! The checks of custom resources and their order are those of `apiextensions-apiserver/pkg/registry/customresource`.

mod scale;

use apimachinery::{
    cel,
    field::{FieldError, Path},
    meta::{self, NameRule},
    schema::{self, Schema},
};
use serde_json::Value;

use crate::{
    builtin, object,
    registry::{Origin, Resource},
    scope::Part,
    validation::{self, Kind},
    warnings::Warnings,
};

/// Drops the fields that the kind does not have and fills in defaults; returns the paths of what was dropped.
///
/// # Errors
/// A field of the metadata that has another type, in the words of Go's reader.
pub(crate) fn settle(resource: &Resource, object: &mut Value) -> Result<Vec<String>, String> {
    settle_as(resource, resource.schema.as_deref(), object)
}

/// The same by the schema of another version.
pub(crate) fn settle_as(
    resource: &Resource,
    schema: Option<&Schema>,
    object: &mut Value,
) -> Result<Vec<String>, String> {
    let mut unknown = match resource.built_in() {
        Some(definition) => schema::metadata::coerce_in(object, definition.kind)?,
        None => schema::metadata::coerce(object)?,
    };
    let Some(schema) = schema else { return Ok(unknown) };
    if resource.is_custom() {
        unknown.extend(schema::metadata::coerce_embedded(object, schema).map_err(|wrong| wrong.to_string())?);
    }
    unknown.extend(schema::prune::prune(object, schema));
    unknown.sort();
    unknown.dedup();
    if resource.is_custom() {
        schema::prune::prune_nulls(object, schema);
        schema::defaults::apply(object, schema);
    } else if let Some(definition) = resource.built_in() {
        builtin::defaults::apply(definition, object);
    }
    Ok(unknown)
}

/// Makes an object one of the version that it is stored in: what that does not have goes, and its defaults come.
pub(crate) fn unfit(resource: &Resource, object: &mut Value) {
    if let Origin::Custom(definition) = &resource.origin
        && let Some(storage) = definition.schemas.get(&resource.storage_version)
    {
        schema::prune::prune(object, storage);
        schema::defaults::apply(object, storage);
    }
}

/// What is wrong with an object; `old` is the one that it replaces. What it may keep all the same goes into `warnings`.
pub(crate) fn check(
    resource: &Resource,
    part: Part,
    object: &Value,
    old: Option<&Value>,
    warnings: &Warnings,
) -> Vec<FieldError> {
    let kind = resource.built_in().and_then(|definition| Kind::of(definition.group, definition.plural));
    let by_kind = match (kind, old) {
        (Some(kind), Some(old)) => validation::update(kind, part.as_str(), object, old),
        (Some(kind), None) => validation::create(kind, object),
        (None, _) if resource.is_custom() => custom(resource, part, object, old, warnings),
        (None, _) => Vec::new(),
    };
    match old {
        Some(old) => {
            let mut errors: Vec<FieldError> = Vec::new();
            for error in meta::validate::on_update(object, old, resource.namespaced, by_kind) {
                if resource.is_custom() || !errors.contains(&error) {
                    errors.push(error);
                }
            }
            errors
        }
        None => meta::validate::on_create(object, resource.namespaced, by_kind),
    }
}

fn custom(
    resource: &Resource,
    part: Part,
    object: &Value,
    old: Option<&Value>,
    warnings: &Warnings,
) -> Vec<FieldError> {
    let mut errors = wrong_type(resource, object);
    if !errors.is_empty() {
        return errors;
    }
    errors.extend(match old {
        Some(old) => meta::validate::update(object, old),
        None => meta::validate::create(object, resource.namespaced, NameRule::DnsSubdomain),
    });
    if let Some(validator) = &resource.validator {
        errors.extend(match old {
            Some(old) => validator.validate_update(object, old, &Path::ROOT),
            None => validator.validate(object, &Path::ROOT),
        });
    }
    if let Some(paths) = &resource.subresources.scale {
        errors.extend(scale::check(paths, part, object));
    }
    let Some(schema) = resource.schema.as_deref() else { return errors };
    if part == Part::Whole {
        errors.extend(embedded(object, schema));
    }
    errors.extend(match old {
        Some(old) => schema::lists::validate_update(object, old, schema, &Path::ROOT),
        None => schema::lists::validate(object, schema, &Path::ROOT),
    });
    let Some(rules) = resource.rules.as_deref() else { return errors };
    // An object that is so wrong that rules would only add confusion is not shown to them.
    match (cel::blocked(&errors), rules) {
        (Some(blocked), _) => errors.push(blocked),
        (None, Ok(rules)) => {
            let found = rules.validate(object, old, &Path::ROOT, cel::OBJECT_BUDGET);
            errors.extend(found.errors);
            found.warnings.into_iter().for_each(|warning| warnings.add(warning));
        }
        (None, Err(wrong)) => errors.extend(wrong.iter().cloned()),
    }
    errors
}

/// What is wrong with the metadata of resources within the object.
fn embedded(object: &Value, schema: &Schema) -> Vec<FieldError> {
    schema::metadata::validate_embedded(object, schema, &Path::ROOT, &|resource, path| {
        let mut metadata = resource.clone();
        if let Some(fields) = metadata.as_object_mut() {
            // What is embedded needs no name.
            fields.entry("name").or_insert_with(|| "fakename".into());
        }
        let namespaced = resource.get("namespace").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        // The checks name fields from the root of what they are given.
        meta::validate::create(&serde_json::json!({ "metadata": metadata }), namespaced, NameRule::PathSegment)
            .into_iter()
            .map(|error| {
                let below = error.field.strip_prefix("metadata").unwrap_or(&error.field);
                FieldError { field: format!("{path}{below}"), ..error }
            })
            .collect()
    })
}

/// `ValidateTypeMeta` of `customresource/validator.go`.
fn wrong_type(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = object::text(object, "kind");
    if kind != resource.kind {
        errors.push(FieldError::invalid(&Path::ROOT.child("kind"), kind, format!("must be {}", resource.kind)));
    }
    let (version, expected) = (object::text(object, "apiVersion"), resource.api_version());
    if version != expected {
        errors.push(FieldError::invalid(&Path::ROOT.child("apiVersion"), version, format!("must be {expected}")));
    }
    errors
}
