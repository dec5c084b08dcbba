//! What an update does to an object's metadata, and when it may: `k8s.io/apiserver/pkg/registry/rest/update.go` and the store's
//! `Update`.

use serde_json::Value;

use super::{Meta, MetaMut, create};
use crate::field::{FieldError, Path};
use crate::status::Status;

/// What 409 says when the object has changed since it was read.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Which object is meant, in the words of an error.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The API group.
    pub group: &'a str,
    /// The resource, in its plural form.
    pub resource: &'a str,
    /// The request's namespace; empty for a kind of the whole cluster.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// Where the store has objects of the resource, below `/registry`.
    pub registry_path: &'a str,
}

/// Compares the version that the new state was made from with that of the stored one. Kinds that allow it take an update without a
/// version for one of whatever is stored.
///
/// # Errors
/// 409 when they differ; 422 when there is none and the kind asks for one.
pub fn check_version(
    new: &mut Value,
    stored: &Value,
    unconditional: bool,
    target: &Target<'_>,
) -> Result<(), Box<Status>> {
    let current = Meta::of(stored).resource_version();
    let given = Meta::of(new).resource_version();
    if given.is_empty() || given == "0" {
        if !unconditional {
            let path = Path::ROOT.child("metadata");
            let error = FieldError::invalid(&path.child("resourceVersion"), 0, "must be specified for an update");
            return Err(Box::new(Status::invalid(target.group, target.resource, target.name, &[error])));
        }
        if let Some(mut meta) = MetaMut::of(new) {
            meta.set_resource_version(current);
        }
        return Ok(());
    }
    if given == current {
        Ok(())
    } else {
        Err(Box::new(Status::conflict(target.group, target.resource, target.name, MODIFIED)))
    }
}

/// Compares the UID that the new state was made from with that of the stored object: a name may have been given anew.
///
/// # Errors
/// 409, in the words of the store: an update has no better ones.
pub fn check_uid(new: &Value, stored: &Value, target: &Target<'_>) -> Result<(), Box<Status>> {
    let (given, current) = (Meta::of(new).uid(), Meta::of(stored).uid());
    if given.is_empty() || given == current {
        return Ok(());
    }
    let mut key = String::from("/registry");
    for part in [target.registry_path, target.namespace, target.name] {
        if !part.is_empty() {
            key.push('/');
            key.push_str(part);
        }
    }
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {current}"
    );
    Err(Box::new(Status::conflict(target.group, target.resource, target.name, &why)))
}

/// Keeps in the new state what only the server may set.
///
/// # Errors
/// 400 when the object says another namespace than the request.
pub fn before_update(new: &mut Value, old: &Value, namespace: &str) -> Result<(), Box<Status>> {
    create::ensure_namespace(new, namespace)?;
    let old = Meta::of(old);
    let (uid_missing, grace_missing) = {
        let meta = Meta::of(new);
        (meta.uid().is_empty(), meta.deletion_grace_period_seconds().is_none())
    };
    if let Some(mut meta) = MetaMut::of(new) {
        meta.set_generation(old.generation());
        if uid_missing {
            meta.set_uid(old.uid());
        }
        if !old.creation_timestamp().is_empty() {
            meta.set_creation_timestamp(old.creation_timestamp());
        }
        if old.is_deleting() {
            meta.set_deletion_timestamp(old.deletion_timestamp());
        }
        if grace_missing && old.deletion_grace_period_seconds().is_some() {
            meta.set_deletion_grace_period_seconds(old.deletion_grace_period_seconds());
        }
    }
    Ok(())
}

/// Counts the generation up if anything outside `metadata` differs, after the kind has put back the parts that this endpoint may
/// not change.
pub fn count_generation(new: &mut Value, old: &Value) {
    if !same_but_metadata(new, old) {
        let next = Meta::of(old).generation() + 1;
        if let Some(mut meta) = MetaMut::of(new) {
            meta.set_generation(next);
        }
    }
}

fn same_but_metadata(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return new == old };
    let rest = |map: &serde_json::Map<String, Value>| map.keys().filter(|key| *key != "metadata").count();
    rest(new) == rest(old) && new.iter().all(|(key, value)| key == "metadata" || old.get(key) == Some(value))
}

/// Whether this update takes the last finalizer off an object that waits to go: then it goes.
pub fn finishes_deletion(new: &Value, old: &Value) -> bool {
    let old = Meta::of(old);
    !Meta::of(new).has_finalizers()
        && old.is_deleting()
        && matches!(old.deletion_grace_period_seconds(), None | Some(0))
}
