//! From outcomes to responses: in the form that the caller wants.

mod gzip;
mod list;
mod watch;

use apimachinery::{
    json,
    negotiate::{Answer, Form, Media, MetaVersion},
    status::{Details, Status},
    table,
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::{body::Body, failure::Outcome, handlers::Call, object, read, verbs::Stored};

pub(crate) use gzip::compressed;
pub(crate) use list::{list, stream_list};
pub(crate) use watch::watch;

/// A refused request's answer, in the form that the client wants if there is one.
pub(crate) fn refusal(form: Option<Answer>, status: &Status) -> Response<Body> {
    let mut response = match form {
        Some(form) if form.media == Media::Yaml || form.pretty => {
            tree(form, status.code(), &serde_json::to_value(status).unwrap_or_default())
        }
        _ => bytes(status.code(), Media::Json.content_type(), status.to_json().into()),
    };
    if let Some(seconds) = status.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A path that is none. Kubernetes' own answer is text, too; clients make a `Status` of it.
pub(crate) fn no_such_page() -> Response<Body> {
    let response =
        bytes(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", Bytes::from_static(b"404 page not found\n"));
    nosniff(response)
}

/// Tells browsers not to guess.
pub(crate) fn nosniff(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What was asked for is done, and there is nothing to show.
pub(crate) fn success(form: Answer, details: &Details) -> Response<Body> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    tree(form, StatusCode::OK, &status)
}

/// A tree, written as the caller wants.
pub(crate) fn tree(form: Answer, code: StatusCode, value: &Value) -> Response<Body> {
    let body = match form.media {
        Media::Yaml => json::encode_yaml(value).into(),
        Media::Json if form.pretty => json::encode_pretty(value).into(),
        Media::Json => json::encode(value).into(),
    };
    bytes(code, form.media.content_type(), body)
}

/// A whole body of a type.
pub(crate) fn bytes(code: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Whether the stored bytes can be passed on as they are.
pub(crate) fn streams(form: Answer) -> bool {
    form.media == Media::Json && !form.pretty
}

/// One object.
pub(crate) fn object(call: &Call, code: StatusCode, stored: Stored) -> Outcome<Response<Body>> {
    let resource = &call.scope.resource;
    match call.form.form {
        Form::Plain => {
            if streams(call.form) {
                let body = match &stored {
                    Stored::Entry(entry) => read::bytes(resource, entry),
                    Stored::Dry(value) => object::rendered(value, &resource.api_version(), &resource.kind).into(),
                };
                return Ok(bytes(code, "application/json", body));
            }
            Ok(tree(call.form, code, &stored.into_value(resource)))
        }
        Form::PartialMetadata(version) => {
            let value = table::partial_metadata(stored.into_value(resource), version);
            Ok(tree(call.form, code, &value))
        }
        // Any custom object may be a list; this one has no items.
        Form::PartialMetadataList(_) if resource.is_custom() => Err(Status::unknown("content is not a list").into()),
        Form::PartialMetadataList(_) => Err(Status::not_acceptable(format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
            resource.go_type()
        ))
        .into()),
        Form::Table(version) => {
            let options = table(call, version)?;
            let value = stored.into_value(resource);
            let metadata = serde_json::json!({"resourceVersion": object::meta_text(&value, "resourceVersion")});
            Ok(tree(call.form, code, &table::render(&resource.columns, &metadata, [value], &options)))
        }
    }
}

/// How a table is to be made.
fn table(call: &Call, version: MetaVersion) -> Outcome<table::Options> {
    let include = table::Include::read(call.query()).map_err(|wrong| Status::bad_request(wrong.to_string()))?;
    Ok(table::Options { include, headers: true, version, now: jiff::Timestamp::now() })
}
