//! What a junctor speaks of must be there outside of it.

use crate::field::{FieldError, Path};
use crate::schema::Schema;

pub(super) fn check(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    check_junctors(schema, Some(schema), path, path, errors);
}

/// `validation` stands at `at`; the schema whose values it is about is `schema`, at `path`.
fn check_junctors(
    validation: &Schema,
    schema: Option<&Schema>,
    path: &Path<'_>,
    at: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if let Some(not) = &validation.not {
        check_nested(not, schema, path, &at.child("not"), errors);
    }
    for (name, junctor) in [("allOf", &validation.all_of), ("anyOf", &validation.any_of), ("oneOf", &validation.one_of)]
    {
        for (index, nested) in junctor.iter().enumerate() {
            check_nested(nested, schema, path, &at.child(name).index(index), errors);
        }
    }
}

fn check_nested(
    validation: &Schema,
    schema: Option<&Schema>,
    path: &Path<'_>,
    at: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let Some(schema) = schema else {
        errors.push(FieldError::required(path, format!("because it is defined in {at}")));
        return;
    };
    check_junctors(validation, Some(schema), path, at, errors);
    if let Some(item) = validation.item() {
        check_nested(item, schema.item(), &path.child("items"), &at.child("items"), errors);
    }
    for (name, property) in &validation.properties {
        let (path, at) = (path.child("properties"), at.child("properties"));
        check_nested(property, schema.properties.get(name), &path.key(name), &at.key(name), errors);
    }
}
