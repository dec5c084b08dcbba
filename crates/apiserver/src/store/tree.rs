//! A persistent B+ tree of entries: the objects of one kind, in the order of their paths.
//!
//! A clone costs one count and shares every node with its origin; a change copies the nodes on its way down that are shared, and
//! changes the others in place. Three things are asked of it that the maps of `rpds` and `imbl` do not give together:
//! a separator holds a key and never an entry, so that no replaced value is kept alive by an inner node; each inner node knows how many
//! entries stand below each child, so that a list says at once how many are left; and an entry costs its pointer and little more.

use std::sync::Arc;

use super::entry::Entry;

/// Children of an inner node, and entries of a leaf, at most.
const WIDTH: usize = 32;

/// A node narrower than this is joined with a neighbour where both fit in one.
const NARROW: usize = WIDTH / 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    root: Arc<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Entry>),
    Inner(Vec<Child>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

#[derive(Clone, Debug)]
struct Child {
    /// No path below this child is smaller, and none below an earlier sibling is as great. Of a first child it says nothing.
    low: Arc<[u8]>,
    /// Entries below.
    count: usize,
    node: Arc<Node>,
}

impl Node {
    fn count(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.len(),
        }
    }

    /// Puts `entry` below this node. Gives what it replaces, and a new right sibling where the node became too wide.
    fn insert(&mut self, entry: Entry) -> (Option<Entry>, Option<Child>) {
        match self {
            Self::Leaf(entries) => match search(entries, entry.path()) {
                Ok(at) => (entries.get_mut(at).map(|slot| std::mem::replace(slot, entry)), None),
                Err(at) => {
                    entries.insert(at, entry);
                    if entries.len() <= WIDTH {
                        return (None, None);
                    }
                    // Objects that come in order, as a replay or a counter in the name gives them, leave full leaves behind.
                    let split = if at + 1 == entries.len() { at } else { entries.len() / 2 };
                    let right = entries.split_off(split);
                    entries.shrink_to_fit();
                    let low = right.first().map(|first| Arc::from(first.path())).unwrap_or_default();
                    (None, Some(Child { low, count: right.len(), node: Arc::new(Self::Leaf(right)) }))
                }
            },
            Self::Inner(children) => {
                let at = route(children, entry.path());
                let Some(child) = children.get_mut(at) else { return (None, None) };
                let (replaced, right) = Arc::make_mut(&mut child.node).insert(entry);
                child.count += usize::from(replaced.is_none());
                let Some(right) = right else { return (replaced, None) };
                child.count -= right.count;
                children.insert(at + 1, right);
                if children.len() <= WIDTH {
                    return (replaced, None);
                }
                let split = if at + 2 == children.len() { at + 1 } else { children.len() / 2 };
                let right = children.split_off(split);
                let low = right.first().map(|first| first.low.clone()).unwrap_or_default();
                let right = Self::Inner(right);
                (replaced, Some(Child { low, count: right.count(), node: Arc::new(right) }))
            }
        }
    }

    /// Takes the entry at `path`, which must be there, from below this node.
    fn remove(&mut self, path: &[u8]) -> Option<Entry> {
        match self {
            Self::Leaf(entries) => search(entries, path).ok().map(|at| entries.remove(at)),
            Self::Inner(children) => {
                let at = route(children, path);
                let child = children.get_mut(at)?;
                let node = Arc::make_mut(&mut child.node);
                let removed = node.remove(path)?;
                child.count -= 1;
                let width = node.width();
                if width == 0 {
                    children.remove(at);
                } else if width < NARROW {
                    let fits = |one: usize| {
                        let width = |at: usize| children.get(at).map_or(WIDTH, |child| child.node.width());
                        width(one) + width(one + 1) <= WIDTH * 3 / 4
                    };
                    if let Some(left) = at.checked_sub(1).filter(|left| fits(*left)) {
                        join(children, left);
                    } else if fits(at) {
                        join(children, at);
                    }
                }
                Some(removed)
            }
        }
    }
}

/// Moves all below the child behind `left` to `left`.
fn join(children: &mut Vec<Child>, left: usize) {
    if left + 1 >= children.len() {
        return;
    }
    let right = children.remove(left + 1);
    let Some(left) = children.get_mut(left) else { return };
    left.count += right.count;
    match (Arc::make_mut(&mut left.node), Arc::unwrap_or_clone(right.node)) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend(right),
        (Node::Inner(left), Node::Inner(mut moved)) => {
            // The first child's own bound was never kept: the one of its parent is true.
            if let Some(first) = moved.first_mut() {
                first.low = right.low;
            }
            left.extend(moved);
        }
        // INVARIANT: all leaves stand at one depth.
        _ => {}
    }
}

fn search(entries: &[Entry], path: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.path().cmp(path))
}

/// Which child `path` is or would be below.
fn route(children: &[Child], path: &[u8]) -> usize {
    children.partition_point(|child| *child.low <= *path).saturating_sub(1)
}

