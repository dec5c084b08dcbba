//! Server-side apply, and who owns which fields of an object after any write.
//!
//! The rules are those of `sigs.k8s.io/structured-merge-diff` v6 under `k8s.io/apimachinery/pkg/util/managedfields`, in the order in
//! which `NewDefaultFieldManager` puts its managers around each other:
//!
//! 1. the applied object must be of the endpoint's kind,
//! 2. `kubectl` keeps the annotation of client-side apply in step, and takes over what client-side apply owned,
//! 3. an object that nobody owned fields of so far gets an owner `before-first-apply`,
//! 4. at most ten updaters are kept, older ones are joined to `ancient-changes`,
//! 5. an owner's time changes when its write changed something,
//! 6. some fields of `metadata` are never owned,
//! 7. fields are compared, merged and removed by the schema (`updater`).

mod compare;
mod conflict;
mod element;
mod fields_v1;
mod last_applied;
mod managed;
mod manager;
mod merge;
mod reconcile;
mod remove;
mod scalar;
mod scale;
mod set;
mod times;
mod to_set;
mod types;
mod updater;
mod validate;

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::schema::Schema;
pub use conflict::Conflicts;
pub use element::{Element, ElementError, FieldPath};
pub use managed::{Managed, ManagedError, Operation};
pub use manager::{manager_or_user_agent, validate_managed_fields, validate_manager};
pub use scale::{ReplicasPath, scale_managed_fields, with_scale_managed_fields};
pub use set::FieldSet;
pub use times::keep_times;

pub(crate) use types::object_meta;

use managed::{Owner, Owners, is_reset, managed_fields, take_managed_fields, whole_seconds};
use types::Type;
use updater::{Failure, Updater, identity};
use validate::validate;

/// How many updaters an object keeps apart.
const MAX_UPDATERS: usize = 10;

/// What a write is about, beside the objects.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The field manager; empty for unknown.
    pub manager: &'a str,
    /// The version of the endpoint, which all objects given are in: `apps/v1`.
    pub api_version: &'a str,
    /// The kind of the endpoint.
    pub kind: &'a str,
    /// The subresource written to; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write.
    pub now: Timestamp,
    /// The schema of the version. Without one, maps are granular and lists atomic.
    pub schema: Option<&'a Schema>,
    /// The fields that the endpoint resets, so that no write to it owns them: `status` on the object, all else on `status`.
    pub reset: &'a FieldSet,
    /// What a new object of the kind looks like before anything is written to it; by default just `apiVersion` and `kind`. Kubernetes'
    /// own kinds have more: `{"spec": {}, "status": {}}` of a Namespace is nobody's.
    pub empty: Option<&'a Value>,
    /// The other versions of the kind.
    pub versions: &'a dyn Versions,
}

/// The versions of a kind beside the endpoint's.
pub trait Versions {
    /// What a version says of fields. None if it is not served: who owned fields in it owns nothing any more.
    fn version(&self, api_version: &str) -> Option<Version<'_>>;

    /// The object in a version that is served.
    ///
    /// # Errors
    /// A sentence on why it cannot be converted.
    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String>;
}

/// What a version says of fields.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    /// Its schema.
    pub schema: Option<&'a Schema>,
    /// The fields that the endpoint resets, in this version.
    pub reset: &'a FieldSet,
}

/// The versions of a kind that has but one.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneVersion;

impl Versions for OneVersion {
    fn version(&self, _: &str) -> Option<Version<'_>> {
        None
    }

    fn convert(&self, _: &Value, api_version: &str) -> Result<Value, String> {
        Err(format!("no conversion to {api_version}"))
    }
}

/// Why an object cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// 409 `Conflict`, with [`Conflicts::causes`].
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// 400 `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// 500 without a reason: what Kubernetes has no answer of its own for, such as a field that the schema does not declare.
    #[error("{0}")]
    Failed(String),
}

