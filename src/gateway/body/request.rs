//! A client's body on its way to a cluster: counted, bounded in time between bytes, its trailers cleaned.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use apimachinery::headers::sanitise_trailers;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::BoxError;

/// What is seen of a body while it passes.
#[derive(Debug, Default)]
pub struct Seen {
    bytes: AtomicU64,
    stalled: AtomicBool,
    failed: AtomicBool,
    kept: Option<Mutex<Vec<u8>>>,
    keep: usize,
}

impl Seen {
    /// Keeps up to `keep` bytes for the audit log; 0 keeps none.
    pub fn keeping(keep: usize) -> Arc<Self> {
        Arc::new(Self { kept: (keep > 0).then(Mutex::default), keep, ..Self::default() })
    }

    /// Bytes that have passed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the client stopped sending.
    pub fn stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Whether the client's body broke.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What was kept, and whether that is all.
    pub fn kept(&self) -> Option<(Vec<u8>, bool)> {
        let kept = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let whole = kept.len() as u64 == self.bytes();
        Some((kept, whole))
    }

    fn saw(&self, data: &[u8]) {
        self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = self.keep.saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        }
    }
}

/// A client's body.
#[derive(Debug)]
pub struct ClientBody {
    inner: Incoming,
    seen: Arc<Seen>,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl ClientBody {
    /// `inner`, whose next byte may take as long as `stall`.
    pub const fn new(inner: Incoming, seen: Arc<Seen>, stall: Duration) -> Self {
        Self { inner, seen, stall, timer: None, waiting: false }
    }

    /// While the client is silent the timer runs; it is only made when the client is.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let stall = self.stall;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        // Time in which the cluster did not ask for more is not the client's.
        if !std::mem::replace(&mut self.waiting, true) {
            timer.as_mut().reset(Instant::now() + stall);
        }
        ready!(timer.as_mut().poll(cx));
        self.seen.stalled.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err("the client's body did not arrive in time".into())))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else { return this.poll_stalled(cx) };
        this.waiting = false;
        Poll::Ready(frame.map(|frame| match frame {
            Ok(mut frame) => {
                if let Some(data) = frame.data_ref() {
                    this.seen.saw(data);
                } else if let Some(trailers) = frame.trailers_mut() {
                    sanitise_trailers(trailers);
                }
                Ok(frame)
            }
            Err(error) => {
                this.seen.failed.store(true, Ordering::Relaxed);
                Err(error.into())
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
