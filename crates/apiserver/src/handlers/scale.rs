//! `scale`: an object's number of replicas, as every kind shows it.
//!
//! See `k8s.io/apiextensions-apiserver/pkg/registry/customresource/etcd.go`.

use apimachinery::{
    apply::{self, Context, FieldSet, OneVersion, ReplicasPath, scale_managed_fields, with_scale_managed_fields},
    json,
    negotiate::{self, PatchType},
    patch,
    request_info::Verb,
    status::Status,
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::{Call, patch::refusal};
use crate::{
    answer,
    body::Body,
    builtin::typed,
    failure::Outcome,
    incoming, object,
    options::WriteOptions,
    registry::{Resource, Scale},
    scope::{Part, Scope},
    server::RequestBody,
    verbs::{self, update::Change},
};

const API_VERSION: &str = "autoscaling/v1";
const TYPE: &str = "io.k8s.api.autoscaling.v1.Scale";

pub(crate) async fn serve(mut call: Call, verb: Verb, body: RequestBody) -> Outcome<Response<Body>> {
    let Some(paths) = call.scope.resource.subresources.scale.clone() else {
        return Ok(answer::no_such_page());
    };
    call.scope.part = Part::Scale;
    let how = match verb {
        Verb::Get => {
            let version = call.query().first("resourceVersion").unwrap_or_default().into_owned();
            let entry = verbs::get::get(&call.scope, &call.name, &version).await?;
            let object = crate::read::value(&call.scope.resource, &entry);
            let scale = shown(&call.scope.resource, &paths, &object)?;
            return Ok(answer::tree(call.form, StatusCode::OK, &scale));
        }
        Verb::Update => {
            let body = incoming::body(body).await?;
            call.take(&WriteOptions::read(call.query(), &call.headers, "UpdateOptions")?);
            How::Replace(replacement(&call, &body)?)
        }
        Verb::Patch => {
            let kind = negotiate::patch_type(&call.headers, false).map_err(Status::from)?;
            let body = incoming::body(body).await?;
            let options = WriteOptions::of_patch(call.query(), &call.headers, kind)?;
            call.take(&options);
            How::Patch { kind, body, force: options.force }
        }
        _ => {
            let resource = &call.scope.resource;
            return Err(Status::not_supported(&resource.group, &resource.plural, verb.as_str()).into());
        }
    };
    let change = Scaled { how, paths: paths.clone(), name: call.name.clone() };
    let (stored, _) = verbs::update::update(&call.scope, &call.name, &change).await?;
    let scale = shown(&call.scope.resource, &paths, &stored.into_value(&call.scope.resource))?;
    Ok(answer::tree(call.form, StatusCode::OK, &scale))
}

enum How {
    Replace(Value),
    Patch { kind: PatchType, body: Bytes, force: bool },
}

struct Scaled {
    how: How,
    paths: Scale,
    name: String,
}

impl Change for Scaled {
    fn apply(&self, scope: &Scope, live: Option<&Value>) -> Outcome<Value> {
        let Some(live) = live else { return Err(scope.not_found(&self.name).into()) };
        let resource = &*scope.resource;
        let old = shown_with(resource, &self.paths, live, Owners::Told)?;
        let context = Context {
            manager: &scope.manager,
            api_version: API_VERSION,
            kind: "Scale",
            subresource: Part::Scale.as_str(),
            now: jiff::Timestamp::now(),
            schema: None,
            reset: &FieldSet::new(),
            empty: None,
            versions: &OneVersion,
        };
        let mut scale = match &self.how {
            How::Replace(scale) => apply::updated(Some(&old), scale.clone(), &context),
            How::Patch { kind: PatchType::Apply, body, force } => {
                let config = json::decode(body, json::ContentType::Yaml)
                    .map_err(|wrong| Status::bad_request(format!("error decoding patch: {wrong}")))?;
                apply::applied(Some(&old), &config.value, *force, &context).map_err(crate::fields::refusal)?
            }
            How::Patch { kind: PatchType::Json, body, .. } => {
                let new = patch::json_patch(&old, body).map_err(refusal)?;
                apply::updated(Some(&old), new, &context)
            }
            How::Patch { body, .. } => {
                let decoded = json::decode(body, json::ContentType::Json)
                    .map_err(|wrong| Status::bad_request(format!("error decoding patch: {wrong}")))?;
                let new = patch::merge_patch(&old, &decoded.value).map_err(refusal)?;
                apply::updated(Some(&old), new, &context)
            }
        };
        for path in typed::read(&scope.core.types, TYPE, &mut scale).map_err(Status::bad_request)? {
            scope.warnings.add(format!("unknown field \"{path}\""));
        }
        scope.check_name(&mut scale, &self.name)?;
        let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
        let mut new = live.clone();
        set(&mut new, &self.paths.spec_replicas_path, replicas.into());
        let version = object::meta_text(&scale, "resourceVersion");
        if !version.is_empty() {
            object::set_meta(&mut new, "resourceVersion", version);
        }
        let api_version = resource.api_version();
        let steps = steps(&self.paths.spec_replicas_path);
        let places = [ReplicasPath { api_version: &api_version, path: &steps }];
        with_scale_managed_fields(&mut new, &scale, &api_version, &places)
            .map_err(|wrong| Status::internal_error(&wrong.to_string()))?;
        Ok(new)
    }
}

/// Whether a `Scale` tells who owns its replicas: in answers Kubernetes leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    Told,
    Left,
}

