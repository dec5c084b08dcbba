//! The built-in kinds that are served, as static definitions: names, verbs, schemas, columns, defaults.
//!
//! The schemas are those of the `k8s-openapi` crate. What it does not carry (list types, map keys, patch strategies) comes from
//! one table, [`types`], which strict fields, `kubectl explain`, apply and strategic merge all read.

pub mod columns;
pub mod defaults;
pub mod event;
mod kinds;
pub mod selectable;
pub mod time;
pub mod typed;
pub mod types;
pub mod written;

use std::sync::Arc;

use apimachinery::discovery::{self, Resource};
use apimachinery::openapi;
use apimachinery::schema::Schema;
use apimachinery::table::Columns;

pub use kinds::KINDS;
pub use types::Types;

/// A built-in kind in one version.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The plural, as in paths.
    pub plural: &'static str,
    /// The singular.
    pub singular: &'static str,
    /// Short names.
    pub short_names: &'static [&'static str],
    /// Categories.
    pub categories: &'static [&'static str],
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// The subresources.
    pub subresources: &'static [Subresource],
    /// Where its objects are stored; None for reviews, which are answered and forgotten.
    pub stored: Option<Stored>,
    /// The fields besides name and namespace that objects can be selected by.
    pub selectable: selectable::Fields,
    /// The name of its type in `OpenAPI` documents.
    pub type_name: &'static str,
    /// The group's place in discovery, higher first.
    pub group_priority: u32,
}

/// A subresource of a built-in kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `finalize`, `token`.
    pub name: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Group, version and kind that it takes and gives, where they are not the kind's own.
    pub other: Option<(&'static str, &'static str, &'static str)>,
    /// The name of its type in `OpenAPI` documents.
    pub type_name: &'static str,
}

/// Where objects are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The prefix of their keys, `<group>/<resource>`. Two versions of one kind share it.
    pub prefix: &'static str,
    /// Group, version and kind that Kubernetes stores them as: discovery tells a hash of it. Here all are stored as `v1`.
    pub kind: (&'static str, &'static str, &'static str),
}

impl Definition {
    /// The kind of its lists.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// `v1` or `<group>/<version>`.
    pub fn api_version(&self) -> String {
        discovery::group_version(self.group, self.version)
    }

    /// As discovery tells it.
    pub fn resource(&self) -> Resource {
        let owned = |names: &'static [&'static str]| names.iter().copied().map(Into::into).collect();
        let subresource = |subresource: &'static Subresource| discovery::Subresource {
            name: subresource.name.into(),
            group_version: subresource.other.map(|(group, version, _)| (group.into(), version.into())),
            kind: subresource.other.map_or(self.kind, |(_, _, kind)| kind).into(),
            verbs: subresource.verbs.to_vec(),
        };
        Resource {
            group: self.group.into(),
            version: self.version.into(),
            plural: self.plural.into(),
            singular: self.singular.into(),
            kind: self.kind.into(),
            namespaced: self.namespaced,
            short_names: owned(self.short_names),
            categories: owned(self.categories),
            verbs: self.verbs.to_vec(),
            subresources: self.subresources.iter().map(subresource).collect(),
            stored: self.stored.map(|stored| {
                let (group, version, kind) = stored.kind;
                (group.into(), version.into(), kind.into())
            }),
            custom: false,
            group_priority: self.group_priority,
        }
    }
}

impl Definition {
    /// As `OpenAPI` documents tell it.
    pub fn openapi(&self) -> openapi::Kind {
        let other = |subresource: &&Subresource| subresource.type_name != self.type_name;
        openapi::Kind {
            resource: self.resource(),
            list_kind: self.list_kind(),
            type_name: self.type_name.to_owned(),
            subresource_types: self
                .subresources
                .iter()
                .filter(other)
                .map(|subresource| (subresource.name.to_owned(), subresource.type_name.to_owned()))
                .collect(),
            selectable: Vec::new(),
        }
    }
}

/// A built-in kind with its schema and columns.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Names, verbs and places.
    pub definition: &'static Definition,
    /// The schema, whole: nothing in it refers to another one.
    pub schema: Arc<Schema>,
    /// What tables show.
    pub columns: Arc<Columns>,
}

/// All built-in kinds, made once when a server starts.
pub fn kinds(types: &Types) -> Vec<Kind> {
    KINDS
        .iter()
        .map(|definition| Kind {
            definition,
            schema: Arc::new(types.inline(definition.type_name)),
            columns: Arc::new(columns::of(definition, types)),
        })
        .collect()
}
