//! HTTP/2, by hyper.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Collected};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Counters;
use super::answer::{Answer, Answers, event};

/// Serves one connection until it ends.
pub async fn serve(stream: TlsStream<TcpStream>, answers: Arc<Answers>, counters: Arc<Counters>) -> Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, counters) = (Arc::clone(&answers), Arc::clone(&counters));
        async move { Ok::<_, Infallible>(answer(&answers, &counters, request).await) }
    });
    // Streams as kube-apiserver allows them, windows as Go's server gives them.
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(100 << 20)
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

async fn answer(answers: &Answers, counters: &Counters, request: Request<Incoming>) -> Response<Whole> {
    counters.requests.fetch_add(1, Ordering::Relaxed);
    let (request, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        body.collect().await.map(Collected::to_bytes).unwrap_or_default()
    };
    let target = request.uri.path_and_query().map_or("/", |t| t.as_str());
    let (status, bytes, ends) = match answers.to(request.method.as_str(), target, &body) {
        Answer::Review(document) => {
            counters.reviews.fetch_add(1, Ordering::Relaxed);
            (document.status, document.body.clone(), true)
        }
        Answer::Now(document) => (document.status, document.body.clone(), true),
        Answer::Later(wait, document) => {
            tokio::time::sleep(wait).await;
            (document.status, document.body.clone(), true)
        }
        Answer::Head => {
            let mut text = format!("{} {target} HTTP/2\r\n", request.method);
            for (name, value) in &request.headers {
                let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
            }
            (200, text.into(), true)
        }
        Answer::Counters => (200, counters.json().into(), true),
        Answer::Watch => (200, event(), false),
    };
    let size = bytes.len();
    let mut response = Response::new(Whole { bytes: Some(bytes), ends });
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("audit-id", hyper::header::HeaderValue::from_static("3f1c1c9e-1c0a-4c8e-9d2c-6a2c6b6f1f10"));
    headers.insert("cache-control", hyper::header::HeaderValue::from_static("no-cache, private"));
    headers.insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    if ends {
        headers.insert("content-length", size.into());
    }
    response
}

/// A document; one that does not end stays open behind its bytes.
struct Whole {
    bytes: Option<Bytes>,
    ends: bool,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ends && self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if self.ends => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
