//! Paths that are no resources: health, version, discovery, OpenAPI.

use apimachinery::{
    negotiate::{self, Endpoint},
    status::Status,
    target::Target,
};
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use serde_json::json;

use crate::{answer, body::Body, builtin::KINDS, failure::Outcome, health, server::Core};

/// The version of the Kubernetes API that this server speaks.
pub(crate) const MAJOR: &str = "1";
pub(crate) const MINOR: &str = "37";

/// Answers a request for a path.
pub(crate) async fn answer(core: &Core, parts: &Parts, target: &Target<'_>) -> Outcome<Response<Body>> {
    let path = target.path().trim_end_matches('/');
    // Of whatever method: nobody looks at it there.
    if let Some(health) = health::answer(&core.store, target.path(), target.query()) {
        return Ok(health);
    }
    match path {
        "/version" | "/.well-known/openid-configuration" | "/openid/v1/jwks" if !takes(path, &parts.method) => {
            Err(Status::method_not_allowed().with_details().into())
        }
        "/version" => {
            let form = negotiate::accept(&parts.headers, target.query(), Endpoint::Document).map_err(Status::from)?;
            Ok(answer::tree(form, StatusCode::OK, &version()))
        }
        "/.well-known/openid-configuration" => Ok(kept("application/json", core.tokens_of_accounts.configuration())),
        "/openid/v1/jwks" => {
            let keys = core.tokens_of_accounts.key_set(core).await;
            let keys = keys.map_err(|why| Status::internal_error(&why))?;
            Ok(kept("application/jwk-set+json", keys))
        }
        _ if path.starts_with("/openapi/") => {
            Ok(crate::openapi::answer(core, parts, target, path).unwrap_or_else(answer::no_such_page))
        }
        _ => crate::discovery::answer(core, parts, target, path),
    }
}

/// Whether the document at a path is given by a method. Documents are read only, but for those that Kubernetes serves without its
/// router, such as those of groups and those made for custom kinds: nobody looks at the method there.
pub(crate) fn takes(path: &str, method: &Method) -> bool {
    let below = path.strip_prefix("/apis/").map(|below| !below.contains('/') || !is_built_in(path));
    let unrouted = matches!(path, "" | "/apis") || below.unwrap_or_default();
    unrouted || method == Method::GET
}

/// A document that may be kept for an hour.
fn kept(content_type: &'static str, body: bytes::Bytes) -> Response<Body> {
    let mut response = answer::bytes(StatusCode::OK, content_type, body);
    let value = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// Whether a path of `/apis` is that of a group of built-in kinds.
pub(crate) fn is_built_in(path: &str) -> bool {
    let group = path.split('/').nth(2).unwrap_or_default();
    KINDS.iter().any(|kind| kind.group == group)
}

/// The version as `git describe` would have it.
pub(crate) const fn git_version() -> &'static str {
    concat!("v1.37.2+drover-", env!("CARGO_PKG_VERSION"))
}

fn version() -> serde_json::Value {
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": concat!("linux/", "amd64"),
    })
}
