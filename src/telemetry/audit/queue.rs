//! Events between the workers and the writer: rendered text, one buffer a worker, bounded by bytes.
//!
//! The bound holds without a counter that all workers would write to: with `n` shards each may hold `max / 2n` bytes,
//! and the writer takes a shard's buffer only when it has written the one before, so that as much again is in its hands.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::Thread,
};

use tokio::sync::Notify;

use super::{Decision, EventRef, render, time::Clockwork};
use crate::telemetry::{
    metrics,
    shard::{self, Slots},
};

/// A buffer of this size is not left to wait for the writer's next round.
const HASTE: usize = 256 * 1024;

/// Events in their JSON form, one a line.
#[derive(Debug, Default)]
pub struct Batch {
    pub lines: Vec<u8>,
    pub events: u64,
}

#[derive(Default)]
struct State {
    batch: Batch,
    // Up to here the buffer holds whole lines; what a panic left behind it is cut off.
    whole: usize,
    clockwork: Clockwork,
}

// Aligned past the adjacent-line prefetcher, so that two workers never share a line.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    state: Mutex<State>,
    full: AtomicBool,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of the events.
#[derive(Debug, Default)]
pub struct Stats {
    pub taken: AtomicU64,
    pub lost_queue: AtomicU64,
    pub lost_file: AtomicU64,
    pub lost_webhook: AtomicU64,
    pub webhook_bytes: AtomicUsize,
    pub file_error: Mutex<Option<String>>,
    pub webhook_error: Mutex<Option<String>>,
}

impl Stats {
    pub fn health(&self) -> Result<(), String> {
        for error in [&self.file_error, &self.webhook_error] {
            if let Some(error) = &*error.lock().unwrap_or_else(PoisonError::into_inner) {
                return Err(error.clone());
            }
        }
        Ok(())
    }
}

/// Remembers how the last try of a sink went; says whether that is news.
pub fn outcome(place: &Mutex<Option<String>>, error: Option<String>) -> bool {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    let news = place.is_some() != error.is_some();
    *place = error;
    news
}

pub struct Queue {
    slots: Slots,
    shards: Box<[Shard]>,
    per_shard: usize,
    block: bool,
    room: Notify,
    writer: OnceLock<Thread>,
    pub stats: Stats,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Queue {
    pub fn new(max_bytes: usize, block: bool, workers: usize) -> Self {
        let shards = shard::count(workers);
        Self {
            slots: Slots::default(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            per_shard: max_bytes / 2 / shards,
            block,
            room: Notify::new(),
            writer: OnceLock::new(),
            stats: Stats::default(),
        }
    }

    pub const fn blocks(&self) -> bool {
        self.block
    }

    /// The bound of what waits for the webhook.
    pub fn webhook_room(&self) -> usize {
        self.per_shard * self.shards.len()
    }

    pub fn set_writer(&self, thread: Thread) {
        // The writer is started once.
        let _ = self.writer.set(thread);
    }

    pub fn wake_writer(&self) {
        if let Some(thread) = self.writer.get() {
            thread.unpark();
        }
    }

    #[expect(clippy::indexing_slicing, reason = "there are shards, and the index is taken modulo their number")]
    fn shard(&self) -> &Shard {
        &self.shards[self.slots.current() % self.shards.len()]
    }

    /// Appends `event`; where the queue is full and does not block, counts it as lost.
    ///
    /// A queue that blocks does so in [`Queue::ready`] only: whatever was let in is recorded, so that it may hold a
    /// little more than its bound.
    pub fn push(&self, decision: Decision, event: &EventRef<'_>) {
        let shard = self.shard();
        let mut state = shard.lock();
        let State { batch, whole, clockwork } = &mut *state;
        batch.lines.truncate(*whole);
        if self.block || *whole < self.per_shard {
            render::line(event, decision, clockwork, &mut batch.lines);
        }
        let length = batch.lines.len();
        if length == *whole || (!self.block && length > self.per_shard) {
            batch.lines.truncate(*whole);
            drop(state);
            self.stats.lost_queue.fetch_add(1, Relaxed);
            return;
        }
        let hurry = *whole < HASTE && length >= HASTE;
        *whole = length;
        batch.events += 1;
        if self.block && length >= self.per_shard {
            shard.full.store(true, Relaxed);
        }
        drop(state);
        if hurry {
            self.wake_writer();
        }
    }

    /// Waits until the current worker's shard has room.
    pub async fn ready(&self) {
        while self.block && self.shard().full.load(Relaxed) {
            let room = self.room.notified();
            // The writer may have made room before `room` existed.
            if !self.shard().full.load(Relaxed) {
                return;
            }
            room.await;
        }
    }

    /// Takes the buffer of each shard in turn, leaving `spare` in its place; hands each to `write`, which gives back a
    /// buffer to reuse.
    pub fn drain(&self, mut write: impl FnMut(Batch) -> Vec<u8>) {
        let mut spare = Vec::new();
        for shard in &self.shards {
            let mut state = shard.lock();
            if state.batch.events == 0 {
                continue;
            }
            let whole = std::mem::take(&mut state.whole);
            let mut batch = std::mem::replace(&mut state.batch, Batch { lines: std::mem::take(&mut spare), events: 0 });
            drop(state);
            batch.lines.truncate(whole);
            if self.block {
                shard.full.store(false, Relaxed);
                self.room.notify_waiters();
            }
            self.stats.taken.fetch_add(batch.events, Relaxed);
            spare = write(batch);
            spare.clear();
            spare.shrink_to(2 * HASTE);
        }
    }

    pub fn write_metrics(&self, writer: &mut metrics::Writer) {
        let waiting: usize = self.shards.iter().map(|shard| shard.lock().whole).sum();
        for (queue, bytes) in [("events", waiting), ("webhook", self.stats.webhook_bytes.load(Relaxed))] {
            #[expect(clippy::cast_precision_loss, reason = "the queue is far smaller than 2^52 bytes")]
            writer.gauge(
                "drover_audit_queue_bytes",
                "Bytes of audit events that wait to be written.",
                &[("queue", queue)],
                bytes as f64,
            );
        }
        let taken = self.stats.taken.load(Relaxed);
        writer.counter("drover_audit_events_total", "Audit events taken out of the queue.", &[], taken);
        for (sink, lost) in
            [("queue", &self.stats.lost_queue), ("log", &self.stats.lost_file), ("webhook", &self.stats.lost_webhook)]
        {
            writer.counter(
                "drover_audit_dropped_total",
                "Audit events lost: the queue was full, the file could not be written, the webhook did not take them.",
                &[("sink", sink)],
                lost.load(Relaxed),
            );
        }
    }
}
