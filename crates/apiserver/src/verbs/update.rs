//! Changing an object: read, change, check, and store if nobody was faster.
//!
//! The order of the steps is that of `Update` in `k8s.io/apiserver/pkg/registry/generic/registry/store.go`.

use apimachinery::{
    apply::keep_times,
    meta::{
        create::wipe,
        update::{MODIFIED, Target, before_update, check_uid, check_version, finishes_deletion},
    },
    status::Status,
};
use serde_json::Value;

use super::{Stored, create};
use crate::{
    admission::Operation,
    convert,
    failure::Outcome,
    fields, object, read,
    scope::Scope,
    store::{CommitError, Entry, Expect, Write},
    strategy,
};

/// How an object is changed.
pub(crate) trait Change: Send + Sync {
    /// The object as it is to be, from the one that there is; managed fields included.
    fn apply(&self, scope: &Scope, live: Option<&Value>) -> Outcome<Value>;

    /// Whether an object that does not exist is made, though its kind has no such updates.
    fn creates(&self) -> bool {
        false
    }

    /// The object that is to be, when all of it is known beforehand.
    fn whole(&self) -> Option<&Value> {
        None
    }
}

/// The whole object as a PUT brings it.
pub(crate) struct Replace(pub(crate) Value);

impl Change for Replace {
    fn apply(&self, scope: &Scope, live: Option<&Value>) -> Outcome<Value> {
        Ok(fields::updated(scope, live, self.0.clone()))
    }

    fn whole(&self) -> Option<&Value> {
        Some(&self.0)
    }
}

/// How often a lost race is run again before the caller hears of it.
const TRIES: usize = 50;

/// Changes the object `name`. Also says whether it was made.
pub(crate) async fn update(scope: &Scope, name: &str, change: &dyn Change) -> Outcome<(Stored, bool)> {
    let key = scope.key(name);
    for _ in 0..TRIES {
        let entry = scope.core.store.snapshot().get(&key).cloned();
        let Some(entry) = entry else {
            return make(scope, name, change).await.map(|made| (made, true));
        };
        match attempt(scope, name, change, &entry).await? {
            Attempt::Done(stored) => return Ok((stored, false)),
            Attempt::Lost => {}
        }
    }
    Err(scope.conflict(name, MODIFIED).into())
}

/// An update of what is not there.
async fn make(scope: &Scope, name: &str, change: &dyn Change) -> Outcome<Stored> {
    let allowed =
        scope.part == crate::scope::Part::Whole && (change.creates() || strategy::creates_on_update(&scope.resource));
    if !allowed {
        return Err(scope.not_found(name).into());
    }
    let mut object = scope.converting(|| change.apply(scope, None)).await?;
    if !object::uid(&object).is_empty() {
        let why = format!(
            "uid mismatch: the provided object specified uid {}, and no existing object was found",
            object::uid(&object)
        );
        return Err(scope.conflict(name, &why).into());
    }
    scope.authorize_create(name)?;
    wipe(&mut object);
    scope.settle_namespace(&mut object)?;
    scope.admit(Operation::Create, name, None, &mut object).await?;
    scope.dedup_owners(&mut object, true);
    create::store(scope, object).await
}

enum Attempt {
    Done(Stored),
    /// Somebody else was faster.
    Lost,
}

async fn attempt(scope: &Scope, name: &str, change: &dyn Change, entry: &Entry) -> Outcome<Attempt> {
    let resource = &scope.resource;
    let stored = convert::entry(resource, entry.clone()).await?;
    let old = read::value(resource, &stored);
    let registry_path = resource.registry_path();
    let target = Target {
        group: &resource.group,
        resource: &resource.plural,
        namespace: &scope.namespace,
        name,
        registry_path: &registry_path,
    };
    check_uid(change.whole().unwrap_or(&Value::Null), &old, &target)?;
    let mut new = scope.converting(|| change.apply(scope, Some(&old))).await?;
    scope.settle_namespace(&mut new)?;
    scope.admit(Operation::Update, name, Some(&old), &mut new).await?;
    scope.dedup_owners(&mut new, true);

    scope.check_rights(&new, Some(&old))?;
    check_number(&new)?;
    check_version(&mut new, &old, strategy::updates_unconditionally(resource), &target)?;
    before_update(&mut new, &old, if resource.namespaced { &scope.namespace } else { "" })?;
    strategy::prepare_update(resource, scope.part, &mut new, &old);
    let errors = strategy::check_update(resource, scope.part, &new, &old, &scope.warnings);
    if !errors.is_empty() {
        let (group, kind) = (strategy::named_group(resource, &new), strategy::named_kind(resource, &new));
        return Err(Status::invalid(group, kind, name, &errors).into());
    }
    scope.warn_of_finalizers(&new, Some(&old));
    scope.warn_of_formats(&new, Some(&old));
    strategy::canonicalize(resource, &mut new);
    keep_times(&mut new, &old);
    scope.judge(Operation::Update, name, Some(&old), Some(&new)).await?;
    scope.validate(Operation::Update, name, Some(&old), Some(&new)).await?;

    let goes = finishes_deletion(&new, &old) && !strategy::waits_for_content(resource, &new);
    let unchanged = new == old;
    if scope.dry_run {
        return Ok(Attempt::Done(Stored::Dry(read::as_stored(resource, new))));
    }
    let (group, version) = (&resource.storage_group, &resource.storage_version);
    let write = if goes {
        Write::Delete(convert::draft(resource, &new).await?)
    } else if unchanged && object::starts_with_type(entry.pieces()[0], group, version, &resource.kind) {
        return Ok(Attempt::Done(Stored::Entry(stored)));
    } else {
        Write::Put(convert::draft(resource, &new).await?)
    };
    match scope.core.commit(scope.key(name), Expect::At(entry.modified()), write).await {
        // A client that took the last finalizer away expects the object as it sent it.
        Ok(_) if goes => Ok(Attempt::Done(Stored::Dry(new))),
        Ok(entry) => Ok(Attempt::Done(Stored::Entry(convert::entry(resource, entry).await?))),
        Err(CommitError::Conflict { .. }) => Ok(Attempt::Lost),
        Err(failed) => Err(crate::commit::failed(&failed).into()),
    }
}

/// A version that is no number is not understood at all.
fn check_number(new: &Value) -> Outcome<()> {
    let given = object::meta_text(new, "resourceVersion");
    if given.is_empty() || given.parse::<u64>().is_ok() {
        return Ok(());
    }
    Err(Status::unknown(crate::failure::unsigned(given)).into())
}
