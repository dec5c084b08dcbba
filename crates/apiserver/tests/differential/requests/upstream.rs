//! Kubernetes' own test data: `hack/testdata` of the repository, and the objects with which it checks that its encodings last.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use apimachinery::json::{self, ContentType};
use apiserver::builtin::KINDS;
use serde_json::Value;

use super::definitions::DEFINITIONS;
use crate::request::Plan;

/// The folder of a module in the cache that the servers were built from.
fn module(name: &str) -> PathBuf {
    let output = Command::new("go").args(["env", "GOMODCACHE"]).output().expect("go runs");
    let cache = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(cache.trim()).join(name);
    assert!(path.is_dir(), "{} is not in Go's module cache: the real servers were built from it", path.display());
    path
}

pub fn add(plan: &mut Plan) {
    plan.area("upstream");
    hack(plan);
    encodings(plan);
}

/// All objects of `hack/testdata` whose kinds are served here.
fn hack(plan: &mut Plan) {
    let root = module("k8s.io/kubernetes@v1.37.2").join("hack/testdata");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, document) in text.split("\n---").enumerate() {
            let Ok(decoded) = json::decode(document.as_bytes(), ContentType::Yaml) else { continue };
            for (item, object) in objects(decoded.value).into_iter().enumerate() {
                let Some(path) = path_of(&object) else { continue };
                let slug = format!("{name} {at}.{item}");
                plan.post(&slug, &path, &object);
                let kind = object["kind"].as_str().unwrap_or_default();
                let target = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
                if kind != "CustomResourceDefinition" {
                    plan.apply(&format!("{slug}, applied"), &format!("{target}?fieldManager=hack&force=true"), &object);
                    plan.put(&format!("{slug}, updated"), &target, &object);
                    plan.strategic(&format!("{slug}, patched"), &target, &object);
                }
                if kind == "CustomResourceDefinition" {
                    plan.until_text(&target, "InitialNamesAccepted");
                }
                plan.delete(&format!("{slug}, deleted"), &target);
                if kind == "CustomResourceDefinition" {
                    plan.until(&target, 404);
                }
            }
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
}

/// The objects of a document; of a list, its items.
fn objects(value: Value) -> Vec<Value> {
    match value["items"].as_array() {
        Some(items) if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => items.clone(),
        _ => vec![value],
    }
}

/// Where an object of a kind that is served is made.
fn path_of(object: &Value) -> Option<String> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    if kind == "CustomResourceDefinition" {
        return (api_version == "apiextensions.k8s.io/v1").then(|| DEFINITIONS.to_owned());
    }
    let found = KINDS.iter().find(|known| known.kind == kind && known.api_version() == api_version)?;
    let root = if found.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{api_version}") };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("one");
    Some(if found.namespaced {
        format!("{root}/namespaces/{namespace}/{}", found.plural)
    } else {
        format!("{root}/{}", found.plural)
    })
}

/// An object of each kind with a value in every field, in the three encodings.
fn encodings(plan: &mut Plan) {
    let folder = module("k8s.io/api@v0.37.2").join("testdata/HEAD");
    for kind in KINDS {
        let group = if kind.group.is_empty() { "core" } else { kind.group };
        let file = format!("{group}.{}.{}", kind.version, kind.kind);
        if !folder.join(format!("{file}.json")).exists() {
            continue;
        }
        let root =
            if kind.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/{}", kind.group, kind.version) };
        // Their namespace is made beforehand.
        let path = if kind.namespaced {
            format!("{root}/namespaces/one/{}", kind.plural)
        } else {
            format!("{root}/{}", kind.plural)
        };
        for (extension, media) in
            [("json", "application/json"), ("yaml", "application/yaml"), ("pb", "application/vnd.kubernetes.protobuf")]
        {
            let bytes = std::fs::read(folder.join(format!("{file}.{extension}"))).unwrap();
            let target = if kind.stored.is_some() { format!("{path}?dryRun=All") } else { path.clone() };
            plan.ask(&format!("{file}.{extension}"), "POST", &target).bytes(&bytes).content(media);
        }
        // Without what a new object may not have, it is made.
        let mut object: Value =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{file}.json"))).unwrap()).unwrap();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|field, _| matches!(field.as_str(), "name"));
        metadata.insert("name".to_owned(), "full".into());
        plan.post(&format!("{file} with little metadata"), &format!("{path}?dryRun=All"), &object);
        plan.post(
            &format!("{file} with little metadata, strictly"),
            &format!("{path}?dryRun=All&fieldValidation=Strict"),
            &object,
        );
    }
}
