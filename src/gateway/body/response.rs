//! A cluster's answer on its way to the client. One wrapper holds all that lasts as long as it does: the stream's
//! registration, the counts, the audit event.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use apimachinery::{frames::FrameEnd, headers::sanitise_trailers};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::BoxError;
use crate::{
    cluster::UpstreamBody,
    gateway::{exchange::Exchange, streams::Registration},
    telemetry::metrics::Source,
};

/// How long the rest of an event under way may take once its stream must end.
const GRACE: Duration = Duration::from_millis(300);

/// A cluster's answer.
#[derive(Debug)]
pub struct Tracked {
    inner: Option<UpstreamBody>,
    exchange: Exchange,
    stream: Option<Stream>,
    keep: usize,
}

/// What an answer has that may last.
#[derive(Debug)]
struct Stream {
    registration: Registration,
    frames: Option<FrameEnd>,
    ending: bool,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Tracked {
    /// A short answer, of which up to `keep` bytes are kept for the audit log.
    pub const fn short(inner: UpstreamBody, exchange: Exchange, keep: usize) -> Self {
        Self { inner: Some(inner), exchange, stream: None, keep }
    }

    /// An answer that lasts until its registration ends it: at the end of an event, where `frames` can tell.
    pub const fn stream(
        inner: UpstreamBody,
        exchange: Exchange,
        registration: Registration,
        frames: Option<FrameEnd>,
    ) -> Self {
        let stream = Stream { registration, frames, ending: false, grace: None };
        Self { inner: Some(inner), exchange, stream: Some(stream), keep: 0 }
    }

    /// Lets go of the cluster's side at once; the client sees a clean end.
    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.inner = None;
        Poll::Ready(None)
    }

    fn pass(&mut self, mut frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(trailers) = frame.trailers_mut() {
            sanitise_trailers(trailers);
            return frame;
        }
        let Ok(mut data) = frame.into_data() else { return Frame::data(Bytes::new()) };
        if let Some(stream) = &mut self.stream
            && let Some(frames) = &mut stream.frames
        {
            if stream.ending
                && let Some(end) = frames.end_within(&data)
            {
                data.truncate(end);
                self.inner = None;
            }
            frames.passed(&data);
        }
        self.exchange.sent(data.len());
        if self.keep > 0 {
            let kept = self.exchange.response_body.get_or_insert_default();
            let room = self.keep.saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(data.get(..room).unwrap_or_default());
        }
        Frame::data(data)
    }
}

impl Stream {
    /// Whether the stream must end before its next byte.
    fn poll_over(&mut self, exchange: &mut Exchange, cx: &mut Context<'_>) -> bool {
        if !self.ending
            && let Poll::Ready(end) = self.registration.poll_end(cx)
        {
            self.ending = true;
            exchange.ended(end);
        }
        if !self.ending {
            return false;
        }
        if self.frames.as_ref().is_none_or(FrameEnd::is_between) {
            return true;
        }
        // Half an event has gone out: its rest may follow, if it comes soon.
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        grace.as_mut().poll(cx).is_ready()
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(stream) = &mut this.stream
            && stream.poll_over(&mut this.exchange, cx)
        {
            return this.end();
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => this.end(),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(this.pass(frame)))),
            Poll::Ready(Some(Err(error))) => {
                this.exchange.broke("upstream_body", Source::Upstream);
                this.inner = None;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.inner, &self.stream) {
            (Some(inner), None) => inner.size_hint(),
            // A stream may be ended early: no length is promised for it.
            _ => SizeHint::default(),
        }
    }
}
