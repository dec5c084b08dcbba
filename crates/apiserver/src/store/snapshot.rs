//! The objects at one revision.

use std::{collections::BTreeMap, iter::FusedIterator, sync::Arc};

use super::{
    Revision,
    entry::Entry,
    event::Event,
    key::{Key, Range, Scope, behind},
    tree::{Iter, Tree},
};

/// All objects, by prefix.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) revision: Revision,
    kinds: BTreeMap<Arc<str>, Tree>,
}

impl Root {
    pub(super) const fn new(revision: Revision) -> Self {
        Self { revision, kinds: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.kinds.get(key.prefix())?.get(key.path().as_bytes())
    }

    /// Puts `entry` under `prefix`; gives the one it replaces.
    pub(super) fn insert(&mut self, prefix: &Arc<str>, entry: Entry) -> Option<Entry> {
        match self.kinds.get_mut(prefix) {
            Some(tree) => tree.insert(entry),
            None => self.kinds.entry(prefix.clone()).or_default().insert(entry),
        }
    }

    pub(super) fn remove(&mut self, prefix: &str, path: &[u8]) -> Option<Entry> {
        let tree = self.kinds.get_mut(prefix)?;
        let removed = tree.remove(path);
        if tree.len() == 0 {
            self.kinds.remove(prefix);
        }
        removed
    }

    /// Takes `event` back; events are undone from the newest on.
    pub(super) fn undo(&mut self, event: &Event) {
        match &event.previous {
            Some(previous) => self.insert(&event.prefix, previous.clone()),
            None => self.remove(&event.prefix, event.entry.path()),
        };
    }
}

/// The objects as they are at one revision. Holding one costs what changed since.
#[derive(Clone, Debug)]
pub struct Snapshot {
    root: Arc<Root>,
}

impl Snapshot {
    pub(super) const fn new(root: Arc<Root>) -> Self {
        Self { root }
    }

    /// The revision of this snapshot.
    pub fn revision(&self) -> Revision {
        self.root.revision
    }

    /// The object at `key`.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.root.get(key)
    }

    /// The objects in `range`, from the first behind `after` on. The length of the iterator is known.
    pub fn range(&self, range: &Range, after: Option<&Key>) -> Entries<'_> {
        let Some(tree) = self.root.kinds.get(range.prefix_name()) else { return Entries::default() };
        let (low, high) = range.bounds();
        let mut first = if *range.scope() == Scope::All { 0 } else { tree.rank(&low) };
        if let Some(after) = after {
            first = first.max(tree.rank(&behind(after.path().as_bytes())));
        }
        let end = high.map_or_else(|| tree.len(), |high| tree.rank(&high));
        Entries { iter: Some(tree.iter_from(first)), left: end.saturating_sub(first) }
    }

    /// How many objects are in `range`. Costs the depth of the tree.
    pub fn count(&self, range: &Range) -> usize {
        self.range(range, None).len()
    }

    /// The prefixes that have objects, sorted.
    pub fn prefixes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.root.kinds.keys()
    }
}

/// The objects of a range, in order.
#[derive(Clone, Debug, Default)]
pub struct Entries<'a> {
    iter: Option<Iter<'a>>,
    left: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        self.left = self.left.checked_sub(1)?;
        self.iter.as_mut()?.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl FusedIterator for Entries<'_> {}
