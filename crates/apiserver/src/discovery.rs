//! Which groups, versions and resources there are, as documents; made once for each catalogue.

use std::sync::OnceLock;

use apimachinery::{
    discovery::{self, Aggregated, Subresource},
    json,
    negotiate::{self, Endpoint, Media},
    status::Status,
    target::Target,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use serde_json::Value;

use crate::{
    answer,
    body::Body,
    failure::Outcome,
    registry::{Catalog, Resource},
    routes,
    server::Core,
};

/// The documents of a catalogue that are asked for again and again.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    resources: OnceLock<Vec<discovery::Resource>>,
    core: OnceLock<Aggregated>,
    groups: OnceLock<Aggregated>,
}

/// Answers a request for a document; 404 for any other path.
pub(crate) fn answer(core: &Core, parts: &Parts, target: &Target<'_>, path: &str) -> Outcome<Response<Body>> {
    let catalog = core.registry.catalog();
    let resources = catalog.documents().resources(&catalog);
    let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let not_allowed = || Err(Status::method_not_allowed().with_details().into());
    let allowed = routes::takes(path, &parts.method);
    let document = match steps.as_slice() {
        ["api"] if !allowed => return not_allowed(),
        ["api" | "apis"] if negotiate::aggregated_discovery(&parts.headers).is_some() => {
            let media = negotiate::aggregated_discovery(&parts.headers).unwrap_or(Media::Json);
            let documents = catalog.documents();
            let is_core = steps.first() == Some(&"api");
            let slot = if is_core { &documents.core } else { &documents.groups };
            let found = slot.get_or_init(|| discovery::aggregated(resources, is_core));
            return Ok(aggregated(found, media, &parts.headers));
        }
        ["api"] => Some(discovery::api_versions(resources, host(parts))),
        ["apis"] => Some(discovery::group_list(resources)),
        ["api", version] => discovery::resource_list(resources, "", version),
        ["apis", group] => discovery::group(resources, group),
        ["apis", group, version] => discovery::resource_list(resources, group, version),
        [""] => Some(root(&catalog)),
        _ => None,
    };
    let Some(document) = document else {
        // The router of built-in groups answers for all of their paths.
        if steps.first() == Some(&"api") || (steps.first() == Some(&"apis") && routes::is_built_in(path)) {
            return Err(Status::no_such_path().with_details().into());
        }
        return Ok(answer::no_such_page());
    };
    // Of a path that is none nobody says that it takes no such method.
    if !allowed {
        return not_allowed();
    }
    if path == "/api" {
        negotiate::check_accept(&parts.headers, false)?;
    }
    let form = negotiate::accept(&parts.headers, target.query(), Endpoint::Document).map_err(Status::from)?;
    Ok(answer::tree(form, StatusCode::OK, &document))
}

/// The address that the client used.
fn host(parts: &Parts) -> &str {
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

/// `/`: the paths that there are.
fn root(catalog: &Catalog) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for resource in catalog.resources().iter().filter(|resource| resource.served && !resource.group.is_empty()) {
        paths.push(format!("/apis/{}", resource.group));
        paths.push(format!("/apis/{}/{}", resource.group, resource.version));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths.sort();
    paths.dedup();
    serde_json::json!({"paths": paths})
}

/// The aggregated document, or 304 for a client that has it.
fn aggregated(found: &Aggregated, media: Media, headers: &HeaderMap) -> Response<Body> {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == found.etag.as_bytes());
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else if media == Media::Yaml {
        let body = json::encode_yaml(&found.document);
        answer::bytes(
            StatusCode::OK,
            "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            body.into(),
        )
    } else {
        let body = json::encode(&found.document);
        answer::bytes(StatusCode::OK, discovery::AGGREGATED_CONTENT_TYPE, body.into())
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&found.etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

impl Documents {
    fn resources(&self, catalog: &Catalog) -> &[discovery::Resource] {
        self.resources.get_or_init(|| {
            catalog.resources().iter().filter(|resource| resource.served).map(|resource| described(resource)).collect()
        })
    }
}

pub(crate) fn described(resource: &Resource) -> discovery::Resource {
    if let Some(definition) = resource.built_in() {
        return definition.resource();
    }
    let own = |text: &str| text.to_owned().into();
    let owned = |list: &[String]| list.iter().map(|text| text.clone().into()).collect();
    let subresource =
        |name: &'static str, kind: &str, group_version: Option<(&'static str, &'static str)>| Subresource {
            name: name.into(),
            group_version: group_version.map(|(group, version)| (group.into(), version.into())),
            kind: kind.to_owned().into(),
            verbs: vec!["get", "patch", "update"],
        };
    let mut subresources = Vec::new();
    if resource.subresources.status {
        subresources.push(subresource("status", &resource.kind, None));
    }
    if resource.subresources.scale.is_some() {
        subresources.push(subresource("scale", "Scale", Some(("autoscaling", "v1"))));
    }
    discovery::Resource {
        group: own(&resource.group),
        version: own(&resource.version),
        plural: own(&resource.plural),
        singular: own(&resource.singular),
        kind: own(&resource.kind),
        namespaced: resource.namespaced,
        short_names: owned(&resource.short_names),
        categories: owned(&resource.categories),
        verbs: resource.verb_names(),
        subresources,
        stored: Some((own(&resource.group), own(&resource.storage_version), own(&resource.kind))),
        custom: true,
        group_priority: resource.group_priority,
    }
}
