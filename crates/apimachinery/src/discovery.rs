//! Discovery documents: which groups, versions and resources are served, as pure functions of the list of resources.
//!
//! See `k8s.io/apiserver/pkg/endpoints/discovery` and `k8s.io/kube-aggregator/pkg/apiserver/handler_apis.go`.

mod aggregated;
mod version;

use std::borrow::Cow;
use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub use aggregated::{AGGREGATED_CONTENT_TYPE, Aggregated, aggregated};
pub use version::compare_versions;

/// A resource in one of the versions that it is served in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version.
    pub version: Cow<'static, str>,
    /// The plural, as in paths.
    pub plural: Cow<'static, str>,
    /// The singular.
    pub singular: Cow<'static, str>,
    /// The kind.
    pub kind: Cow<'static, str>,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Short names, as kubectl takes them.
    pub short_names: Vec<Cow<'static, str>>,
    /// Categories, such as `all`.
    pub categories: Vec<Cow<'static, str>>,
    /// The verbs.
    pub verbs: Vec<&'static str>,
    /// The subresources.
    pub subresources: Vec<Subresource>,
    /// Group, version and kind that its objects are stored as; None for reviews, which are not stored.
    pub stored: Option<(Cow<'static, str>, Cow<'static, str>, Cow<'static, str>)>,
    /// Whether a `CustomResourceDefinition` declares it.
    pub custom: bool,
    /// The group's place among the others, higher first: `groupPriorityMinimum` of an `APIService`. 1000 for custom kinds.
    pub group_priority: u32,
}

/// A subresource of a [`Resource`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `token`.
    pub name: Cow<'static, str>,
    /// Group and version of its kind, where they are not the resource's own.
    pub group_version: Option<(Cow<'static, str>, Cow<'static, str>)>,
    /// The kind that it takes and gives.
    pub kind: Cow<'static, str>,
    /// The verbs.
    pub verbs: Vec<&'static str>,
}

/// `/api`: the versions of the core group. `server` is the address that clients in no known network are told.
pub fn api_versions(resources: &[Resource], server: &str) -> Value {
    let versions: Vec<&str> = groups(resources)
        .into_iter()
        .filter(|group| group.name.is_empty())
        .flat_map(|group| group.versions.into_iter().map(|version| version.name))
        .collect();
    json!({
        "kind": "APIVersions", "versions": versions,
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    })
}

/// `/apis`: all groups but the core one.
pub fn group_list(resources: &[Resource]) -> Value {
    let groups: Vec<Value> = groups(resources)
        .iter()
        .filter(|group| !group.name.is_empty())
        .map(|group| Value::Object(group.document()))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`.
pub fn group(resources: &[Resource], name: &str) -> Option<Value> {
    let mut document = groups(resources).into_iter().find(|group| group.name == name && !name.is_empty())?.document();
    document.insert("kind".to_owned(), "APIGroup".into());
    document.insert("apiVersion".to_owned(), "v1".into());
    Some(Value::Object(document))
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub fn resource_list(resources: &[Resource], group: &str, version: &str) -> Option<Value> {
    let mut found: Vec<&Resource> =
        resources.iter().filter(|resource| resource.group == group && resource.version == version).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by(|a, b| a.plural.cmp(&b.plural));
    let mut listed = Vec::new();
    for resource in found {
        listed.push(resource.document());
        for subresource in &resource.subresources {
            let name = format!("{}/{}", resource.plural, subresource.name);
            listed.push(subresource.document(&name, resource.namespaced));
        }
    }
    let mut list =
        json!({"kind": "APIResourceList", "groupVersion": group_version(group, version), "resources": listed});
    // The list of the core group does not say its own version.
    if !group.is_empty()
        && let Some(fields) = list.as_object_mut()
    {
        fields.insert("apiVersion".to_owned(), "v1".into());
    }
    Some(list)
}

/// `v1` or `apps/v1`.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// What tells clients that objects are stored in another form than before: `StorageVersionHash` of
/// `k8s.io/apiserver/pkg/endpoints/discovery`.
pub fn storage_version_hash(group: &str, version: &str, kind: &str) -> String {
    let digest = Sha256::digest(format!("{group}/{version}/{kind}"));
    STANDARD.encode(digest.get(..8).unwrap_or_default())
}

impl Resource {
    fn document(&self) -> Value {
        let mut document = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced, "kind": self.kind,
            "verbs": self.verbs,
        });
        if let Value::Object(fields) = &mut document {
            put_list(fields, "shortNames", &self.short_names);
            put_list(fields, "categories", &self.categories);
            if let Some((group, version, kind)) = &self.stored {
                fields.insert("storageVersionHash".to_owned(), storage_version_hash(group, version, kind).into());
            }
        }
        document
    }
}

impl Subresource {
    fn document(&self, name: &str, namespaced: bool) -> Value {
        let mut document = json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": self.kind, "verbs": self.verbs,
        });
        if let (Value::Object(fields), Some((group, version))) = (&mut document, &self.group_version) {
            fields.insert("group".to_owned(), group.clone().into());
            fields.insert("version".to_owned(), version.clone().into());
        }
        document
    }
}

fn put_list(fields: &mut Map<String, Value>, name: &str, list: &[Cow<'static, str>]) {
    if !list.is_empty() {
        fields.insert(name.to_owned(), list.to_vec().into());
    }
}

/// A group with its versions, the preferred first.
struct Group<'a> {
    name: &'a str,
    priority: u32,
    versions: Vec<Version<'a>>,
}

struct Version<'a> {
    name: &'a str,
    resources: Vec<&'a Resource>,
}

/// The groups in the order of their priority and name, with their versions in the order of theirs.
fn groups(resources: &[Resource]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for resource in resources {
        let at = groups.iter().position(|group| group.name == resource.group).unwrap_or(groups.len());
        if at == groups.len() {
            groups.push(Group { name: &resource.group, priority: 0, versions: Vec::new() });
        }
        let Some(group) = groups.get_mut(at) else { continue };
        group.priority = group.priority.max(resource.group_priority);
        match group.versions.iter_mut().find(|version| version.name == resource.version) {
            Some(version) => version.resources.push(resource),
            None => group.versions.push(Version { name: &resource.version, resources: vec![resource] }),
        }
    }
    for group in &mut groups {
        group.versions.sort_by(|a, b| compare_versions(b.name, a.name));
        for version in &mut group.versions {
            version.resources.sort_by(|a, b| a.plural.cmp(&b.plural));
        }
    }
    groups.sort_by(|a, b| (Reverse(a.priority), a.name).cmp(&(Reverse(b.priority), b.name)));
    groups
}

impl Group<'_> {
    fn document(&self) -> Map<String, Value> {
        let versions: Vec<Value> = self
            .versions
            .iter()
            .map(|version| json!({"groupVersion": group_version(self.name, version.name), "version": version.name}))
            .collect();
        let mut document = Map::new();
        document.insert("name".to_owned(), self.name.into());
        document.insert("preferredVersion".to_owned(), versions.first().cloned().unwrap_or_default());
        document.insert("versions".to_owned(), versions.into());
        document
    }
}
