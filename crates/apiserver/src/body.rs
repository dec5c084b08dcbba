//! The body of an answer.

use std::{
    any::Any,
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};

/// The body of an answer: whole, or made while it is read.
pub struct Body {
    inner: Parts,
    /// What is given back when the body was read or dropped, such as a place in a queue.
    held: Held,
}

type Held = Option<Box<dyn Any + Send>>;

/// What a body is made of.
pub(crate) enum Parts {
    /// All of it is there.
    Whole(Bytes),
    /// It is made while it is read.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    /// A body of these bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { inner: Parts::Whole(bytes.into()), held: None }
    }

    /// No body.
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// A body that is made while it is read.
    pub fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { inner: Parts::Stream(Box::pin(stream)), held: None }
    }

    /// The bytes, when they are all there.
    pub fn as_whole(&self) -> Option<&Bytes> {
        match &self.inner {
            Parts::Whole(bytes) => Some(bytes),
            Parts::Stream(_) => None,
        }
    }

    /// What it is made of, and what it holds.
    pub(crate) fn into_parts(self) -> (Parts, Held) {
        (self.inner, self.held)
    }

    /// A body of parts.
    pub(crate) fn from_parts(inner: Parts, held: Held) -> Self {
        Self { inner, held }
    }

    /// Holds something until the body was read or dropped.
    #[must_use]
    pub(crate) fn holding(mut self, what: impl Any + Send) -> Self {
        self.held = Some(Box::new(what));
        self
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Parts::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Parts::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let next = match &mut this.inner {
            Parts::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Parts::Whole(bytes) => Poll::Ready(Some(std::mem::take(bytes))),
            Parts::Stream(stream) => stream.as_mut().poll_next(cx),
        };
        if matches!(next, Poll::Ready(None)) {
            this.held = None;
        }
        next.map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Parts::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Parts::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Parts::Stream(_) => SizeHint::default(),
        }
    }
}
