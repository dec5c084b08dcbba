//! The `OpenAPI` documents of what is served; made once for each catalogue, when they are first asked for.

use std::{collections::HashMap, sync::OnceLock};

use apimachinery::{
    json, negotiate,
    openapi::{self, Document, Kind},
    schema::Schema,
    target::Target,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use crate::{
    answer,
    body::Body,
    registry::{Catalog, Resource},
    server::Core,
};

/// The documents of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    v3: OnceLock<Vec<Document>>,
    v2: OnceLock<Version2>,
}

/// Version 2, in the forms that it is asked for in.
#[derive(Debug)]
struct Version2 {
    json: Bytes,
    protobuf: Bytes,
    hash: String,
}

const JSON: &str = "application/json";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

/// Answers a request below `/openapi`; `None` for a path that is none.
pub(crate) fn answer(core: &Core, parts: &Parts, target: &Target<'_>, path: &str) -> Option<Response<Body>> {
    let catalog = core.registry.catalog();
    let below = path.strip_prefix("/openapi/")?;
    if below == "v2" {
        return Some(version2(&catalog, core, &parts.headers));
    }
    let documents = catalog.openapi().v3.get_or_init(|| {
        let (kinds, custom) = kinds(&catalog);
        openapi::v3(&kinds, &|name| custom.get(name).or_else(|| core.types.get(name)))
    });
    if below == "v3" {
        let index = json::encode(&openapi::v3_index(documents));
        return Some(answer::bytes(StatusCode::OK, JSON, index.into()));
    }
    let name = below.strip_prefix("v3/")?;
    let document = documents.iter().find(|document| document.path == name)?;
    if negotiate::best(&parts.headers, &[JSON, V3_PROTOBUF]) != Some(JSON) {
        return Some(not_acceptable());
    }
    let asked = target.query().first("hash").unwrap_or_default();
    if !asked.is_empty() && *asked != document.hash {
        let mut response = answer::bytes(StatusCode::MOVED_PERMANENTLY, JSON, Bytes::new());
        if let Ok(url) = HeaderValue::from_str(&document.url()) {
            response.headers_mut().insert(header::LOCATION, url);
        }
        return Some(response);
    }
    let mut response = cached(document.bytes.clone().into(), JSON, &document.hash, &parts.headers);
    if !asked.is_empty() {
        // What has its hash in its address never changes.
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    }
    Some(response)
}

fn version2(catalog: &Catalog, core: &Core, headers: &HeaderMap) -> Response<Body> {
    let document = catalog.openapi().v2.get_or_init(|| {
        let (kinds, custom) = kinds(catalog);
        let version = crate::routes::git_version();
        let document = openapi::v2(&kinds, &|name| custom.get(name).or_else(|| core.types.get(name)), version);
        let json = json::encode(&document);
        Version2 { hash: hash(&json), protobuf: openapi::to_protobuf(&document).into(), json: json.into() }
    });
    match negotiate::best(headers, &[JSON, openapi::V2_PROTOBUF]) {
        Some(JSON) => cached(document.json.clone(), JSON, &document.hash, headers),
        Some(_) => cached(document.protobuf.clone(), openapi::V2_PROTOBUF_ANSWER, &document.hash, headers),
        None => not_acceptable(),
    }
}

/// A document's hash: its bytes', in hexadecimal.
fn hash(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:016X}", hasher.finish())
}

fn not_acceptable() -> Response<Body> {
    answer::bytes(StatusCode::NOT_ACCEPTABLE, "text/plain; charset=utf-8", Bytes::new())
}

/// The bytes, or 304 for a client that has them.
fn cached(bytes: Bytes, content_type: &'static str, hash: &str, headers: &HeaderMap) -> Response<Body> {
    let etag = format!("\"{hash}\"");
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if known {
        answer::bytes(StatusCode::NOT_MODIFIED, content_type, Bytes::new())
    } else {
        answer::bytes(StatusCode::OK, content_type, bytes)
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// What documents tell of: the kinds, and the types of the custom ones.
fn kinds(catalog: &Catalog) -> (Vec<Kind>, HashMap<String, Schema>) {
    let mut types = HashMap::new();
    let kinds = catalog
        .resources()
        .iter()
        .filter(|resource| resource.served)
        .map(|resource| {
            if let Some(definition) = resource.built_in() {
                return definition.openapi();
            }
            let kind = custom(resource);
            types.insert(kind.type_name.clone(), openapi::custom_schema(resource.schema.as_deref()));
            kind
        })
        .collect();
    (kinds, types)
}

fn custom(resource: &Resource) -> Kind {
    Kind {
        resource: crate::discovery::described(resource),
        list_kind: resource.list_kind.clone(),
        type_name: openapi::custom_type_name(&resource.group, &resource.version, &resource.kind),
        subresource_types: resource
            .subresources
            .scale
            .iter()
            .map(|_| ("scale".to_owned(), "io.k8s.api.autoscaling.v1.Scale".to_owned()))
            .collect(),
        selectable: resource.selectable.iter().map(|field| field.name.clone()).collect(),
    }
}
