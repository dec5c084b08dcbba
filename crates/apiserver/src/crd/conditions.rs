//! The conditions of a `CustomResourceDefinition`.

use serde_json::{Value, json};

/// The condition of a type.
pub(super) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether a condition holds.
pub(super) fn is_true(conditions: &[Value], kind: &str) -> bool {
    find(conditions, kind).and_then(|condition| condition.get("status")).and_then(Value::as_str) == Some("True")
}

/// All conditions of a definition.
pub(super) fn of(definition: &Value) -> Vec<Value> {
    definition.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Sets a condition; its time changes with its status.
pub(super) fn set(definition: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    let Some(fields) = definition.as_object_mut() else { return };
    let part = fields.entry("status").or_insert_with(|| json!({}));
    let Some(part) = part.as_object_mut() else { return };
    let conditions = part.entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return };
    let now = Value::from(apimachinery::meta::time(jiff::Timestamp::now()));
    let since = find(conditions, kind)
        .filter(|old| old.get("status").and_then(Value::as_str) == Some(status))
        .and_then(|old| old.get("lastTransitionTime").cloned())
        .unwrap_or(now);
    let condition = json!({
        "type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message,
    });
    match conditions.iter_mut().find(|old| old.get("type").and_then(Value::as_str) == Some(kind)) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}
