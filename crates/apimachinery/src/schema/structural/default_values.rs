//! Defaults must be what the schema allows, with nothing in them that it does not name.

use serde_json::Value;

use crate::field::{FieldError, Path};
use crate::schema::prune::{default_of, prune, prune_value};
use crate::schema::validate::Validator;
use crate::schema::{Schema, metadata};

pub(super) fn check(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    check_schema(schema, path, false, errors);
}

fn check_schema(schema: &Schema, path: &Path<'_>, inside_metadata: bool, errors: &mut Vec<FieldError>) {
    let inside_metadata = inside_metadata && !schema.embedded_resource;
    if let Some(default) = default_of(schema) {
        check_default(default, schema, &path.child("default"), inside_metadata, errors);
    }
    // Below additionalProperties the API's own check forbids what cannot be told.
    if let Some(item) = schema.item() {
        check_schema(item, &path.child("items"), inside_metadata, errors);
    }
    for (name, property) in &schema.properties {
        let metadata = schema.embedded_resource && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        check_schema(property, &path.child("properties").key(name), inside_metadata || metadata, errors);
    }
}

fn check_default(
    default: &Value,
    schema: &Schema,
    path: &Path<'_>,
    inside_metadata: bool,
    errors: &mut Vec<FieldError>,
) {
    if !inside_metadata {
        let mut pruned = default.clone();
        let unknown =
            if schema.embedded_resource { prune(&mut pruned, schema) } else { prune_value(&mut pruned, schema) };
        if !unknown.is_empty() {
            errors.push(FieldError::invalid(path, default.clone(), "must not have unknown fields"));
        }
        if let Err(mut error) = metadata::coerce_embedded(&mut pruned, schema) {
            error.field = format!("{path}.{}", error.field);
            errors.push(error);
            return;
        }
        let found = metadata::validate_embedded(default, schema, path, &|_, _| Vec::new());
        if !found.is_empty() {
            errors.extend(found);
            return;
        }
    }
    errors.extend(Validator::new(schema).validate(default, path));
}
