//! One canonical reading of a request's target: what routing and policy read is what is forwarded.
//!
//! Whatever two servers could read in two ways is refused: empty and dot segments, encoded slashes, backslashes, path
//! parameters, control bytes, bad percent-encoding, repeated query keys that decide the verb. No path is ever cleaned:
//! a cleaned path is another path than the one that was sent.
//!
//! Below `…/proxy/` (the sub-path of a pod, service or node) the application behind has its own rules, so there empty
//! segments, `;` and encoded slashes pass; dot segments, backslashes and control bytes do not, in any spelling. The
//! part in front of it is always read strictly, so nothing below can change which resource is meant.

mod path;
mod query;

use std::borrow::Cow;

use http::{Method, StatusCode, Uri, Version};

use crate::route;
pub(crate) use query::is_true;
pub use query::{Pairs, Query};

/// How the cluster of a request is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By the path: `/k8s/clusters/<id>/…`.
    Path,
    /// By the host name; the whole path belongs to the cluster.
    Host,
}

/// A request target that has exactly one reading.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    cluster: Option<&'a str>,
    raw: &'a str,
    path: Cow<'a, str>,
    query: Query<'a>,
}

/// Why a request target is refused. [`TargetError::code`] says with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A method that Kubernetes does not serve: `CONNECT`, `TRACE` and unknown ones.
    #[error("this method is not served here")]
    Method,
    /// A target in absolute, authority or asterisk form.
    #[error("the request target must be a path that begins with `/`")]
    Form,
    /// The path begins with `/k8s/clusters/` and goes on with no cluster id.
    #[error("the path must name a cluster: `/k8s/clusters/<id>/`, where the id is a lower-case DNS label")]
    ClusterId,
    /// `//` in the path.
    #[error("the path must not hold an empty segment (`//`)")]
    EmptySegment,
    /// `.` or `..` as a segment, in any spelling.
    #[error("the path must not hold a `.` or `..` segment")]
    DotSegment,
    /// A byte, plain or encoded, that some server would read as another path.
    #[error("the path must not hold `{0}`, plain or percent-encoded")]
    Byte(&'static str),
    /// `%` without two hexadecimal digits after it.
    #[error("the request target holds a `%` that two hexadecimal digits do not follow")]
    PercentEncoding,
    /// The decoded path, or the decoded value of a query key that policy reads, is not UTF-8.
    #[error("the request target is not UTF-8 once decoded")]
    NotUtf8,
    /// `;` between query pairs: some servers split there, Kubernetes drops the pair.
    #[error("the query must not hold a bare `;`: write `%3B`")]
    QuerySemicolon,
    /// A byte in the query that must be percent-encoded.
    #[error("the query holds a byte that must be percent-encoded")]
    QueryByte,
    /// A key that decides the verb or what is returned, twice.
    #[error("the query key `{0}` is given more than once")]
    RepeatedKey(&'static str),
}

impl TargetError {
    /// The status to answer with: 405 for a method, 404 for a path that names no cluster, 400 otherwise.
    pub fn code(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ClusterId => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a request's target, or says why it is refused.
///
/// An extended CONNECT (RFC 8441) stands for a GET: hand in [`Method::GET`]. A scheme and an authority in the URI are
/// taken for HTTP/2's pseudo-headers, and refused as absolute-form below HTTP/2; whether the authority and `Host` agree is the
/// caller's to check. Nothing is allocated unless the path holds a percent-encoded byte.
///
/// # Errors
/// Any target with more than one reading; see [`TargetError`].
pub fn read<'a>(version: Version, method: &Method, uri: &'a Uri, routing: Routing) -> Result<Target<'a>, TargetError> {
    if !is_served(method) {
        return Err(TargetError::Method);
    }
    if version < Version::HTTP_2 && (uri.scheme().is_some() || uri.authority().is_some()) {
        return Err(TargetError::Form);
    }
    let whole = uri.path();
    if !whole.starts_with('/') {
        return Err(TargetError::Form);
    }
    let (cluster, raw) = match routing {
        Routing::Host => (None, whole),
        Routing::Path => match route::split(whole) {
            Some((id, rest)) => (Some(id), rest),
            None if whole.starts_with(route::CLUSTER_PREFIX) => return Err(TargetError::ClusterId),
            None => (None, whole),
        },
    };
    let path = path::read(raw)?;
    let query = Query::new(uri.query().unwrap_or_default());
    // INVARIANT: a `proxy` subresource has its name in the path, so no query key can change its verb.
    if !query.raw().is_empty() && path::proxy_tail(raw).is_none() {
        query.check()?;
    }
    Ok(Target { cluster, raw, path, query })
}

/// The methods that a Kubernetes API serves.
fn is_served(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
    )
}

impl<'a> Target<'a> {
    /// The cluster that the path names; `None` for Drover's own pages and with [`Routing::Host`].
    pub fn cluster(&self) -> Option<&'a str> {
        self.cluster
    }

    /// The decoded path below the cluster, beginning with `/`: what policy reads.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path below the cluster as it came, percent-encoded: what is forwarded.
    pub fn raw_path(&self) -> &'a str {
        self.raw
    }

    /// The query.
    pub fn query(&self) -> Query<'a> {
        self.query
    }

    /// [`Target::raw_path`] and the query, as a request line has them, appended to `out`.
    pub fn write_path_and_query(&self, out: &mut String) {
        out.push_str(self.raw);
        if !self.query.raw().is_empty() {
            out.push('?');
            out.push_str(self.query.raw());
        }
    }
}
