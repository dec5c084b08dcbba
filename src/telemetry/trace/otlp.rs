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
        let span = active.tracer.span_builder(method.to_string()).with_kind(SpanKind::Server);
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
        let sent = self
            .control
            .spawn(async move { poster.lock().await.post("application/x-protobuf", request.into_body()).await });
        Box::pin(async move {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = sent.await??;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, Method};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::{TRACEPARENT, Tracer, with_path};
    use crate::config::server::Tracing;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    async fn tracer() -> (Tracer, TcpListener) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let settings = Tracing { otlp_endpoint: Some(endpoint) };
        (Tracer::start(&settings, &tokio::runtime::Handle::current()).unwrap(), listener)
    }

    fn passed(tracer: &Tracer, trusted: bool) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        let span = tracer.request(&Method::GET, &headers, trusted);
        span.inject(&mut headers);
        headers[TRACEPARENT].to_str().unwrap().to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_trusted_callers_trace_goes_on() {
        let (tracer, _listener) = tracer().await;
        let (trusted, other) = (passed(&tracer, true), passed(&tracer, false));
        assert_eq!(trusted[..36], PARENT[..36]);
        assert_ne!(trusted[36..], PARENT[36..]);
        assert_ne!(other[3..35], PARENT[3..35]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_span_reaches_the_collector() {
        let (tracer, listener) = tracer().await;
        let mut span = tracer.request(&Method::PATCH, &HeaderMap::new(), false);
        span.note("drover.cluster", "c-collected");
        span.status(503);
        drop(span);
        let collector = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !text.windows(11).any(|window| window == b"c-collected") {
                assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        tracer.close(Duration::from_secs(10)).await;
        let text = collector.await.unwrap();
        assert!(text.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("PATCH"));
    }

    #[test]
    fn an_address_without_a_path_gets_that_of_otlp() {
        assert_eq!(with_path("http://a:4318"), "http://a:4318/v1/traces");
        assert_eq!(with_path("http://a:4318/"), "http://a:4318/v1/traces");
        assert_eq!(with_path("http://a:4318/x"), "http://a:4318/x");
    }
}
