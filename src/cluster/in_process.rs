//! A cluster in this process: the embedded management plane, called without any connection.
//!
//! As whom comes as an extension of the request, never in a header.

use std::{collections::BTreeMap, convert::Infallible, fmt, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, Version};
use http_body::Body;

use super::{
    body::{RequestBody, UpstreamBody},
    error::SendError,
};
use crate::world::input::{Names, Published};

/// As whom a cluster in this process is called: an extension of the request, of type `Arc<Caller>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// The user's UID, where there is one.
    pub uid: Option<String>,
    /// Role groups.
    pub groups: Vec<String>,
    /// What else is known of the user.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a cluster in this process says of a request for its audit event, by key: an extension of the response, which nothing that
/// comes over a network can have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnnotations(pub BTreeMap<String, String>);

/// The body of an answer from this process.
pub type InProcessBody = Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>;

/// A Kubernetes API in this process.
pub trait InProcess: Send + Sync {
    /// Answers a request; one without a [`Caller`] gets 401.
    fn call(&self, request: Request<RequestBody>) -> BoxFuture<'static, Result<Response<InProcessBody>, SendError>>;
}

impl fmt::Debug for dyn InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

/// What such a cluster lets the gateway impersonate: there is no account to be limited.
pub(super) const fn published() -> Published {
    Published { users: Names::Any, groups: Names::Any, uids: true, extras: Names::Any, administrator: false }
}

/// Sends a request.
pub(super) async fn send(
    local: &Arc<dyn InProcess>,
    mut request: Request<RequestBody>,
) -> Result<Response<UpstreamBody>, SendError> {
    // A target in origin form, whichever version the client spoke.
    *request.version_mut() = Version::HTTP_11;
    Ok(local.call(request).await?.map(UpstreamBody::in_process))
}
