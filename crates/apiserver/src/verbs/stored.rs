//! The outcome of a write.

use serde_json::Value;

use crate::{registry::Resource, store::Entry};

/// What a write left: a stored object, or for a dry run the one that would have been stored.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// It is in the store.
    Entry(Entry),
    /// It is not.
    Dry(Value),
}

impl Stored {
    /// The object, in the version of `resource`.
    pub(crate) fn into_value(self, resource: &Resource) -> Value {
        match self {
            Self::Entry(entry) => crate::read::value(resource, &entry),
            Self::Dry(value) => value,
        }
    }
}
