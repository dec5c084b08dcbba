//! The bodies that pass: streamed, counted, and ended when their reason is gone.

mod request;
mod response;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

pub use request::{ClientBody, Seen};
pub use response::Tracked;

/// Any error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a client gets.
#[derive(Debug)]
pub enum Body {
    /// Bytes of the gateway's own.
    Full(Option<Bytes>),
    /// A cluster's answer.
    Upstream(Box<Tracked>),
}

impl Body {
    /// `bytes` as a whole.
    pub const fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }

    /// No body.
    pub const fn empty() -> Self {
        Self::Full(None)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(tracked) => Pin::new(tracked.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Upstream(tracked) => tracked.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Upstream(tracked) => tracked.size_hint(),
        }
    }
}
