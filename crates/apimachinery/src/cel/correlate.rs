//! Which part of the old object a part of the new one came from: `k8s.io/apiserver/pkg/cel/common/equality.go`.

use std::collections::HashMap;

use serde_json::Value;

use crate::schema::Schema;

/// A part of the new object, the same part of the old one, and their schema.
#[derive(Clone, Copy)]
pub(super) struct Correlation<'a> {
    pub(super) new: &'a Value,
    pub(super) old: &'a Value,
    pub(super) schema: &'a Schema,
}

impl<'a> Correlation<'a> {
    /// A field that is in both.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let (new, old) = (self.new.get(name)?, self.old.get(name)?);
        let schema = self.schema.properties.get(name).or_else(|| self.schema.additional())?;
        Some(Self { new, old, schema })
    }

    /// An item of a list of type map, and the old one with its keys.
    pub(super) fn item(self, new: &'a Value, old: Option<&'a Value>) -> Option<Self> {
        Some(Self { new, old: old?, schema: self.schema.item()? })
    }

    /// Whether old and new are equal. Parts that no schema describes cannot be told, and count as changed.
    pub(super) fn unchanged(self) -> bool {
        match (self.new, self.old) {
            (Value::Array(new), Value::Array(old)) => {
                if new.len() != old.len() {
                    return false;
                }
                match OldItems::new(self.old, self.schema).filter(|_| !old.is_empty()) {
                    None => new == old,
                    Some(olds) => new.iter().all(|item| self.item(item, olds.find(item)).is_some_and(Self::unchanged)),
                }
            }
            (Value::Object(new), Value::Object(old)) => {
                new.len() == old.len() && new.keys().all(|name| self.field(name).is_some_and(Self::unchanged))
            }
            (new, old) => new == old,
        }
    }
}

/// The items of an old list of type map, to be found by new ones.
pub(super) struct OldItems<'a> {
    items: HashMap<String, &'a Value>,
    keys: &'a [String],
}

impl<'a> OldItems<'a> {
    pub(super) fn new(list: &'a Value, schema: &'a Schema) -> Option<Self> {
        if schema.list_type.as_deref() != Some("map") || schema.list_map_keys.is_empty() {
            return None;
        }
        let keys = schema.list_map_keys.as_slice();
        let mut items = HashMap::new();
        for item in list.as_array()? {
            if let Some(key) = key_of(item, keys) {
                items.entry(key).or_insert(item);
            }
        }
        Some(Self { items, keys })
    }

    pub(super) fn find(&self, new: &Value) -> Option<&'a Value> {
        self.items.get(&key_of(new, self.keys)?).copied()
    }
}

/// The keys of an item in one text; nothing where one is missing or no scalar.
fn key_of(item: &Value, keys: &[String]) -> Option<String> {
    let mut text = String::new();
    for key in keys {
        let value = item.get(key)?;
        if value.is_object() || value.is_array() || value.is_null() {
            return None;
        }
        text.push('\0');
        text.push_str(&value.to_string());
    }
    Some(text)
}
