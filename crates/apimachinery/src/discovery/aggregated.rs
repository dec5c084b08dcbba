use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512};

use super::{Group, Resource, Version, groups, put_list};

/// The `Content-Type` of the aggregated document in JSON.
pub const AGGREGATED_CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The aggregated discovery document, to be served until the resources change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregated {
    /// The document.
    pub document: Value,
    /// Its `ETag`, in quotes: the answer to a request whose `If-None-Match` is just this is 304. The answer also has
    /// `Vary: Accept` and `Cache-Control: public`.
    pub etag: String,
}

/// `APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`: at `/api` of the core group, at `/apis` of all others.
pub fn aggregated(resources: &[Resource], core: bool) -> Aggregated {
    let items: Vec<Value> =
        groups(resources).iter().filter(|group| group.name.is_empty() == core).map(Group::aggregated).collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    let mut etag = String::from('"');
    for byte in Sha512::digest(document.to_string()) {
        // INVARIANT: writing to a String never fails.
        let _ = write!(etag, "{byte:02X}");
    }
    etag.push('"');
    Aggregated { document, etag }
}

impl Group<'_> {
    fn aggregated(&self) -> Value {
        let mut metadata = Map::new();
        if !self.name.is_empty() {
            metadata.insert("name".to_owned(), self.name.into());
        }
        let versions: Vec<Value> = self.versions.iter().map(Version::aggregated).collect();
        json!({"metadata": metadata, "versions": versions})
    }
}

impl Version<'_> {
    fn aggregated(&self) -> Value {
        let resources: Vec<Value> = self.resources.iter().copied().map(aggregated_resource).collect();
        json!({"version": self.name, "resources": resources, "freshness": "Current"})
    }
}

fn aggregated_resource(resource: &Resource) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("resource", resource.plural.clone().into());
    put("responseKind", response_kind(resource, None, &resource.kind));
    put("scope", if resource.namespaced { "Namespaced" } else { "Cluster" }.into());
    put("singularResource", resource.singular.clone().into());
    put("verbs", resource.verbs.clone().into());
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let kind = response_kind(resource, subresource.group_version.as_ref(), &subresource.kind);
            json!({"subresource": subresource.name, "verbs": subresource.verbs, "responseKind": kind})
        })
        .collect();
    if !subresources.is_empty() {
        put("subresources", subresources.into());
    }
    put_list(&mut document, "shortNames", &resource.short_names);
    put_list(&mut document, "categories", &resource.categories);
    Value::Object(document)
}

/// A kind; of built-in resources with an empty group and version where they are the resource's own.
fn response_kind(resource: &Resource, other: Option<&(Cow<'static, str>, Cow<'static, str>)>, kind: &str) -> Value {
    let (group, version) = match other {
        Some((group, version)) => (&**group, &**version),
        None if resource.custom => (&*resource.group, &*resource.version),
        None => ("", ""),
    };
    json!({"group": group, "version": version, "kind": kind})
}
