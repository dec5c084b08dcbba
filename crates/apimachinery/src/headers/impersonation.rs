//! Reading what a client asks to be: `kubectl --as`, `--as-group`, `--as-uid`, `--as-user-extra`.
//!
//! See `k8s.io/apiserver/pkg/endpoints/filters/impersonation`. Where Kubernetes passes over something in silence (a
//! second user, an unknown name, an empty value), this refuses: a request must never run as somebody else than its
//! sender meant.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;

use super::names;

/// Whom a client asks to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpersonationRequest<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's uid.
    pub uid: Option<&'a str>,
    /// The groups, in order.
    pub groups: Vec<&'a str>,
    /// The extras: key, decoded, and values.
    pub extras: Vec<(String, Vec<&'a str>)>,
}

/// Why a client's impersonation headers are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpersonationError {
    /// A group, uid or extra without a user.
    #[error("a group, uid or extra can only be impersonated together with a user")]
    WithoutUser,
    /// A header that may come once came twice.
    #[error("the header `{0}` is given more than once")]
    Repeated(&'static str),
    /// A value that is empty, no UTF-8, holds a control character, or begins or ends with a space.
    #[error("the header `{0}` has an empty or unreadable value")]
    Value(String),
    /// An extra whose key is empty or badly encoded.
    #[error("the header `{0}` has an empty or badly encoded key")]
    Key(String),
    /// A name that Kubernetes does not know, or that some servers would read as one that it knows.
    #[error("the header `{0}` is not known: nothing was impersonated")]
    Unknown(String),
}

impl ImpersonationError {
    /// The status to answer with: 403 for an unknown name, 400 otherwise.
    pub fn code(&self) -> StatusCode {
        match self {
            Self::Unknown(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

const USER: &str = "impersonate-user";
const UID: &str = "impersonate-uid";
const GROUP: &str = "impersonate-group";
const EXTRA: &str = "impersonate-extra-";

/// Reads `Impersonate-*`; `None` when there is no such header.
///
/// # Errors
/// Whatever Kubernetes or another server could read as somebody else; see [`ImpersonationError`].
pub fn read_impersonation(headers: &HeaderMap) -> Result<Option<ImpersonationRequest<'_>>, ImpersonationError> {
    if !headers.keys().any(|name| names::is_impersonation(name.as_str().as_bytes())) {
        return Ok(None);
    }
    let mut user = None;
    let mut uid = None;
    let mut groups = Vec::new();
    let mut extras: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !names::is_impersonation(name.as_bytes()) {
            continue;
        }
        match name {
            USER => once(&mut user, text(name, value)?, USER)?,
            UID => once(&mut uid, text(name, value)?, UID)?,
            GROUP => groups.push(text(name, value)?),
            _ => {
                let Some(key) = name.strip_prefix(EXTRA) else {
                    return Err(ImpersonationError::Unknown(name.to_owned()));
                };
                let key = decode_key(key).ok_or_else(|| ImpersonationError::Key(name.to_owned()))?;
                let value = text(name, value)?;
                match extras.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, values)) => values.push(value),
                    None => extras.push((key.into_owned(), vec![value])),
                }
            }
        }
    }
    let user = user.ok_or(ImpersonationError::WithoutUser)?;
    Ok(Some(ImpersonationRequest { user, uid, groups, extras }))
}

fn once<'a>(slot: &mut Option<&'a str>, value: &'a str, name: &'static str) -> Result<(), ImpersonationError> {
    if slot.replace(value).is_some() { Err(ImpersonationError::Repeated(name)) } else { Ok(()) }
}

/// A value that every server reads alike.
fn text<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str, ImpersonationError> {
    std::str::from_utf8(value.as_bytes())
        .ok()
        .filter(|text| super::identity::is_plain(text))
        .ok_or_else(|| ImpersonationError::Value(name.to_owned()))
}

/// The key of an extra, percent-decoded; None when it is empty or not well encoded.
fn decode_key(key: &str) -> Option<Cow<'_, str>> {
    let escapes = key.split('%').skip(1);
    let well_formed = escapes.into_iter().all(|after| {
        let mut digits = after.bytes();
        let mut hex = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        hex() && hex()
    });
    let key = percent_decode_str(key).decode_utf8().ok()?;
    (well_formed && super::identity::is_plain(&key)).then_some(key)
}
