//! Bodies on the way to a cluster and back.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{error::BoxError, http1, http2, in_process::InProcessBody};

/// What a request carries. Exact sizes are kept, so that `Content-Length` is.
#[derive(Default)]
pub enum RequestBody {
    /// Nothing.
    #[default]
    Empty,
    /// All of it, in memory.
    Full(Bytes),
    /// As it comes.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// Why a cluster's answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Over HTTP/1.1.
    #[error("the cluster's answer broke off")]
    Http1(#[from] hyper::Error),
    /// Over HTTP/2.
    #[error("the cluster's answer broke off")]
    Http2(#[from] h2::Error),
}

/// A cluster's answer. At its end its connection or stream is free again; dropped before, it is given up.
pub struct UpstreamBody(Inner);

enum Inner {
    Http1(Http1),
    Http2(Http2),
    InProcess(InProcessBody),
    Ended,
}

/// An answer over HTTP/1.1, and the connection that it comes over.
struct Http1 {
    body: hyper::body::Incoming,
    lease: Option<http1::Lease>,
    /// A part of an answer without a length: the connection's task tells its end one turn after its last part, and told
    /// together they leave in one write.
    held: Option<Held>,
    /// It broke off after the part that is held.
    failed: Option<BodyError>,
    /// The answer is complete.
    ended: bool,
}

struct Held {
    frame: Frame<Bytes>,
    /// The connection's task has had its turn since.
    waited: bool,
}

struct Http2 {
    recv: h2::RecvStream,
    /// Counts the stream as long as it lives.
    _lease: http2::Lease,
    /// Promised and not yet seen.
    remaining: Option<u64>,
    data_ended: bool,
}

impl fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Http1(_) => "UpstreamBody(http1)",
            Inner::Http2(_) => "UpstreamBody(http2)",
            Inner::InProcess(_) => "UpstreamBody(in process)",
            Inner::Ended => "UpstreamBody(ended)",
        })
    }
}

impl UpstreamBody {
    pub(super) fn http1(body: hyper::body::Incoming, lease: http1::Lease) -> Self {
        let mut this = Http1 { body, lease: Some(lease), held: None, failed: None, ended: false };
        this.settle();
        Self(Inner::Http1(this))
    }

    pub(super) fn http2(recv: h2::RecvStream, lease: http2::Lease, head: &HeaderMap, no_body: bool) -> Self {
        if recv.is_end_stream() {
            return Self(Inner::Ended);
        }
        let length = head
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        Self(Inner::Http2(Http2 { recv, _lease: lease, remaining: length.filter(|_| !no_body), data_ended: false }))
    }

    pub(super) const fn in_process(body: InProcessBody) -> Self {
        Self(Inner::InProcess(body))
    }
}

impl Http1 {
    /// Gives the connection back as soon as the answer is complete: not every reader asks once more after the last byte.
    fn settle(&mut self) {
        if self.body.is_end_stream() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        self.ended = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.held.take().map(|held| Ok(held.frame)));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            match (Pin::new(&mut self.body).poll_frame(cx), &mut self.held) {
                (Poll::Ready(Some(Ok(frame))), held) => {
                    let old = if self.body.size_hint().exact().is_some() {
                        Some(frame)
                    } else {
                        held.replace(Held { frame, waited: false }).map(|held| held.frame)
                    };
                    self.settle();
                    if let Some(frame) = old {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                (Poll::Ready(None), held) => {
                    let last = held.take().map(|held| Ok(held.frame));
                    self.complete();
                    return Poll::Ready(last);
                }
                (Poll::Ready(Some(Err(error))), held) => {
                    let Some(held) = held.take() else { return Poll::Ready(Some(Err(error.into()))) };
                    self.failed = Some(error.into());
                    return Poll::Ready(Some(Ok(held.frame)));
                }
                (Poll::Pending, Some(held)) if !held.waited => {
                    held.waited = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (Poll::Pending, held) => {
                    return held.take().map_or(Poll::Pending, |held| Poll::Ready(Some(Ok(held.frame))));
                }
            }
        }
    }
}

impl Http2 {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.data_ended {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) => {
                    // The reader took it: the cluster may send as much again.
                    let _ = self.recv.flow_control().release_capacity(data.len());
                    if let Some(remaining) = &mut self.remaining {
                        *remaining = remaining.saturating_sub(data.len() as u64);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // The cluster has all it needs and wants no more of the request: a complete answer.
                Some(Err(error)) if error.is_reset() && error.reason() == Some(h2::Reason::NO_ERROR) => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.data_ended = true,
            }
        }
        Poll::Ready(match ready!(self.recv.poll_trailers(cx)) {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        })
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.0 {
            Inner::Http1(body) => ready!(body.poll(cx)),
            Inner::Http2(body) => ready!(body.poll(cx)),
            Inner::InProcess(body) => {
                ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map_err(|never| match never {}))
            }
            Inner::Ended => None,
        };
        if !matches!(frame, Some(Ok(_))) {
            this.0 = Inner::Ended;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Http1(body) => body.ended && body.held.is_none(),
            Inner::Http2(body) => body.recv.is_end_stream(),
            Inner::InProcess(body) => body.is_end_stream(),
            Inner::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            // After the end of an answer without a length hyper does not know of it.
            Inner::Http1(body) if body.ended && body.held.is_none() => SizeHint::with_exact(0),
            Inner::Http1(body) => body.body.size_hint(),
            Inner::Http2(body) => body.remaining.map_or_else(SizeHint::default, SizeHint::with_exact),
            Inner::InProcess(body) => body.size_hint(),
            Inner::Ended => SizeHint::with_exact(0),
        }
    }
}
