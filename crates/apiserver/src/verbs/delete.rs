//! Deleting objects: at once, or marked for those who hold a finalizer.
//!
//! The order of the steps is that of `Delete` in `k8s.io/apiserver/pkg/registry/generic/registry/store.go`.

use apimachinery::meta::{
    delete::{Deletion, before_delete},
    options::DeleteOptions,
};
use serde_json::Value;

use super::Stored;
use crate::{
    admission::Operation,
    failure::Outcome,
    read,
    scope::Scope,
    store::{CommitError, Entry, Expect, Write},
    strategy,
};

/// The outcome of a delete.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; as it was last.
    Gone(Value),
    /// It waits for its finalizers.
    Waiting(Stored),
}

/// Deletes the object `name`.
pub(crate) async fn delete(scope: &Scope, name: &str, options: &DeleteOptions) -> Outcome<Deleted> {
    let key = scope.key(name);
    loop {
        let Some(entry) = scope.core.store.snapshot().get(&key).cloned() else {
            return Err(scope.not_found(name).into());
        };
        if let Some(done) = attempt(scope, name, options, &entry).await? {
            return Ok(done);
        }
    }
}

async fn attempt(scope: &Scope, name: &str, options: &DeleteOptions, entry: &Entry) -> Outcome<Option<Deleted>> {
    let resource = &scope.resource;
    let old = read::value(resource, entry);
    scope.check_namespace_life(Operation::Delete, name)?;
    let mut new = old.clone();
    strategy::before_delete(resource, &mut new);
    let collected = strategy::is_collected(resource);
    let deletion = before_delete(&mut new, options, collected, jiff::Timestamp::now())?;
    scope.validate(Operation::Delete, name, Some(&old), None).await?;
    let waits = deletion == Deletion::Wait || strategy::waits_for_content(resource, &new);
    if !waits {
        if options.is_dry_run() {
            return Ok(Some(Deleted::Gone(old)));
        }
        let draft = read::draft(resource, &old);
        return match scope.core.commit(scope.key(name), Expect::At(entry.modified()), Write::Delete(draft)).await {
            Ok(_) => Ok(Some(Deleted::Gone(old))),
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(failed) => Err(crate::commit::failed(&failed).into()),
        };
    }

    strategy::prepare_delete(resource, &mut new);
    if options.is_dry_run() {
        return Ok(Some(Deleted::Waiting(Stored::Dry(new))));
    }
    if new == old {
        return Ok(Some(Deleted::Waiting(Stored::Entry(entry.clone()))));
    }
    let draft = read::draft(resource, &new);
    match scope.core.commit(scope.key(name), Expect::At(entry.modified()), Write::Put(draft)).await {
        Ok(entry) => Ok(Some(Deleted::Waiting(Stored::Entry(entry)))),
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(failed) => Err(crate::commit::failed(&failed).into()),
    }
}

/// Deletes what `entries` are, one after the other; what is gone already does not matter. Returns what was deleted.
pub(crate) async fn delete_all(scope: &Scope, entries: Vec<Entry>, options: &DeleteOptions) -> Outcome<Vec<Entry>> {
    let mut deleted = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut one = scope.clone();
        entry.namespace().clone_into(&mut one.namespace);
        match delete(&one, entry.name(), options).await {
            Ok(_) => deleted.push(entry),
            Err(gone) if gone.code() == http::StatusCode::NOT_FOUND => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(deleted)
}
