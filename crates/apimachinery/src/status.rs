//! Errors in the form that every Kubernetes client understands: `Status` of `meta/v1`.
//!
//! Codes, reasons and messages are those of `k8s.io/apimachinery/pkg/api/errors/errors.go`, so that client-go, kube-rs and
//! kubectl take an error of the gateway as they would take the cluster's.

mod message;

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::{field::FieldError, request_info::RequestInfo};

/// A failed request's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: StatusCode,
    reason: Reason,
    message: String,
    details: Details,
    /// Whether the details are written though they say nothing.
    detailed: bool,
    continuation: String,
}

/// The machine-readable cause of a failure, a `StatusReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[expect(missing_docs, reason = "each is described by the constructor of `Status` that sets it")]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Expired,
    Gone,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    TooManyRequests,
    InternalError,
    ServerTimeout,
    ServiceUnavailable,
    Timeout,
    Unknown,
}

/// What a failure is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group; empty for the core group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource (as the Kubernetes API itself has it here), or the kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Single causes, such as one for each bad field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again, in seconds; 0 for not said.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

/// One cause of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A machine-readable `CauseType`, such as `FieldValueInvalid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field, as a path: `spec.rules[0].verbs`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

impl Status {
    /// Any code, reason and message.
    pub fn new(code: StatusCode, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Details::default(),
            detailed: false,
            continuation: String::new(),
        }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::BadRequest, message)
    }

    /// 401: no credential, or none that is valid. The message is Kubernetes' own and tells a guesser nothing.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Reason::Unauthorized, "Unauthorized")
    }

    /// 403 for what a request asks: `pods "x" is forbidden: why`, or `pods is forbidden: why` without a name.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if resource.is_empty() && group.is_empty() {
            format!("forbidden: {why}")
        } else {
            format!("{} is forbidden: {why}", message::object(group, resource, name))
        };
        Self::new(StatusCode::FORBIDDEN, Reason::Forbidden, message).about(group, resource, name)
    }

    /// 403 in the words of a cluster that denies: `pods "x" is forbidden: User "jo" cannot get resource "pods" in API
    /// group "" in the namespace "dev": why`.
    pub fn forbidden_to(info: &RequestInfo<'_>, user: &str, why: &str) -> Self {
        let mut denied = message::denied(info, user);
        if !why.is_empty() {
            denied.push_str(": ");
            denied.push_str(why);
        }
        Self::forbidden(info.group, info.resource, &info.name, &denied)
    }

    /// 404 for an object: `pods "x" not found`.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} not found", message::object(group, resource, name));
        Self::new(StatusCode::NOT_FOUND, Reason::NotFound, message).about(group, resource, name)
    }

    /// 404 for a path.
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, Reason::NotFound, "the server could not find the requested resource")
    }

    /// 405 for what a resource cannot do: `create is not supported on resources of kind "nodes"`.
    pub fn not_supported(group: &str, resource: &str, action: &str) -> Self {
        let message =
            format!("{action} is not supported on resources of kind {:?}", message::object(group, resource, ""));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed, message).about(group, resource, "")
    }

    /// 409: the name is taken: `pods "x" already exists`.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} already exists", message::object(group, resource, name));
        Self::new(StatusCode::CONFLICT, Reason::AlreadyExists, message).about(group, resource, name)
    }

    /// 409: the object is not as the caller believes it to be.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {}: {why}", message::object(group, resource, name));
        Self::new(StatusCode::CONFLICT, Reason::Conflict, message).about(group, resource, name)
    }

    /// 410: the version that was asked for is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, Reason::Expired, message)
    }

    /// 422: `Pod "x" is invalid: …`, each error also as a cause.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut kind_and_group = kind.to_owned();
        if !group.is_empty() {
            kind_and_group.push('.');
            kind_and_group.push_str(group);
        }
        let mut message = format!("{kind_and_group} {} is invalid", crate::json::go_quote(name));
        let mut texts: Vec<String> = Vec::with_capacity(errors.len());
        for text in errors.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match texts.as_slice() {
            [] => {}
            [one] => {
                message.push_str(": ");
                message.push_str(one);
            }
            several => {
                message.push_str(": [");
                message.push_str(&several.join(", "));
                message.push(']');
            }
        }
        let mut status = Self::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Invalid, message).about(group, kind, name);
        status.details.causes = errors.iter().map(FieldError::cause).collect();
        status
    }

    /// 500 that is worth another try: `The POST operation against pods could not be completed at this time, …`.
    pub fn server_timeout(group: &str, resource: &str, operation: &str) -> Self {
        let message = format!(
            "The {operation} operation against {} could not be completed at this time, please try again.",
            message::object(group, resource, "")
        );
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::ServerTimeout, message).about(group, resource, operation)
    }

    /// 405: the method is not served here.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        )
    }

    /// 406: no form that the client accepts.
    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, Reason::NotAcceptable, message)
    }

    /// 408: the client did not send its request in time.
    pub fn request_timeout(message: &str) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Reason::Timeout, format!("Timeout: {message}"))
    }

    /// 413: the request is too large.
    pub fn too_large(message: &str) -> Self {
        let message = format!("Request entity too large: {message}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::RequestEntityTooLarge, message)
    }

    /// 415: the body's form is not understood.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::UnsupportedMediaType, message)
    }

    /// 429: over a limit; to be tried again after `after`. The answer needs a `Retry-After` header as well, which
    /// client-go obeys: [`Status::retry_after`].
    pub fn too_many_requests(message: impl Into<String>, after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Reason::TooManyRequests, message).retry(after)
    }

    /// 431: the header section is too large. Kubernetes has no reason of that name; `BadRequest` keeps clients from
    /// trying again.
    pub fn headers_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Reason::BadRequest, message)
    }

    /// 500: a failure of our own.
    pub fn internal_error(message: &str) -> Self {
        let cause = Cause { message: message.to_owned(), ..Cause::default() };
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Reason::InternalError,
            format!("Internal error occurred: {message}"),
        )
        .caused_by(cause)
    }

    /// 500 without a reason: what kube-apiserver makes of an error that it has no answer for.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::Unknown, message)
    }

    /// 502: the cluster answered with something that is no answer. Kubernetes has no reason of that name; client-go makes
    /// `InternalError` of a bare 502, so that is what it gets.
    pub fn bad_gateway(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, Reason::InternalError, message)
    }

    /// 503: not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Reason::ServiceUnavailable, message)
    }

    /// 504: the cluster did not answer in time; it may still be at work.
    pub fn gateway_timeout(message: &str) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, Reason::Timeout, format!("Timeout: {message}"))
    }

    /// Says which object the failure is about.
    #[must_use]
    pub fn about(mut self, group: &str, resource: &str, name: &str) -> Self {
        group.clone_into(&mut self.details.group);
        resource.clone_into(&mut self.details.kind);
        name.clone_into(&mut self.details.name);
        self
    }

    /// Writes the details though they say nothing, as Kubernetes does in some places.
    #[must_use]
    pub fn with_details(mut self) -> Self {
        self.detailed = true;
        self
    }

    /// Changes the sentence for people.
    #[must_use]
    pub fn with_message(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.message = change(&self.message);
        self
    }

    /// Says how a list that cannot go on consistently may go on: a token for `continue`.
    #[must_use]
    pub fn continued(mut self, token: String) -> Self {
        self.continuation = token;
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.details.causes.push(cause);
        self
    }

    /// Says when to try again, in whole seconds, at least 1.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.details.retry_after_seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        self
    }

    /// The HTTP status to answer with.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the failure is about.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// What belongs into the `Retry-After` header, in seconds.
    pub fn retry_after(&self) -> Option<u32> {
        Some(self.details.retry_after_seconds).filter(|seconds| *seconds > 0)
    }

    /// The body of the answer, with `Content-Type: application/json`.
    pub fn to_json(&self) -> Vec<u8> {
        // INVARIANT: strings and numbers only, which serde_json always writes.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
            continuation: &'a str,
        }
        let has_details = self.detailed || self.details != Details::default();
        let has_reason = self.reason != Reason::Unknown;
        let fields = 6 + usize::from(has_reason) + usize::from(has_details);
        let mut fields = serializer.serialize_struct("Status", fields)?;
        fields.serialize_field("kind", "Status")?;
        fields.serialize_field("apiVersion", "v1")?;
        fields.serialize_field("metadata", &Metadata { continuation: &self.continuation })?;
        fields.serialize_field("status", "Failure")?;
        fields.serialize_field("message", &self.message)?;
        if has_reason {
            fields.serialize_field("reason", &self.reason)?;
        }
        if has_details {
            fields.serialize_field("details", &self.details)?;
        }
        fields.serialize_field("code", &self.code.as_u16())?;
        fields.end()
    }
}

impl From<crate::target::TargetError> for Status {
    fn from(refused: crate::target::TargetError) -> Self {
        match refused.code() {
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::NOT_FOUND => Self::no_such_path(),
            _ => Self::bad_request(refused.to_string()),
        }
    }
}

impl From<crate::request_info::RequestInfoError> for Status {
    fn from(refused: crate::request_info::RequestInfoError) -> Self {
        Self::bad_request(refused.to_string())
    }
}
