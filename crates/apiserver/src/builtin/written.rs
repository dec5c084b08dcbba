//! Fields that Go writes though they hold nothing: those without `omitempty`, and structures that are no pointers.

use serde_json::{Map, Value, json};

use super::Definition;

/// Adds them to an object, or to nothing.
pub fn complete(definition: &Definition, object: &mut Value) {
    let fields: &[(&str, Value)] = match (definition.group, definition.kind) {
        ("", "Event") => &[
            ("involvedObject", json!({})),
            ("source", json!({})),
            ("firstTimestamp", Value::Null),
            ("lastTimestamp", Value::Null),
            ("eventTime", Value::Null),
            ("reportingComponent", json!("")),
            ("reportingInstance", json!("")),
        ],
        ("events.k8s.io", "Event") => &[
            ("eventTime", Value::Null),
            ("regarding", json!({})),
            ("deprecatedSource", json!({})),
            ("deprecatedFirstTimestamp", Value::Null),
            ("deprecatedLastTimestamp", Value::Null),
        ],
        (_, "ClusterRole" | "Role") => &[("rules", Value::Null)],
        (_, "TokenReview") => {
            if let Some(status) = object.get_mut("status") {
                add(status, &[("user", json!({}))]);
            }
            return;
        }
        (_, "Namespace") => {
            let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                add(condition, &[("lastTransitionTime", Value::Null)]);
            }
            return;
        }
        (_, "CustomResourceDefinition") => {
            for part in ["spec", "status"] {
                add(object, &[(part, json!({}))]);
            }
            if let Some(spec) = object.get_mut("spec") {
                let none = Value::Null;
                add(spec, &[("group", json!("")), ("names", json!({})), ("scope", json!("")), ("versions", none)]);
                if let Some(names) = spec.get_mut("names") {
                    add(names, &[("plural", json!("")), ("kind", json!(""))]);
                }
            }
            if let Some(status) = object.get_mut("status") {
                let none = || Value::Null;
                add(status, &[("conditions", none()), ("acceptedNames", json!({})), ("storedVersions", none())]);
                if let Some(names) = status.get_mut("acceptedNames") {
                    add(names, &[("plural", json!("")), ("kind", json!(""))]);
                }
            }
            return;
        }
        _ => return,
    };
    add(object, fields);
}

fn add(object: &mut Value, fields: &[(&str, Value)]) {
    let Some(object) = object.as_object_mut() else { return };
    for (name, value) in fields {
        if object.get(*name).is_none_or(|there| there.is_null() && !value.is_null()) {
            object.insert((*name).to_owned(), value.clone());
        }
    }
}

/// What an object of the kind looks like before anything is written to it.
pub fn empty(definition: &Definition, parts: &[&str]) -> Map<String, Value> {
    let mut empty = Value::Object(parts.iter().map(|part| ((*part).to_owned(), json!({}))).collect());
    complete(definition, &mut empty);
    match empty {
        Value::Object(empty) => empty,
        _ => Map::new(),
    }
}
