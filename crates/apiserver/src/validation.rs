//! What objects of the built-in kinds may be, as kube-apiserver checks them; pure functions of the new and the old state.
//!
//! [`create`] and [`update`] are what a kind's strategy finds; `apimachinery::meta::validate::{on_create, on_update}` add what all
//! kinds are checked for. What is set and put back before is `builtin::defaults`'.

mod admission;
mod core;
mod crd;
mod event;
mod lease;
mod rbac;

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{NameRule, validate};
use serde_json::Value;

/// A built-in kind, or one that a client defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the kinds")]
pub enum Kind {
    Namespace,
    ConfigMap,
    Secret,
    ServiceAccount,
    /// `Event` of `v1`.
    CoreEvent,
    /// `Event` of `events.k8s.io/v1`.
    Event,
    Lease,
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
    CustomResourceDefinition,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
}

impl Kind {
    /// The built-in kind of this group and resource.
    pub fn of(group: &str, resource: &str) -> Option<Self> {
        Some(match (group, resource) {
            ("", "namespaces") => Self::Namespace,
            ("", "configmaps") => Self::ConfigMap,
            ("", "secrets") => Self::Secret,
            ("", "serviceaccounts") => Self::ServiceAccount,
            ("", "events") => Self::CoreEvent,
            ("events.k8s.io", "events") => Self::Event,
            ("coordination.k8s.io", "leases") => Self::Lease,
            ("rbac.authorization.k8s.io", "roles") => Self::Role,
            ("rbac.authorization.k8s.io", "clusterroles") => Self::ClusterRole,
            ("rbac.authorization.k8s.io", "rolebindings") => Self::RoleBinding,
            ("rbac.authorization.k8s.io", "clusterrolebindings") => Self::ClusterRoleBinding,
            ("apiextensions.k8s.io", "customresourcedefinitions") => Self::CustomResourceDefinition,
            ("admissionregistration.k8s.io", "validatingadmissionpolicies") => Self::ValidatingAdmissionPolicy,
            ("admissionregistration.k8s.io", "validatingadmissionpolicybindings") => {
                Self::ValidatingAdmissionPolicyBinding
            }
            _ => return None,
        })
    }

    /// What the kind asks of its objects' names.
    pub const fn name_rule(self) -> NameRule {
        match self {
            Self::Namespace => NameRule::DnsLabel,
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding => NameRule::PathSegment,
            _ => NameRule::DnsSubdomain,
        }
    }

    /// Whether a PUT may create an object (`AllowCreateOnUpdate`).
    pub const fn creates_on_update(self) -> bool {
        matches!(
            self,
            Self::CoreEvent
                | Self::Event
                | Self::Lease
                | Self::Role
                | Self::ClusterRole
                | Self::RoleBinding
                | Self::ClusterRoleBinding
        )
    }

    /// Whether an update may leave out the version that it was made from (`AllowUnconditionalUpdate`). Custom resources may not.
    pub const fn updates_unconditionally(self) -> bool {
        !matches!(
            self,
            Self::Lease
                | Self::CustomResourceDefinition
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
        )
    }

    /// Whether each error is told once, however often it was found: `apimachinery::meta::validate::distinct`.
    pub const fn tells_errors_once(self) -> bool {
        !matches!(self, Self::CustomResourceDefinition)
    }

    /// Whether dependents of its objects are collected.
    pub const fn is_collected(self) -> bool {
        !matches!(self, Self::CoreEvent | Self::Event)
    }

    /// Whether the kind counts generations.
    pub const fn counts_generations(self) -> bool {
        matches!(
            self,
            Self::CustomResourceDefinition | Self::ValidatingAdmissionPolicy | Self::ValidatingAdmissionPolicyBinding
        )
    }
}

/// What is wrong with a new object, after its name was generated.
pub fn create(kind: Kind, object: &Value) -> Vec<FieldError> {
    match kind {
        Kind::Namespace => core::namespace(object),
        Kind::ConfigMap => core::config_map(object),
        Kind::Secret => core::secret(object),
        Kind::ServiceAccount => core::service_account(object),
        Kind::CoreEvent => event::core(object),
        Kind::Event => event::create(object),
        Kind::Lease => lease::create(object),
        Kind::Role => rbac::role(object),
        Kind::ClusterRole => rbac::cluster_role(object),
        Kind::RoleBinding => rbac::binding(object, true),
        Kind::ClusterRoleBinding => rbac::binding(object, false),
        Kind::CustomResourceDefinition => crd::create(object),
        Kind::ValidatingAdmissionPolicy => admission::policy(object),
        Kind::ValidatingAdmissionPolicyBinding => admission::binding(object),
    }
}

/// What is wrong with a changed object. `subresource` is the endpoint's: `status`, `finalize`, or empty.
pub fn update(kind: Kind, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
    match (kind, subresource) {
        (Kind::Namespace, "status") => core::namespace_status_update(new, old),
        (Kind::Namespace, "finalize") => core::namespace_finalize_update(new, old),
        (Kind::Namespace, _) => core::namespace_update(new, old),
        (Kind::ConfigMap, _) => core::config_map_update(new, old),
        (Kind::Secret, _) => core::secret_update(new, old),
        (Kind::ServiceAccount, _) => core::service_account_update(new, old),
        (Kind::CoreEvent, _) => event::core(new),
        (Kind::Event, _) => event::update(new, old),
        (Kind::Lease, _) => lease::update(new, old),
        (Kind::Role, _) => rbac::role_update(new, old),
        (Kind::ClusterRole, _) => rbac::cluster_role_update(new, old),
        (Kind::RoleBinding, _) => rbac::binding_update(new, old, true),
        (Kind::ClusterRoleBinding, _) => rbac::binding_update(new, old, false),
        (Kind::CustomResourceDefinition, "status") => crd::status_update(new, old),
        (Kind::CustomResourceDefinition, _) => crd::update(new, old),
        (Kind::ValidatingAdmissionPolicy, "status") => Vec::new(),
        (Kind::ValidatingAdmissionPolicy, _) => admission::policy(new),
        (Kind::ValidatingAdmissionPolicyBinding, _) => admission::binding(new),
    }
}

/// The metadata of a new object of Kubernetes' core.
fn core_create(object: &Value, namespaced: bool, rule: NameRule) -> Vec<FieldError> {
    let mut errors = validate::create(object, namespaced, rule);
    validate::core_finalizers(object, &mut errors);
    errors
}

/// The metadata of a changed object of Kubernetes' core.
fn core_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = validate::update(new, old);
    validate::core_finalizers(new, &mut errors);
    errors
}

/// The value of a field; `null` is no value.
fn given<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

/// The text of a field, empty for none.
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list, none for no list.
fn items<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list.
fn texts<'a>(object: &'a Value, field: &str) -> Vec<&'a str> {
    items(object, field).iter().filter_map(Value::as_str).collect()
}

/// The entries of a map.
fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    object.get(field).and_then(Value::as_object).into_iter().flatten()
}

/// Adds what a check of a text found.
fn wrong(errors: &mut Vec<FieldError>, path: &Path<'_>, value: &str, found: Vec<String>) {
    errors.extend(found.into_iter().map(|words| FieldError::invalid(path, value, words)));
}

/// A field that may not change.
fn immutable(errors: &mut Vec<FieldError>, path: &Path<'_>, new: Option<&Value>, old: Option<&Value>) {
    if new != old {
        let shown = new.cloned().unwrap_or_default();
        errors.push(FieldError::invalid(path, shown, validate::IMMUTABLE));
    }
}
