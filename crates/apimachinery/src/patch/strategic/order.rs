//! The order of a merged list: that of `$setElementOrder` before that of the patch before that of the object.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::directives::{Directive, without_directives};
use super::lists::{self, ElementType};
use super::{Fields, MARKER, Shape, bad_type, merge_list_field, no_merge_key};
use crate::patch::{PatchError, printed};

/// How many elements Go's stable sort sorts by insertion.
const INSERTION_SORTED: usize = 20;

/// What tells elements of a list apart, as a map's key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity(String);

impl Identity {
    pub(super) fn of(value: &Value) -> Self {
        Self(value.to_string())
    }

    /// By the merge key in a list of maps, else by the element itself.
    fn in_list(item: &Value, merge_key: &str, of_maps: bool) -> Self {
        Self::of(if of_maps { item.get(merge_key).unwrap_or(&Value::Null) } else { item })
    }
}

/// Where elements stand in a list.
struct Places<'k> {
    first: HashMap<Identity, usize>,
    merge_key: &'k str,
    of_maps: bool,
}

impl<'k> Places<'k> {
    fn of(list: &[Value], merge_key: &'k str, of_maps: bool) -> Self {
        let mut first = HashMap::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            first.entry(Identity::in_list(item, merge_key, of_maps)).or_insert(index);
        }
        Self { first, merge_key, of_maps }
    }

    fn get(&self, item: &Value) -> Option<usize> {
        self.first.get(&Identity::in_list(item, self.merge_key, self.of_maps)).copied()
    }
}

/// Merges the lists that the patch gives an order for, and takes them out of it.
pub(super) fn merge_ordered_lists(
    original: &mut Fields,
    patch: &mut Fields,
    shape: Shape<'_>,
) -> Result<(), PatchError> {
    let keys: Vec<String> = patch.keys().filter(|key| Directive::SetElementOrder.is(key)).cloned().collect();
    for key in keys {
        let order = match patch.remove(&key) {
            Some(Value::Array(order)) => order,
            other => return Err(bad_type("[]interface {}", &other.unwrap_or_default())),
        };
        let Some(name) = Directive::SetElementOrder.field_of(&key)? else { continue };
        let list = |fields: &Fields| match fields.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(bad_type("[]interface {}", other)),
        };
        let live = list(original)?;
        let change = list(patch)?;
        let field = shape.list_field(name)?;
        check_order(change.as_deref().unwrap_or_default(), &order, field.merge_key)?;
        let merged = match (&live, &change) {
            (None, None) => continue,
            (Some(live), None) => live.clone(),
            (None, Some(change)) => change.iter().cloned().filter_map(without_directives).collect(),
            (Some(live), Some(change)) => merge_list_field(live.clone(), change.clone(), &field, false)?,
        };
        let (patched, rest) = partition(merged, &order, field.merge_key)?;
        let mut live = live.unwrap_or_default();
        let change = change.unwrap_or_default();
        let of_maps = lists::element_type(&live, &change)? == ElementType::Map;
        if of_maps && field.strategy == "merge" {
            live = after_merge(live, &change, field.merge_key);
        }
        let ordered = normalize(patched, rest, &order, &live, field.merge_key, of_maps)?;
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.remove(name);
    }
    Ok(())
}

/// The object's list as its order is read after the merge. Kubernetes merges in place: elements move up over those that the patch
/// deletes, and new ones take the places that fall free at the end.
fn after_merge(mut list: Vec<Value>, patch: &[Value], merge_key: &str) -> Vec<Value> {
    let identity = |item: &Value| Identity::in_list(item, merge_key, true);
    let says = |item: &Value, name: &str| item.get(MARKER).and_then(Value::as_str) == Some(name);
    let places = list.len();
    let gone: HashSet<Identity> = patch.iter().filter(|item| says(item, "delete")).map(identity).collect();
    list.retain(|item| !gone.contains(&identity(item)));
    if patch.iter().any(|item| says(item, "replace")) {
        return list;
    }
    let mut known: HashSet<Identity> = list.iter().map(identity).collect();
    for item in patch.iter().filter(|item| item.get(MARKER).is_none()) {
        if list.len() < places && known.insert(identity(item)) {
            list.push(item.clone());
        }
    }
    list
}

