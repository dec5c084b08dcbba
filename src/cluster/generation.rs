//! A cluster under one credential: its TLS, its pools. A new credential makes a new generation, so that no connection is ever used
//! under two (H17).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use http::{
    HeaderValue, Request, Uri,
    header::{AUTHORIZATION, CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    Options,
    body::RequestBody,
    connect::Connector,
    credential::Material,
    error::{ConnectError, SendError},
    http1, http2,
    proxy::Proxy,
    stats::ClusterStats,
    tls::Tls,
};
use crate::world::input::Connection;

pub(super) struct Generation {
    pub(super) connector: Connector,
    pub(super) http1: Arc<http1::Pool>,
    pub(super) http2: http2::Pool,
    pub(super) material: Material,
    /// When the credential must not be used any more.
    pub(super) expires: Option<Instant>,
    authorization: Option<HeaderValue>,
    host: HeaderValue,
    scheme: Scheme,
    authority: Authority,
    prefix: String,
    /// The cluster answered a connection that offered HTTP/2 with HTTP/1.1, or is spoken to in plain text.
    only_http1: AtomicBool,
    /// The cluster refused a connection that offered HTTP/1.1 alone.
    only_http2: AtomicBool,
}

fn setup(what: impl std::fmt::Display) -> ConnectError {
    ConnectError::Setup(what.to_string().into())
}

impl Generation {
    pub(super) fn new(
        connection: &Arc<Connection>,
        material: Material,
        options: &Options,
        stats: &Arc<ClusterStats>,
    ) -> Result<Self, ConnectError> {
        let standard = if connection.https { 443 } else { 80 };
        let host =
            if connection.host.contains(':') { format!("[{}]", connection.host) } else { connection.host.clone() };
        let authority = if connection.port == standard { host } else { format!("{host}:{}", connection.port) };
        let connector = Connector {
            connection: Arc::clone(connection),
            tls: if connection.https { Some(Tls::new(connection, &material)?) } else { None },
            proxy: connection.proxy_url.as_deref().map(Proxy::parse).transpose()?,
            policy: options.address_policy.clone(),
            timeout: options.connect_timeout,
            stats: Arc::clone(stats),
        };
        // One more than the workers: the control runtime's own.
        let slots = options.workers + 1;
        Ok(Self {
            connector,
            http1: Arc::new(http1::Pool::new(slots, options.max_idle_per_worker, Arc::clone(stats))),
            http2: http2::Pool::new(slots, Arc::clone(stats)),
            expires: material.expires.map(|at| Instant::now() + until(at)),
            authorization: material.authorization().map_err(ConnectError::Setup)?,
            host: HeaderValue::try_from(&authority).map_err(setup)?,
            scheme: if connection.https { Scheme::HTTPS } else { Scheme::HTTP },
            authority: Authority::try_from(authority).map_err(setup)?,
            prefix: connection.path_prefix.clone(),
            only_http1: AtomicBool::new(!connection.https),
            only_http2: AtomicBool::new(false),
            material,
        })
    }

    pub(super) fn expired(&self) -> bool {
        self.expires.is_some_and(|at| Instant::now() >= at)
    }

    pub(super) fn has_http2(&self) -> bool {
        !self.only_http1.load(Ordering::Relaxed)
    }

    pub(super) fn has_http1(&self) -> bool {
        !self.only_http2.load(Ordering::Relaxed)
    }

    pub(super) fn learn_no_http1(&self) {
        self.only_http2.store(true, Ordering::Relaxed);
    }

    /// Takes `connection`s out of use; those under way end in their own time.
    pub(super) fn retire(&self) {
        self.http1.retire();
        self.http2.retire();
    }

    /// Adds the gateway's own credential and the path before `/api`.
    pub(super) fn authorize(&self, request: &mut Request<RequestBody>) -> Result<(), SendError> {
        if !self.prefix.is_empty() {
            let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            *request.uri_mut() = format!("{}{target}", self.prefix)
                .parse()
                .map_err(|error: http::uri::InvalidUri| SendError::Request(error.into()))?;
        }
        match &self.authorization {
            Some(value) => drop(request.headers_mut().insert(AUTHORIZATION, value.clone())),
            None => drop(request.headers_mut().remove(AUTHORIZATION)),
        }
        Ok(())
    }

    /// Origin form and `Host`.
    pub(super) fn for_http1(&self, request: &mut Request<RequestBody>) {
        *request.version_mut() = http::Version::HTTP_11;
        if request.uri().authority().is_some() {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            (parts.scheme, parts.authority) = (None, None);
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
        request.headers_mut().insert(HOST, self.host.clone());
    }

    /// Absolute form, and nothing that belongs to an HTTP/1.1 connection (RFC 9113, 8.2.2).
    pub(super) fn for_http2(&self, request: &mut Request<RequestBody>) -> Result<(), SendError> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| SendError::Request(error.into()))?;
        let headers = request.headers_mut();
        for name in [HOST, CONNECTION, TRANSFER_ENCODING, UPGRADE] {
            headers.remove(name);
        }
        request.extensions_mut().clear();
        Ok(())
    }

    /// Makes an HTTP/2 connection, or an HTTP/1.1 one where the cluster has no other, and puts it into its pool.
    pub(super) async fn open_http2(&self, worker: usize, what: http2::Use) -> Result<(), ConnectError> {
        let (stream, agreed) = self.connector.connect(true).await?;
        if agreed {
            return http2::start(stream, &self.http2, worker, what, self.connector.timeout).await;
        }
        self.only_http1.store(true, Ordering::Relaxed);
        let failed = |error: &dyn std::error::Error| ConnectError::Io(error.to_string().into());
        let mut sender = http1::start(stream, false).await.map_err(|error| failed(&error))?;
        sender.ready().await.map_err(|error| failed(&error))?;
        self.http1.put(worker, sender);
        Ok(())
    }
}

/// The time from now to `at`, none when it is past.
pub(super) fn until(at: jiff::Timestamp) -> std::time::Duration {
    at.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default()
}
