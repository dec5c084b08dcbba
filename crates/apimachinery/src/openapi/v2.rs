use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operations::{self, Item, Operation, Parameter};
use super::{DEFINITIONS, Kind, Types, info, schemas, security_scheme, set};
use crate::discovery::group_version;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// The version 2 document of all kinds.
pub fn v2(kinds: &[Kind], types: &Types<'_>, version: &str) -> Value {
    let kinds: Vec<&Kind> = kinds.iter().collect();
    let mut items = server(&kinds);
    items.extend(kinds.iter().flat_map(|kind| operations::of(kind)));
    let mut roots = BTreeSet::new();
    for operation in items.iter().flat_map(|item| &item.operations) {
        roots.extend(operation.responses.iter().map(|(_, _, type_name)| type_name.clone()));
        roots.extend(operation.body.iter().map(|body| body.type_name.clone()));
    }
    let definitions: Map<String, Value> = schemas::collect(roots, &kinds, types, simplify_root).into_iter().collect();
    let paths: Map<String, Value> = items.iter().map(|item| (item.path.clone(), path_item(item))).collect();
    json!({
        "swagger": "2.0", "info": info(version), "paths": paths, "definitions": definitions,
        "securityDefinitions": security_scheme(), "security": [{"BearerToken": []}],
    })
}

/// What a server tells of itself.
fn server(kinds: &[&Kind]) -> Vec<Item> {
    let mut items = vec![
        operations::document(
            "/api/".into(),
            "getCoreAPIVersions".into(),
            "core".into(),
            "get available API versions",
            &format!("{META}APIVersions"),
        ),
        operations::document(
            "/apis/".into(),
            "getAPIVersions".into(),
            "apis".into(),
            "get available API versions",
            &format!("{META}APIGroupList"),
        ),
        operations::document(
            "/version/".into(),
            "getCodeVersion".into(),
            "version".into(),
            "get the version information for this server",
            "io.k8s.apimachinery.pkg.version.Info",
        ),
    ];
    let versions: BTreeSet<(&str, &str)> =
        kinds.iter().map(|kind| (&*kind.resource.group, &*kind.resource.version)).collect();
    let groups: BTreeSet<&str> = versions.iter().map(|(group, _)| *group).filter(|group| !group.is_empty()).collect();
    for group in groups {
        let (names, tag) = operations::group_names(group, "");
        items.push(operations::document(
            format!("/apis/{group}/"),
            format!("get{names}APIGroup"),
            tag,
            "get information of a group",
            &format!("{META}APIGroup"),
        ));
    }
    for (group, version) in versions {
        let (names, tag) = operations::group_names(group, version);
        let root = if group.is_empty() { "/api" } else { "/apis" };
        items.push(operations::document(
            format!("{root}/{}/", group_version(group, version)),
            format!("get{names}APIResources"),
            tag,
            "get available resources",
            &format!("{META}APIResourceList"),
        ));
    }
    items
}

fn path_item(item: &Item) -> Value {
    let mut fields = Map::new();
    for one in &item.operations {
        fields.insert(one.method.to_owned(), operation(one));
    }
    let parameters: Vec<Value> = item.parameters.iter().copied().map(parameter).collect();
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    Value::Object(fields)
}

fn operation(operation: &Operation) -> Value {
    let reference = |type_name: &str| json!({"$ref": format!("{DEFINITIONS}{type_name}")});
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("tags", json!([operation.tag]));
    put("description", operation.description.clone().into());
    put("operationId", operation.id.clone().into());
    put("schemes", json!(["https"]));
    put("produces", operation.produces.into());
    let mut parameters: Vec<Value> = operation.parameters.iter().copied().map(parameter).collect();
    if let Some(body) = &operation.body {
        put("consumes", body.media.into());
        let mut document = json!({"name": "body", "in": "body", "schema": reference(&body.type_name)});
        if body.required {
            set(&mut document, "required", true.into());
        }
        parameters.insert(0, document);
    }
    if !parameters.is_empty() {
        put("parameters", parameters.into());
    }
    let mut responses = Map::new();
    for (code, description, type_name) in &operation.responses {
        responses.insert(code.to_string(), json!({"description": description, "schema": reference(type_name)}));
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    put("responses", responses.into());
    if let Some((action, gvk)) = &operation.action {
        put("x-kubernetes-action", (*action).into());
        put("x-kubernetes-group-version-kind", gvk.clone());
    }
    Value::Object(fields)
}

fn parameter(parameter: &Parameter) -> Value {
    let mut document = json!({
        "name": parameter.name, "in": parameter.place, "description": parameter.description, "type": parameter.kind,
        "uniqueItems": true,
    });
    if parameter.place == "path" {
        set(&mut document, "required", true.into());
    }
    document
}

/// A type in the words of version 2. One that keeps unknown fields tells nothing more: kubectl would refuse these.
fn simplify_root(schema: &mut Value) {
    if schema.get(PRESERVE) == Some(&Value::Bool(true)) {
        *schema = json!({"type": "object"});
        return;
    }
    simplify(schema);
}

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// Takes away what version 2 has no words for, or what kubectl misreads: `ToStructuralOpenAPIV2` of
/// `k8s.io/apiextensions-apiserver`.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for name in ["allOf", "oneOf", "anyOf", "not", "default"] {
        fields.remove(name);
    }
    let preserves = fields.get(PRESERVE) == Some(&Value::Bool(true));
    let nullable = fields.remove("nullable") == Some(Value::Bool(true));
    if nullable || preserves {
        fields.remove("items");
        fields.remove("properties");
    }
    if preserves && fields.contains_key("x-kubernetes-embedded-resource") {
        fields.remove("required");
    }
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    if nullable || (preserves && kind == "object") || (kind == "array" && !fields.contains_key("items")) {
        fields.remove("type");
    }
    let null = |value: &Value| value.get("nullable") == Some(&Value::Bool(true));
    let nullables: Vec<String> = match fields.get("properties") {
        Some(Value::Object(properties)) => {
            properties.iter().filter(|(_, value)| null(value)).map(|(name, _)| name.clone()).collect()
        }
        _ => Vec::new(),
    };
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.retain(|name| !nullables.iter().any(|nullable| name == nullable));
        if required.is_empty() {
            fields.remove("required");
        }
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(simplify);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(value) = fields.get_mut(name) {
            simplify(value);
        }
    }
}
