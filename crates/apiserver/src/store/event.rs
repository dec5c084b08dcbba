//! What a commit changed, and the bounded memory of it that watches read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Revision,
    entry::{Entry, Row},
    feed::{Feed, Group},
    snapshot::{Root, Snapshot},
};

/// One object put or deleted.
#[derive(Clone, Debug)]
pub struct Event {
    /// The prefix of the object's key.
    pub prefix: Arc<str>,
    /// The new state; of a deleted object the last one, with the revision of its deletion.
    pub entry: Entry,
    /// The state before.
    pub previous: Option<Entry>,
    /// Whether the object is gone.
    pub deleted: bool,
    /// The revision of the change.
    pub revision: Revision,
}

impl Event {
    /// Bytes that only this event keeps in memory: the new state is in the index, or counted where it is the previous one.
    fn weight(&self) -> usize {
        const FIXED: usize = 128;
        let gone = if self.deleted { self.entry.weight() } else { 0 };
        FIXED + gone + self.previous.as_ref().map_or(0, Entry::weight)
    }
}

/// How much of the past is kept, for watches that resume and for lists at a revision.
///
/// Kubernetes keeps the changes of at least five minutes (`--etcd-compaction-interval`) unless they are very many.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Changes older than this are forgotten.
    pub age: Duration,
    /// At most this many changes.
    pub events: usize,
    /// At most this many bytes of replaced and deleted states.
    pub bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_mins(5), events: 500_000, bytes: 64 << 20 }
    }
}

/// Lists at a revision that are kept between two pages.
const KEPT: usize = 64;

/// What all kinds remember together, and the kinds' own feeds.
#[derive(Debug)]
pub(super) struct History {
    retention: Retention,
    events: VecDeque<(Instant, Arc<Event>)>,
    bytes: usize,
    /// Every change behind this revision is in `events`.
    compacted: Revision,
    /// States that no longer matter to anybody, to be removed from the log.
    ///
    /// INVARIANT: removed in this order. An object's deletion stands behind all states of it, and must not go before them: a crash
    /// in between would bring the object back.
    garbage: VecDeque<Row>,
    feeds: HashMap<Arc<str>, Arc<Feed>>,
    kept: VecDeque<Arc<Root>>,
}

impl History {
    pub(super) fn new(retention: Retention, compacted: Revision) -> Self {
        Self {
            retention,
            events: VecDeque::new(),
            bytes: 0,
            compacted,
            garbage: VecDeque::new(),
            feeds: HashMap::new(),
            kept: VecDeque::new(),
        }
    }

    pub(super) const fn compacted(&self) -> Revision {
        self.compacted
    }

    /// The feed of `prefix`.
    pub(super) fn feed(&mut self, prefix: &str) -> Arc<Feed> {
        if let Some(feed) = self.feeds.get(prefix) {
            return feed.clone();
        }
        let feed = Arc::new(Feed::new(self.compacted));
        self.feeds.insert(prefix.into(), feed.clone());
        feed
    }

    pub(super) fn feeds(&self) -> impl Iterator<Item = &Arc<Feed>> {
        self.feeds.values()
    }

    /// Appends `event`; whom it wakes is added to `wake`.
    pub(super) fn push(&mut self, now: Instant, event: Arc<Event>, wake: &mut Vec<Arc<Group>>) {
        self.bytes += event.weight();
        self.feed(&event.prefix).push(event.clone(), wake);
        self.events.push_back((now, event));
    }

    /// Notes that `event`, which nobody can ask for any more, left states behind in the log.
    pub(super) fn discard(&mut self, event: &Event) {
        self.garbage.extend(event.previous.as_ref().map(Entry::row));
        if event.deleted {
            self.garbage.push_back(event.entry.row());
        }
    }

    /// Forgets what is beyond the bounds.
    pub(super) fn trim(&mut self, now: Instant) {
        while let Some((at, event)) = self.events.front() {
            let Retention { age, events, bytes } = self.retention;
            let old = now.saturating_duration_since(*at) >= age;
            if !old && self.events.len() <= events && self.bytes <= bytes {
                break;
            }
            let revision = event.revision;
            self.compact(revision);
        }
    }

    /// Forgets every change up to and with `to`.
    pub(super) fn compact(&mut self, to: Revision) {
        while let Some((_, event)) = self.events.pop_front_if(|(_, event)| event.revision <= to) {
            self.bytes -= event.weight();
            if let Some(feed) = self.feeds.get(&event.prefix) {
                feed.forget(&event);
            }
            self.discard(&event);
        }
        self.compacted = self.compacted.max(to);
        self.kept.retain(|root| root.revision >= self.compacted);
    }

