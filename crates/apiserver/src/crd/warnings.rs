//! What a definition's writer is warned of: `WarningsOnCreate` and `WarningsOnUpdate` of `customresourcedefinition/strategy.go`.

use std::collections::BTreeSet;

use apimachinery::schema::format::Format;
use serde_json::Value;

/// What to say of a definition; what `old` had already is not said again.
pub(crate) fn of(definition: &Value, old: Option<&Value>) -> Vec<String> {
    let known: BTreeSet<String> = old.into_iter().flat_map(formats).collect();
    let mut new: Vec<String> = formats(definition).into_iter().filter(|format| !known.contains(format)).collect();
    if old.is_some() {
        new.sort();
    }
    let mut warnings: Vec<String> = new.into_iter().map(|format| format!("unrecognized format {format:?}")).collect();
    let known = old.map(sets).unwrap_or_default();
    warnings.extend(sets(definition).difference(&known).map(|kind| {
        format!(
            "x-kubernetes-list-type: set for items of type {kind:?} is not supported by server-side apply or CEL validation rules"
        )
    }));
    warnings
}

/// The formats that are not known.
fn formats(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each(definition, &mut |schema| {
        let format = text(schema, "format");
        let known = match text(schema, "type") {
            "" | "string" => Format::parse(format).is_some(),
            "integer" => matches!(format, "int32" | "int64"),
            "number" => matches!(format, "float" | "double"),
            _ => false,
        };
        if !format.is_empty() && !known {
            found.push(format.to_owned());
        }
    });
    found
}

/// The types of items of which there are sets, though they are no scalars.
fn sets(definition: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    each(definition, &mut |schema| {
        let item = schema.get("items").map_or("", |item| text(item, "type"));
        if text(schema, "x-kubernetes-list-type") == "set" && matches!(item, "object" | "array") {
            found.insert(item.to_owned());
        }
    });
    found
}

fn each(definition: &Value, visit: &mut impl FnMut(&Value)) {
    for version in definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten() {
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            walk(schema, visit);
        }
    }
}

fn walk(schema: &Value, visit: &mut impl FnMut(&Value)) {
    if !schema.is_object() {
        return;
    }
    visit(schema);
    for one in ["items", "additionalProperties", "additionalItems", "not"] {
        schema.get(one).into_iter().for_each(|schema| walk(schema, visit));
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        schema.get(list).and_then(Value::as_array).into_iter().flatten().for_each(|schema| walk(schema, visit));
    }
    for map in ["properties", "patternProperties", "definitions"] {
        schema.get(map).and_then(Value::as_object).into_iter().flatten().for_each(|(_, schema)| walk(schema, visit));
    }
}

fn text<'a>(schema: &'a Value, field: &str) -> &'a str {
    schema.get(field).and_then(Value::as_str).unwrap_or_default()
}
