//! The schemas that a document holds: those it refers to, and those that these refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{DEFINITIONS, Kind, Types, gvk, set};

/// The schemas of all types that `roots` names and that they need, as JSON, with the kinds that they are.
pub(super) fn collect(
    roots: impl IntoIterator<Item = String>,
    kinds: &[&Kind],
    types: &Types<'_>,
    form: impl Fn(&mut Value),
) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let list = kinds.iter().find(|kind| kind.list_type() == name);
        let schema = match list {
            Some(kind) => Some(kind.list_schema()),
            // INVARIANT: a schema is maps, lists and texts, which are always JSON.
            None => types(&name).and_then(|schema| serde_json::to_value(schema).ok()),
        };
        let Some(mut schema) = schema else { continue };
        let mut names = BTreeSet::new();
        references(&schema, &mut names);
        open.extend(names);
        form(&mut schema);
        extend(&name, kinds, &mut schema);
        found.insert(name, schema);
    }
    found
}

/// The kinds that a type is, and the fields that its objects are selected by.
fn extend(name: &str, kinds: &[&Kind], schema: &mut Value) {
    let mut gvks: Vec<Value> = Vec::new();
    for kind in kinds {
        let resource = &kind.resource;
        if kind.type_name == name {
            gvks.push(kind.gvk());
        } else if kind.list_type() == name {
            gvks.push(gvk(&resource.group, &resource.version, &kind.list_kind));
        } else {
            for (subresource, type_name) in &kind.subresource_types {
                let of = resource.subresources.iter().find(|other| other.name == *subresource);
                if let Some((group, version)) =
                    of.and_then(|of| of.group_version.as_ref()).filter(|_| type_name == name)
                {
                    gvks.push(gvk(group, version, of.map_or("", |of| &of.kind)));
                }
            }
            continue;
        }
        if !kind.selectable.is_empty() {
            let fields: Vec<Value> = kind.selectable.iter().map(|field| json!({"fieldPath": field})).collect();
            set(schema, "x-kubernetes-selectable-fields", fields.into());
        }
    }
    gvks.dedup();
    let meta = name.strip_prefix("io.k8s.apimachinery.pkg.apis.meta.v1.").unwrap_or_default();
    if matches!(meta, "Status" | "APIGroup" | "APIGroupList" | "APIResourceList" | "APIVersions") {
        gvks.push(gvk("", "v1", meta));
    }
    if matches!(meta, "DeleteOptions" | "WatchEvent") {
        let versions: BTreeSet<(&str, &str)> =
            kinds.iter().map(|kind| (&*kind.resource.group, &*kind.resource.version)).chain([("", "v1")]).collect();
        gvks.extend(versions.into_iter().map(|(group, version)| gvk(group, version, meta)));
    }
    if !gvks.is_empty() {
        set(schema, "x-kubernetes-group-version-kind", gvks.into());
    }
}

/// The names of the types that a schema refers to.
fn references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            // A property may be named like that too: it is no text.
            if let Some(Value::String(reference)) = fields.get("$ref") {
                names.extend(reference.strip_prefix(DEFINITIONS).map(str::to_owned));
            }
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}
