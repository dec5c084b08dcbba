//! Spans in OTLP over HTTP, protobuf.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tokio::{runtime::Handle, sync::Mutex};

use super::TraceError;
use crate::{
    config::server::Tracing,
    telemetry::poster::{Credentials, Poster},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// The methods that name a span.
static KNOWN: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::CONNECT];
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[derive(Debug)]
pub struct Tracer(Option<Active>);

#[derive(Debug)]
struct Active {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Tracer {
    pub fn start(settings: &Tracing, control: &Handle) -> Result<Self, TraceError> {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(Self(None)) };
        let url = with_path(endpoint);
        let poster = Poster::new(&url, Credentials::default(), TIMEOUT)?;
        let client = Client { poster: Arc::new(Mutex::new(poster)), control: control.clone() };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| TraceError::Setup(error.to_string()))?;
        let resource = Resource::builder_empty()
            .with_service_name("drover")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("drover");
        Ok(Self(Some(Active { provider, tracer })))
    }

    pub fn request(&self, method: &Method, headers: &HeaderMap, trusted: bool) -> RequestSpan {
        let Some(active) = &self.0 else { return RequestSpan(None) };
        let parent = if trusted {
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
        } else {
            Context::new()
        };
        // A method is any token; a span's name must be one of few.
        let known = KNOWN.iter().find(|known| **known == *method).map_or("HTTP", Method::as_str);
        let span = active.tracer.span_builder(known).with_kind(SpanKind::Server);
        RequestSpan(Some(Context::new().with_span(active.tracer.build_with_context(span, &parent))))
    }

    pub async fn close(&self, deadline: Duration) {
        let Some(active) = &self.0 else { return };
        let provider = active.provider.clone();
        // It blocks until the collector has answered.
        let closed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(deadline)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// The path of OTLP for an address without one.
fn with_path(endpoint: &str) -> String {
    match endpoint.parse::<Uri>() {
        Ok(uri) if uri.path() == "/" => format!("{}/v1/traces", endpoint.trim_end_matches('/')),
        _ => endpoint.to_owned(),
    }
}

#[derive(Debug)]
pub struct RequestSpan(Option<Context>);

impl RequestSpan {
    pub fn note(&mut self, key: &'static str, value: &str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value.to_owned()));
        }
    }

    pub fn status(&mut self, code: u16) {
        if let Some(context) = &self.0 {
            let span = context.span();
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(code)));
            if code >= 500 {
                span.set_status(Status::error(""));
            }
        }
    }

    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Some(context) = &self.0 {
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
            TraceContextPropagator::new().inject_context(context, &mut HeadersMut(headers));
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        // Two of them are as good as none.
        let mut values = self.0.get_all(key).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

/// Sends on the control runtime what the exporter's own thread hands over.
#[derive(Debug)]
struct Client {
    poster: Arc<Mutex<Poster>>,
    control: Handle,
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let poster = Arc::clone(&self.poster);
        let sent = self.control.spawn(async move {
            let sent = poster.lock().await.post("application/x-protobuf", request.into_body()).await;
            // The exporter itself loses them in silence.
            match &sent {
                Ok(status) if status.is_success() => {}
                Ok(status) => tracing::warn!(%status, "the collector refuses spans; they are lost"),
                Err(error) => tracing::warn!(%error, "spans cannot be sent; they are lost"),
            }
            sent
        });
        Box::pin(async move {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = sent.await??;
            Ok(response)
        })
    }
}
