//! From an owner's UID to those that name it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::store::Key;

/// Which objects name which owners.
#[derive(Debug, Default)]
pub(super) struct Index {
    owners: BTreeMap<Key, Vec<String>>,
    dependents: HashMap<String, BTreeSet<Key>>,
}

impl Index {
    /// An object names these owners now, and no others.
    pub(super) fn put(&mut self, key: Key, owners: Vec<String>) {
        for uid in self.owners.remove(&key).unwrap_or_default() {
            if let Some(keys) = self.dependents.get_mut(&uid) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.dependents.remove(&uid);
                }
            }
        }
        for uid in &owners {
            self.dependents.entry(uid.clone()).or_default().insert(key.clone());
        }
        if !owners.is_empty() {
            self.owners.insert(key, owners);
        }
    }

    /// The objects that name an owner.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// All objects that name owners.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.owners.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_by_the_owners_that_it_names_now() {
        let (a, b) = (Key::new("p", "ns", "a"), Key::new("p", "ns", "b"));
        let mut index = Index::default();
        index.put(a.clone(), vec!["1".into(), "2".into()]);
        index.put(b.clone(), vec!["2".into()]);
        assert_eq!(index.dependents("2").collect::<Vec<_>>(), [&a, &b]);
        index.put(a.clone(), vec!["1".into()]);
        assert_eq!(index.dependents("2").collect::<Vec<_>>(), [&b]);
        index.put(b, Vec::new());
        assert_eq!(index.dependents("2").count(), 0);
        assert_eq!(index.keys().collect::<Vec<_>>(), [&a]);
    }
}