/// The `Scale` of a PUT. Whatever is wrong with it, Kubernetes has one answer.
fn replacement(call: &Call, body: &Bytes) -> Outcome<Value> {
    let unreadable = || {
        let why = format!("no kind is registered for the type v1.Scale in scheme \"{}\"", incoming::SCHEME);
        Box::new(Status::bad_request(why))
    };
    let types = &call.scope.core.types;
    let mut scale = incoming::document(types, &call.headers, body).map_err(|_| unreadable())?.unwrap_or_default();
    let (kind, version) = (object::text(&scale, "kind"), object::text(&scale, "apiVersion"));
    if !matches!(kind, "" | "Scale") || !matches!(version, "" | API_VERSION) {
        return Err(unreadable());
    }
    typed::read(types, TYPE, &mut scale).map_err(|_| unreadable())?;
    Ok(scale)
}

/// An object's `Scale`.
pub(crate) fn shown(resource: &Resource, paths: &Scale, object: &Value) -> Outcome<Value> {
    shown_with(resource, paths, object, Owners::Left)
}

fn shown_with(resource: &Resource, paths: &Scale, object: &Value, owners: Owners) -> Outcome<Value> {
    let Some(replicas) = at(object, &paths.spec_replicas_path) else {
        let why = format!("the spec replicas field {:?} does not exist", paths.spec_replicas_path);
        return Err(Status::internal_error(&why).into());
    };
    let mut status = Map::new();
    status.insert(
        "replicas".to_owned(),
        at(object, &paths.status_replicas_path).and_then(Value::as_i64).unwrap_or_default().into(),
    );
    let selector = paths.label_selector_path.as_deref().and_then(|path| at(object, path)).and_then(Value::as_str);
    if let Some(selector) = selector.filter(|selector| !selector.is_empty()) {
        status.insert("selector".to_owned(), selector.into());
    }
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        let text = object::meta_text(object, field);
        if !text.is_empty() {
            metadata.insert(field.to_owned(), text.into());
        }
    }
    let mut spec = Map::new();
    let replicas = replicas.as_i64().unwrap_or_default();
    if replicas != 0 {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    let mut scale = serde_json::json!({
        "kind": "Scale", "apiVersion": API_VERSION, "metadata": metadata, "spec": spec, "status": status,
    });
    if owners == Owners::Left {
        return Ok(scale);
    }
    let api_version = resource.api_version();
    let steps = steps(&paths.spec_replicas_path);
    let places = [ReplicasPath { api_version: &api_version, path: &steps }];
    scale_managed_fields(object, &mut scale, &places).map_err(|wrong| Status::internal_error(&wrong.to_string()))?;
    Ok(scale)
}

/// The fields of a simple JSON path.
fn steps(path: &str) -> Vec<&str> {
    path.trim_start_matches('.').split('.').collect()
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path).into_iter().try_fold(object, |at, step| at.get(step)).filter(|found| !found.is_null())
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in steps(path) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(fields) = at.as_object_mut() else { return };
        at = fields.entry(step).or_insert(Value::Null);
    }
    *at = value;
}
