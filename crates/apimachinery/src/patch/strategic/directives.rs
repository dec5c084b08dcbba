//! The directives of a strategic merge patch that stand in keys.

use std::collections::HashSet;

use serde_json::Value;

use super::{Fields, MARKER};
use crate::patch::PatchError;

/// A directive about the list whose name follows it: `$setElementOrder/containers`.
#[derive(Clone, Copy)]
pub(super) enum Directive {
    /// What to take out of a list of scalars.
    DeleteFromPrimitiveList,
    /// The order of a merged list.
    SetElementOrder,
}

impl Directive {
    const fn prefix(self) -> &'static str {
        match self {
            Self::DeleteFromPrimitiveList => "$deleteFromPrimitiveList",
            Self::SetElementOrder => "$setElementOrder",
        }
    }

    /// Whether the key is this directive.
    pub(super) fn is(self, key: &str) -> bool {
        key.starts_with(self.prefix())
    }

    /// The field that the key is about; None if the key is another.
    pub(super) fn field_of(self, key: &str) -> Result<Option<&str>, PatchError> {
        let Some(rest) = key.strip_prefix(self.prefix()) else { return Ok(None) };
        rest.strip_prefix('/').map(Some).ok_or_else(|| self.malformed())
    }

    pub(super) fn malformed(self) -> PatchError {
        PatchError::Malformed(
            match self {
                Self::DeleteFromPrimitiveList => "invalid patch format of primitive list",
                Self::SetElementOrder => "invalid patch format of setElementOrder list",
            }
            .to_owned(),
        )
    }
}

/// `$retainKeys`: takes all other fields out of the original. Each field of the patch must be among them.
pub(super) fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    let Some(retained) = patch.remove("$retainKeys") else { return Ok(()) };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let retained = retained.as_array().ok_or_else(malformed)?;
    let names: HashSet<&str> = retained.iter().filter_map(Value::as_str).collect();
    for (key, value) in patch.iter() {
        let directive = Directive::DeleteFromPrimitiveList.is(key) || Directive::SetElementOrder.is(key);
        if !value.is_null() && !directive && !names.contains(key.as_str()) {
            return Err(malformed());
        }
    }
    original.retain(|key, _| names.contains(key.as_str()));
    Ok(())
}

/// The value without maps that bear a `$patch`; None if it is one itself.
pub(super) fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(MARKER) => None,
        Value::Object(fields) => {
            Some(fields.into_iter().filter_map(|(name, field)| Some((name, without_directives(field)?))).collect())
        }
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}

/// The value without fields that are null.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name, without_nulls(field)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}
