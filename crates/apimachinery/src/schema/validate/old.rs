//! Which part of the old object a part of the new one came from: `k8s.io/apiserver/pkg/cel/common/equality.go`.

use std::collections::HashMap;

use serde_json::Value;

use super::node::{Additional, Node};

/// The old value of a part that is being validated, and the schema by which its own parts are told.
#[derive(Clone, Copy)]
pub(super) struct Old<'a> {
    pub(super) value: &'a Value,
    pub(super) node: &'a Node,
}

impl<'a> Old<'a> {
    /// The old value of a field that is in both.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|_| self.value.is_object())?;
        let node = match (self.node.properties.get(name), &self.node.additional) {
            (Some(node), _) => node,
            (None, Additional::Node(node)) => node,
            (None, _) => return None,
        };
        Some(Self { value, node })
    }

    /// The old items of a list of type map, to be found by new ones.
    pub(super) fn items(self) -> Option<OldItems<'a>> {
        let keys = self.node.list_map_keys.as_deref()?;
        let node = self.node.items.as_deref()?;
        let mut items = HashMap::new();
        for item in self.value.as_array()? {
            if let Some(key) = key_of(item, keys) {
                items.entry(key).or_insert(item);
            }
        }
        Some(OldItems { items, keys, node })
    }

    /// Whether nothing changed. Parts that no schema describes cannot be told, and count as changed.
    pub(super) fn equals(self, new: &Value) -> bool {
        match (self.value, new) {
            (Value::Array(old), Value::Array(new)) => {
                if old.len() != new.len() {
                    return false;
                }
                match self.items().filter(|_| !old.is_empty()) {
                    None => old == new,
                    Some(items) => new.iter().all(|item| items.find(item).is_some_and(|old| old.equals(item))),
                }
            }
            (Value::Object(old), Value::Object(new)) => {
                old.len() == new.len()
                    && new.iter().all(|(name, value)| self.field(name).is_some_and(|old| old.equals(value)))
            }
            (old, new) => old == new,
        }
    }
}

/// The old items of a list of type map.
pub(super) struct OldItems<'a> {
    items: HashMap<String, &'a Value>,
    keys: &'a [Box<str>],
    node: &'a Node,
}

impl<'a> OldItems<'a> {
    /// The old item with the keys of a new one.
    pub(super) fn find(&self, new: &Value) -> Option<Old<'a>> {
        let value = *self.items.get(&key_of(new, self.keys)?)?;
        Some(Old { value, node: self.node })
    }
}

/// The keys of an item in one text; nothing where one is missing or no scalar.
fn key_of(item: &Value, keys: &[Box<str>]) -> Option<String> {
    let item = item.as_object()?;
    let mut text = String::new();
    for key in keys {
        let value = item.get(&**key)?;
        if value.is_object() || value.is_array() || value.is_null() {
            return None;
        }
        text.push('\0');
        text.push_str(&value.to_string());
    }
    Some(text)
}
