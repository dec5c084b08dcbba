//! The storage of the embedded API: every object in memory, every commit in a log first.
//!
//! One index holds all objects, encoded, as a persistent map: a reader takes the newest root and keeps it as long as it likes. One
//! thread writes: it takes all waiting commits, checks them in order, appends one durable batch to the [`Log`], publishes the new root
//! and its events, and answers. So nobody ever reads what a crash could take back, and many clients share one flush to the disk.
//!
//! Revisions are etcd's: one global counter that starts at 1; a transaction has one revision, however many objects it writes.

mod backup;
mod entry;
mod event;
mod feed;
mod key;
mod labels;
mod log;
mod seal;
mod snapshot;
mod texts;
mod tree;
mod writer;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::sync::{Semaphore, oneshot};

pub use self::{
    backup::{BackupError, Restored, restore},
    entry::{Draft, Entry, Packer, Parts, Row, TooLong},
    event::{Event, Retention, Unavailable},
    feed::{Batch, Watch, WatchEnd},
    key::{Key, Range},
    labels::{Labels, LabelsView, Pairs},
    log::{Log, LogError, MemoryLog, Record, Sealed, Sealing, SqliteLog},
    seal::{KeyError, MasterKey},
    snapshot::{Entries, Snapshot},
};

/// Where the server keeps the keys that it signs with: under no resource, and sealed.
pub const SIGNING_KEYS: &str = "drover.io/signing-keys";

/// The number of a state of the whole store: an object's resourceVersion is that of its last change.
pub type Revision = u64;

/// What must be true of an object for a commit to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing; a deletion still needs an object.
    Any,
    /// There is no such object.
    Absent,
    /// It was last changed at this revision.
    At(Revision),
}

/// A change of one object.
#[derive(Clone, Debug)]
pub enum Write {
    /// The object's new state.
    Put(Draft),
    /// The object goes; the draft is its last state, as watches get it.
    Delete(Draft),
}

/// What a commit did.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The revision of the commit.
    pub revision: Revision,
    /// For each write, in order, the state written; for a deletion the last state.
    pub entries: Vec<Entry>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// An object is not as it was expected to be.
    #[error("the object of write {index} is not in the expected state")]
    Conflict {
        /// The place of the write, from 0.
        index: usize,
        /// The object as it is.
        current: Option<Entry>,
    },
    /// The log cannot be written to; reads go on, and the store tries again by itself.
    #[error("the store refuses writes: {0}")]
    ReadOnly(Arc<String>),
    /// The commit could never be made.
    #[error("the commit is malformed: {0}")]
    Malformed(Malformed),
    /// The store has stopped. Whether this commit was made is not known.
    #[error("the store has stopped")]
    Stopped,
}

/// What is wrong with a commit in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More writes than a transaction may have.
    #[error("too many writes")]
    TooMany,
    /// One key is written twice.
    #[error("one key twice")]
    Twice,
    /// The place for the revision is outside the object.
    #[error("no place for the revision")]
    RevisionAt,
    /// A name, the labels or the object are too long.
    #[error("too long")]
    TooLong,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread cannot be started.
    #[error("a thread of the store cannot be started")]
    Thread(#[from] io::Error),
}

/// How a store is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much of the past is kept.
    pub retention: Retention,
    /// Commits that may wait for the writer; more wait outside.
    pub queue: usize,
    /// Commits made durable together, at most.
    pub batch_commits: usize,
    /// Bytes made durable together, about.
    pub batch_bytes: usize,
    /// The longest object, encoded.
    pub value_bytes: usize,
    /// After a failure to write, how long commits are refused before the next try.
    pub retry: Duration,
    /// How long without a commit until work is done that can wait.
    pub tick: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            queue: 4_096,
            batch_commits: 1_024,
            batch_bytes: 8 << 20,
            value_bytes: 16 << 20,
            retry: Duration::from_secs(1),
            tick: writer::TICK,
        }
    }
}

