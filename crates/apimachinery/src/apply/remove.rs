//! A value without some of its fields, and sets with the fields that a type names: `structured-merge-diff/typed/remove.go` and
//! `EnsureNamedFieldsAreMembers`.

use serde_json::{Map, Value};

use super::element::Element;
use super::set::{FieldSet, Node};
use super::types::{ListKind, ListType, MapType, Shape, Type};

/// The value without these fields and items. What is left without any becomes null, as does an atomic value that has some in the
/// set.
pub(super) fn remove(of: Type<'_>, value: &Value, fields: &FieldSet) -> Value {
    match (of.shape(Some(value)), value) {
        (Shape::Scalar(_), value) => value.clone(),
        (Shape::Map(map), Value::Object(values)) if !map.atomic => from_map(map, values, fields),
        (Shape::List(list), Value::Array(items)) if !matches!(list.kind, ListKind::Atomic) => {
            from_list(list, items, fields)
        }
        _ => Value::Null,
    }
}

fn from_map(map: MapType<'_>, values: &Map<String, Value>, fields: &FieldSet) -> Value {
    let mut kept = Map::new();
    for (name, value) in values {
        let value = match fields.field(name) {
            Some(node) if node.member => continue,
            Some(node) if !node.children.is_empty() => remove(map.field(name), value, &node.children),
            _ => value.clone(),
        };
        kept.insert(name.clone(), value);
    }
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

fn from_list(list: ListType<'_>, items: &[Value], fields: &FieldSet) -> Value {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let node = list.element(item).ok().and_then(|element| fields.node(&element));
        let item = match node {
            Some(node) if node.member => continue,
            Some(node) if !node.children.is_empty() => remove(list.items, item, &node.children),
            _ => item.clone(),
        };
        kept.push(item);
    }
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}

/// The set with each field that the type names and that has something in the set within it.
pub(super) fn with_named(set: &FieldSet, of: Type<'_>) -> FieldSet {
    let map = match of.shape(Some(&Value::Object(Map::new()))) {
        Shape::Map(map) => Some(map),
        _ => None,
    };
    let list = match of.shape(Some(&Value::Array(Vec::new()))) {
        Shape::List(list) => Some(list),
        _ => None,
    };
    let nodes = set.nodes().iter().map(|node| {
        let (named, within) = match (&node.element, map, list) {
            (Element::Field(name), Some(map), _) => {
                let named = map.named(name);
                (named.is_some(), named.unwrap_or_else(|| map.other()))
            }
            (Element::Key(_), _, Some(list)) => (false, list.items),
            _ => (false, Type::Undeclared),
        };
        Node {
            element: node.element.clone(),
            member: node.member || (named && !node.children.is_empty()),
            children: with_named(&node.children, within),
        }
    });
    FieldSet::from_nodes(nodes.collect())
}
