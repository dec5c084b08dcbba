use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::operations::{self, Item, Operation, Parameter};
use super::{DEFINITIONS, Document, Kind, Types, info, schemas, security_scheme, set};
use crate::discovery::group_version;

const SCHEMAS: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Finds a document that was made before and still holds, by its path. What is in the document of a group and version depends on
/// its kinds alone; the others are always the same.
pub type Known<'a> = dyn Fn(&str) -> Option<Arc<Document>> + 'a;

/// The version 3 documents of all kinds: one for each group and version, one for each group, and those of the server itself.
pub fn v3(kinds: &[Kind], types: &Types<'_>, known: &Known<'_>) -> Vec<Arc<Document>> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, Vec<&Kind>>> = BTreeMap::new();
    for kind in kinds {
        groups.entry(&kind.resource.group).or_default().entry(&kind.resource.version).or_default().push(kind);
    }
    let one = |path: &str, id: String, tag: String, description: &str, type_name: &str| {
        known(path).unwrap_or_else(|| {
            let item = operations::document(format!("/{path}/"), id, tag, description, type_name);
            document(path.to_owned(), vec![item], &[], types).into()
        })
    };
    let versions = format!("{META}APIVersions");
    let list = format!("{META}APIGroupList");
    let mut documents = vec![
        one("api", "getCoreAPIVersions".into(), "core".into(), "get available API versions", &versions),
        one("apis", "getAPIVersions".into(), "apis".into(), "get available API versions", &list),
        one(
            "version",
            "getCodeVersion".into(),
            "version".into(),
            "get the version information for this server",
            "io.k8s.apimachinery.pkg.version.Info",
        ),
    ];
    for (group, versions) in groups {
        if !group.is_empty() {
            let (names, tag) = operations::group_names(group, "");
            let id = format!("get{names}APIGroup");
            documents.push(one(
                &format!("apis/{group}"),
                id,
                tag,
                "get information of a group",
                &format!("{META}APIGroup"),
            ));
        }
        for (version, kinds) in versions {
            let path = if group.is_empty() { "api/" } else { "apis/" }.to_owned() + &group_version(group, version);
            if let Some(document) = known(&path) {
                documents.push(document);
                continue;
            }
            let (names, tag) = operations::group_names(group, version);
            let mut items = vec![operations::document(
                format!("/{path}/"),
                format!("get{names}APIResources"),
                tag,
                "get available resources",
                &format!("{META}APIResourceList"),
            )];
            items.extend(kinds.iter().flat_map(|kind| operations::of(kind)));
            documents.push(document(path, items, &kinds, types).into());
        }
    }
    documents.sort_by(|a, b| a.path.cmp(&b.path));
    documents
}

/// `/openapi/v3`: where each document is.
pub fn v3_index(documents: &[Arc<Document>]) -> Value {
    let paths: Map<String, Value> = documents
        .iter()
        .map(|document| (document.path.clone(), json!({"serverRelativeURL": document.url()})))
        .collect();
    json!({"paths": paths})
}

fn document(path: String, items: Vec<Item>, kinds: &[&Kind], types: &Types<'_>) -> Document {
    let mut roots = BTreeSet::new();
    for operation in items.iter().flat_map(|item| &item.operations) {
        roots.extend(operation.responses.iter().map(|(_, _, type_name)| type_name.clone()));
        roots.extend(operation.body.iter().map(|body| body.type_name.clone()));
    }
    let schemas: Map<String, Value> = schemas::collect(roots, kinds, types, point).into_iter().collect();
    let paths: Map<String, Value> = items.into_iter().map(|item| (item.path.clone(), path_item(&item))).collect();
    let document = json!({
        "openapi": "3.0.0", "info": info("unversioned"), "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security_scheme()},
    });
    Document::new(path, &document)
}

fn path_item(item: &Item) -> Value {
    let mut fields = Map::new();
    for one in &item.operations {
        fields.insert(one.method.to_owned(), operation(one));
    }
    put_parameters(&mut fields, &item.parameters);
    Value::Object(fields)
}

fn operation(operation: &Operation) -> Value {
    let mut fields = Map::new();
    fields.insert("tags".to_owned(), json!([operation.tag]));
    fields.insert("description".to_owned(), operation.description.clone().into());
    fields.insert("operationId".to_owned(), operation.id.clone().into());
    put_parameters(&mut fields, &operation.parameters);
    if let Some(body) = &operation.body {
        let mut document = json!({"content": content(body.media, &body.type_name)});
        if body.required {
            set(&mut document, "required", true.into());
        }
        fields.insert("requestBody".to_owned(), document);
    }
    let mut responses = Map::new();
    for (code, description, type_name) in &operation.responses {
        let document = json!({"description": description, "content": content(operation.produces, type_name)});
        responses.insert(code.to_string(), document);
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    fields.insert("responses".to_owned(), responses.into());
    if let Some((action, gvk)) = &operation.action {
        fields.insert("x-kubernetes-action".to_owned(), (*action).into());
        fields.insert("x-kubernetes-group-version-kind".to_owned(), gvk.clone());
    }
    Value::Object(fields)
}

fn content(media: &[&str], type_name: &str) -> Value {
    let schema = json!({"schema": {"$ref": format!("{SCHEMAS}{type_name}")}});
    media.iter().map(|media| ((*media).to_owned(), schema.clone())).collect::<Map<String, Value>>().into()
}

fn put_parameters(fields: &mut Map<String, Value>, parameters: &[&Parameter]) {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|parameter| {
            let mut document = json!({
                "name": parameter.name, "in": parameter.place, "description": parameter.description,
                "schema": {"type": parameter.kind, "uniqueItems": true},
            });
            if parameter.place == "path" {
                set(&mut document, "required", true.into());
            }
            document
        })
        .collect();
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
}

/// Points references to where the schemas of such a document are; beside other fields they stand in an `allOf`.
fn point(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(point);
            let Some(Value::String(reference)) = fields.get("$ref") else { return };
            let reference = json!(format!("{SCHEMAS}{}", reference.trim_start_matches(DEFINITIONS)));
            fields.remove("$ref");
            if fields.is_empty() {
                fields.insert("$ref".to_owned(), reference);
            } else {
                fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point),
        _ => {}
    }
}
