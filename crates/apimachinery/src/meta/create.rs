//! What a create does to an object's metadata: `k8s.io/apiserver/pkg/registry/rest/{meta,create}.go` and the create handler.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::{Meta, MetaMut, names, time, uid};
use crate::status::Status;

/// Where and when an object is made. Randomness comes from the caller, which makes a fresh one for each try.
#[derive(Clone, Copy, Debug)]
pub struct Birth<'a> {
    /// The request's namespace; empty for a kind of the whole cluster.
    pub namespace: &'a str,
    /// Now.
    pub now: Timestamp,
    /// What the UID is made of.
    pub uid: u128,
    /// What the end of a generated name is made of.
    pub suffix: u64,
    /// Whether the kind counts generations.
    pub counts_generations: bool,
}

/// Gives a new object what the server alone gives: UID, creation time, name if it is to be generated, namespace, generation.
///
/// # Errors
/// 400 when the object says another namespace than the request.
pub fn before_create(object: &mut Value, birth: &Birth<'_>) -> Result<(), Box<Status>> {
    wipe(object);
    ensure_namespace(object, birth.namespace)?;
    let generated = {
        let meta = Meta::of(object);
        let wanted = meta.name().is_empty() && !meta.generate_name().is_empty();
        wanted.then(|| names::generated(meta.generate_name(), birth.suffix))
    };
    if let Some(mut meta) = MetaMut::of(object) {
        meta.set_uid(&uid(birth.uid));
        meta.set_creation_timestamp(&time(birth.now));
        if let Some(name) = generated {
            meta.set_name(&name);
        }
        if birth.counts_generations {
            meta.set_generation(1);
        }
    }
    Ok(())
}

/// Takes away what only the server may set. A create does this before admission sees the object.
pub fn wipe(object: &mut Value) {
    if let Some(mut meta) = MetaMut::of(object) {
        for field in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            meta.remove(field);
        }
    }
}

/// Gives the object the request's namespace; none for a kind of the whole cluster.
///
/// # Errors
/// 400 when it says another one.
pub fn ensure_namespace(object: &mut Value, namespace: &str) -> Result<(), Box<Status>> {
    let own = Meta::of(object).namespace();
    if own == namespace {
        return Ok(());
    }
    if !own.is_empty() && !namespace.is_empty() {
        let words = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Box::new(Status::bad_request(words)));
    }
    if let Some(mut meta) = MetaMut::of(object) {
        meta.set_namespace(namespace);
    }
    Ok(())
}

/// Removes owners that stand there twice; returns the warning that the client gets. `admitted` says whether admission has
/// already had the object.
pub fn dedup_owner_references(object: &mut Value, admitted: bool) -> Option<String> {
    let references = Meta::of(object).owner_reference_trees();
    let mut kept: Vec<Value> = Vec::with_capacity(references.len());
    let mut duplicates = String::new();
    for reference in references {
        if kept.contains(reference) {
            let between = if duplicates.is_empty() { "" } else { ", " };
            let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default();
            let _ = write!(duplicates, "{between}{uid}");
        } else {
            kept.push(reference.clone());
        }
    }
    if kept.len() == references.len() {
        return None;
    }
    MetaMut::of(object)?.set_owner_references(kept);
    let after = if admitted { " after mutating admission happens" } else { "" };
    Some(format!(
        ".metadata.ownerReferences contains duplicate entries{after}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {duplicates}"
    ))
}