impl Tree {
    pub(super) fn len(&self) -> usize {
        self.root.count()
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&Entry> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => return search(entries, path).ok().and_then(|at| entries.get(at)),
                Node::Inner(children) => node = &children.get(route(children, path))?.node,
            }
        }
    }

    /// Puts `entry`; gives the one it replaces.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let (replaced, right) = Arc::make_mut(&mut self.root).insert(entry);
        if let Some(right) = right {
            let node = std::mem::take(&mut self.root);
            let left = Child { low: Arc::default(), count: node.count(), node };
            self.root = Arc::new(Node::Inner(vec![left, right]));
        }
        replaced
    }

    pub(super) fn remove(&mut self, path: &[u8]) -> Option<Entry> {
        // Else a miss would copy the way down for nothing.
        self.get(path)?;
        let removed = Arc::make_mut(&mut self.root).remove(path);
        loop {
            let only = match &*self.root {
                Node::Inner(children) if children.len() <= 1 => children.first().map(|child| child.node.clone()),
                _ => break,
            };
            self.root = only.unwrap_or_default();
        }
        removed
    }

    /// How many entries have a path smaller than `path`.
    pub(super) fn rank(&self, path: &[u8]) -> usize {
        let mut before = 0;
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => return before + entries.partition_point(|entry| entry.path() < path),
                Node::Inner(children) => {
                    let at = route(children, path);
                    before += children.iter().take(at).map(|child| child.count).sum::<usize>();
                    let Some(child) = children.get(at) else { return before };
                    node = &child.node;
                }
            }
        }
    }

    /// The entries from the one at `rank` on.
    pub(super) fn iter_from(&self, rank: usize) -> Iter<'_> {
        let mut stack = Vec::new();
        let mut node = &*self.root;
        let mut left = rank;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return Iter { stack, leaf: entries.get(left..).unwrap_or_default().iter() };
                }
                Node::Inner(children) => {
                    let mut rest = children.iter();
                    let Some(child) = rest.find(|child| {
                        let inside = left < child.count;
                        left -= if inside { 0 } else { child.count };
                        inside
                    }) else {
                        return Iter { stack, leaf: [].iter() };
                    };
                    stack.push(rest);
                    node = &child.node;
                }
            }
        }
    }
}

/// Entries in the order of their paths.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    stack: Vec<std::slice::Iter<'a, Child>>,
    leaf: std::slice::Iter<'a, Entry>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Some(entry);
            }
            let child = loop {
                let children = self.stack.last_mut()?;
                match children.next() {
                    Some(child) => break child,
                    None => self.stack.pop(),
                };
            };
            match &*child.node {
                Node::Leaf(entries) => self.leaf = entries.iter(),
                Node::Inner(children) => self.stack.push(children.iter()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::store::{Draft, Key, Packer, entry::Row};

    fn entry(name: u16, revision: u64) -> Entry {
        let row = Row { revision, place: 0 };
        let key = Key::new("g/r", "", &format!("{name:05}"));
        Entry::of_draft(&key, &Draft::default(), None, row, &mut Packer::default()).unwrap()
    }

    fn sound(node: &Node, low: Option<&[u8]>, high: Option<&[u8]>, root: bool) -> usize {
        assert!(node.width() <= WIDTH);
        assert!(root || node.width() > 0);
        match node {
            Node::Leaf(entries) => {
                assert!(entries.is_sorted_by(|a, b| a.path() < b.path()));
                assert!(low.is_none_or(|low| entries.iter().all(|entry| entry.path() >= low)));
                assert!(high.is_none_or(|high| entries.iter().all(|entry| entry.path() < high)));
                1
            }
            Node::Inner(children) => {
                let mut depths = Vec::new();
                for (at, child) in children.iter().enumerate() {
                    assert_eq!(child.count, child.node.count());
                    let low = if at == 0 { low } else { Some(&*child.low) };
                    let high = children.get(at + 1).map(|next| &*next.low).or(high);
                    depths.push(sound(&child.node, low, high, false));
                }
                assert!(depths.iter().all(|depth| *depth == depths[0]));
                depths[0] + 1
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_tree_holds_what_a_sorted_map_holds_and_its_clones_do_not_move(
            changes in prop::collection::vec((0_u16..600, prop::bool::weighted(0.6)), 0..3_000),
            kept in 0_usize..3_000,
        ) {
            let mut tree = Tree::default();
            let mut model = BTreeMap::new();
            let mut old = None;
            for (at, (name, put)) in changes.into_iter().enumerate() {
                let fresh = entry(name, at as u64 + 2);
                if put {
                    let replaced = tree.insert(fresh.clone());
                    prop_assert_eq!(replaced.map(|e| e.modified()), model.insert(name, fresh).map(|e: Entry| e.modified()));
                } else {
                    let removed = tree.remove(fresh.path());
                    prop_assert_eq!(removed.map(|e| e.modified()), model.remove(&name).map(|e| e.modified()));
                }
                if at == kept {
                    old = Some((tree.clone(), model.clone()));
                }
            }
            for (tree, model) in std::iter::once((tree, model)).chain(old) {
                sound(&tree.root, None, None, true);
                prop_assert_eq!(tree.len(), model.len());
                prop_assert!(tree.iter_from(0).zip(model.values()).all(|(a, b)| a.same(b)));
                for probe in (0..=600).step_by(37) {
                    let path = entry(probe, 1);
                    let rank = model.range(..probe).count();
                    prop_assert_eq!(tree.rank(path.path()), rank);
                    prop_assert_eq!(tree.get(path.path()).map(Entry::modified), model.get(&probe).map(Entry::modified));
                    prop_assert_eq!(tree.iter_from(rank).count(), model.len() - rank);
                }
            }
        }
    }

    #[test]
    fn objects_that_come_in_order_leave_full_leaves() {
        let mut tree = Tree::default();
        for name in 0..10_000 {
            tree.insert(entry(name, 2));
        }
        let Node::Inner(children) = &*tree.root else { panic!("one leaf") };
        assert!(children.len() <= 10_000 / (WIDTH * WIDTH) + 1, "{} children", children.len());
    }
}
