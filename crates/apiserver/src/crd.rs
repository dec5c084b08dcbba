//! Resources that are declared at run time: from a `CustomResourceDefinition` to what is served.
//!
//! The catalogue follows the definitions in the store: a change of one is served when its write returns.

mod conditions;
pub(crate) mod controller;
pub(crate) mod warnings;

use std::sync::{Arc, Mutex, PoisonError};

use apimachinery::{
    cel,
    discovery::compare_versions,
    schema::{Schema, validate::Validator},
    table::{Columns, PrinterColumn},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    convert::{self, AddressPolicy},
    registry::{Catalog, Definition, Origin, Registry, Resource, Rules, Scale, SelectableField, Subresources},
    store::{Key, Range, Store},
};

/// The API group of definitions.
pub(crate) const GROUP: &str = "apiextensions.k8s.io";
/// The resource of definitions.
pub(crate) const PLURAL: &str = "customresourcedefinitions";
/// Where definitions stand in the store.
const PREFIX: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// What the server reads of a `CustomResourceDefinition`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Form {
    metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    uid: String,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    group: String,
    scope: String,
    versions: Vec<Version>,
    preserve_unknown_fields: bool,
    conversion: convert::Form,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Names {
    plural: String,
    singular: String,
    #[serde(rename = "shortNames")]
    short: Vec<String>,
    kind: String,
    list_kind: String,
    categories: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    name: String,
    served: bool,
    storage: bool,
    deprecated: bool,
    deprecation_warning: Option<String>,
    schema: Option<Validation>,
    subresources: Option<Parts>,
    additional_printer_columns: Vec<PrinterColumn>,
    selectable_fields: Vec<Selectable>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Validation {
    #[serde(rename = "openAPIV3Schema")]
    schema: Option<Schema>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    status: Option<Value>,
    scale: Option<Scale>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selectable {
    json_path: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    accepted_names: Names,
    conditions: Vec<Value>,
}

/// Keeps the catalogue what the definitions in the store say.
pub(crate) struct Definitions {
    /// What may be dialled for their webhooks.
    addresses: Option<AddressPolicy>,
    /// One change at a time: each starts from what the one before left.
    changing: Mutex<()>,
}

impl Definitions {
    pub(crate) const fn new(addresses: Option<AddressPolicy>) -> Self {
        Self { addresses, changing: Mutex::new(()) }
    }

    /// Takes in what all definitions are now.
    pub(crate) fn load(&self, store: &Store, registry: &Registry) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = store.snapshot();
        registry.change(|catalog| {
            let built_in = catalog.resources().iter().filter(|resource| !is_defined(resource));
            let mut resources: Vec<Arc<Resource>> = built_in.cloned().collect();
            for entry in snapshot.range(&Range::prefix(PREFIX), None) {
                resources.extend(self.defined(&entry.as_bytes(), entry.modified(), catalog));
            }
            resources
        });
    }

    /// Takes in what a definition is now; says whether the key is one of a definition.
    pub(crate) fn changed(&self, store: &Store, registry: &Registry, key: &Key) -> bool {
        if key.prefix() != PREFIX {
            return false;
        }
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = store.snapshot();
        registry.change(|catalog| {
            let others = catalog.resources().iter().filter(|resource| !is_of(resource, key.name()));
            let mut resources: Vec<Arc<Resource>> = others.cloned().collect();
            if let Some(entry) = snapshot.get(key) {
                resources.extend(self.defined(&entry.as_bytes(), entry.modified(), catalog));
            }
            resources
        });
        true
    }

    /// The resources of a definition, one for each version; none before its names are accepted.
    fn defined(&self, bytes: &[u8], modified: u64, before: &Catalog) -> Vec<Arc<Resource>> {
        // One that cannot be read serves nothing.
        let Ok(form) = serde_json::from_slice::<Form>(bytes) else { return Vec::new() };
        if !conditions::is_true(&form.status.conditions, "Established") {
            return Vec::new();
        }
        let storage = form.spec.versions.iter().find(|version| version.storage);
        let storage_version = storage.map(|version| version.name.clone()).unwrap_or_default();
        let definition = Arc::new(Definition {
            name: form.metadata.name.clone(),
            uid: form.metadata.uid.clone(),
            terminating: form.metadata.deletion_timestamp.is_some()
                || conditions::is_true(&form.status.conditions, "Terminating"),
            schemas: form
                .spec
                .versions
                .iter()
                .filter_map(|own| Some((own.name.clone(), schema(&form, own)?)))
                .collect(),
        });
        let mut resources = Vec::with_capacity(form.spec.versions.len());
        // Its connections last as long as nothing about it changes.
        let kept = before.resources().iter().filter(|resource| is_of(resource, &definition.name));
        let kept =
            kept.filter_map(|resource| resource.conversion.clone()).find(|webhook| webhook.is(&form.spec.conversion));
        let conversion =
            kept.or_else(|| convert::Webhook::of(&form.spec.conversion, self.addresses.as_ref()).map(Arc::new));
        for version in &form.spec.versions {
            let mut resource = resource(&form, version, &storage_version, &definition);
            resource.valid_since = modified;
            resource.conversion.clone_from(&conversion);
            // Where nothing about its objects changed, what is stored still fits.
            if let Some(old) = before.any(&resource.group, &resource.version, &resource.plural)
                && old.schema == resource.schema
                && old.storage_version == resource.storage_version
                && is_of(old, &definition.name)
            {
                resource.valid_since = old.valid_since;
                resource.validator.clone_from(&old.validator);
                resource.rules.clone_from(&old.rules);
            } else if let Some(schema) = &resource.schema {
                resource.validator = Some(Arc::new(Validator::new(schema)));
                resource.rules = rules(schema).map(Arc::new);
            }
            resources.push(Arc::new(resource));
        }
        resources
    }
}

/// Whether a resource comes from a definition in the store.
fn is_defined(resource: &Resource) -> bool {
    matches!(&resource.origin, Origin::Custom(definition) if !definition.uid.is_empty())
}

fn is_of(resource: &Resource, name: &str) -> bool {
    matches!(&resource.origin, Origin::Custom(definition) if !definition.uid.is_empty() && definition.name == name)
}

/// The rules of a schema. Those of a definition that was admitted compile.
fn rules(schema: &Arc<Schema>) -> Option<Rules> {
    match cel::Compiled::new(Arc::clone(schema)) {
        Ok(rules) if rules.is_empty() => None,
        rules => Some(rules),
    }
}

/// The schema of a version.
fn schema(form: &Form, version: &Version) -> Option<Arc<Schema>> {
    let mut schema = version.schema.as_ref()?.schema.clone()?;
    if form.spec.preserve_unknown_fields {
        schema.preserve_unknown_fields = Some(true);
    }
    Some(Arc::new(schema))
}

fn resource(form: &Form, version: &Version, storage: &str, definition: &Arc<Definition>) -> Resource {
    let names = &form.status.accepted_names;
    let subresources = version.subresources.as_ref();
    Resource {
        group: form.spec.group.clone(),
        version: version.name.clone(),
        kind: names.kind.clone(),
        list_kind: names.list_kind.clone(),
        plural: names.plural.clone(),
        singular: names.singular.clone(),
        short_names: names.short.clone(),
        categories: names.categories.clone(),
        namespaced: form.spec.scope == "Namespaced",
        served: version.served,
        schema: definition.schemas.get(&version.name).cloned(),
        validator: None,
        rules: None,
        conversion: None,
        columns: Arc::new(Columns::custom(&version.additional_printer_columns)),
        subresources: Subresources {
            status: subresources.is_some_and(|parts| parts.status.is_some()),
            scale: subresources.and_then(|parts| parts.scale.clone()),
            finalize: false,
            token: false,
        },
        selectable: version.selectable_fields.iter().map(|field| SelectableField::of(&field.json_path)).collect(),
        prefix: format!("{}/{}", form.spec.group, names.plural),
        storage_group: form.spec.group.clone(),
        storage_version: storage.to_owned(),
        group_priority: 1000,
        origin: Origin::Custom(Arc::clone(definition)),
        deprecation: version
            .deprecated
            .then(|| version.deprecation_warning.clone().unwrap_or_else(|| deprecation(form, &version.name))),
        valid_since: 0,
    }
}

/// What is said of a deprecated version that has no words of its own: `defaultDeprecationWarning` of `customresource_handler.go`.
fn deprecation(form: &Form, version: &str) -> String {
    let (group, kind) = (&form.spec.group, &form.status.accepted_names.kind);
    let newer = form.spec.versions.iter().filter(|other| other.served && !other.deprecated);
    let newest = newer.map(|other| other.name.as_str()).max_by(|a, b| compare_versions(a, b));
    match newest.filter(|newest| compare_versions(version, newest).is_lt()) {
        Some(newest) => format!("{group}/{version} {kind} is deprecated; use {group}/{newest} {kind}"),
        None => format!("{group}/{version} {kind} is deprecated"),
    }
}