/// The patch's elements must stand in the order's list, in its order.
fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let key_of = |item: &Value| -> Result<Value, PatchError> {
        if merge_key.is_empty() {
            return Ok(item.clone());
        }
        if !item.is_object() {
            return Err(bad_type("map[string]interface {}", item));
        }
        item.get(merge_key).cloned().ok_or_else(|| no_merge_key(item, merge_key))
    };
    let mut listed: Vec<&Value> = patch.iter().collect();
    if !merge_key.is_empty() {
        if let Some(item) = patch.iter().find(|item| !item.is_object()) {
            return Err(bad_type("map[string]interface {}", item));
        }
        listed.retain(|item| item.get(MARKER).and_then(Value::as_str) != Some("delete"));
    }
    let mut wanted = order.iter();
    let mut listed = listed.into_iter().peekable();
    while let Some(item) = listed.peek() {
        // As Kubernetes: an element with a directive is passed over only while the order has more to say.
        let mut rest = wanted.clone();
        let Some(next) = rest.next() else {
            return Err(PatchError::Unexpected(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                printed(&Value::Array(patch.to_vec())),
                printed(&Value::Array(order.to_vec())),
            )));
        };
        if item.get(MARKER).is_some() {
            listed.next();
            continue;
        }
        wanted = rest;
        if key_of(item)? == key_of(next)? {
            listed.next();
        }
    }
    Ok(())
}

/// Those of `list` that stand in `by`, and the others.
pub(super) fn partition(
    list: Vec<Value>,
    by: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let of_maps = !merge_key.is_empty();
    if of_maps {
        for item in &list {
            if !item.is_object() {
                return Err(bad_type("map[string]interface {}", item));
            }
            if item.get(merge_key).is_none() {
                return Err(no_merge_key(item, merge_key));
            }
        }
        if let Some((index, _)) = by.iter().enumerate().find(|(_, item)| !item.is_object()) {
            return Err(PatchError::Unexpected(format!("value for key {index} is not a map")));
        }
    }
    let places = Places::of(by, merge_key, of_maps);
    Ok(list.into_iter().partition(|item| places.get(item).is_some()))
}

/// Sorts what the patch names by the patch's order, the rest by the object's, and merges both.
pub(super) fn normalize(
    patched: Vec<Value>,
    rest: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    of_maps: bool,
) -> Result<Vec<Value>, PatchError> {
    let patched = sorted(patched, patch_order, merge_key, of_maps)?;
    let rest = sorted(rest, server_order, merge_key, of_maps)?;
    let server = Places::of(server_order, merge_key, of_maps);
    let mut all = Vec::with_capacity(patched.len() + rest.len());
    let mut patched = patched.into_iter().peekable();
    for item in rest {
        let place = server.get(&item);
        // An element of the object goes before the first of the patch's that stands behind it in the object.
        while let Some(next) = patched.next_if(|next| !matches!((place, server.get(next)), (Some(l), Some(r)) if l < r))
        {
            all.push(next);
        }
        all.push(item);
    }
    all.extend(patched);
    Ok(all)
}

fn sorted(list: Vec<Value>, order: &[Value], merge_key: &str, of_maps: bool) -> Result<Vec<Value>, PatchError> {
    let (mut list, deleted) = if of_maps {
        for item in list.iter().chain(order) {
            if !item.is_object() {
                return Err(bad_type("map[string]interface {}", item));
            }
            if item.get(merge_key).is_none() {
                return Err(no_merge_key(item, merge_key));
            }
        }
        list.into_iter().partition(|item| item.get(MARKER).and_then(Value::as_str) != Some("delete"))
    } else {
        (list, Vec::new())
    };
    let places = Places::of(order, merge_key, of_maps);
    let mut keyed: Vec<(Option<usize>, Value)> = list.drain(..).map(|item| (places.get(&item), item)).collect();
    // Kubernetes' comparison calls an element without a place less than any, and its insertion sort makes of that an order of its
    // own; beyond what it sorts by insertion, such elements go in front, the last one first.
    if keyed.len() > INSERTION_SORTED {
        let (known, unknown): (Vec<_>, Vec<_>) = keyed.into_iter().partition(|(place, _)| place.is_some());
        let mut sorted = known;
        sorted.sort_by_key(|(place, _)| *place);
        keyed = unknown.into_iter().rev().chain(sorted).collect();
    } else {
        for index in 1..keyed.len() {
            let mut at = index;
            while at > 0 && is_less(&keyed, at) {
                keyed.swap(at, at - 1);
                at -= 1;
            }
        }
    }
    Ok(keyed.into_iter().map(|(_, item)| item).chain(deleted).collect())
}

/// Whether the element at `at` goes before the one in front of it.
fn is_less(keyed: &[(Option<usize>, Value)], at: usize) -> bool {
    match (keyed.get(at), keyed.get(at - 1)) {
        (Some((Some(right), _)), Some((Some(left), _))) => right < left,
        _ => true,
    }
}
