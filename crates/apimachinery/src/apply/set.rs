//! Sets of fields: `structured-merge-diff/fieldpath/set.go`.

use std::cmp::Ordering;

use super::element::{Element, FieldPath};

/// A set of fields of an object. A field that is in the set need not have its parents in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    // INVARIANT: sorted by element, each once; a node is a member or has children.
    nodes: Vec<Node>,
}

/// A field that is in a set, or has fields in it that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) element: Element,
    /// Whether the field itself is in the set.
    pub(super) member: bool,
    pub(super) children: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.children.nodes.is_empty()
    }
}

impl FieldSet {
    /// The set of no fields.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// The fields at these paths of field names.
    pub fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// Whether no field is in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many fields are in it.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// Adds the field at `path`. The empty path is the whole object, which no set contains.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let index = match self.place(first) {
            Ok(index) => index,
            Err(index) => {
                let node = Node { element: first.clone(), member: false, children: Self::new() };
                self.nodes.insert(index, node);
                index
            }
        };
        let Some(node) = self.nodes.get_mut(index) else { return };
        if rest.is_empty() {
            node.member = true;
        } else {
            node.children.insert(rest);
        }
    }

    /// Whether the field at `path` is in it.
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        self.node(first).is_some_and(|node| if rest.is_empty() { node.member } else { node.children.has(rest) })
    }

    /// All fields: those of a map or list before what is within them.
    pub fn paths(&self) -> Vec<FieldPath> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<FieldPath>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            prefix.push(node.element.clone());
            paths.push(FieldPath(prefix.clone()));
            prefix.pop();
        }
        for node in &self.nodes {
            prefix.push(node.element.clone());
            node.children.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// The fields in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |left, right| match (left, right) {
            (Some(left), Some(right)) => Some((left.member || right.member, left.children.union(&right.children))),
            (Some(one), None) | (None, Some(one)) => Some((one.member, one.children.clone())),
            (None, None) => None,
        })
    }

    /// The fields in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |left, right| match (left, right) {
            (Some(left), Some(right)) => {
                Some((left.member && right.member, left.children.intersection(&right.children)))
            }
            _ => None,
        })
    }

    /// The fields in this and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |left, right| match (left, right) {
            (Some(left), Some(right)) => {
                Some((left.member && !right.member, left.children.difference(&right.children)))
            }
            (Some(left), None) => Some((left.member, left.children.clone())),
            (None, _) => None,
        })
    }

    /// Whether no field is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
            match one.element.cmp(&two.element) {
                Ordering::Less => drop(left.next()),
                Ordering::Greater => drop(right.next()),
                Ordering::Equal => {
                    if (one.member && two.member) || !one.children.is_disjoint(&two.children) {
                        return false;
                    }
                    left.next();
                    right.next();
                }
            }
        }
        true
    }

    /// The fields in this that are neither in `other` nor within a field that is.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.zip(other, |left, right| match (left, right) {
            (Some(_), Some(right)) if right.member => None,
            (Some(left), Some(right)) => Some((left.member, left.children.recursive_difference(&right.children))),
            (Some(left), None) => Some((left.member, left.children.clone())),
            (None, _) => None,
        })
    }

    /// The fields in it that have none within them in it.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let nodes = self.nodes.iter().map(|node| Node {
            element: node.element.clone(),
            member: node.member && node.children.is_empty(),
            children: node.children.leaves(),
        });
        Self { nodes: nodes.collect() }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn node(&self, element: &Element) -> Option<&Node> {
        self.place(element).ok().and_then(|index| self.nodes.get(index))
    }

    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        let place = self.nodes.binary_search_by(|node| match &node.element {
            Element::Field(field) => (**field).cmp(name),
            _ => Ordering::Greater,
        });
        place.ok().and_then(|index| self.nodes.get(index))
    }

    fn place(&self, element: &Element) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| node.element.cmp(element))
    }

    /// The set of these nodes, which come in any order; what stands there twice is joined.
    pub(super) fn from_nodes(mut nodes: Vec<Node>) -> Self {
        nodes.retain(|node| !node.is_empty());
        if !nodes.is_sorted_by(|left, right| left.element < right.element) {
            nodes.sort_by(|left, right| left.element.cmp(&right.element));
            nodes.dedup_by(|later, kept| {
                let same = later.element == kept.element;
                if same {
                    kept.member |= later.member;
                    kept.children = kept.children.union(&later.children);
                }
                same
            });
        }
        Self { nodes }
    }

    /// Adds a node that stands behind all others.
    pub(super) fn push(&mut self, element: Element, member: bool, children: Self) {
        let node = Node { element, member, children };
        if !node.is_empty() {
            self.nodes.push(node);
        }
    }

    /// Walks both sets in order and keeps what `join` gives: whether the field is in the result, and what is within it.
    fn zip(&self, other: &Self, join: impl Fn(Option<&Node>, Option<&Node>) -> Option<(bool, Self)>) -> Self {
        let mut result = Self { nodes: Vec::with_capacity(self.nodes.len()) };
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(left), Some(right)) => left.element.cmp(&right.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return result,
            };
            let one = if order.is_le() { left.next() } else { None };
            let two = if order.is_ge() { right.next() } else { None };
            if let (Some(node), Some((member, children))) = (one.or(two), join(one, two)) {
                result.push(node.element.clone(), member, children);
            }
        }
    }
}
