//! A value with another one merged into it: `structured-merge-diff/typed/merge.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::types::{ListKind, ListType, MapType, Shape, Type};

/// The live object with what the applied one says. Nothing is removed.
///
/// INVARIANT: both are of the type, and the applied one holds no item twice.
pub(super) fn merge(of: Type<'_>, live: &Value, applied: &Value) -> Value {
    merged(of, Some(live), Some(applied)).unwrap_or_default()
}

fn merged(of: Type<'_>, live: Option<&Value>, applied: Option<&Value>) -> Option<Value> {
    let leaf = || applied.or(live).cloned();
    match of.shape(if applied.is_some() { applied } else { live }) {
        Shape::Scalar(_) | Shape::Invalid => leaf(),
        Shape::Map(map) => {
            let old = live.and_then(Value::as_object);
            let new = applied.and_then(Value::as_object);
            if map.atomic || (old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty)) {
                return leaf();
            }
            let result = maps(map, old, new);
            (!result.is_empty()).then_some(Value::Object(result))
        }
        Shape::List(list) => {
            let old = live.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let new = applied.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if matches!(list.kind, ListKind::Atomic) || (old.is_empty() && new.is_empty()) {
                return leaf();
            }
            let result = lists(list, old, new);
            (!result.is_empty()).then_some(Value::Array(result))
        }
    }
}

fn maps(
    map: MapType<'_>,
    live: Option<&Map<String, Value>>,
    applied: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut result = Map::new();
    for (name, old) in live.into_iter().flatten() {
        let value = match applied.and_then(|applied| applied.get(name)) {
            Some(new) => merged(map.field(name), Some(old), Some(new)),
            None => Some(old.clone()),
        };
        if let Some(value) = value {
            result.insert(name.clone(), value);
        }
    }
    for (name, new) in applied.into_iter().flatten() {
        let is_new = live.is_none_or(|live| !live.contains_key(name));
        if is_new && let Some(value) = merged(map.field(name), None, Some(new)) {
            result.insert(name.clone(), value);
        }
    }
    result
}

/// Items keep the live order as far as the applied list does not ask for another.
fn lists(list: ListType<'_>, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<Element> { items.iter().filter_map(|item| list.element(item).ok()).collect() };
    let (old_steps, new_steps) = (steps(live), steps(applied));
    // An item that stands there twice cannot be merged with: the applied one takes its place.
    let mut old_values: BTreeMap<&Element, &Value> = BTreeMap::new();
    for (step, item) in old_steps.iter().zip(live) {
        old_values.entry(step).and_modify(|value| *value = &Value::Null).or_insert(item);
    }
    let new_values: BTreeMap<&Element, &Value> = new_steps.iter().zip(applied).collect();
    let mut shared = new_steps.iter().filter(|step| old_values.contains_key(step));
    let mut next_shared = shared.next();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut out = Vec::with_capacity(live.len().max(applied.len()));
    let mut old = old_steps.iter().zip(live).peekable();
    let mut new = new_steps.iter().peekable();
    while old.peek().is_some() || new.peek().is_some() {
        if let (Some((step, _)), Some(wanted)) = (old.peek().copied(), new.peek().copied()) {
            if step == wanted {
                done.insert(step);
                out.extend(merged(list.items, old_values.get(step).copied(), new_values.get(step).copied()));
                old.next();
                new.next();
                next_shared = shared.next();
                continue;
            }
            if new_values.contains_key(step) && next_shared.is_some_and(|next| next != step) {
                // It is in both, and not the one whose turn it is.
                old.next();
                continue;
            }
        }
        if let Some((step, item)) = old.peek().copied() {
            if !new_values.contains_key(step) {
                out.push(item.clone());
                old.next();
                continue;
            }
            if done.contains(step) {
                old.next();
            }
        }
        if let Some(step) = new.next() {
            done.insert(step);
            out.extend(merged(list.items, old_values.get(step).copied(), new_values.get(step).copied()));
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    out
}
