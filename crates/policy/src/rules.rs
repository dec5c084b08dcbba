//! RBAC as Kubernetes evaluates it: `plugin/pkg/auth/authorizer/rbac` and `pkg/apis/rbac/v1/evaluation_helpers.go`.
//!
//! [`Rule::allows`] is the whole of the meaning; [`Authorizer`] finds the rules that can matter fast.

mod authorizer;
mod index;
mod object;

use std::borrow::Cow;

use apimachinery::request_info::RequestInfo;
use serde::{Deserialize, Serialize};

pub use authorizer::{Authorizer, Decision, Grant, Rules};
pub use object::{Binding, Kind, ROLE_GROUP, RoleRef, Subject, SubjectKind};

/// Whoever is in this group may do everything.
pub const MASTERS: &str = "system:masters";
/// What a service account's user name begins with; `<namespace>:<name>` follows.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A `PolicyRule` of `rbac.authorization.k8s.io/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of PolicyRule, documented there")]
pub struct Rule {
    #[serde(deserialize_with = "null_is_empty")]
    pub verbs: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    #[serde(deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// Go reads `null` as an empty list.
fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}

/// What somebody wants to do. A part that the request does not have is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// The verb; for a path the HTTP method in lower case.
    pub verb: &'a str,
    /// Whether an API resource is meant, else a path.
    pub is_resource: bool,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The resource, in its plural form.
    pub resource: &'a str,
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace; empty for the whole cluster.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The path, when no resource is meant.
    pub path: &'a str,
}

impl<'a> Attributes<'a> {
    /// What a request asks.
    pub fn of(user: &'a str, groups: &'a [String], info: &'a RequestInfo<'_>) -> Self {
        Self {
            user,
            groups,
            verb: info.verb.as_str(),
            is_resource: info.is_resource,
            group: info.group,
            resource: info.resource,
            subresource: info.subresource,
            namespace: info.namespace,
            name: &info.name,
            path: info.path,
        }
    }

    /// The resource as rules name it: `pods`, `pods/log`.
    fn combined(&self) -> Cow<'a, str> {
        if self.subresource.is_empty() {
            Cow::Borrowed(self.resource)
        } else {
            Cow::Owned(format!("{}/{}", self.resource, self.subresource))
        }
    }
}

impl Rule {
    /// Whether this rule alone allows it.
    pub fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !asked.is_resource {
            return self.has_verb(asked.verb) && self.has_path(asked.path);
        }
        self.has_verb(asked.verb)
            && self.has_group(asked.group)
            && self.has_resource(&asked.combined(), asked.subresource)
            && self.has_name(asked.name)
    }

    fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|own| own == "*" || own == verb)
    }

    /// An empty group is the core group and nothing else, an empty list is no group at all.
    fn has_group(&self, group: &str) -> bool {
        self.api_groups.iter().any(|own| own == "*" || own == group)
    }

    fn has_resource(&self, combined: &str, subresource: &str) -> bool {
        self.resources.iter().any(|own| {
            own == "*"
                || own == combined
                || (!subresource.is_empty() && own.strip_prefix("*/").is_some_and(|own| own == subresource))
        })
    }

    /// A rule without names is for all objects; one with names is for no request that names none, such as a list.
    fn has_name(&self, name: &str) -> bool {
        self.resource_names.is_empty() || self.resource_names.iter().any(|own| own == name)
    }

    fn has_path(&self, path: &str) -> bool {
        self.non_resource_urls.iter().any(|own| own == "*" || path_covers(own, path))
    }
}

/// Whether a URL of a rule stands for `path`: `/healthz`, `/healthz/*`.
pub(crate) fn path_covers(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}
