//! How much and how long: `limits`, `timeouts` and `drain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Period, Size};

/// How much is served at once. In all of them 0 means without limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Client connections of the whole process. Default 20000.
    pub max_connections: u32,
    /// Client connections from one address. Default 0.
    pub max_connections_per_source: u32,
    /// Requests under way, without watches and upgrades; past it 503 with Retry-After. Default 2000.
    pub max_in_flight: u32,
    /// Watches, followed logs and upgrades under way. Default 50000.
    pub max_streams: u32,
    /// HTTP/2 streams at once on one client connection. Default 250.
    pub max_streams_per_connection: u32,
    /// Size of a request's head. Default 64KiB.
    pub max_header_bytes: Size,
    /// Header lines of a request. Default 100.
    pub max_headers: u32,
    /// Bytes buffered for one HTTP/2 stream to a client that does not read. Default 64KiB.
    pub http2_send_buffer: Size,
    /// Of each user, unless its manifest says otherwise; past it 429 with Retry-After.
    pub per_user: RateLimits,
    /// Of all callers of one cluster together, unless its manifest says otherwise; past it 429 with Retry-After.
    pub per_cluster: RateLimits,
    /// Of one source address whose credentials are refused.
    pub unauthenticated: FailureLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_source: 0,
            max_in_flight: 2000,
            max_streams: 50_000,
            max_streams_per_connection: 250,
            max_header_bytes: Size::kib(64),
            max_headers: 100,
            http2_send_buffer: Size::kib(64),
            per_user: RateLimits { in_flight: 200, per_second: 0, burst: 0 },
            per_cluster: RateLimits { in_flight: 1000, per_second: 0, burst: 0 },
            unauthenticated: FailureLimits::default(),
        }
    }
}

/// Requests of one user, or of one cluster. 0 means without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimits {
    /// Requests under way at once, without watches and upgrades.
    pub in_flight: u32,
    /// Requests a second, sustained.
    pub per_second: u32,
    /// Requests let through at once above the rate; 0: as many as `perSecond`.
    pub burst: u32,
}

/// Refused credentials of one source address; past it 429 with Retry-After, before a credential is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FailureLimits {
    /// Failures a second. Default 20; 0 means without limit.
    pub per_second: u32,
}

impl Default for FailureLimits {
    fn default() -> Self {
        Self { per_second: 20 }
    }
}

/// How long each step may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// A client's TLS handshake. Default 10s.
    pub tls_handshake: Period,
    /// A request's head, from its first byte or from the connection's start. Default 30s.
    pub headers_in: Period,
    /// A request's body without a byte from the client. Default 60s.
    pub body_stall: Period,
    /// A client connection without a request. Default 180s.
    pub idle_client: Period,
    /// Connecting to a cluster, TLS included. Default 5s.
    pub connect_upstream: Period,
    /// The head of a cluster's answer, from the end of the request; not for watches. Default 75s: kube-apiserver's own is 60s.
    pub response_headers: Period,
    /// An HTTP/1.1 connection to a cluster without a request. Default 30s.
    pub idle_upstream: Period,
    /// An HTTP/2 connection to a cluster without a stream. Default 90s.
    pub http2_idle_upstream: Period,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tls_handshake: Period::secs(10),
            headers_in: Period::secs(30),
            body_stall: Period::secs(60),
            idle_client: Period::secs(180),
            connect_upstream: Period::secs(5),
            response_headers: Period::secs(75),
            idle_upstream: Period::secs(30),
            http2_idle_upstream: Period::secs(90),
        }
    }
}

/// How the server stops at SIGTERM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Drain {
    /// `/readyz` fails, but connections are still accepted, so that load balancers can notice. Default 5s.
    pub delay: Period,
    /// What still runs is ended after this, counted from the end of `delay`; watches end in its first half. Default 60s.
    pub deadline: Period,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Period::secs(5), deadline: Period::secs(60) }
    }
}
