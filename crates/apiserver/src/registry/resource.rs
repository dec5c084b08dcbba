//! One resource in one version: all that a request for it needs to know.

use std::{collections::BTreeMap, sync::Arc};

use apimachinery::{
    cel,
    field::FieldError,
    schema::{Schema, validate::Validator},
    table::Columns,
};
use serde::{Deserialize, Serialize};

use crate::{builtin, convert::Webhook};

/// A resource in one version, such as `deployments` of `apps/v1`.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind of the objects.
    pub kind: String,
    /// The kind of a list of them.
    pub list_kind: String,
    /// The name in paths.
    pub plural: String,
    /// The name of one.
    pub singular: String,
    /// Short names for kubectl.
    pub short_names: Vec<String>,
    /// Groups of resources for kubectl, such as `all`.
    pub categories: Vec<String>,
    /// Whether the objects live in namespaces.
    pub namespaced: bool,
    /// Whether this version is answered for.
    pub served: bool,
    /// The schema; `None` when nothing is known of the objects' fields.
    pub schema: Option<Arc<Schema>>,
    /// The same, made ready to check objects of custom resources.
    pub validator: Option<Arc<Validator>>,
    /// Its rules, `x-kubernetes-validations`, ready to run; `None` where there are none.
    pub rules: Option<Arc<Rules>>,
    /// What converts objects from and to other versions; `None` where these differ by name alone.
    pub conversion: Option<Arc<Webhook>>,
    /// What a table shows.
    pub columns: Arc<Columns>,
    /// Subresources.
    pub subresources: Subresources,
    /// Fields besides name and namespace that a field selector may name.
    pub selectable: Vec<SelectableField>,
    /// What their keys begin with in the store; two groups of one kind share it.
    pub prefix: String,
    /// The group that objects are stored in; the resource's own but for events.
    pub storage_group: String,
    /// The version that objects are stored in.
    pub storage_version: String,
    /// The group's place among the others in discovery, higher first; 1000 for custom kinds.
    pub group_priority: u32,
    /// Where it comes from.
    pub origin: Origin,
    /// Said to whoever uses this version, when it is deprecated.
    pub deprecation: Option<String>,
    /// Objects last written after this revision fit the present schema as they are stored; older ones are pruned and defaulted
    /// whenever they are read.
    pub valid_since: u64,
}

/// The rules of a schema, or what is wrong with them: then every object is refused.
pub type Rules = Result<cel::Compiled, Vec<FieldError>>;

/// Which subresources there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subresources {
    /// `status`, which then can be changed nowhere else.
    pub status: bool,
    /// `scale`.
    pub scale: Option<Scale>,
    /// `finalize`, which namespaces have.
    pub finalize: bool,
    /// `token`, which service accounts have.
    pub token: bool,
}

/// Where an object has what `scale` shows: JSON paths as `CustomResourceSubresourceScale` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scale {
    /// The number that is wanted, below `.spec`.
    pub spec_replicas_path: String,
    /// The number that there is, below `.status`.
    pub status_replicas_path: String,
    /// The selector as text, below `.spec` or `.status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector_path: Option<String>,
}

/// A field that a field selector may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// As selectors have it: `spec.color`.
    pub name: String,
    /// The fields to go through.
    pub path: Vec<String>,
}

impl SelectableField {
    /// From a simple JSON path, such as `.spec.color`.
    pub fn of(json_path: &str) -> Self {
        let name = json_path.trim_start_matches('.').to_owned();
        let path = name.split('.').map(str::to_owned).collect();
        Self { name, path }
    }
}

/// Where a resource comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The server itself.
    BuiltIn(&'static builtin::Definition),
    /// A `CustomResourceDefinition`.
    Custom(Arc<Definition>),
}

/// The `CustomResourceDefinition` that a resource comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is being deleted: then nothing new is made.
    pub terminating: bool,
    /// The schemas of all versions: an object is completed by that of the version that it is stored in.
    pub schemas: BTreeMap<String, Arc<Schema>>,
}

impl Resource {
    /// The verbs as discovery lists them.
    pub fn verb_names(&self) -> Vec<&'static str> {
        match &self.origin {
            Origin::BuiltIn(definition) => definition.verbs.to_vec(),
            Origin::Custom(_) => {
                vec!["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            }
        }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// The version that objects are stored in, with its group.
    pub fn storage_api_version(&self) -> String {
        api_version(&self.storage_group, &self.storage_version)
    }

    /// Whether objects are stored as this version shows them.
    pub fn is_stored(&self) -> bool {
        self.version == self.storage_version && self.group == self.storage_group
    }

    /// The built-in kind that it is.
    pub fn built_in(&self) -> Option<&'static builtin::Definition> {
        match self.origin {
            Origin::BuiltIn(definition) => Some(definition),
            Origin::Custom(_) => None,
        }
    }

    /// Whether it comes from a `CustomResourceDefinition`.
    pub fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom(_))
    }

    /// What Go calls the type of one, in some messages.
    pub(crate) fn go_type(&self) -> String {
        if self.is_custom() {
            return "*unstructured.Unstructured".to_owned();
        }
        // All packages have the name of their group but the one of events.
        let package = match self.group.split('.').next().unwrap_or_default() {
            "" | "events" => "core",
            package => package,
        };
        format!("*{package}.{}", self.kind)
    }

    /// The group that errors about an object's fields name: events of both groups are read as those of the core group.
    pub(crate) fn error_group(&self) -> &str {
        if self.is("events.k8s.io", "events") { "" } else { &self.group }
    }

    /// Where Kubernetes keeps the objects below `/registry`, as some messages tell.
    pub(crate) fn registry_path(&self) -> String {
        match self.built_in() {
            Some(_) if self.group != "apiextensions.k8s.io" => self.plural.clone(),
            _ => format!("{}/{}", self.group, self.plural),
        }
    }

    /// Whether it is this resource of this group.
    pub fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// `group/version`, or the version alone for the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The group and version of `group/version`.
pub fn split_api_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}
