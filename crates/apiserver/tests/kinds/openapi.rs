//! `OpenAPI` documents of the built-in kinds and of a custom one, beside Kubernetes' own.

use std::sync::Arc;

use std::path::PathBuf;
use std::process::Command;

use apimachinery::discovery::{Resource, Subresource};
use apimachinery::openapi::{self, Document, Kind};
use apimachinery::schema::Schema;
use apiserver::builtin::{self, Types};
use serde_json::{Value, json};

/// A file of Kubernetes' source, where the Go module cache has it.
fn kubernetes(path: &str) -> Option<Value> {
    let cache = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
    let cache = PathBuf::from(String::from_utf8(cache.stdout).ok()?.trim());
    let text = std::fs::read(cache.join("k8s.io/kubernetes@v1.37.2").join(path)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// The schema of a custom kind with all that makes a difference in documents.
fn widget_schema() -> Schema {
    serde_json::from_value(json!({
        "description": "A widget.",
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["replicas"],
                "properties": {
                    "replicas": {"type": "integer", "format": "int32", "default": 1, "minimum": 0},
                    "color": {"type": "string", "enum": ["red", "blue"], "nullable": true},
                    "any": {"x-kubernetes-preserve-unknown-fields": true},
                    "port": {"x-kubernetes-int-or-string": true},
                    "emb": {
                        "type": "object", "x-kubernetes-embedded-resource": true,
                        "x-kubernetes-preserve-unknown-fields": true,
                    },
                    "list": {
                        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                        "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
                    },
                    "m": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "x-kubernetes-validations": [{"rule": "self.replicas >= 0"}],
                "oneOf": [{"required": ["replicas"]}],
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    }))
    .unwrap()
}

fn widget() -> Kind {
    let verbs = vec!["get", "patch", "update"];
    Kind {
        resource: Resource {
            group: "example.com".into(),
            version: "v1".into(),
            plural: "widgets".into(),
            singular: "widget".into(),
            kind: "Widget".into(),
            namespaced: true,
            verbs: vec!["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            subresources: vec![
                Subresource { name: "status".into(), kind: "Widget".into(), verbs: verbs.clone(), group_version: None },
                Subresource {
                    name: "scale".into(),
                    kind: "Scale".into(),
                    verbs,
                    group_version: Some(("autoscaling".into(), "v1".into())),
                },
            ],
            custom: true,
            ..Resource::default()
        },
        list_kind: "WidgetList".to_owned(),
        type_name: openapi::custom_type_name("example.com", "v1", "Widget"),
        subresource_types: vec![("scale".to_owned(), "io.k8s.api.autoscaling.v1.Scale".to_owned())],
        selectable: vec!["spec.color".to_owned()],
    }
}

fn documents() -> (Vec<Arc<Document>>, Value) {
    let types = Types::new();
    let mut kinds: Vec<Kind> = builtin::KINDS.iter().map(builtin::Definition::openapi).collect();
    kinds.push(widget());
    let schema = openapi::custom_schema(Some(&widget_schema()));
    let find = |name: &str| if name == "com.example.v1.Widget" { Some(&schema) } else { types.get(name) };
    (openapi::v3(&kinds, &find, &|_| None), openapi::v2(&kinds, &find, "v1.37.0"))
}

fn document(documents: &[Arc<Document>], path: &str) -> Value {
    let found = documents.iter().find(|document| document.path == path).unwrap();
    serde_json::from_slice(&found.bytes).unwrap()
}

#[test]
fn a_custom_kinds_document_reads_as_kubernetes_writes_it() {
    let (documents, v2) = documents();
    let v3 = document(&documents, "apis/example.com/v1");
    insta::assert_json_snapshot!("widget_v3", v3["components"]["schemas"]["com.example.v1.Widget"]);
    insta::assert_json_snapshot!("widget_v3_list", v3["components"]["schemas"]["com.example.v1.WidgetList"]);
    insta::assert_json_snapshot!("widget_v3_paths", v3["paths"]);
    insta::assert_json_snapshot!("widget_v2", v2["definitions"]["com.example.v1.Widget"]);
}

#[test]
fn the_index_points_to_each_document_by_its_hash() {
    let (documents, _) = documents();
    let index = openapi::v3_index(&documents);
    let paths: Vec<&String> = index["paths"].as_object().unwrap().keys().collect();
    insta::assert_json_snapshot!("index", paths);
    for document in &documents {
        assert_eq!(document.hash.len(), 128);
        assert_eq!(index["paths"][&document.path]["serverRelativeURL"], document.url());
    }
}

/// What is left of a document when descriptions and what Kubernetes says beside (watch paths, protobuf, defaults of Go's types)
/// are put aside.
fn reduced(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if fields.get("description").is_some_and(Value::is_string) {
                    fields.remove("description");
                }
                fields.retain(|name, _| !name.starts_with("application/vnd.kubernetes.") && !name.contains("cbor"));
                // A server tells enumerations; the document in its source is made without them.
                if fields.get("enum").is_some_and(Value::is_array) {
                    fields.remove("enum");
                }
                // Not of a property of that name, which is a schema.
                if fields.get("default").is_some_and(|value| !value.is_object() || value == &json!({})) {
                    fields.remove("default");
                }
                for name in ["required", "x-kubernetes-group-version-kind"] {
                    if let Some(Value::Array(items)) = fields.get_mut(name) {
                        items.sort_by_key(ToString::to_string);
                    }
                }
                // Kubernetes says once for a path what all of its operations take.
                if let Some(Value::Array(shared)) =
                    fields.get("parameters").cloned().filter(|_| !fields.contains_key("responses"))
                {
                    fields.remove("parameters");
                    for operation in fields.values_mut() {
                        let mut own = operation["parameters"].as_array().cloned().unwrap_or_default();
                        own.extend(shared.clone());
                        own.retain(|parameter| parameter["name"] != "shardSelector");
                        own.sort_by_key(|parameter| parameter["name"].to_string());
                        operation["parameters"] = own.into();
                    }
                }
                // A reference with a default stands in an `allOf` alone.
                if fields.len() == 1 && fields.contains_key("allOf") {
                    let reference = fields["allOf"][0].clone();
                    if let Value::Object(reference) = reference {
                        *fields = reference;
                    }
                }
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// Where two values differ.
fn differences(at: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
                let none = Value::Null;
                let (ours, theirs) = (ours.get(name).unwrap_or(&none), theirs.get(name).unwrap_or(&none));
                differences(&format!("{at} {name}"), ours, theirs, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(format!("{at}: {ours} instead of {theirs}")),
    }
}

#[test]
fn built_in_kinds_have_the_paths_and_schemas_of_kubernetes() {
    let (documents, _) = documents();
    let mut wrong = Vec::new();
    for found in documents.iter().filter(|found| !found.path.contains("example.com")) {
        let file = found.path.replace('/', "__");
        let Some(theirs) = kubernetes(&format!("api/openapi-spec/v3/{file}_openapi.json")) else { return };
        let (theirs, ours) = (reduced(theirs), reduced(serde_json::from_slice(&found.bytes).unwrap()));
        for (path, item) in ours["paths"].as_object().unwrap() {
            differences(path, item, &theirs["paths"][path], &mut wrong);
        }
        for (name, schema) in ours["components"]["schemas"].as_object().unwrap() {
            // These are of all groups there.
            if name.ends_with("DeleteOptions") || name.ends_with("WatchEvent") {
                continue;
            }
            differences(name, schema, &theirs["components"]["schemas"][name], &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of each message only what tells fields apart: decoding by hand what client-go decodes.
#[test]
fn the_protobuf_form_holds_the_definitions() {
    let (_, v2) = documents();
    let bytes = openapi::to_protobuf(&v2);
    let text = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(text("io.k8s.api.core.v1.Secret"));
    assert!(text("x-kubernetes-group-version-kind"));
    assert!(bytes.starts_with(b"\x0a\x032.0"));
    if let Ok(path) = std::env::var("DROVER_WRITE_OPENAPI") {
        std::fs::write(path, &bytes).unwrap();
    }
}
