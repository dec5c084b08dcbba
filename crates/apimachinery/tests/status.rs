//! Errors as Kubernetes clients read them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use apimachinery::field::{FieldError, Path};
use apimachinery::request_info::RequestInfo;
use apimachinery::status::{Cause, Reason, Status};
use apimachinery::target::{Query, Routing, read};
use http::{Method, StatusCode, Uri, Version};

fn json(status: &Status) -> String {
    String::from_utf8(status.to_json()).unwrap()
}

fn forbidden(method: &Method, path: &str) -> Status {
    Status::forbidden_to(&RequestInfo::read(method, path, Query::default()).unwrap(), "jo", "")
}

#[test]
fn a_status_has_the_wire_form_of_kube_apiserver() {
    assert_eq!(
        json(&Status::unauthorized()),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#
    );
    assert_eq!(
        json(&Status::not_found("apps", "deployments", "x")),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"x\" not found","reason":"NotFound","details":{"name":"x","group":"apps","kind":"deployments"},"code":404}"#
    );
    assert_eq!(
        json(&Status::internal_error("boom")),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred: boom","reason":"InternalError","details":{"causes":[{"message":"boom"}]},"code":500}"#
    );
    assert_eq!(
        json(&Status::too_many_requests("slow down", Duration::from_millis(1200))),
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"slow down","reason":"TooManyRequests","details":{"retryAfterSeconds":2},"code":429}"#
    );
}

#[test]
fn a_denial_is_worded_as_the_cluster_words_it() {
    for (method, path, message) in [
        (
            Method::GET,
            "/api/v1/namespaces/dev/pods/x",
            r#"pods "x" is forbidden: User "jo" cannot get resource "pods" in API group "" in the namespace "dev""#,
        ),
        (
            Method::GET,
            "/apis/apps/v1/deployments",
            r#"deployments.apps is forbidden: User "jo" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
        ),
        (
            Method::POST,
            "/api/v1/namespaces/dev/pods/x/exec",
            r#"pods "x" is forbidden: User "jo" cannot create resource "pods/exec" in API group "" in the namespace "dev""#,
        ),
        (Method::GET, "/metrics", r#"forbidden: User "jo" cannot get path "/metrics""#),
    ] {
        let status = forbidden(&method, path);
        assert_eq!(status.message(), message);
        assert_eq!((status.code(), status.reason()), (StatusCode::FORBIDDEN, Reason::Forbidden));
    }
    assert_eq!(Status::forbidden("", "pods", "", "no").message(), "pods is forbidden: no");
    let info = RequestInfo::read(&Method::GET, "/version", Query::default()).unwrap();
    let status = Status::forbidden_to(&info, "jo", "outside the token's scope");
    assert!(status.message().ends_with(r#"path "/version": outside the token's scope"#));
}

#[test]
fn what_a_client_sent_becomes_no_markup_and_no_new_line() {
    let message = forbidden(&Method::GET, "/<script>\n\"").message().to_owned();
    assert_eq!(message, r#"forbidden: User "jo" cannot get path "/&lt;script&gt;\n\"""#);
}

#[test]
fn each_failure_has_its_code_and_a_reason_that_clients_know() {
    let after = Duration::from_secs(1);
    for (status, code, reason) in [
        (Status::bad_request("m"), 400, "BadRequest"),
        (Status::no_such_path(), 404, "NotFound"),
        (Status::method_not_allowed(), 405, "MethodNotAllowed"),
        (Status::not_acceptable("m"), 406, "NotAcceptable"),
        (Status::request_timeout("m"), 408, "Timeout"),
        (Status::too_large("m"), 413, "RequestEntityTooLarge"),
        (Status::unsupported_media_type("m"), 415, "UnsupportedMediaType"),
        (Status::too_many_requests("m", after), 429, "TooManyRequests"),
        (Status::headers_too_large("m"), 431, "BadRequest"),
        (Status::bad_gateway("m"), 502, "InternalError"),
        (Status::unavailable("m"), 503, "ServiceUnavailable"),
        (Status::gateway_timeout("m"), 504, "Timeout"),
    ] {
        assert_eq!(status.code().as_u16(), code);
        let text = json(&status);
        assert!(text.contains(&format!("\"reason\":\"{reason}\"")), "{text}");
        assert!(text.ends_with(&format!("\"code\":{code}}}")), "{text}");
    }
}

#[test]
fn a_failure_says_when_to_try_again() {
    assert_eq!(Status::unavailable("m").retry_after(), None);
    assert_eq!(Status::unavailable("m").retry(Duration::ZERO).retry_after(), Some(1));
    assert_eq!(Status::unavailable("m").retry(Duration::from_secs(7)).retry_after(), Some(7));
}

#[test]
fn causes_name_their_fields() {
    let cause = Cause { reason: "FieldValueInvalid".into(), message: "no".into(), field: "spec.x".into() };
    let text = json(&Status::bad_request("m").caused_by(cause));
    assert!(
        text.contains(r#""details":{"causes":[{"reason":"FieldValueInvalid","message":"no","field":"spec.x"}]}"#),
        "{text}"
    );
}

#[test]
fn a_refused_target_becomes_a_status() {
    for (method, path, code) in
        [(Method::TRACE, "/api", 405), (Method::GET, "/k8s/clusters/A/api", 404), (Method::GET, "/a//b", 400)]
    {
        let uri: Uri = path.parse().unwrap();
        let refused = read(Version::HTTP_11, &method, &uri, Routing::Path).unwrap_err();
        assert_eq!(Status::from(refused).code().as_u16(), code, "{path}");
    }
    let refused = RequestInfo::read(&Method::GET, "/api/v1/watch", Query::default()).unwrap_err();
    assert_eq!(Status::from(refused).message(), "the path names no resource after `watch`");
}

#[test]
fn an_invalid_object_lists_every_error_once_and_as_causes() {
    let spec = Path::ROOT.child("spec");
    let one = FieldError::required(&spec.child("a"), "");
    let two = FieldError::invalid(&spec.child("b"), "x", "must be short");
    let status = Status::invalid("example.com", "Widget", "w", std::slice::from_ref(&one));
    assert_eq!(status.message(), r#"Widget.example.com "w" is invalid: spec.a: Required value"#);
    let status = Status::invalid("", "Secret", "w", &[one.clone(), two, one]);
    assert_eq!(
        status.message(),
        r#"Secret "w" is invalid: [spec.a: Required value, spec.b: Invalid value: "x": must be short]"#
    );
    assert_eq!(status.details().causes.len(), 3);
    assert_eq!(status.code(), 422);
}

#[test]
fn conflicts_read_as_kubernetes_writes_them() {
    let status = Status::already_exists("apps", "deployments", "x");
    assert_eq!((status.code().as_u16(), status.message()), (409, r#"deployments.apps "x" already exists"#));
    let status = Status::conflict("", "pods", "x", "stale");
    assert_eq!(status.message(), r#"Operation cannot be fulfilled on pods "x": stale"#);
}
