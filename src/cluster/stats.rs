//! What a cluster's connections did so far: plain atomics that telemetry reads when it is asked.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that exist now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// `n` fewer.
    pub fn down(&self, n: usize) {
        self.0.fetch_sub(i64::try_from(n).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// How many now.
    pub fn read(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of one cluster, kept over changes of its connection and credential.
#[derive(Debug, Default)]
pub struct ClusterStats {
    /// Connections made, proxy and TLS included.
    pub connects: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// TLS handshakes completed with the cluster.
    pub tls_handshakes: Counter,
    /// Requests that went over a connection that was there already.
    pub reused: Counter,
    /// Requests sent a second time because the first connection had not taken them.
    pub retries: Counter,
    /// Requests refused at once because the circuit was open.
    pub circuit_refusals: Counter,
    /// Times that the circuit opened.
    pub circuit_opened: Counter,
    /// Credentials taken into use; the first counts.
    pub credential_changes: Counter,
    /// Credentials that could not be read or made.
    pub credential_failures: Counter,
    /// HTTP/1.1 connections waiting for a request.
    pub idle: Gauge,
    /// HTTP/2 connections.
    pub http2_connections: Gauge,
    /// HTTP/2 streams under way.
    pub http2_streams: Gauge,
}
