//! The `OpenAPI` documents of what is served; made once for each catalogue, when they are first asked for.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

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
    v3: OnceLock<Version3>,
    v2: OnceLock<Version2>,
    /// Those of version 3 that a catalogue before had.
    before: Option<Version3>,
}

/// The documents of version 3, and the kinds that each group and version had.
#[derive(Clone, Debug)]
struct Version3 {
    documents: Arc<[Arc<Document>]>,
    kinds: Arc<BTreeMap<String, Vec<Arc<Resource>>>>,
}

impl Documents {
    /// Those of the catalogue that follows: what did not change is not made again.
    pub(crate) fn next(&self) -> Self {
        Self { before: self.v3.get().or(self.before.as_ref()).cloned(), ..Self::default() }
    }
}

impl Version3 {
    fn new(catalog: &Catalog, core: &Core, before: Option<&Self>) -> Self {
        let mut by_path: BTreeMap<String, Vec<Arc<Resource>>> = BTreeMap::new();
        for resource in catalog.resources().iter().filter(|resource| resource.served) {
            by_path.entry(path(resource)).or_default().push(Arc::clone(resource));
        }
        let known = |path: &str| {
            let before = before?;
            let same = |now: &[Arc<Resource>], then: &[Arc<Resource>]| {
                now.len() == then.len() && now.iter().zip(then).all(|(now, then)| Arc::ptr_eq(now, then))
            };
            let holds = match (by_path.get(path), before.kinds.get(path)) {
                (None, None) => true,
                (Some(now), Some(then)) => same(now, then),
                _ => false,
            };
            before.documents.iter().find(|document| holds && document.path == path).cloned()
        };
        let (kinds, custom) = kinds(catalog, &|resource| known(&path(resource)).is_none());
        let documents = openapi::v3(&kinds, &|name| custom.get(name).or_else(|| core.types.get(name)), &known);
        Self { documents: documents.into(), kinds: Arc::new(by_path) }
    }
}

/// Where the document of a resource's group and version is.
fn path(resource: &Resource) -> String {
    let prefix = if resource.group.is_empty() { "api/" } else { "apis/" };
    format!("{prefix}{}", resource.api_version())
}

/// Version 2, in the forms that it is asked for in.
#[derive(Debug)]
struct Version2 {
    json: Bytes,
    protobuf: Bytes,
    hash: String,
}

const JSON: &str = "application/json";

/// Answers a request below `/openapi`; `None` for a path that is none.
pub(crate) fn answer(core: &Core, parts: &Parts, target: &Target<'_>, path: &str) -> Option<Response<Body>> {
    let catalog = core.registry.catalog();
    let below = path.strip_prefix("/openapi/")?;
    if below == "v2" {
        return Some(version2(&catalog, core, &parts.headers));
    }
    let openapi = catalog.openapi();
    let version3 = openapi.v3.get_or_init(|| Version3::new(&catalog, core, openapi.before.as_ref()));
    let documents = &*version3.documents;
    if below == "v3" {
        let index = json::encode(&openapi::v3_index(documents));
        return Some(answer::bytes(StatusCode::OK, JSON, index.into()));
    }
    let name = below.strip_prefix("v3/")?;
    let Some(document) = documents.iter().find(|document| document.path == name) else {
        // Without a word, as Kubernetes.
        let mut response = answer::bytes(StatusCode::NOT_FOUND, JSON, Bytes::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        return Some(response);
    };
    let form = match negotiate::best(&parts.headers, &[JSON, openapi::V3_PROTOBUF]) {
        Some(JSON) => JSON,
        Some(_) => openapi::V3_PROTOBUF_ANSWER,
        None => return Some(not_acceptable()),
    };
    let asked = target.query().first("hash").unwrap_or_default();
    if !asked.is_empty() && *asked != document.hash {
        let mut response = answer::bytes(StatusCode::MOVED_PERMANENTLY, JSON, Bytes::new());
        if let Ok(url) = HeaderValue::from_str(&document.url()) {
            response.headers_mut().insert(header::LOCATION, url);
        }
        return Some(response);
    }
    // Few clients ask for it so, and each once: it is made when it is.
    let bytes = if form == JSON {
        document.bytes.clone()
    } else {
        let document = serde_json::from_slice(&document.bytes).unwrap_or_default();
        openapi::v3_to_protobuf(&document)
    };
    let mut response = cached(bytes.into(), form, &document.hash, &parts.headers);
    if !asked.is_empty() {
        // What has its hash in its address never changes.
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    }
    Some(response)
}

fn version2(catalog: &Catalog, core: &Core, headers: &HeaderMap) -> Response<Body> {
    let document = catalog.openapi().v2.get_or_init(|| {
        let (kinds, custom) = kinds(catalog, &|_| true);
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

/// What documents tell of: the kinds, and the types of those custom ones that are `wanted`.
fn kinds(catalog: &Catalog, wanted: &dyn Fn(&Resource) -> bool) -> (Vec<Kind>, HashMap<String, Schema>) {
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
            if wanted(resource) {
                types.insert(kind.type_name.clone(), openapi::custom_schema(resource.schema.as_deref()));
            }
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
