//! Sets that were made under another schema: `structured-merge-diff/typed/reconcile_schema.go`.

use std::borrow::Cow;

use super::element::Element;
use super::set::{FieldSet, Node};
use super::types::{ListKind, Shape, Type};

/// The set under the type as it is now: who owned fields of a map or list that became atomic owns the whole.
pub(super) fn reconcile<'f>(set: &'f FieldSet, of: Type<'_>) -> Cow<'f, FieldSet> {
    inner(set, of).map_or(Cow::Borrowed(set), Cow::Owned)
}

/// None if nothing changes.
fn inner(set: &FieldSet, of: Type<'_>) -> Option<FieldSet> {
    let mut changed: Option<Vec<Node>> = None;
    for (index, node) in set.nodes().iter().enumerate() {
        let replaced = child(node, of);
        match (&mut changed, replaced) {
            (None, None) => {}
            (Some(nodes), replaced) => nodes.push(replaced.unwrap_or_else(|| node.clone())),
            (None, Some(replaced)) => {
                let mut nodes: Vec<Node> = set.nodes().iter().take(index).cloned().collect();
                nodes.push(replaced);
                changed = Some(nodes);
            }
        }
    }
    changed.map(FieldSet::from_nodes)
}

fn child(node: &Node, of: Type<'_>) -> Option<Node> {
    let within = match of.shape(None) {
        Shape::Map(map) if map.is_free() => return None,
        Shape::Map(map) => match &node.element {
            Element::Field(name) => map.field(name),
            _ => map.other(),
        },
        Shape::List(list) => list.items,
        Shape::Scalar(_) | Shape::Invalid => return None,
    };
    if matches!(within, Type::Undeclared) {
        return None;
    }
    let whole = node.member && node.children.is_empty();
    let became_atomic = match within.shape(None) {
        Shape::Map(map) => !map.is_free() && map.atomic && !node.children.is_empty(),
        Shape::List(list) => matches!(list.kind, ListKind::Atomic),
        Shape::Scalar(_) | Shape::Invalid => return None,
    };
    if became_atomic && !whole {
        return Some(Node { element: node.element.clone(), member: true, children: FieldSet::new() });
    }
    let children = inner(&node.children, within)?;
    Some(Node { element: node.element.clone(), member: node.member, children })
}
