//! The fields that a value has: `structured-merge-diff/typed/tofieldset.go`.

use serde_json::Value;

use super::element::Element;
use super::set::{FieldSet, Node};
use super::types::{ListKind, ListType, MapType, Shape, Type};

/// All leaf fields and items of a value.
pub(super) fn to_set(of: Type<'_>, value: &Value) -> FieldSet {
    fields(of, value).1
}

/// Whether the value is a leaf itself, and what is within it.
fn fields(of: Type<'_>, value: &Value) -> (bool, FieldSet) {
    match of.shape(Some(value)) {
        Shape::Scalar(_)
        | Shape::Map(MapType { atomic: true, .. })
        | Shape::List(ListType { kind: ListKind::Atomic, .. }) => (true, FieldSet::new()),
        Shape::Map(map) => (false, of_map(map, value)),
        Shape::List(list) => (false, of_list(list, value)),
        Shape::Invalid => (false, FieldSet::new()),
    }
}

fn of_map(map: MapType<'_>, value: &Value) -> FieldSet {
    let Value::Object(values) = value else { return FieldSet::new() };
    let mut nodes = Vec::with_capacity(values.len());
    for (name, value) in values {
        let named = map.named(name);
        let of = named.unwrap_or_else(|| map.other());
        let (leaf, children) = fields(of, value);
        let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        let member = leaf || empty || named.is_none();
        nodes.push(Node { element: Element::field(name), member, children });
    }
    FieldSet::from_nodes(nodes)
}

fn of_list(list: ListType<'_>, value: &Value) -> FieldSet {
    let Value::Array(items) = value else { return FieldSet::new() };
    let mut elements: Vec<(Element, &Value)> =
        items.iter().filter_map(|item| Some((list.element(item).ok()?, item))).collect();
    elements.sort_by(|left, right| left.0.cmp(&right.0));
    let mut nodes: Vec<Node> = Vec::with_capacity(elements.len());
    for (element, item) in elements {
        match nodes.last_mut() {
            // What stands there twice is owned as a whole.
            Some(node) if node.element == element => node.children = FieldSet::new(),
            _ => nodes.push(Node { element, member: true, children: fields(list.items, item).1 }),
        }
    }
    FieldSet::from_nodes(nodes)
}
