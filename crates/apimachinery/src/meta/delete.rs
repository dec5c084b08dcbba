//! What a delete does to an object: `k8s.io/apiserver/pkg/registry/rest/delete.go` and the store's `Delete`.
//!
//! Only pods go gracefully in Kubernetes; all kinds here go at once or wait for their finalizers.

use jiff::Timestamp;
use serde_json::Value;

use super::options::{DeleteOptions, Preconditions};
use super::{FOREGROUND_DELETION, Meta, MetaMut, ORPHAN, time};
use crate::status::Status;

/// What is to be done with an object after [`before_delete`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It goes now.
    Remove,
    /// It waits for its finalizers; what was made of it is to be stored.
    Wait,
}

/// Readies an object to go: sets the garbage collector's finalizers as the options say and, if any finalizer is left, the time of
/// deletion. `collected` says whether the kind's dependents are collected (events have none).
///
/// # Errors
/// 422 for options that make no sense; 409 for a precondition that does not hold.
pub fn before_delete(
    object: &mut Value,
    options: &DeleteOptions,
    collected: bool,
    now: Timestamp,
) -> Result<Deletion, Box<Status>> {
    let errors = options.check();
    if !errors.is_empty() {
        return Err(Box::new(Status::invalid("meta.k8s.io", "DeleteOptions", "", &errors)));
    }
    if let Some(preconditions) = &options.preconditions {
        check_preconditions(object, preconditions)?;
    }
    set_collectors_finalizers(object, options, collected);
    if !Meta::of(object).has_finalizers() {
        return Ok(Deletion::Remove);
    }
    mark(object, now);
    Ok(Deletion::Wait)
}

/// Checks that the object is the one that was meant.
///
/// # Errors
/// 409; Kubernetes names the kind here where it names the resource elsewhere.
pub fn check_preconditions(object: &Value, preconditions: &Preconditions) -> Result<(), Box<Status>> {
    let meta = Meta::of(object);
    let conflict = |why: String| {
        let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
        // Events of both groups are kept as those of the core group.
        let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
        let group = if group == "events.k8s.io" { "" } else { group };
        Err(Box::new(Status::conflict(group, text("kind"), meta.name(), &why)))
    };
    if let Some(uid) = preconditions.uid.as_deref().filter(|uid| *uid != meta.uid()) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            meta.uid()
        ));
    }
    if let Some(version) =
        preconditions.resource_version.as_deref().filter(|version| *version != meta.resource_version())
    {
        return conflict(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
            meta.resource_version()
        ));
    }
    Ok(())
}

/// The finalizers `orphan` and `foregroundDeletion` come from the options, else stay as they are.
fn set_collectors_finalizers(object: &mut Value, options: &DeleteOptions, collected: bool) {
    let had: Vec<&str> = Meta::of(object).finalizers().collect();
    let first = had.iter().find(|finalizer| matches!(**finalizer, ORPHAN | FOREGROUND_DELETION)).copied();
    let (orphan, foreground) = match (collected, options.orphan_dependents, options.propagation_policy.as_deref()) {
        (false, _, _) | (true, None, Some("Background")) => (false, false),
        (true, Some(orphan), _) => (orphan, false),
        (true, None, Some("Orphan")) => (true, false),
        (true, None, Some("Foreground")) => (false, true),
        (true, None, _) => (first == Some(ORPHAN), first == Some(FOREGROUND_DELETION)),
    };
    let mut wanted: Vec<String> = had
        .iter()
        .filter(|finalizer| !matches!(**finalizer, ORPHAN | FOREGROUND_DELETION))
        .map(|f| (*f).to_owned())
        .collect();
    if orphan {
        wanted.push(ORPHAN.to_owned());
    }
    if foreground {
        wanted.push(FOREGROUND_DELETION.to_owned());
    }
    let same = wanted.iter().all(|finalizer| had.contains(&finalizer.as_str()))
        && had.iter().all(|finalizer| wanted.iter().any(|wanted| wanted == finalizer));
    if !same && let Some(mut meta) = MetaMut::of(object) {
        meta.set_finalizers(wanted);
    }
}

/// Says that the object is to go now. A time of deletion that has passed stays.
fn mark(object: &mut Value, now: Timestamp) {
    let meta = Meta::of(object);
    let generation = meta.generation();
    let first = !meta.is_deleting();
    let passed = meta.deletion_timestamp().is_some_and(|at| at.parse::<Timestamp>().is_ok_and(|at| at <= now));
    if let Some(mut meta) = MetaMut::of(object) {
        if first && generation > 0 {
            meta.set_generation(generation + 1);
        }
        if !passed {
            meta.set_deletion_timestamp(Some(&time(now)));
        }
        meta.set_deletion_grace_period_seconds(Some(0));
    }
}
