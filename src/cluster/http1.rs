//! HTTP/1.1 connections: one request at a time, idle ones kept by the worker that drives them.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;

use super::{body::RequestBody, error::SendError, stats::ClusterStats, stream::Stream};

/// The largest head of an answer, in bytes (H15).
const HEAD: usize = 64 * 1024;
/// How long a connection may take to become ready again after an answer's end, before it is given up.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) type Sender = http1::SendRequest<RequestBody>;

/// The idle connections of one cluster under one credential.
pub(super) struct Pool {
    /// One list a worker: its lock is never contended but by the sweep.
    slots: Box<[Mutex<Vec<Idle>>]>,
    /// Connections of each worker that a request is on.
    out: Box<[AtomicUsize]>,
    max_idle: usize,
    sweeps: AtomicU32,
    retired: AtomicBool,
    stats: Arc<ClusterStats>,
}

struct Idle {
    sender: Sender,
    /// The sweep it became idle after.
    since: u32,
}

impl Pool {
    pub(super) fn new(slots: usize, max_idle: usize, stats: Arc<ClusterStats>) -> Self {
        let count = slots.max(1);
        let slots = (0..count).map(|_| Mutex::default()).collect();
        let out = (0..count).map(|_| AtomicUsize::new(0)).collect();
        Self { slots, out, max_idle, sweeps: AtomicU32::new(0), retired: AtomicBool::new(false), stats }
    }

    fn slot(&self, worker: usize) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        let slot = self.slots.get(worker).or(self.slots.last());
        #[expect(clippy::unwrap_used, reason = "there is always one slot")]
        slot.unwrap().lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self, worker: usize) -> Option<&AtomicUsize> {
        self.out.get(worker).or(self.out.last())
    }

    /// How many connections of this worker a request is on.
    pub(super) fn in_use(&self, worker: usize) -> usize {
        self.out(worker).map_or(0, |out| out.load(Ordering::Relaxed))
    }

    /// The connection of this worker that was used last and is still good.
    pub(super) fn take(&self, worker: usize) -> Option<Sender> {
        let mut slot = self.slot(worker);
        let mut taken = 0;
        let found = loop {
            let Some(idle) = slot.pop() else { break None };
            taken += 1;
            if idle.sender.is_ready() && !idle.sender.is_closed() {
                break Some(idle.sender);
            }
        };
        drop(slot);
        self.stats.idle.down(taken);
        found
    }

    pub(super) fn put(&self, worker: usize, sender: Sender) {
        if self.retired.load(Ordering::Acquire) || sender.is_closed() {
            return;
        }
        let since = self.sweeps.load(Ordering::Relaxed);
        let mut slot = self.slot(worker);
        if slot.len() < self.max_idle {
            slot.push(Idle { sender, since });
            drop(slot);
            self.stats.idle.up();
        }
    }

    /// Closes what has been idle for `keep` sweeps, and what the cluster closed.
    pub(super) fn sweep(&self, keep: u32) {
        let now = self.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.close(|idle| idle.sender.is_closed() || now.wrapping_sub(idle.since) > keep);
    }

    /// No connection is kept from here on.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.close(|_| true);
    }

    fn close(&self, which: impl Fn(&Idle) -> bool) {
        for slot in &self.slots {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let closed: Vec<Idle> = slot.extract_if(.., |idle| which(idle)).collect();
            drop(slot);
            self.stats.idle.down(closed.len());
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close(|_| true);
    }
}

/// A connection in use. Dropped without [`Lease::give_back`], it is closed.
pub(super) struct Lease {
    sender: Sender,
    /// Where it goes afterwards; `None` for an upgrade's, which is never used again (H16).
    home: Option<Home>,
}

/// The place of a connection in its pool, counted as in use until dropped.
struct Home {
    pool: Weak<Pool>,
    worker: usize,
}

impl Home {
    fn of(pool: &Arc<Pool>, worker: usize) -> Self {
        if let Some(out) = pool.out(worker) {
            out.fetch_add(1, Ordering::Relaxed);
        }
        Self { pool: Arc::downgrade(pool), worker }
    }

    fn take_in(&self, sender: Sender) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put(self.worker, sender);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade()
            && let Some(out) = pool.out(self.worker)
        {
            out.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Lease {
    pub(super) fn new(sender: Sender, home: Option<(&Arc<Pool>, usize)>) -> Self {
        Self { sender, home: home.map(|(pool, worker)| Home::of(pool, worker)) }
    }

    /// Hands the connection back; its answer is complete.
    pub(super) fn give_back(self) {
        let Self { mut sender, home } = self;
        let Some(home) = home else { return };
        if sender.is_ready() {
            home.take_in(sender);
        } else if !sender.is_closed() {
            // Rare: the answer came before the request's body was taken in, or its reader runs on another thread.
            tokio::spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(SETTLE, sender.ready()).await {
                    home.take_in(sender);
                }
            });
        }
    }

    /// Sends `request`. One that the connection did not take comes back.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, (SendError, Option<Request<RequestBody>>)> {
        self.sender.try_send_request(request).await.map_err(|mut failure: TrySendError<_>| {
            let unsent = failure.take_message();
            (classify(failure.into_error(), unsent.is_some()), unsent)
        })
    }
}

fn classify(error: hyper::Error, unsent: bool) -> SendError {
    if unsent {
        SendError::Unsent(error.into())
    } else if error.is_parse() {
        SendError::Protocol(error.into())
    } else if error.is_user() {
        SendError::RequestBody(error.into())
    } else {
        SendError::Broken(error.into())
    }
}

/// Speaks HTTP/1.1 over `stream`; the calling thread's runtime drives it.
pub(super) async fn start(stream: Stream, upgrade: bool) -> Result<Sender, SendError> {
    let made = http1::Builder::new().max_header_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| SendError::Broken(error.into()))?;
    if upgrade {
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upgrade's connection ended");
            }
        });
    } else {
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/1.1 connection ended");
            }
        });
    }
    Ok(sender)
}
