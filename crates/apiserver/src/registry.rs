//! Which resources there are. One immutable catalogue at a time; a change makes the next one.

mod built_in;
mod resource;

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::{discovery::Documents, openapi};

pub(crate) use built_in::built_in;
pub use resource::{
    Definition, Origin, Resource, Rules, Scale, SelectableField, Subresources, api_version, split_api_version,
};

/// Holds the present catalogue.
#[derive(Debug)]
pub struct Registry {
    current: ArcSwap<Catalog>,
}

/// All resources at one point in time.
#[derive(Debug, Default)]
pub struct Catalog {
    generation: u64,
    resources: Vec<Arc<Resource>>,
    index: HashMap<String, Arc<Resource>>,
    stored: HashMap<String, Arc<Resource>>,
    documents: Documents,
    openapi: openapi::Documents,
}

impl Registry {
    /// A registry of these resources, in the order that discovery shows.
    pub fn new(resources: Vec<Arc<Resource>>) -> Self {
        Self { current: ArcSwap::from_pointee(Catalog::new(1, resources, openapi::Documents::default())) }
    }

    /// The present catalogue.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// Makes the next catalogue from the present one's resources.
    pub fn change(&self, next: impl Fn(&Catalog) -> Vec<Arc<Resource>>) {
        self.current.rcu(|catalog| Catalog::new(catalog.generation + 1, next(catalog), catalog.openapi.next()));
    }
}

impl Catalog {
    fn new(generation: u64, resources: Vec<Arc<Resource>>, openapi: openapi::Documents) -> Self {
        let index = resources
            .iter()
            .map(|resource| (key(&resource.group, &resource.version, &resource.plural), Arc::clone(resource)))
            .collect();
        let stored = resources.iter().filter(|resource| resource.is_stored());
        let stored = stored.map(|resource| (resource.prefix.clone(), Arc::clone(resource))).collect();
        Self { generation, resources, index, stored, documents: Documents::default(), openapi }
    }

    /// Grows with each change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What is said of these resources, made when it is first asked for.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// The documents that describe their objects, made when they are first asked for.
    pub(crate) fn openapi(&self) -> &openapi::Documents {
        &self.openapi
    }

    /// All resources, in the order that discovery shows.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The resource that a path names, if it is served.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.index.get(&key(group, version, plural)).filter(|resource| resource.served)
    }

    /// The resource in a version, also one that is not served.
    pub(crate) fn any(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.index.get(&key(group, version, plural))
    }

    /// A resource in any version; that one which objects are stored in, where it is served.
    pub fn any_version(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        let mut versions = self.resources.iter().filter(|resource| resource.is(group, plural) && resource.served);
        let first = versions.clone().next();
        versions.find(|resource| resource.version == resource.storage_version).or(first)
    }

    /// The resource of the objects that are stored under a prefix, in the version that they are stored in.
    pub(crate) fn stored_at(&self, prefix: &str) -> Option<&Arc<Resource>> {
        self.stored.get(prefix)
    }

    /// The resource of a kind, in one version.
    pub fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| {
            resource.served && resource.group == group && resource.version == version && resource.kind == kind
        })
    }

    /// Whether anything of this group is served.
    pub fn has_group(&self, group: &str) -> bool {
        self.resources.iter().any(|resource| resource.served && resource.group == group)
    }

    /// Whether anything of this group and version is served.
    pub fn has_version(&self, group: &str, version: &str) -> bool {
        self.resources.iter().any(|resource| resource.served && resource.group == group && resource.version == version)
    }
}

fn key(group: &str, version: &str, plural: &str) -> String {
    format!("{group}/{version}/{plural}")
}