/// What no set contains: who writes an object does not own what it is called.
static NEVER_OWNED: LazyLock<FieldSet> = LazyLock::new(|| {
    FieldSet::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
});

/// The object of a create, update or patch with its `managedFields` as they are after it. `live` is the stored object; None for a
/// create.
///
/// Owners that a request brings itself are taken, unless they are not well-formed or the write goes to a subresource; `[{}]` clears
/// them. Where owners cannot be worked out, the live ones stay.
pub fn updated(live: Option<&Value>, mut new: Value, context: &Context<'_>) -> Value {
    let empty;
    let live = match (live, context.empty) {
        (Some(live), _) | (None, Some(live)) => live,
        (None, None) => {
            empty = empty_object(context);
            &empty
        }
    };
    let given = take_managed_fields(&mut new);
    let mut owners = owners_of_write(live, given, context);
    let tracked = !owners.is_empty() || !has_uid(live);
    if tracked && update_owners(live, &new, &mut owners, context, context.manager).is_err() {
        if let Some(entries) = managed_fields(live) {
            put_managed_fields(&mut new, Value::Array(entries.clone()));
        }
        return new;
    }
    owners.write(&mut new);
    new
}

/// The object after an apply of `config`, with its `managedFields`. `live` is the stored object; None if the apply creates one. Defaults
/// are to be set afterwards. An apply that changes nothing gives the object as it is, possibly with another owner.
///
/// # Errors
/// Conflicts with other owners unless `force` is set; an object that is not of the endpoint's kind or of its schema.
pub fn applied(live: Option<&Value>, config: &Value, force: bool, context: &Context<'_>) -> Result<Value, ApplyError> {
    let mut live = live.or(context.empty).cloned().unwrap_or_else(|| empty_object(context));
    let entries = take_managed_fields(&mut live).map(list).unwrap_or_default();
    let owners = Owners::decode(entries)
        .map_err(|error| ApplyError::Failed(format!("failed to decode managed fields: {error}")))?;
    check_kind(config, context)?;
    let (mut object, owners) = if context.manager == last_applied::MANAGER {
        match apply_once(&live, config, owners.clone(), force, context) {
            Err(ApplyError::Conflicts(conflicts)) => {
                let Some(allowed) = last_applied::fields(&live, context) else { return Err(conflicts.into()) };
                let mut left = conflicts.0.clone();
                left.retain(|conflict| !allowed.has(&conflict.path.0));
                if !left.is_empty() {
                    return Err(Conflicts::new(left).into());
                }
                apply_once(&live, config, owners, true, context)?
            }
            result => result?,
        }
    } else {
        apply_once(&live, config, owners, force, context)?
    };
    if context.manager == last_applied::MANAGER {
        last_applied::update(&mut object, config)?;
    }
    owners.write(&mut object);
    Ok(object)
}

fn apply_once(
    live: &Value,
    config: &Value,
    mut owners: Owners,
    force: bool,
    context: &Context<'_>,
) -> Result<(Value, Owners), ApplyError> {
    if owners.is_empty() {
        let empty = context.empty.cloned().unwrap_or_else(|| empty_object(context));
        update_owners(&empty, live, &mut owners, context, "before-first-apply")
            .map_err(|why| ApplyError::Failed(format!("failed to create manager for existing fields: {why}")))?;
    }
    if config.pointer("/metadata/managedFields").is_some_and(Value::is_array) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let of = Type::root(context.schema);
    validate(of, config, false).map_err(|errors| {
        ApplyError::Failed(format!("failed to create typed patch object ({}): {errors}", described(config, context)))
    })?;
    validate(of, live, true).map_err(|errors| {
        ApplyError::Failed(format!("failed to create typed live object ({}): {errors}", described(live, context)))
    })?;
    let applier = identity(context, context.manager, Operation::Apply);
    let changed = Updater::new(context).apply(live, config, &mut owners, &applier, force);
    let changed = changed.map_err(|failure| match failure {
        Failure::Conflicts(conflicts) => Conflicts::new(conflicts).into(),
        Failure::Other(why) => ApplyError::Failed(why),
    })?;
    if let Some(mut owner) = owners.remove(&applier) {
        let fields = owner.entry.fields.difference(&NEVER_OWNED);
        owner.set_fields(fields);
        if changed.is_some() {
            owner.entry.time = Some(whole_seconds(context.now));
        }
        if !owner.entry.fields.is_empty() {
            owners.put(owner);
        }
    }
    Ok((changed.unwrap_or_else(|| live.clone()), owners))
}

