//! The changes of one kind, and the watches on it.
//!
//! A watch has no buffer of its own: it reads the shared changes from where it stands, so a slow one costs nothing and keeps nobody
//! waiting. When the changes that it has not read are forgotten, it ends. Watches of one range form a group; a change wakes the groups
//! whose range holds it and no others: at most the kind's, the namespace's and the object's.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    Revision,
    event::{Event, Shared},
    key::{Range, Scope},
};

/// Events in one batch, about: all of one revision come together.
const BATCH: usize = 256;

#[derive(Debug)]
pub(super) struct Feed {
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    events: VecDeque<Arc<Event>>,
    /// The revision of the last event of this kind that is forgotten.
    forgotten: Revision,
    /// The revision of the last event of this kind.
    last: Revision,
    all: Option<Arc<Group>>,
    namespaces: HashMap<Box<str>, Arc<Group>>,
    objects: HashMap<Box<str>, Arc<Group>>,
}

impl State {
    /// The groups whose range holds `event`.
    fn groups<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Arc<Group>> {
        let namespace = self.namespaces.get(event.entry.namespace());
        self.all.iter().chain(namespace).chain(self.objects.get(event.entry.path_str()))
    }
}

/// The watches of one range.
#[derive(Debug)]
pub(super) struct Group {
    notify: Notify,
    /// The revision of the last event in the range.
    last: AtomicU64,
    /// The revision of the last event in the range that is forgotten.
    forgotten: AtomicU64,
    /// Changed under the feed's lock only.
    watches: AtomicUsize,
}

impl Group {
    fn new(last: Revision, forgotten: Revision) -> Arc<Self> {
        Arc::new(Self {
            notify: Notify::new(),
            last: AtomicU64::new(last),
            forgotten: AtomicU64::new(forgotten),
            watches: AtomicUsize::new(0),
        })
    }

    pub(super) fn wake(&self) {
        self.notify.notify_waiters();
    }
}

impl Feed {
    pub(super) fn new(forgotten: Revision) -> Self {
        Self {
            state: RwLock::new(State {
                events: VecDeque::new(),
                forgotten,
                last: forgotten,
                all: None,
                namespaces: HashMap::new(),
                objects: HashMap::new(),
            }),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, event: Arc<Event>, wake: &mut Vec<Arc<Group>>) {
        let mut state = self.write();
        for group in state.groups(&event) {
            group.last.store(event.revision, Ordering::Release);
            // Events come in runs of one kind: this keeps a batch's list of groups short without a set.
            if !wake.iter().rev().take(3).any(|known| Arc::ptr_eq(known, group)) {
                wake.push(group.clone());
            }
        }
        state.last = event.revision;
        state.events.push_back(event);
    }

    /// Drops `event`, the oldest one.
    pub(super) fn forget(&self, event: &Event) {
        let mut state = self.write();
        state.events.pop_front();
        state.forgotten = event.revision;
        for group in state.groups(event) {
            group.forgotten.store(event.revision, Ordering::Release);
        }
    }

    pub(super) fn wake_all(&self) {
        let state = self.read();
        for group in state.all.iter().chain(state.namespaces.values()).chain(state.objects.values()) {
            group.wake();
        }
    }

    fn join(&self, range: &Range) -> Arc<Group> {
        let mut state = self.write();
        let State { last, forgotten, .. } = *state;
        let fresh = || Group::new(last, forgotten);
        let group = match range.scope() {
            Scope::All => state.all.get_or_insert_with(fresh),
            Scope::Namespace(name) => state.namespaces.entry(name.clone()).or_insert_with(fresh),
            Scope::Object(path) => state.objects.entry(path.clone()).or_insert_with(fresh),
        };
        group.watches.fetch_add(1, Ordering::Relaxed);
        group.clone()
    }

    /// One watch fewer; the last one of `range` takes its group away.
    fn leave(&self, range: &Range, group: &Group) {
        let mut state = self.write();
        if group.watches.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        match range.scope() {
            Scope::All => state.all = None,
            Scope::Namespace(name) => drop(state.namespaces.remove(name)),
            Scope::Object(path) => drop(state.objects.remove(path)),
        }
    }
}

/// The changes in a range, from a revision on.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    group: Arc<Group>,
    range: Range,
    position: Revision,
}

/// Changes in the order of their revisions.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The changes; never empty.
    pub events: Vec<Arc<Event>>,
    /// The watch has seen every change up to and with this revision.
    pub revision: Revision,
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// The reader was too slow: changes it has not seen are forgotten.
    #[error("the watch was too slow: changes after revision {seen} are forgotten")]
    Slow {
        /// The revision up to which it had seen all.
        seen: Revision,
    },
    /// The store stopped.
    #[error("the store has stopped")]
    Stopped,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, feed: Arc<Feed>, range: Range, after: Revision) -> Self {
        let group = feed.join(&range);
        Self { shared, feed, group, range, position: after }
    }

    /// The next changes; waits for one. Cancel safe.
    pub async fn next(&mut self) -> Result<Batch, WatchEnd> {
        let group = self.group.clone();
        loop {
            // Enabled before looking, so that what comes between looking and waiting is not missed.
            let mut notified = std::pin::pin!(group.notify.notified());
            notified.as_mut().enable();
            if let Some(batch) = self.take()? {
                return Ok(batch);
            }
            if self.shared.stopped() {
                return Err(WatchEnd::Stopped);
            }
            notified.await;
        }
    }

    /// The changes that are there already, without waiting; `None` if there are none.
    pub fn take(&mut self) -> Result<Option<Batch>, WatchEnd> {
        // INVARIANT: read before the group's last event and before the feed, both of which the writer changes first. What they do
        // not show is newer than `seen`.
        let seen = self.shared.seen();
        if self.group.last.load(Ordering::Acquire) <= self.position {
            self.position = self.position.max(seen);
            return Ok(None);
        }
        let state = self.feed.read();
        if self.position < self.group.forgotten.load(Ordering::Acquire) {
            return Err(WatchEnd::Slow { seen: self.position });
        }
        let from = state.events.partition_point(|event| event.revision <= self.position);
        let mut events: Vec<Arc<Event>> = Vec::new();
        let mut position = self.position.max(seen);
        for event in state.events.range(from..).take_while(|event| event.revision <= seen) {
            if events.len() >= BATCH && events.last().is_some_and(|last| last.revision < event.revision) {
                position = events.last().map_or(position, |last| last.revision);
                break;
            }
            if self.range.holds(event.entry.path()) {
                events.push(event.clone());
            }
        }
        drop(state);
        self.position = position;
        Ok((!events.is_empty()).then_some(Batch { events, revision: position }))
    }

    /// The revision up to which all changes in the range were taken, as far as is known now: what a bookmark says.
    pub fn seen(&mut self) -> Revision {
        let seen = self.shared.seen();
        if self.group.last.load(Ordering::Acquire) <= self.position {
            self.position = self.position.max(seen);
        }
        self.position
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.leave(&self.range, &self.group);
    }
}
