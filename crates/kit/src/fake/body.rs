//! The bodies that a fake apiserver answers with.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep},
};

use super::{
    feed::{Piece, WatchFeed},
    record::Entry,
};

/// Generated bodies are made of this, again and again.
static FILLER: [u8; 64 << 10] = [b'x'; 64 << 10];

/// How long what was written has to leave before a connection breaks: hyper drops what it holds.
const FLUSH: Duration = Duration::from_millis(20);

/// Where a body's bytes come from.
#[derive(Clone)]
pub(super) enum Content {
    Bytes(Bytes),
    Generated(u64),
    Feed(WatchFeed),
    Echo,
}

/// How a body ends.
#[derive(Clone, Default)]
pub(super) enum End {
    #[default]
    Clean,
    Trailers(HeaderMap),
    Break,
    Hang,
}

/// The body of a reply, before it is sent.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) content: Content,
    pub(super) end: End,
    pub(super) pace: Option<(usize, Duration)>,
}

enum Source {
    Bytes(Bytes),
    Generated(u64),
    Feed(mpsc::UnboundedReceiver<Piece>),
    Echo(Incoming),
}

pub(super) struct ReplyBody {
    source: Source,
    end: Option<End>,
    pace: Option<(usize, Duration, Pin<Box<Sleep>>)>,
    flush: Option<Pin<Box<Sleep>>>,
    flushed: bool,
}

impl Plan {
    pub(super) fn start(self, incoming: Option<Incoming>) -> ReplyBody {
        let source = match self.content {
            Content::Bytes(bytes) => Source::Bytes(bytes),
            Content::Generated(n) => Source::Generated(n),
            Content::Feed(feed) => Source::Feed(feed.subscribe()),
            Content::Echo => Source::Echo(incoming.expect("an echo needs a route that answers early")),
        };
        let pace = self.pace.map(|(n, every)| (n, every, Box::pin(tokio::time::sleep(Duration::ZERO))));
        ReplyBody { source, end: Some(self.end), pace, flush: None, flushed: false }
    }
}

impl Source {
    /// The next bytes, at most `limit` of them where the source can be cut.
    fn poll(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let bytes = match self {
            Self::Bytes(all) if all.is_empty() => return Poll::Ready(None),
            Self::Bytes(all) => all.split_to(all.len().min(limit)),
            Self::Generated(0) => return Poll::Ready(None),
            Self::Generated(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(FILLER.len()).min(limit);
                *left -= n as u64;
                Bytes::from_static(&FILLER[..n])
            }
            Self::Feed(pieces) => match ready!(pieces.poll_recv(cx)) {
                None => return Poll::Ready(None),
                Some(Piece::Data(bytes)) => bytes,
                Some(Piece::Break) => return Poll::Ready(Some(Err(io::Error::other("broken off")))),
            },
            Self::Echo(incoming) => return Pin::new(incoming).poll_frame(cx).map_err(io::Error::other),
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let mut limit = usize::MAX;
        if let Some((n, every, sleep)) = &mut this.pace {
            ready!(sleep.as_mut().poll(cx));
            sleep.as_mut().reset(Instant::now() + *every);
            limit = *n;
        }
        if let Some(frame) = ready!(this.source.poll(cx, limit)) {
            return Poll::Ready(Some(frame));
        }
        match &this.end {
            Some(End::Hang) => Poll::Pending,
            Some(End::Break) if !this.flushed => {
                let sleep = this.flush.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH)));
                ready!(sleep.as_mut().poll(cx));
                this.flushed = true;
                self.poll_frame(cx)
            }
            _ => match this.end.take() {
                None | Some(End::Clean | End::Hang) => Poll::Ready(None),
                Some(End::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Some(End::Break) => Poll::Ready(Some(Err(io::Error::other("broken off")))),
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, &self.end) {
            (Source::Bytes(bytes), Some(End::Clean)) => SizeHint::with_exact(bytes.len() as u64),
            (Source::Generated(left), Some(End::Clean)) => SizeHint::with_exact(*left),
            _ => SizeHint::default(),
        }
    }
}

/// A request's body that writes itself into the record while it is read.
pub(super) struct Incoming {
    body: hyper::body::Incoming,
    record: Option<(Entry, Vec<u8>)>,
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, entry: Option<Entry>) -> Self {
        Self { body, record: entry.map(|entry| (entry, Vec::new())) }
    }

    /// Reads to the end; whether there was one.
    pub(super) async fn drain(mut self) -> bool {
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    fn finish(&mut self, trailers: Option<HeaderMap>, complete: bool) {
        if let Some((entry, kept)) = self.record.take() {
            entry.end(kept, trailers, complete);
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.finish(None, true),
            Some(Err(_)) => self.finish(None, false),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.finish(Some(trailers.clone()), true);
                } else if let (Some(data), Some((entry, kept))) = (frame.data_ref(), &mut self.record) {
                    entry.data(data, kept);
                }
            }
        }
        Poll::Ready(frame)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let complete = self.body.is_end_stream();
        self.finish(None, complete);
    }
}
