//! Why a request got no answer: whose fault it was, and whether sending it again is safe.

use std::{sync::Arc, time::Duration};

/// A type-erased error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a failure came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller's request body broke off.
    Client,
    /// The cluster, or the way to it.
    Upstream,
    /// Drover's own configuration or credential.
    Gateway,
}

/// Why [`Cluster::send`](super::Cluster::send) failed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The cluster could not be reached lately: not tried.
    #[error("the cluster could not be reached lately; it is tried again every second")]
    CircuitOpen {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// No connection could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The gateway has no credential for the cluster now; the text holds no secret.
    #[error("no credential for the cluster: {0}")]
    Credential(Arc<str>),
    /// The connection was gone before it took the request, and so was a second one.
    #[error("the connection closed before it took the request")]
    Unsent(#[source] BoxError),
    /// The connection broke after the request was sent, or perhaps sent.
    #[error("the connection broke before the cluster answered")]
    Broken(#[source] BoxError),
    /// The cluster answered, but not in HTTP that may be passed on.
    #[error("the cluster's answer is not valid: {0}")]
    Protocol(BoxError),
    /// The caller's own body failed while it was sent.
    #[error("the request's body broke off")]
    RequestBody(#[source] BoxError),
    /// The request cannot be sent as it is, such as one with a path that is not a path.
    #[error("the request cannot be sent: {0}")]
    Request(BoxError),
}

impl SendError {
    /// Where the failure came from.
    pub fn origin(&self) -> Origin {
        match self {
            Self::RequestBody(_) | Self::Request(_) => Origin::Client,
            Self::Credential(_) | Self::Connect(ConnectError::Denied(_) | ConnectError::Setup(_)) => Origin::Gateway,
            _ => Origin::Upstream,
        }
    }

    /// Whether the cluster can not have seen the request, so that sending it again is safe whatever its verb.
    pub fn retry_is_safe(&self) -> bool {
        matches!(self, Self::CircuitOpen { .. } | Self::Connect(_) | Self::Credential(_) | Self::Unsent(_))
    }

    /// Whether it is time that ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Connect(ConnectError::Timeout(_)))
    }
}

/// Why no connection could be made. Several callers may hear of the same failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot find the address of `{host}`: {reason}")]
    Resolve {
        /// The name.
        host: Arc<str>,
        /// The resolver's words.
        reason: Arc<str>,
    },
    /// The address policy does not let the gateway go there (H22).
    #[error("connecting is not allowed: {0}")]
    Denied(Arc<str>),
    /// Refused, unreachable, reset.
    #[error("cannot connect: {0}")]
    Io(Arc<str>),
    /// Not within the connect timeout.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The proxy refused or did not understand.
    #[error("the proxy did not connect: {0}")]
    Proxy(Arc<str>),
    /// The TLS handshake failed, mostly because one side does not trust the other.
    #[error("the TLS handshake failed: {0}")]
    Tls(Arc<str>),
    /// The cluster speaks HTTP/2 alone.
    #[error("the cluster speaks no HTTP/1.1")]
    NoHttp1,
    /// The first words of HTTP/2 failed.
    #[error("the HTTP/2 handshake failed: {0}")]
    Http2(Arc<str>),
    /// The connection's own settings are not usable.
    #[error("the cluster's connection settings are not usable: {0}")]
    Setup(Arc<str>),
}

impl ConnectError {
    pub(super) fn io(error: &std::io::Error) -> Self {
        Self::Io(error.to_string().into())
    }

    /// Whether it tells that the cluster is down: what counts for the circuit.
    pub(super) const fn is_cluster(&self) -> bool {
        !matches!(self, Self::Denied(_) | Self::Setup(_) | Self::NoHttp1)
    }
}
