//! Roles and bindings, read from their objects.

use std::fmt;
use std::sync::Arc;

use apimachinery::meta::Meta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Rule, SERVICE_ACCOUNT_PREFIX};
use crate::quoted::quoted;

/// The API group of roles and bindings.
pub const ROLE_GROUP: &str = "rbac.authorization.k8s.io";

/// The four kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the kinds")]
pub enum Kind {
    Role,
    ClusterRole,
    RoleBinding,
    ClusterRoleBinding,
}

impl Kind {
    /// The kind of a resource of [`ROLE_GROUP`].
    pub fn of_resource(resource: &str) -> Option<Self> {
        match resource {
            "roles" => Some(Self::Role),
            "clusterroles" => Some(Self::ClusterRole),
            "rolebindings" => Some(Self::RoleBinding),
            "clusterrolebindings" => Some(Self::ClusterRoleBinding),
            _ => None,
        }
    }

    /// The resource, in its plural form.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Role => "roles",
            Self::ClusterRole => "clusterroles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRoleBinding => "clusterrolebindings",
        }
    }

    /// The kind's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
        }
    }

    /// Whether its objects live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        matches!(self, Self::Role | Self::RoleBinding)
    }
}

/// The `roleRef` of a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of RoleRef, documented there")]
pub struct RoleRef {
    pub api_group: String,
    pub kind: String,
    pub name: String,
}

/// A `Subject` of a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of Subject, documented there")]
pub struct Subject {
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Whom a subject stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// The user of this name; a service account is one.
    User(String),
    /// All who are in this group.
    Group(String),
}

impl Subject {
    /// Whom it stands for in a binding of `namespace`; `None` for nobody.
    pub fn stands_for(&self, namespace: &str) -> Option<SubjectKind> {
        match self.kind.as_str() {
            "User" => Some(SubjectKind::User(self.name.clone())),
            "Group" => Some(SubjectKind::Group(self.name.clone())),
            "ServiceAccount" => {
                let namespace = self.service_account_namespace(namespace);
                if namespace.is_empty() {
                    return None;
                }
                Some(SubjectKind::User(format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{}", self.name)))
            }
            _ => None,
        }
    }

    fn service_account_namespace<'a>(&'a self, binding: &'a str) -> &'a str {
        if self.namespace.is_empty() { binding } else { &self.namespace }
    }

    /// Whether it stands for this user in a binding of `namespace`.
    pub fn applies_to(&self, user: &str, groups: &[String], namespace: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == user,
            "Group" => groups.contains(&self.name),
            "ServiceAccount" => {
                let namespace = self.service_account_namespace(namespace);
                !namespace.is_empty()
                    && user
                        .strip_prefix(SERVICE_ACCOUNT_PREFIX)
                        .and_then(|rest| rest.strip_prefix(namespace))
                        .and_then(|rest| rest.strip_prefix(':'))
                        .is_some_and(|name| name == self.name)
            }
            _ => false,
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The namespace; empty for a ClusterRoleBinding.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// The role that is given.
    pub role: RoleRef,
    /// To whom.
    pub subjects: Vec<Subject>,
}

impl Binding {
    /// Reads the object.
    ///
    /// # Errors
    /// A field has another type than it should.
    pub fn read(object: &Value) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Wire {
            role_ref: RoleRef,
            subjects: Option<Vec<Subject>>,
        }
        let wire = Wire::deserialize(object)?;
        let meta = Meta::of(object);
        Ok(Self {
            namespace: meta.namespace().into(),
            name: meta.name().into(),
            role: wire.role_ref,
            subjects: wire.subjects.unwrap_or_default(),
        })
    }

    /// The first subject that stands for this user.
    pub(super) fn subject_for(&self, user: &str, groups: &[String]) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.applies_to(user, groups, &self.namespace))
    }
}

/// The rules of a Role or ClusterRole.
///
/// # Errors
/// A field has another type than it should.
pub(super) fn rules_of(object: &Value) -> Result<Vec<Rule>, serde_json::Error> {
    match object.get("rules") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(rules) => Vec::deserialize(rules),
    }
}

/// `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`. For a RoleBinding and a service account Kubernetes puts the name before
/// the namespace.
pub(super) fn describe(binding: &Binding, subject: &Subject, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if binding.namespace.is_empty() {
        write!(f, "ClusterRoleBinding {}", quoted(&binding.name))?;
    } else {
        write!(f, "RoleBinding {}", quoted(&format!("{}/{}", binding.name, binding.namespace)))?;
    }
    write!(f, " of {} {} to {} ", binding.role.kind, quoted(&binding.role.name), subject.kind)?;
    if subject.kind == "ServiceAccount" {
        let namespace = subject.service_account_namespace(&binding.namespace);
        return f.write_str(&quoted(&format!("{}/{namespace}", subject.name)));
    }
    f.write_str(&quoted(&subject.name))
}
