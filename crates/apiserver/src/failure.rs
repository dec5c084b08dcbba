//! What a step fails with: a `Status`, behind a pointer, as it is large and rare.

use apimachinery::{
    field::{FieldError, Path},
    status::{Cause, Status},
};

/// The outcome of a step of a request.
pub(crate) type Outcome<T> = Result<T, Box<Status>>;

/// A version that is not there yet: 504, to be tried again after a second.
pub(crate) fn too_large_version(asked: u64, current: u64) -> Status {
    Status::gateway_timeout(&format!("Too large resource version: {asked}, current: {current}"))
        .retry(std::time::Duration::from_secs(1))
        .caused_by(Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            ..Cause::default()
        })
}

/// A version that is no number: 500 for a watch, 400 for a list.
pub(crate) fn bad_version(text: &str, watch: bool) -> Status {
    let wrong = FieldError::invalid(&Path::ROOT.child("resourceVersion"), text, unsigned(text));
    if watch {
        Status::unknown(wrong.to_string())
    } else {
        Status::bad_request(format!("invalid resource version: {wrong}"))
    }
}

/// What Go's `strconv.ParseUint` says.
pub(crate) fn unsigned(text: &str) -> String {
    format!("strconv.ParseUint: parsing {text:?}: {}", number_fault(text, false))
}

/// What Go's `strconv.ParseInt` says.
pub(crate) fn signed(text: &str) -> String {
    format!("strconv.ParseInt: parsing {text:?}: {}", number_fault(text, true))
}

fn number_fault(text: &str, sign: bool) -> &'static str {
    let digits = if sign { text.strip_prefix(['-', '+']).unwrap_or(text) } else { text };
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    }
}
