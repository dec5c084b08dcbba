//! What differs between two values: `structured-merge-diff/typed/compare.go`.

use serde_json::{Map, Value};

use super::element::Element;
use super::scalar;
use super::set::{FieldSet, Node};
use super::types::{ListKind, ListType, MapType, Shape, Type};

/// The fields that differ. None stands in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

impl Comparison {
    /// Without these fields and what is within them.
    pub(super) fn without(self, fields: &FieldSet) -> Self {
        if fields.is_empty() {
            return self;
        }
        Self {
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            added: self.added.recursive_difference(fields),
        }
    }

    /// What is new or another.
    pub(super) fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }
}

/// Compares two objects of one type.
pub(super) fn compare(of: Type<'_>, before: &Value, after: &Value) -> Comparison {
    differ(of, Some(before), Some(after)).within
}

/// What became of a field itself.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Change {
    #[default]
    None,
    Removed,
    Modified,
    Added,
}

#[derive(Default)]
struct Difference {
    own: Change,
    within: Comparison,
}

fn differ(of: Type<'_>, before: Option<&Value>, after: Option<&Value>) -> Difference {
    let old = of.shape(before);
    let new = of.shape(after);
    let same = std::mem::discriminant(&old) == std::mem::discriminant(&new);
    let (first, second) = match (before, after) {
        (_, None) => (None, old),
        (None, _) => (None, new),
        _ if same => (None, new),
        // A value that became one of another form goes as the one and comes as the other.
        _ => (Some(old), new),
    };
    let mut difference = differ_as(second, before, after);
    if let Some(first) = first {
        let gone = differ_as(first, before, after);
        if difference.own == Change::None {
            difference.own = gone.own;
        }
        let Comparison { removed, modified, added } = gone.within;
        difference.within.removed = difference.within.removed.union(&removed);
        difference.within.modified = difference.within.modified.union(&modified);
        difference.within.added = difference.within.added.union(&added);
    }
    if difference.own == Change::None {
        difference.own = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::None,
        };
    }
    difference
}

fn differ_as(shape: Shape<'_>, before: Option<&Value>, after: Option<&Value>) -> Difference {
    let within = match shape {
        Shape::Scalar(_) => return leaf(before, after),
        Shape::Map(map) => {
            let old = before.and_then(Value::as_object);
            let new = after.and_then(Value::as_object);
            if map.atomic || (old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty)) {
                return leaf(before, after);
            }
            maps(map, old, new)
        }
        Shape::List(list) => {
            let old = before.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let new = after.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if matches!(list.kind, ListKind::Atomic) || (old.is_empty() && new.is_empty()) {
                return leaf(before, after);
            }
            lists(list, old, new)
        }
        Shape::Invalid => Comparison::default(),
    };
    Difference { own: Change::None, within }
}

fn leaf(before: Option<&Value>, after: Option<&Value>) -> Difference {
    let own = match (before, after) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        (Some(before), Some(after)) if scalar::equal(before, after) => Change::None,
        _ => Change::Modified,
    };
    Difference { own, within: Comparison::default() }
}

/// The three sets of one map or list while it is walked.
#[derive(Default)]
struct Nodes {
    removed: Vec<Node>,
    modified: Vec<Node>,
    added: Vec<Node>,
}

impl Nodes {
    fn add(&mut self, element: &Element, difference: Difference) {
        let Difference { own, within } = difference;
        let push = |nodes: &mut Vec<Node>, change: Change, children: FieldSet| {
            let member = own == change;
            if member || !children.is_empty() {
                nodes.push(Node { element: element.clone(), member, children });
            }
        };
        push(&mut self.removed, Change::Removed, within.removed);
        push(&mut self.modified, Change::Modified, within.modified);
        push(&mut self.added, Change::Added, within.added);
    }

    fn mark(&mut self, element: &Element, own: Change) {
        self.add(element, Difference { own, within: Comparison::default() });
    }

    fn done(self) -> Comparison {
        Comparison {
            removed: FieldSet::from_nodes(self.removed),
            modified: FieldSet::from_nodes(self.modified),
            added: FieldSet::from_nodes(self.added),
        }
    }
}

fn maps(map: MapType<'_>, before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Comparison {
    let mut nodes = Nodes::default();
    for (name, old) in before.into_iter().flatten() {
        let new = after.and_then(|after| after.get(name));
        // Most fields of an update are as they were.
        if new != Some(old) {
            nodes.add(&Element::field(name), differ(map.field(name), Some(old), new));
        }
    }
    for (name, new) in after.into_iter().flatten() {
        if before.is_none_or(|before| !before.contains_key(name)) {
            nodes.add(&Element::field(name), differ(map.field(name), None, Some(new)));
        }
    }
    nodes.done()
}

fn lists(list: ListType<'_>, before: &[Value], after: &[Value]) -> Comparison {
    let mut nodes = Nodes::default();
    if before == after {
        return nodes.done();
    }
    let (before, after) = (groups(list, before), groups(list, after));
    let mut before = before.into_iter().peekable();
    let mut after = after.into_iter().peekable();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => old.0.cmp(&new.0),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return nodes.done(),
        };
        let old = if order.is_le() { before.next() } else { None };
        let new = if order.is_ge() { after.next() } else { None };
        let old_items = old.as_ref().map_or(&[][..], |group| group.1.as_slice());
        let new_items = new.as_ref().map_or(&[][..], |group| group.1.as_slice());
        // INVARIANT: one of both is there.
        let Some(element) = old.as_ref().or(new.as_ref()).map(|group| group.0.clone()) else { continue };
        match (old_items, new_items) {
            ([] | [_], [] | [_]) => {
                let (old, new) = (old_items.first().copied(), new_items.first().copied());
                nodes.add(&element, differ(list.items, old, new));
            }
            // Items that stand there twice are one leaf.
            ([_, _, ..], [_, _, ..]) => {
                let same = old_items.len() == new_items.len()
                    && old_items.iter().zip(new_items).all(|(old, new)| scalar::equal(old, new));
                if !same {
                    nodes.mark(&element, Change::Modified);
                }
            }
            ([_, _, ..], one) => {
                if let Some(new) = one.first() {
                    nodes.add(&element, differ(list.items, None, Some(new)));
                }
                nodes.mark(&element, Change::Removed);
            }
            (one, _) => {
                if let Some(old) = one.first() {
                    nodes.add(&element, differ(list.items, Some(old), None));
                }
                nodes.mark(&element, Change::Added);
            }
        }
    }
}

/// The items of a list by their element, in order.
fn groups<'v>(list: ListType<'_>, items: &'v [Value]) -> Vec<(Element, Vec<&'v Value>)> {
    let mut elements: Vec<(Element, &Value)> =
        items.iter().filter_map(|item| Some((list.element(item).ok()?, item))).collect();
    elements.sort_by(|left, right| left.0.cmp(&right.0));
    let mut groups: Vec<(Element, Vec<&Value>)> = Vec::with_capacity(elements.len());
    for (element, item) in elements {
        match groups.last_mut() {
            Some(group) if group.0 == element => group.1.push(item),
            _ => groups.push((element, vec![item])),
        }
    }
    groups
}