/// Brings the owners to what they are after a write that is no apply.
fn update_owners(
    live: &Value,
    new: &Value,
    owners: &mut Owners,
    context: &Context<'_>,
    manager: &str,
) -> Result<(), String> {
    let of = Type::root(context.schema);
    for (what, object) in [("new", new), ("live", live)] {
        validate(of, object, true).map_err(|errors| {
            format!("failed to convert {what} object ({}) to smd typed: {errors}", described(object, context))
        })?;
    }
    let taken = Updater::new(context).update(live, new, owners).map_err(|failure| match failure {
        Failure::Conflicts(conflicts) => Conflicts::new(conflicts).to_string(),
        Failure::Other(why) => format!("failed to update ManagedFields ({}): {why}", described(new, context)),
    })?;
    let taken = taken.difference(&NEVER_OWNED);
    if !taken.is_empty() {
        let writer = identity(context, manager, Operation::Update);
        let fields = match owners.find(&writer) {
            Some(previous) => taken.union(&previous.entry.fields),
            None => taken,
        };
        owners.put(Owner::new(&writer, context.api_version, Some(whole_seconds(context.now)), fields));
    }
    owners.cap_updaters(MAX_UPDATERS);
    Ok(())
}

/// The owners before a write: those that the request gives, else the live ones.
fn owners_of_write(live: &Value, given: Option<Value>, context: &Context<'_>) -> Owners {
    let of_live = || Owners::of(live).unwrap_or_default();
    if !context.subresource.is_empty() {
        return of_live();
    }
    if is_reset(given.as_ref().and_then(Value::as_array)) {
        return Owners::default();
    }
    match Owners::decode(given.map(list).unwrap_or_default()) {
        Ok(owners) if !owners.is_empty() => owners,
        _ => of_live(),
    }
}

/// A list's items; what is none has none.
fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn empty_object(context: &Context<'_>) -> Value {
    json!({"apiVersion": context.api_version, "kind": context.kind})
}

fn has_uid(object: &Value) -> bool {
    object.pointer("/metadata/uid").and_then(Value::as_str).is_some_and(|uid| !uid.is_empty())
}

fn put_managed_fields(object: &mut Value, entries: Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("managedFields".to_owned(), entries);
    }
}

fn check_kind(config: &Value, context: &Context<'_>) -> Result<(), ApplyError> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version == context.api_version && kind == context.kind {
        return Ok(());
    }
    Err(ApplyError::BadRequest(format!("invalid object type: {}", group_version_kind(api_version, kind))))
}

/// As Kubernetes prints a `GroupVersionKind`: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
fn group_version_kind(api_version: &str, kind: &str) -> String {
    match api_version.matches('/').count() {
        0 => format!("/{api_version}, Kind={kind}"),
        1 => format!("{api_version}, Kind={kind}"),
        _ => "/, Kind=".to_owned(),
    }
}

/// An object's namespace, name and kind, for messages.
fn described(object: &Value, context: &Context<'_>) -> String {
    let text = |name: &str| object.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
    let (namespace, name) = (text("namespace").unwrap_or_default(), text("name").unwrap_or_default());
    format!("{namespace}/{name}; {}", group_version_kind(context.api_version, context.kind))
}
