//! The versions of a definition: schema, subresources, printer columns, selectable fields.

use apimachinery::cel;
use apimachinery::field::{FieldError, Path};
use apimachinery::meta::names;
use apimachinery::schema::{Schema, structural};
use serde::Deserialize as _;
use serde_json::Value;

use super::Leniency;
use crate::validation::{given, items, text};

const MOST_SELECTABLE: usize = 8;

/// Whether all versions say the same of `field`, which then stands in `spec` in Kubernetes' internal form.
fn is_common(spec: &Value, field: &str) -> bool {
    let versions = items(spec, "versions");
    let first = versions.first().and_then(|version| said(version, field));
    versions.iter().all(|version| said(version, field) == first)
}

/// What a version says of `field`; an empty list says nothing.
fn said<'a>(version: &'a Value, field: &str) -> Option<&'a Value> {
    given(version, field).filter(|value| value.as_array().is_none_or(|list| !list.is_empty()))
}

fn schema_of(version: &Value) -> Option<&Value> {
    given(version, "schema").and_then(|schema| given(schema, "openAPIV3Schema"))
}

fn has_status(version: &Value) -> bool {
    given(version, "subresources").is_some_and(|subresources| given(subresources, "status").is_some())
}

/// Each version needs a schema; one that was stored without may stay so as long as it is not served.
pub(super) fn schemas_are_there(spec: &Value, leniency: Leniency<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let without = |version: &Value| schema_of(version).is_none();
    let old_is_whole = leniency
        .old
        .is_none_or(|old| !old.get("spec").map(|spec| items(spec, "versions")).unwrap_or_default().iter().any(without));
    let preserves = spec.get("preserveUnknownFields").and_then(Value::as_bool) == Some(true);
    let list = path.child("versions");
    for (index, version) in items(spec, "versions").iter().enumerate().filter(|(_, version)| without(version)) {
        let at = list.index(index);
        let at = at.child("schema");
        let at = at.child("openAPIV3Schema");
        if old_is_whole {
            errors.push(FieldError::required(&at, ""));
        } else if !preserves && version.get("served").and_then(Value::as_bool) == Some(true) {
            errors.push(FieldError::required(&at, "because otherwise all fields are pruned"));
        }
    }
}

/// Checks what is each version's own.
pub(super) fn check_each(spec: &Value, leniency: Leniency<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (schema, subresources, columns, selectable) = (
        !is_common(spec, "schema"),
        !is_common(spec, "subresources"),
        !is_common(spec, "additionalPrinterColumns"),
        !is_common(spec, "selectableFields"),
    );
    let list = path.child("versions");
    for (index, version) in items(spec, "versions").iter().enumerate() {
        let at = list.index(index);
        let name = text(version, "name");
        let form = names::dns1035_label(name);
        if !form.is_empty() {
            errors.push(FieldError::invalid(&at.child("name"), name, form.join(",")));
        }
        deprecation(version, &at, errors);
        if schema {
            let stored = is_stored(leniency, version);
            check_schema(version, has_status(version), stored, &at.child("schema"), errors);
        }
        if subresources && let Some(own) = given(version, "subresources") {
            check_subresources(own, &at.child("subresources"), errors);
        }
        if columns {
            check_columns(version, &at, errors);
        }
        if selectable && said(version, "selectableFields").is_some() {
            // In the internal form a version's own fields are looked up in the version's own schema.
            if schema && schema_of(version).is_some() {
                check_selectable(version, stored_version(leniency, name), &at, errors);
            } else {
                let words = "may only be set when `version.schema.openAPIV3Schema` is not included";
                errors.push(FieldError::invalid(&at.child("selectableFields"), "", words));
            }
        }
    }
}

/// Checks what all versions have in common.
pub(super) fn check_common(spec: &Value, leniency: Leniency<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(first) = items(spec, "versions").first() else { return };
    let any_status = items(spec, "versions").iter().any(has_status);
    let common_schema = is_common(spec, "schema");
    if common_schema {
        let stored = is_stored(leniency, first);
        check_schema(first, any_status, stored, &path.child("validation"), errors);
    }
    if is_common(spec, "subresources")
        && let Some(own) = given(first, "subresources")
    {
        check_subresources(own, &path.child("subresources"), errors);
    }
    if is_common(spec, "additionalPrinterColumns") {
        check_columns(first, path, errors);
    }
    if is_common(spec, "selectableFields") && said(first, "selectableFields").is_some() {
        if common_schema && given(first, "schema").is_some() {
            check_selectable(first, stored_version(leniency, text(first, "name")), path, errors);
        } else {
            let words = "may only be set when validations.schema is included";
            errors.push(FieldError::invalid(&path.child("selectableFields"), "", words));
        }
    }
}

fn stored_version<'a>(leniency: Leniency<'a>, name: &str) -> Option<&'a Value> {
    items(leniency.old?.get("spec")?, "versions").iter().find(|version| text(version, "name") == name)
}

fn deprecation(version: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(warning) = given(version, "deprecationWarning").and_then(Value::as_str) else { return };
    let at = path.child("deprecationWarning");
    let mut add = |words: String| errors.push(FieldError::invalid(&at, warning, words));
    if version.get("deprecated").and_then(Value::as_bool) != Some(true) {
        add("can only be set for deprecated versions".to_owned());
        return;
    }
    if warning.len() > 256 {
        add("must be <= 256 characters long".to_owned());
    }
    if warning.is_empty() {
        add("must not be an empty string".to_owned());
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| c.is_control() || (c.is_whitespace() && *c != ' ')) {
        add(format!("must only contain printable UTF-8 characters; non-printable character found at index {index}"));
    }
}

