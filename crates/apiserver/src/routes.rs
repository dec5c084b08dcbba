//! Paths that are no resources: health, version, discovery, OpenAPI.

use apimachinery::{
    negotiate::{self, Endpoint},
    status::Status,
    target::Target,
};
use http::{Method, Response, StatusCode, request::Parts};
use serde_json::json;

use crate::{answer, body::Body, failure::Outcome, server::Core};

/// The version of the Kubernetes API that this server speaks.
pub(crate) const MAJOR: &str = "1";
pub(crate) const MINOR: &str = "37";

/// Answers a request for a path.
pub(crate) fn answer(core: &Core, parts: &Parts, target: &Target<'_>) -> Outcome<Response<Body>> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(answer::no_such_page());
    }
    let path = target.path().trim_end_matches('/');
    match path {
        "/healthz" | "/livez" | "/readyz" => {
            Ok(answer::bytes(StatusCode::OK, "text/plain; charset=utf-8", bytes::Bytes::from_static(b"ok")))
        }
        "/version" => {
            let form = negotiate::accept(&parts.headers, target.query(), Endpoint::Document).map_err(Status::from)?;
            Ok(answer::tree(form, StatusCode::OK, &version()))
        }
        _ if path.starts_with("/openapi/") => {
            Ok(crate::openapi::answer(core, parts, target, path).unwrap_or_else(answer::no_such_page))
        }
        _ => crate::discovery::answer(core, parts, target, path),
    }
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
