//! The build without tracing.

use std::{future, time::Duration};

use http::{HeaderMap, Method};
use tokio::runtime::Handle;

use super::TraceError;
use crate::config::server::Tracing;

#[derive(Debug)]
pub struct Tracer;

#[derive(Debug)]
pub struct RequestSpan;

#[expect(clippy::unused_self, reason = "the shape is that of the build with tracing")]
impl Tracer {
    pub fn start(settings: &Tracing, _: &Handle) -> Result<Self, TraceError> {
        if settings.otlp_endpoint.is_some() { Err(TraceError::NotBuilt) } else { Ok(Self) }
    }

    pub const fn request(&self, _: &Method, _: &HeaderMap, _: bool) -> RequestSpan {
        RequestSpan
    }

    pub fn close(&self, _: Duration) -> future::Ready<()> {
        future::ready(())
    }
}

#[expect(clippy::unused_self, reason = "the shape is that of the build with tracing")]
impl RequestSpan {
    pub const fn note(&mut self, _: &'static str, _: &str) {}

    pub const fn status(&mut self, _: u16) {}

    pub const fn inject(&self, _: &mut HeaderMap) {}
}

#[cfg(test)]
mod tests {
    use super::Tracer;
    use crate::config::server::Tracing;

    #[tokio::test]
    async fn an_address_without_the_feature_is_an_error_not_silence() {
        let control = tokio::runtime::Handle::current();
        assert!(Tracer::start(&Tracing::default(), &control).is_ok());
        let settings = Tracing { otlp_endpoint: Some("http://127.0.0.1:4318".into()) };
        assert!(Tracer::start(&settings, &control).unwrap_err().to_string().contains("feature `otel`"));
    }
}
