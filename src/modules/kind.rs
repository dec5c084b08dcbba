//! A kind: declared once, in Rust.

use std::{fmt, sync::Arc};

use apimachinery::field::{ErrorType, FieldError};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt, Resource, core::ObjectMeta};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    config::rules::{self, Flaw},
    world::{
        World,
        input::LimitsInput,
        names::{self, LOCAL},
        rows::SubjectId,
    },
};

/// Who writes an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// User name.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// A write of an object, as a validator sees it.
#[derive(Debug)]
pub struct Change<'a, K> {
    /// The object before; `None` for a new one.
    pub old: Option<&'a K>,
    /// The object as it would be.
    pub new: &'a K,
    /// Who writes it.
    pub caller: &'a Caller,
    /// What is known of the other objects. It may be some milliseconds old.
    pub world: &'a World,
}

/// A kind with its validator. Pure: the same change gets the same answer.
pub trait Managed: Resource<DynamicType = ()> + CustomResourceExt + DeserializeOwned {
    /// Everything that is wrong with a write.
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError>;

    /// Why this caller may not write this, whatever its rights over the kind are. Asked for callers that are no part of Drover's
    /// and not in `system:masters`.
    fn forbid(_: &Change<'_, Self>) -> Option<String> {
        None
    }
}

/// A write of an object of any kind.
#[derive(Debug)]
pub struct Review<'a> {
    /// The object before; `None` for a new one.
    pub old: Option<&'a Value>,
    /// The object as it would be.
    pub new: &'a Value,
    /// Who writes it.
    pub caller: &'a Caller,
    /// What is known of the other objects.
    pub world: &'a World,
}

/// Why a write is not even looked at for what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// An object that is not of its kind's form.
    #[error("the object cannot be read as {kind}: {error}")]
    Unreadable {
        /// The kind.
        kind: String,
        /// What serde says.
        #[source]
        error: serde_json::Error,
    },
    /// This caller may not write this.
    #[error("{0}")]
    Forbidden(String),
}

impl Caller {
    /// Whether it is a part of Drover's own, or may do everything in the plane by itself. Names that begin with `drover:` are
    /// nobody else's.
    fn is_trusted(&self) -> bool {
        self.user.starts_with("drover:") || self.groups.iter().any(|group| group == "system:masters")
    }

    /// A role of the management plane that one of `subjects` has and the caller has not.
    pub(super) fn lacks(&self, subjects: impl Iterator<Item = SubjectId>, world: &World) -> Option<Arc<str>> {
        let local = world.cluster(LOCAL)?;
        let places = local.roles_of(subjects);
        let mut roles = places.iter().filter_map(|place| local.roles.get(*place as usize));
        let own = |template: &str| self.groups.contains(&names::cluster_role_group(LOCAL, template).to_string());
        let has = |template: &str| own(template) || above(template).iter().any(|template| own(template));
        roles.find(|role| !has(&role.template)).map(|role| Arc::clone(&role.template))
    }
}

/// The roles that Kubernetes comes with which have all that another has.
fn above(template: &str) -> &'static [&'static str] {
    const ORDER: [&str; 4] = ["cluster-admin", "admin", "edit", "view"];
    let place = ORDER.iter().position(|known| *known == template).unwrap_or(1);
    // Whatever it is, who may do everything has it.
    ORDER.get(..place).unwrap_or_default()
}

/// One kind among others: what the plane, admission and the installer need of it.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its definition: names, schema, printer columns.
    pub crd: fn() -> CustomResourceDefinition,
    plural: fn() -> String,
    validate: fn(&Review<'_>) -> Result<Vec<FieldError>, Refused>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("plural", &self.plural()).finish_non_exhaustive()
    }
}

impl Kind {
    /// The kind that `K` declares.
    pub fn of<K: Managed>() -> Self {
        Self { crd: K::crd, plural: || K::plural(&()).into_owned(), validate: validate::<K> }
    }

    /// The resource in paths, such as `users`.
    pub fn plural(&self) -> String {
        (self.plural)()
    }

    /// Everything that is wrong with a write and was not wrong before: an object that has become invalid can still be
    /// changed elsewhere, also in its status.
    ///
    /// # Errors
    /// An object that is not of the kind's form, a caller that may not write it.
    pub fn validate(&self, review: &Review<'_>) -> Result<Vec<FieldError>, Refused> {
        (self.validate)(review)
    }
}

fn validate<K: Managed>(review: &Review<'_>) -> Result<Vec<FieldError>, Refused> {
    let unreadable = |error| Refused::Unreadable { kind: K::kind(&()).into_owned(), error };
    let new = K::deserialize(review.new).map_err(unreadable)?;
    // One that was written under other rules may be in no form of ours: then all of the new one counts.
    let old = review.old.and_then(|old| K::deserialize(old).ok());
    let Review { caller, world, .. } = review;
    let change = Change { old: old.as_ref(), new: &new, caller, world };
    if let Some(why) = K::forbid(&change).filter(|_| !caller.is_trusted()) {
        return Err(Refused::Forbidden(why));
    }
    let mut errors = K::validate(&change);
    if let Some(old) = &old {
        let before = K::validate(&Change { old: Some(old), new: old, caller, world });
        errors.retain(|error| !before.contains(error));
    }
    Ok(errors)
}

/// The name of a principal: the text, or the name of the Principal object.
pub(super) fn principal(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.pointer("/metadata/name")?.as_str())
}

/// What is wrong with an object's name; the plane makes one that is to be generated.
pub(super) fn name(metadata: &ObjectMeta) -> Option<Flaw> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let generated = metadata.generate_name.as_ref().is_some_and(|prefix| !prefix.is_empty());
    rules::name(name).filter(|_| !(name.is_empty() && generated))
}

/// Flaws as admission tells them. No message shows a value by itself: it could be a secret.
pub(super) fn errors(flaws: impl IntoIterator<Item = Flaw>) -> Vec<FieldError> {
    let error = |Flaw { field, message }| FieldError {
        kind: if message == "is missing" { ErrorType::Required } else { ErrorType::Forbidden },
        field,
        value: Value::Null,
        detail: message,
    };
    flaws.into_iter().map(error).collect()
}

/// A field that stays as it was made.
pub(super) fn immutable<T: PartialEq>(field: &str, old: Option<&T>, new: &T) -> Option<Flaw> {
    old.is_some_and(|old| old != new).then(|| Flaw::new(field, "field is immutable"))
}

/// Limits of a user or a cluster: Drover's own addition to Rancher's kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests under way at once, without watches and upgrades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub in_flight: Option<u32>,
    /// Requests a second, sustained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub per_second: Option<u32>,
    /// Requests let through at once above the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub burst: Option<u32>,
}

impl From<Limits> for LimitsInput {
    fn from(limits: Limits) -> Self {
        Self { in_flight: limits.in_flight, per_second: limits.per_second, burst: limits.burst }
    }
}

/// A number from 0: Kubernetes knows no unsigned formats.
fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX})
}

/// Whatever Rancher may write there, kept as it is.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// Texts of which each stands once: several writers can own some of them each.
pub(super) fn set_of_strings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "maxLength": 1024}, "x-kubernetes-list-type": "set"})
}

/// A list of whatever Rancher may write there.
pub(super) fn list_of_anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": true}})
}
