//! One OpenTelemetry span a request, joined to the caller's trace and to the cluster's by W3C Trace Context.
//!
//! Without the feature `otel` all of this is empty: the calls stay in the request path and cost nothing. See
//! <https://www.w3.org/TR/trace-context/>.

#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
use otlp as imp;

#[cfg(not(feature = "otel"))]
mod none;
#[cfg(not(feature = "otel"))]
use none as imp;

use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::runtime::Handle;

use super::poster::PosterError;
use crate::config::server::Tracing;

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The collector's address cannot be used.
    #[error("telemetry.tracing.otlpEndpoint: {0}")]
    Endpoint(#[from] PosterError),
    /// An address is configured in a program that was built without the feature.
    #[error("telemetry.tracing.otlpEndpoint: this build has no tracing (feature `otel`)")]
    NotBuilt,
    /// The exporter cannot be set up.
    #[error("tracing: {0}")]
    Setup(String),
}

/// Makes spans and sends them to the collector.
#[derive(Debug)]
pub struct Tracer(imp::Tracer);

impl Tracer {
    /// A tracer that sends from `control` to the configured collector, or one that does nothing.
    ///
    /// # Errors
    /// The address is not usable, or this build has no tracing.
    pub fn start(settings: &Tracing, control: &Handle) -> Result<Self, TraceError> {
        imp::Tracer::start(settings, control).map(Self)
    }

    /// Begins the span of a request. Only a `trusted` caller's `traceparent` is followed: anybody else could make us
    /// trace everything, or file spans under a trace of somebody else's.
    pub fn request(&self, method: &Method, headers: &HeaderMap, trusted: bool) -> RequestSpan {
        RequestSpan(self.0.request(method, headers, trusted))
    }

    /// Sends what is left; gives up after `deadline`.
    pub async fn close(&self, deadline: Duration) {
        self.0.close(deadline).await;
    }
}

/// The span of one request; it ends when it is dropped.
#[derive(Debug)]
pub struct RequestSpan(imp::RequestSpan);

impl RequestSpan {
    /// Notes a fact, such as `drover.cluster`. No secret, nothing unbounded.
    pub fn note(&mut self, key: &'static str, value: &str) {
        self.0.note(key, value);
    }

    /// Notes the status that the client gets; 5xx marks the span as failed.
    pub fn status(&mut self, code: u16) {
        self.0.status(code);
    }

    /// Sets `traceparent` and `tracestate` towards the cluster. Where spans are made, what the client sent goes; else
    /// it passes like any other header.
    pub fn inject(&self, headers: &mut HeaderMap) {
        self.0.inject(headers);
    }
}
