//! Lists of the strategy `merge`: scalars as a set, maps by their merge key.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::order::{self, Identity};
use super::{MARKER, Shape, bad_patch_type, merge_maps, no_merge_key};
use crate::patch::{PatchError, printed};

/// Merges two lists of one field.
pub(super) fn merge_lists(
    original: Vec<Value>,
    patch: Vec<Value>,
    shape: Shape<'_>,
    merge_key: &str,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let of_maps = element_type(&original, &patch)? == ElementType::Map;
    let (merged, original, patch) = if of_maps {
        if merge_key.is_empty() {
            return Err(PatchError::Unexpected(format!("cannot merge lists without merge key for {}", shape.kind())));
        }
        let (original, patch) = special_elements(original, patch, merge_key)?;
        let merged = merge_by_key(original.clone(), patch.clone(), merge_key, shape)?;
        (merged, original, patch)
    } else {
        if deletes {
            let gone: HashSet<Identity> = patch.iter().map(Identity::of).collect();
            return Ok(original.into_iter().filter(|item| !gone.contains(&Identity::of(item))).collect());
        }
        (without_duplicates(original.iter().chain(&patch).cloned().collect()), original, patch)
    };
    let (patched, rest) = order::partition(merged, &patch, merge_key)?;
    order::normalize(patched, rest, &patch, &original, merge_key, of_maps)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    Bool,
    Integer,
    Float,
    String,
    Map,
}

/// The one type of all elements of both lists.
pub(super) fn element_type(left: &[Value], right: &[Value]) -> Result<ElementType, PatchError> {
    let mut common = None;
    for item in left.iter().chain(right) {
        let kind = match item {
            Value::Bool(_) => Some(ElementType::Bool),
            Value::Number(number) if number.is_i64() => Some(ElementType::Integer),
            Value::Number(_) => Some(ElementType::Float),
            Value::String(_) => Some(ElementType::String),
            Value::Object(_) => Some(ElementType::Map),
            Value::Array(_) if common.is_none() => {
                return Err(PatchError::Rejected("lists of lists are not supported".to_owned()));
            }
            Value::Array(_) | Value::Null => None,
        };
        if kind.is_none() || common.is_some_and(|common| Some(common) != kind) {
            let lists: Vec<String> =
                [left, right].map(|list| printed(&Value::Array(list.to_vec()))).into_iter().collect();
            return Err(PatchError::Unexpected(format!("list element types are not identical: [{}]", lists.join(" "))));
        }
        common = kind;
    }
    common.ok_or_else(|| PatchError::Unexpected("no elements in any of the given slices".to_owned()))
}

/// Does what the elements with a `$patch` say: gives what is left of the original, and the elements without one.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut gone = HashSet::new();
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(MARKER) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = item.get(merge_key).ok_or_else(|| no_merge_key(&item, merge_key))?;
                gone.insert(Identity::of(value));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(PatchError::Unexpected("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(bad_patch_type(directive, &item)),
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    if !gone.is_empty() {
        original.retain(|item| item.get(merge_key).is_none_or(|value| !gone.contains(&Identity::of(value))));
    }
    Ok((original, plain))
}

fn merge_by_key(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    merge_key: &str,
    shape: Shape<'_>,
) -> Result<Vec<Value>, PatchError> {
    let mut places: HashMap<Identity, usize> = HashMap::with_capacity(original.len());
    for (index, item) in original.iter().enumerate() {
        if let Some(value) = item.get(merge_key) {
            places.entry(Identity::of(value)).or_insert(index);
        }
    }
    for item in patch {
        let value = item.get(merge_key).ok_or_else(|| no_merge_key(&item, merge_key))?;
        let identity = Identity::of(value);
        let found = places.get(&identity).and_then(|index| original.get_mut(*index));
        match (found, item) {
            (Some(slot), Value::Object(change)) => {
                let current = match slot.take() {
                    Value::Object(fields) => fields,
                    _ => serde_json::Map::new(),
                };
                *slot = Value::Object(merge_maps(current, change, shape)?);
            }
            (_, item) => {
                places.insert(identity, original.len());
                original.push(item);
            }
        }
    }
    Ok(original)
}

/// Each scalar once. Their order is made afterwards.
fn without_duplicates(mut items: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::with_capacity(items.len());
    items.retain(|item| seen.insert(Identity::of(item)));
    items
}
