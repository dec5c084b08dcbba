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
    convert,
    failure::Outcome,
    object, read,
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
    delete_asked(scope, name, name, options).await
}

/// Deletes the object `name`; policies see the name that was asked for, which is empty where many objects are deleted.
async fn delete_asked(scope: &Scope, name: &str, asked: &str, options: &DeleteOptions) -> Outcome<Deleted> {
    let key = scope.key(name);
    loop {
        let Some(entry) = scope.core.store.snapshot().get(&key).cloned() else {
            return Err(scope.not_found(name).into());
        };
        if let Some(done) = attempt(scope, name, asked, options, &entry).await? {
            return Ok(done);
        }
    }
}

async fn attempt(
    scope: &Scope,
    name: &str,
    asked: &str,
    options: &DeleteOptions,
    entry: &Entry,
) -> Outcome<Option<Deleted>> {
    let resource = &scope.resource;
    let stored = convert::entry(resource, entry.clone()).await?;
    let old = read::value(resource, &stored);
    scope.check_namespace_life(Operation::Delete, name)?;
    if resource.is("", "namespaces")
        && let Some(uid) = options.preconditions.as_ref().and_then(|wanted| wanted.uid.as_deref())
        && uid != object::uid(&old)
    {
        // A namespace is deleted in ways of its own.
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", object::uid(&old));
        return Err(scope.conflict(name, &why).into());
    }
    let mut new = old.clone();
    strategy::before_delete(resource, &mut new);
    let collected = strategy::is_collected(resource);
    let deletion = before_delete(&mut new, options, collected, jiff::Timestamp::now())?;
    scope.judge(Operation::Delete, asked, Some(&old), None).await?;
    scope.validate(Operation::Delete, name, Some(&old), None).await?;
    let waits = deletion == Deletion::Wait || strategy::waits_for_content(resource, &new);
    if !waits {
        if options.is_dry_run() {
            return Ok(Some(Deleted::Gone(old)));
        }
        let draft = convert::draft(resource, &old).await?;
        return match scope.core.commit(scope.key(name), Expect::At(entry.modified()), Write::Delete(draft)).await {
            Ok(_) => Ok(Some(Deleted::Gone(old))),
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(failed) => Err(crate::commit::failed(&failed).into()),
        };
    }

    strategy::prepare_delete(resource, &mut new, &old);
    if options.is_dry_run() {
        return Ok(Some(Deleted::Waiting(Stored::Dry(new))));
    }
    if new == old {
        return Ok(Some(Deleted::Waiting(Stored::Entry(stored))));
    }
    let draft = convert::draft(resource, &new).await?;
    match scope.core.commit(scope.key(name), Expect::At(entry.modified()), Write::Put(draft)).await {
        Ok(entry) => Ok(Some(Deleted::Waiting(Stored::Entry(convert::entry(resource, entry).await?)))),
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
        match delete_asked(&one, entry.name(), "", options).await {
            Ok(_) => deleted.push(entry),
            Err(gone) if gone.code() == http::StatusCode::NOT_FOUND => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(deleted)
}
