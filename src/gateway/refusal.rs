//! Every way in which a request ends without the cluster's answer, classified in one place.

use std::{sync::Arc, time::Duration};

use apimachinery::{
    credential::CredentialError,
    headers::{ImpersonationError, RenderError},
    request_info::{RequestInfo, RequestInfoError},
    status::Status,
    target::TargetError,
};
use http::StatusCode;

use super::{guard::Denied, limits};
use crate::{
    cluster::{ConnectError, JsonError, SendError},
    identity::Unauthenticated,
    telemetry::metrics::Source,
};

/// Why the gateway answers itself.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The target has more than one reading.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The path is no request to the Kubernetes API.
    #[error(transparent)]
    RequestInfo(#[from] RequestInfoError),
    /// `Host` is missing, repeated, or not what `:authority` says.
    #[error("the request must have exactly one host, and `Host` and `:authority` must agree")]
    Host,
    /// The path names neither a cluster nor a page of Drover.
    #[error("nothing is served at this path")]
    NoSuchPath,
    /// The credential cannot be read.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No credential was sent.
    #[error("no credential was sent")]
    Anonymous,
    /// The credential proves nothing.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// A page of another origin uses what the browser adds by itself.
    #[error("a page of another origin cannot use a client certificate or a remembered password")]
    ForeignOrigin,
    /// The guard says no.
    #[error("{denied}")]
    Denied {
        /// Why.
        denied: Denied,
        /// Who asked.
        user: Arc<str>,
        /// For which cluster.
        cluster: Box<str>,
    },
    /// `--as` headers that cannot be read.
    #[error(transparent)]
    BadImpersonation(#[from] ImpersonationError),
    /// `--as` to what this caller may not be.
    #[error("user `{user}` cannot impersonate {what} `{name}` in cluster `{cluster}`: {why}")]
    Impersonation {
        /// Who asked.
        user: Arc<str>,
        /// `user`, `group`, `uid` or `extra`.
        what: &'static str,
        /// Whom or what.
        name: String,
        /// Where.
        cluster: Arc<str>,
        /// Why not.
        why: &'static str,
    },
    /// The identity cannot be written as headers.
    #[error("the identity cannot be sent to the cluster: {0}")]
    Render(#[from] RenderError),
    /// A limit was reached.
    #[error("too many requests")]
    Limit(limits::Reached),
    /// The client stopped sending its body.
    #[error("the request's body did not arrive in time")]
    SlowBody,
    /// The request's body could not be read.
    #[error("the request's body could not be read")]
    BadBody,
    /// An upgrade that cannot be.
    #[error("{0}")]
    BadUpgrade(&'static str),
    /// The world is too old to decide by.
    #[error("this gateway has lost the management plane and does not know who may do what any more")]
    CutOff,
    /// The cluster's connection is not set up yet.
    #[error("the cluster is not connected yet")]
    NotConnected,
    /// The cluster could not be reached, or failed before its answer.
    #[error("cluster `{0}`: {1}")]
    Upstream(Arc<str>, SendError),
    /// The cluster could not be asked about `--as`.
    #[error("cluster `{0}` could not be asked about the impersonation: {1}")]
    Review(Arc<str>, JsonError),
    /// The cluster did not begin its answer in time.
    #[error("cluster `{0}` did not answer within {1:?}")]
    UpstreamTimeout(Arc<str>, Duration),
    /// The cluster does not know the gateway.
    #[error("cluster `{0}` refused the gateway's own credential")]
    CredentialRefused(Arc<str>),
    /// The cluster sends the client elsewhere, where its credential must not follow.
    #[error("cluster `{0}` answered with a redirect to another host")]
    Redirect(Arc<str>),
}

impl Refusal {
    /// The answer that the client gets. What a request asked for is in `info`, where it was understood.
    pub fn status(&self, info: Option<&RequestInfo<'_>>) -> Status {
        match self {
            Self::Target(error) => Status::from(*error),
            Self::RequestInfo(error) => Status::from(*error),
            Self::NoSuchPath => Status::no_such_path(),
            Self::Credential(_) | Self::Anonymous | Self::Unauthenticated(_) => Status::unauthorized(),
            Self::Denied { denied: Denied::NotAMember | Denied::TooManyGroups(_), user, cluster } => {
                let why = format!("cluster `{cluster}`: {self}");
                info.map_or_else(
                    || Status::forbidden("", "", "", &format!("User \"{user}\": {why}")),
                    |info| Status::forbidden_to(info, user, &why),
                )
            }
            Self::Denied { cluster, .. } => Status::unavailable(format!("cluster `{cluster}`: {self}")),
            Self::ForeignOrigin => Status::forbidden("", "", "", &self.to_string()),
            Self::BadImpersonation(error) if error.code() == StatusCode::FORBIDDEN => {
                Status::forbidden("", "", "", &self.to_string())
            }
            Self::Host | Self::BadUpgrade(_) | Self::BadBody | Self::BadImpersonation(_) => {
                Status::bad_request(self.to_string())
            }
            Self::Impersonation { what, name, .. } => {
                let resource = if *what == "group" { "groups" } else { "users" };
                Status::forbidden("", resource, name, &self.to_string())
            }
            Self::Render(_) => Status::internal_error(&self.to_string()),
            Self::Limit(reached) => limit(*reached),
            Self::SlowBody => Status::new(
                StatusCode::REQUEST_TIMEOUT,
                apimachinery::status::Reason::Timeout,
                format!("Timeout: {self}"),
            ),
            Self::CutOff => Status::unavailable(self.to_string()).retry(Duration::from_secs(10)),
            Self::NotConnected => Status::unavailable(self.to_string()).retry(Duration::from_secs(1)),
            Self::Upstream(_, error) | Self::Review(_, JsonError::Send(error)) => upstream(error, self.to_string()),
            Self::Review(_, JsonError::Timeout(_)) | Self::UpstreamTimeout(..) => {
                Status::gateway_timeout(&self.to_string())
            }
            Self::Review(..) | Self::CredentialRefused(_) | Self::Redirect(_) => Status::bad_gateway(self.to_string()),
        }
    }

    /// On which side it began, and a short name for metrics.
    pub fn cause(&self) -> (&'static str, Source) {
        match self {
            Self::Target(_) | Self::RequestInfo(_) => ("target", Source::Client),
            Self::Host => ("host", Source::Client),
            Self::NoSuchPath => ("path", Source::Client),
            Self::Credential(_) | Self::Anonymous | Self::Unauthenticated(_) => ("unauthenticated", Source::Client),
            Self::ForeignOrigin => ("origin", Source::Client),
            Self::Denied { denied: Denied::NotAMember | Denied::TooManyGroups(_), .. } => ("denied", Source::Client),
            Self::Denied { .. } => ("unpublished", Source::Gateway),
            Self::BadImpersonation(_) | Self::Impersonation { .. } => ("impersonation", Source::Client),
            Self::Render(_) => ("render", Source::Gateway),
            Self::Limit(_) => ("limit", Source::Client),
            Self::SlowBody | Self::BadBody => ("body", Source::Client),
            Self::BadUpgrade(_) => ("upgrade", Source::Client),
            Self::CutOff => ("cut_off", Source::Gateway),
            Self::NotConnected => ("not_connected", Source::Gateway),
            Self::Upstream(_, error) | Self::Review(_, JsonError::Send(error)) => send_cause(error),
            Self::Review(..) => ("review", Source::Upstream),
            Self::UpstreamTimeout(..) => ("timeout", Source::Upstream),
            Self::CredentialRefused(_) => ("credential", Source::Upstream),
            Self::Redirect(_) => ("redirect", Source::Upstream),
        }
    }
}

fn limit(reached: limits::Reached) -> Status {
    match reached.scope {
        limits::Scope::Total => {
            Status::unavailable("the gateway is at its limit, please try again later").retry(reached.retry_after)
        }
        limits::Scope::User => Status::too_many_requests("the user's limit is reached", reached.retry_after),
        limits::Scope::Cluster => Status::too_many_requests("the cluster's limit is reached", reached.retry_after),
        limits::Scope::Source => Status::too_many_requests("too many failed sign-ins", reached.retry_after),
    }
}

fn upstream(error: &SendError, message: String) -> Status {
    match error {
        SendError::CircuitOpen { retry_after } => Status::unavailable(message).retry(*retry_after),
        SendError::Connect(ConnectError::Timeout(_)) => Status::gateway_timeout(&message),
        SendError::Connect(_) | SendError::Credential(_) => Status::unavailable(message),
        SendError::RequestBody(_) | SendError::Request(_) => Status::bad_request(message),
        SendError::Unsent(_) | SendError::Broken(_) | SendError::Protocol(_) => Status::bad_gateway(message),
    }
}

/// A short name for metrics, and the side it began on.
fn send_cause(error: &SendError) -> (&'static str, Source) {
    match error {
        SendError::CircuitOpen { .. } => ("circuit_open", Source::Upstream),
        SendError::Connect(ConnectError::Denied(_)) => ("address_denied", Source::Gateway),
        SendError::Connect(_) => ("connect", Source::Upstream),
        SendError::Credential(_) => ("credential", Source::Gateway),
        SendError::Unsent(_) | SendError::Broken(_) => ("broken", Source::Upstream),
        SendError::Protocol(_) => ("protocol", Source::Upstream),
        SendError::RequestBody(_) | SendError::Request(_) => ("body", Source::Client),
    }
}