/// The store; cheap to clone. When the last clone goes, what was committed is durable and the log is closed.
#[derive(Clone)]
pub struct Store {
    shared: Arc<event::Shared>,
    messages: mpsc::Sender<writer::Message>,
    queue: Arc<Semaphore>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl Store {
    /// Reads all of `log` and starts to serve it. Blocks as long as reading takes.
    pub fn open(log: Box<dyn Log>, options: Options) -> Result<Self, OpenError> {
        let (shared, messages) = writer::start(log, options)?;
        Ok(Self { shared, messages, queue: Arc::new(Semaphore::new(options.queue)) })
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.shared.root.load().revision
    }

    /// The newest state. Costs nothing and waits for nobody.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.root.load_full())
    }

    /// The state at `at`, as long as it is remembered. Costs what changed since, once.
    pub fn snapshot_at(&self, at: Revision) -> Result<Snapshot, Unavailable> {
        self.shared.snapshot_at(at)
    }

    /// The oldest revision that can be read, and after which a watch can begin.
    pub fn oldest(&self) -> Revision {
        self.shared.history().compacted()
    }

    /// Makes all of `writes`, under one revision, or none of them. Returns when they are durable and can be read.
    ///
    /// A caller that goes away before the answer does not undo the commit.
    pub async fn commit(&self, writes: Vec<(Key, Expect, Write)>) -> Result<Committed, CommitError> {
        let permit = self.queue.clone().acquire_owned().await.map_err(|_| CommitError::Stopped)?;
        let (done, answer) = oneshot::channel();
        let request = writer::Request { writes, done, _permit: permit };
        self.messages.send(writer::Message::Commit(request)).map_err(|_| CommitError::Stopped)?;
        answer.await.map_err(|_| CommitError::Stopped)?
    }

    /// The changes in `range` behind `after`, those that were and those to come.
    pub fn watch(&self, range: Range, after: Revision) -> Result<Watch, Unavailable> {
        // Held until the watch has joined, so that nothing is forgotten in between.
        let mut history = self.shared.history();
        let newest = self.revision();
        if after > newest {
            return Err(Unavailable::Future { newest });
        }
        if after < history.compacted() {
            return Err(Unavailable::Compacted { oldest: history.compacted() });
        }
        let feed = history.feed(range.prefix_name());
        Ok(Watch::new(self.shared.clone(), feed, range, after))
    }

    /// Waits until the newest state is at `revision` or behind it, or the store stops.
    pub async fn wait_for(&self, revision: Revision) {
        // The sender is in `shared`, which lives as long as this.
        let _ = self.shared.published.subscribe().wait_for(|newest| *newest >= revision).await;
    }

    /// Forgets the changes up to `to`, ahead of time.
    pub async fn compact(&self, to: Revision) {
        let (done, answer) = oneshot::channel();
        if self.messages.send(writer::Message::Compact(to, done)).is_ok() {
            let _ = answer.await;
        }
    }

    /// Writes the newest state to a new file at `to`, encrypted as `sealing` says. Commits go on meanwhile. Gives the revision.
    pub async fn backup(&self, to: &Path, sealing: Option<Sealing>) -> Result<Revision, BackupError> {
        let (snapshot, to) = (self.snapshot(), to.to_owned());
        tokio::task::spawn_blocking(move || backup::write(&snapshot, &to, sealing))
            .await
            .unwrap_or(Err(BackupError::Interrupted))
    }

    /// Why writing is refused, while it is.
    pub fn refusing(&self) -> Option<Arc<String>> {
        self.shared.refusing.load_full()
    }

    /// Ends the watches, finishes the commits that wait and closes the log. Later commits are refused, reads go on.
    pub async fn stop(&self) {
        let (done, answer) = oneshot::channel();
        if self.messages.send(writer::Message::Stop(done)).is_ok() {
            let _ = answer.await;
        }
    }
}
