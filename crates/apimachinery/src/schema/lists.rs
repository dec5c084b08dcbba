//! Lists that are sets or maps hold each item once: `pkg/apiserver/schema/listtype` of apiextensions-apiserver.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Schema;
use crate::field::{FieldError, Path};

/// Errors for items that stand twice in a list of type `set` or `map`, one for each item that is not the first.
pub fn validate(value: &Value, schema: &Schema, path: &Path<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    visit(value, schema, path, &mut errors);
    errors
}

/// As [`validate`]; an object that broke the rule before the update may go on to.
pub fn validate_update(new: &Value, old: &Value, schema: &Schema, path: &Path<'_>) -> Vec<FieldError> {
    if validate(old, schema, path).is_empty() { validate(new, schema, path) } else { Vec::new() }
}

fn visit(value: &Value, schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if let Some(property) = schema.properties.get(name) {
                    visit(value, property, &path.child(name), errors);
                } else if let Some(additional) = schema.additional() {
                    visit(value, additional, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            match schema.list_type.as_deref() {
                Some("set") => unique(items.iter(), path, errors),
                Some("map") => validate_map(items, &schema.list_map_keys, path, errors),
                _ => {}
            }
            if let Some(item) = schema.item() {
                for (index, value) in items.iter().enumerate() {
                    visit(value, item, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn validate_map(items: &[Value], keys: &[String], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some((index, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        let why = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(&path.index(index), item.clone(), why));
        return;
    }
    let keys: Vec<Value> = items.iter().map(|item| Value::Object(keys_of(item, keys))).collect();
    unique(keys.iter(), path, errors);
}

/// The keys of an item with their values; those not given are left out.
fn keys_of(item: &Value, keys: &[String]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect()
}

/// One error for the second of those that are equal; a third is not told again.
fn unique<'a>(items: impl Iterator<Item = &'a Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (index, item) in items.enumerate() {
        let times = seen.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            errors.push(FieldError::duplicate(&path.index(index), item.clone()));
        }
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "values are written where they are used")]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        serde_json::from_value(json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object"}},
            "two": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object"}},
            "deep": {"type": "object", "additionalProperties": {"type": "array", "x-kubernetes-list-type": "set"}}
        }}}}))
        .unwrap()
    }

    fn errors(spec: Value) -> Vec<String> {
        validate(&json!({ "spec": spec }), &schema(), &Path::ROOT).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_item_that_stands_twice_is_told_once() {
        assert_eq!(
            errors(json!({"set": ["a", "b", "a", "a", "b"]})),
            ["spec.set[2]: Duplicate value: \"a\"", "spec.set[4]: Duplicate value: \"b\""]
        );
        assert_eq!(
            errors(json!({"deep": {"k": [{"x": 1}, {"x": 1}]}})),
            ["spec.deep[k][1]: Duplicate value: {\"x\":1}"]
        );
    }

    #[test]
    fn items_of_a_map_are_told_by_their_keys() {
        assert_eq!(
            errors(json!({"map": [{"name": "a", "x": 1}, {"name": "a"}, {"x": 1}, {"x": 2}]})),
            ["spec.map[1]: Duplicate value: {\"name\":\"a\"}", "spec.map[3]: Duplicate value: {}"]
        );
        assert_eq!(
            errors(json!({"two": [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1}]})),
            ["spec.two[2]: Duplicate value: {\"a\":1,\"b\":1}"]
        );
    }

    #[test]
    fn an_item_of_a_map_is_an_object() {
        assert_eq!(
            errors(json!({"map": [{"name": "a"}, 5]})),
            ["spec.map[1]: Invalid value: 5: must be an object for an array of list-type map"]
        );
    }

    #[test]
    fn what_was_wrong_before_may_stay_wrong() {
        let (old, new) = (json!({"spec": {"set": ["a", "a"]}}), json!({"spec": {"set": ["a", "a", "b"]}}));
        assert!(validate_update(&new, &old, &schema(), &Path::ROOT).is_empty());
        let old = json!({"spec": {"set": ["a"]}});
        assert_eq!(validate_update(&new, &old, &schema(), &Path::ROOT).len(), 1);
    }
}