    /// At most `count` rows to be removed from the log next.
    pub(super) fn garbage(&self, count: usize) -> Vec<Row> {
        self.garbage.iter().take(count).copied().collect()
    }

    /// Notes that the first `count` rows are removed.
    pub(super) fn removed(&mut self, count: usize) {
        self.garbage.drain(..count.min(self.garbage.len()));
    }

    pub(super) fn has_garbage(&self) -> usize {
        self.garbage.len()
    }

    /// The kept list at `at`, or the nearest newer root and the changes since, newest first.
    fn nearest(&self, at: Revision, newest: Arc<Root>) -> (Arc<Root>, Vec<Arc<Event>>) {
        let base = self.kept.iter().filter(|root| root.revision >= at).min_by_key(|root| root.revision);
        let base = base.cloned().unwrap_or(newest);
        let from = self.events.partition_point(|(_, event)| event.revision <= at);
        let to = self.events.partition_point(|(_, event)| event.revision <= base.revision);
        let events = self.events.range(from..to).rev().map(|(_, event)| event.clone()).collect();
        (base, events)
    }

    fn keep(&mut self, root: Arc<Root>) {
        if root.revision < self.compacted || self.kept.iter().any(|kept| kept.revision == root.revision) {
            return;
        }
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(root);
    }
}

/// What the writer and the readers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: arc_swap::ArcSwap<Root>,
    history: Mutex<History>,
    /// The newest revision all events of which are in the feeds.
    pub(super) published: tokio::sync::watch::Sender<Revision>,
    seen: AtomicU64,
    stopped: AtomicBool,
    /// Why writing is refused, while it is.
    pub(super) refusing: arc_swap::ArcSwapOption<String>,
}

impl Shared {
    pub(super) fn new(root: Root, history: History) -> Self {
        let revision = root.revision;
        Self {
            root: arc_swap::ArcSwap::from_pointee(root),
            history: Mutex::new(history),
            published: tokio::sync::watch::Sender::new(revision),
            seen: AtomicU64::new(revision),
            stopped: AtomicBool::new(false),
            refusing: arc_swap::ArcSwapOption::empty(),
        }
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // Every change of the history is whole before anything in it can panic.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest revision that watches may say they have seen.
    pub(super) fn seen(&self) -> Revision {
        self.seen.load(Ordering::Acquire)
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Makes `root` and its `events` visible. Gives whom to wake.
    pub(super) fn publish(&self, now: Instant, root: Arc<Root>, events: Vec<Event>) -> Vec<Arc<Group>> {
        let revision = root.revision;
        let mut wake = Vec::new();
        {
            // Under the lock, so that a list at a revision finds root and events of one state.
            let mut history = self.history();
            self.root.store(root);
            for event in events {
                history.push(now, Arc::new(event), &mut wake);
            }
            history.trim(now);
        }
        self.seen.store(revision, Ordering::Release);
        self.published.send_replace(revision);
        wake
    }

    /// Ends every watch.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let feeds: Vec<_> = self.history().feeds().cloned().collect();
        for feed in feeds {
            feed.wake_all();
        }
    }

    /// The objects at `at`.
    pub(super) fn snapshot_at(&self, at: Revision) -> Result<Snapshot, Unavailable> {
        let (base, events) = {
            let history = self.history();
            let newest = self.root.load_full();
            if at > newest.revision {
                return Err(Unavailable::Future { newest: newest.revision });
            }
            if at < history.compacted {
                return Err(Unavailable::Compacted { oldest: history.compacted });
            }
            history.nearest(at, newest)
        };
        if base.revision == at {
            return Ok(Snapshot::new(base));
        }
        let mut root = Root::clone(&base);
        for event in &events {
            root.undo(event);
        }
        root.revision = at;
        let root = Arc::new(root);
        self.history().keep(root.clone());
        Ok(Snapshot::new(root))
    }
}

/// A revision that the store cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It is forgotten.
    #[error("the revision is compacted; the oldest one kept is {oldest}")]
    Compacted {
        /// The oldest revision that can be read, and after which a watch can begin.
        oldest: Revision,
    },
    /// It is not there yet.
    #[error("the revision is in the future; the newest one is {newest}")]
    Future {
        /// The newest revision.
        newest: Revision,
    },
}
