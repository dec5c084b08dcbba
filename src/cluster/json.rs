//! Small JSON calls of Drover's own to a cluster, bounded in time and size.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

use super::{
    Call,
    body::RequestBody,
    error::{BoxError, SendError},
    in_process::Caller,
    upstream::Cluster,
};

/// Why a JSON call has no result.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// No answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Not within its time.
    #[error("the cluster did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is longer than the caller takes.
    #[error("the cluster's answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer broke off.
    #[error("the cluster's answer broke off")]
    Broken(#[source] BoxError),
    /// The answer is not JSON.
    #[error("the cluster's answer with status {status} is not JSON")]
    NotJson {
        /// Its status.
        status: StatusCode,
    },
    /// The call cannot be made.
    #[error("the call cannot be made: {0}")]
    Request(#[from] http::Error),
}

impl Cluster {
    /// Calls `path` with `headers` (no credential among them), as `caller` where the cluster is in this process, and reads at most `limit` bytes of JSON `within` a time.
    #[expect(clippy::too_many_arguments, reason = "a request has that many parts; none has a default")]
    pub async fn json(
        self: &Arc<Self>,
        worker: usize,
        method: Method,
        path: &str,
        headers: HeaderMap,
        caller: Option<&Arc<Caller>>,
        body: Option<&Value>,
        limit: usize,
        within: Duration,
    ) -> Result<(StatusCode, Value), JsonError> {
        let mut request = Request::builder().method(method).uri(path).body(RequestBody::Empty)?;
        *request.headers_mut() = headers;
        if let Some(caller) = caller {
            request.extensions_mut().insert(Arc::clone(caller));
        }
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::ACCEPT, json.clone());
        if let Some(body) = body {
            request.headers_mut().insert(header::CONTENT_TYPE, json);
            *request.body_mut() = RequestBody::Full(Bytes::from(body.to_string()));
        }
        let call = async {
            let response = self.send(worker, Call::Short, request).await?;
            let status = response.status();
            let bytes = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() { JsonError::TooLong(limit) } else { JsonError::Broken(error) }
            })?;
            let value = serde_json::from_slice(&bytes.to_bytes()).map_err(|_| JsonError::NotJson { status })?;
            Ok((status, value))
        };
        tokio::time::timeout(within, call).await.unwrap_or(Err(JsonError::Timeout(within)))
    }
}