/// Whether the version's schema is the one that is stored.
fn is_stored(leniency: Leniency<'_>, version: &Value) -> bool {
    stored_version(leniency, text(version, "name")).is_some_and(|old| schema_of(old) == schema_of(version))
}

fn check_schema(version: &Value, status: bool, stored: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(tree) = schema_of(version) else { return };
    match Schema::deserialize(tree) {
        Ok(schema) => {
            let found = structural::check(&schema, structural::Place { path, status });
            // What a rule can say of a schema that is wrong itself helps nobody.
            if found.is_empty() {
                errors.extend(cel::check(&schema, &path.child("openAPIV3Schema"), stored));
            }
            errors.extend(found);
        }
        Err(error) => errors.push(FieldError::invalid(&path.child("openAPIV3Schema"), "", error.to_string())),
    }
}

fn check_subresources(own: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(scale) = given(own, "scale") else { return };
    let at = path.child("scale");
    for (field, beginning) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let value = text(scale, field);
        let at = at.child(field);
        if value.is_empty() {
            errors.push(FieldError::required(&at, ""));
        } else if simple_path(value, &at, errors) && !value.starts_with(beginning) {
            let words = format!("should be a json path under {}", beginning.trim_end_matches('.'));
            errors.push(FieldError::invalid(&at, value, words));
        }
    }
    let selector = text(scale, "labelSelectorPath");
    let at = at.child("labelSelectorPath");
    if !selector.is_empty()
        && simple_path(selector, &at, errors)
        && !selector.starts_with(".spec.")
        && !selector.starts_with(".status.")
    {
        let words = "should be a json path under either .spec or .status";
        errors.push(FieldError::invalid(&at, selector, words));
    }
}

/// Whether a path, which is not empty, is of the simple form.
fn simple_path(value: &str, at: &Path<'_>, errors: &mut Vec<FieldError>) -> bool {
    let simple = value.starts_with('.');
    if !simple {
        errors.push(FieldError::invalid(at, value, "must be a simple json path starting with ."));
    }
    simple
}

fn check_columns(owner: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    let list = path.child("additionalPrinterColumns");
    for (index, column) in items(owner, "additionalPrinterColumns").iter().enumerate() {
        let at = list.index(index);
        if text(column, "name").is_empty() {
            errors.push(FieldError::required(&at.child("name"), ""));
        }
        let kind = text(column, "type");
        let words = || format!("must be one of {}", TYPES.join(","));
        if kind.is_empty() {
            errors.push(FieldError::required(&at.child("type"), words()));
        } else if !TYPES.contains(&kind) {
            errors.push(FieldError::invalid(&at.child("type"), kind, words()));
        }
        let format = text(column, "format");
        if !format.is_empty() && !FORMATS.contains(&format) {
            let words = format!("must be one of {}", FORMATS.join(","));
            errors.push(FieldError::invalid(&at.child("format"), format, words));
        }
        let json_path = text(column, "jsonPath");
        let at = at.child("JSONPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(&at, ""));
        } else {
            simple_path(json_path, &at, errors);
        }
    }
}

fn check_selectable(version: &Value, stored: Option<&Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let fields = items(version, "selectableFields");
    let list = path.child("selectableFields");
    let schema = schema_of(version);
    let mut seen: Vec<&str> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let at = list.index(index);
        let at = at.child("jsonPath");
        let json_path = text(field, "jsonPath");
        if json_path.is_empty() {
            errors.push(FieldError::required(&at, ""));
            continue;
        }
        let kind = match field_type(json_path, schema) {
            Ok(kind) => kind,
            Err(words) => {
                errors.push(FieldError::invalid(&at, json_path, format!("is an invalid path: {words}")));
                continue;
            }
        };
        if json_path == ".metadata" || json_path.starts_with(".metadata.") {
            errors.push(FieldError::invalid(&at, json_path, "must not point to fields in metadata"));
        }
        if !matches!(kind, "string" | "boolean" | "integer") {
            let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(&at, json_path, words));
        }
        if seen.contains(&json_path) {
            errors.push(FieldError::duplicate(&at, json_path));
        } else {
            seen.push(json_path);
        }
    }
    let kept = stored.is_some_and(|stored| {
        items(stored, "selectableFields").len() > MOST_SELECTABLE && items(stored, "selectableFields") == fields
    });
    if seen.len() > MOST_SELECTABLE && !kept {
        errors.push(FieldError::too_many(&list, seen.len(), MOST_SELECTABLE));
    }
}

/// The type of the field that a path in dots stands for (`cel.ValidFieldPath` without array notation).
fn field_type<'a>(json_path: &str, schema: Option<&'a Value>) -> Result<&'a str, String> {
    const DELIMITERS: [char; 3] = ['.', '[', ']'];
    let nowhere = || "does not refer to a valid field".to_owned();
    let mut schema = schema.ok_or_else(nowhere)?;
    let mut rest = json_path;
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            return Err("array notation is not allowed".to_owned());
        }
        let Some(after) = rest.strip_prefix('.') else {
            let token = rest.split(DELIMITERS).next().filter(|token| !token.is_empty()).unwrap_or("]");
            return Err(format!("expected [ or . but got: {token}"));
        };
        let end = match after.find(DELIMITERS) {
            Some(0) => 1,
            Some(end) => end,
            None if after.is_empty() => return Err("unexpected end of JSON path".to_owned()),
            None => after.len(),
        };
        // INVARIANT: the end is that of a character, delimiters are of one byte.
        let (name, left) = after.split_at_checked(end).unwrap_or((after, ""));
        rest = left;
        schema = match (given(schema, "properties"), given(schema, "additionalProperties")) {
            (Some(properties), _) => properties.get(name).ok_or_else(nowhere)?,
            (None, Some(values)) if values.is_object() => values,
            _ => return Err(nowhere()),
        };
    }
    Ok(text(schema, "type"))
}
