//! The one thread that writes: takes all waiting commits, checks them in order, makes them durable as one batch, publishes, answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    CommitError, Committed, Expect, Malformed, OpenError, Options, Revision, Write,
    entry::{Entry, Packer, Row},
    event::{Event, History, Shared},
    feed::Group,
    key::Key,
    log::{Log, LogError, Record},
    snapshot::Root,
};

/// Rows removed from the log in one go, between two batches of commits.
const GARBAGE: usize = 512;

/// With more garbage than this the writer removes some after each batch and does not wait for a quiet moment.
const MUCH_GARBAGE: usize = 16 * GARBAGE;

/// Writes of one transaction at most; etcd allows 128 (`--max-txn-ops`).
const WRITES: usize = 1_024;

pub(super) enum Message {
    Commit(Request),
    Compact(Revision, oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

pub(super) struct Request {
    pub(super) writes: Vec<(Key, Expect, Write)>,
    pub(super) done: oneshot::Sender<Result<Committed, CommitError>>,
    /// Held until the answer, so that waiting commits are bounded.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// A commit checked, and what it is answered once the batch is durable.
type Answer = (Request, Result<Committed, CommitError>);

struct Writer {
    log: Box<dyn Log>,
    shared: Arc<Shared>,
    wakes: mpsc::Sender<Vec<Arc<Group>>>,
    options: Options,
    prefixes: BTreeMap<Box<str>, Arc<str>>,
    packer: Packer,
    /// What the log says it has forgotten.
    compacted: Revision,
    /// While writing is refused: when to try again.
    retry: Option<Instant>,
    /// Whether the log has work for quiet moments.
    untended: bool,
    /// Whether the last quiet moment was too short for all of it.
    more: bool,
    /// When the last one was.
    rested: Instant,
}

/// Reads the log and starts the writer.
pub(super) fn start(
    mut log: Box<dyn Log>,
    options: Options,
) -> Result<(Arc<Shared>, mpsc::Sender<Message>), OpenError> {
    let compacted = log.compacted()?;
    let mut prefixes = BTreeMap::new();
    let (root, history) = replay(&mut *log, &options, compacted, &mut prefixes)?;
    let shared = Arc::new(Shared::new(root, history));
    let (messages, inbox) = mpsc::channel();
    let (wakes, wakings) = mpsc::channel::<Vec<Arc<Group>>>();
    // On a thread of its own: a thousand watches take longer to wake than a commit may wait.
    thread::Builder::new().name("store-wake".into()).spawn(move || {
        for groups in wakings {
            for group in groups {
                group.wake();
            }
        }
    })?;
    let writer = Writer {
        log,
        shared: shared.clone(),
        wakes,
        options,
        prefixes,
        packer: Packer::default(),
        compacted,
        retry: None,
        untended: true,
        more: false,
        rested: Instant::now(),
    };
    thread::Builder::new().name("store-write".into()).spawn(move || writer.run(&inbox))?;
    Ok((shared, messages))
}

/// The newest state and the changes that the log still knows.
fn replay(
    log: &mut dyn Log,
    options: &Options,
    compacted: Revision,
    prefixes: &mut BTreeMap<Box<str>, Arc<str>>,
) -> Result<(Root, History), LogError> {
    let mut root = Root::new(compacted.max(1));
    let mut history = History::new(options.retention, compacted);
    let now = Instant::now();
    log.replay(&mut |record| {
        let prefix = intern(prefixes, &record.prefix);
        let Record { entry, deleted, .. } = record;
        let revision = entry.modified();
        let previous = if deleted { root.remove(&prefix, entry.path()) } else { root.insert(&prefix, entry.clone()) };
        root.revision = root.revision.max(revision);
        let event = Event { prefix, entry, previous, deleted, revision };
        if revision > compacted {
            history.push(now, Arc::new(event), &mut Vec::new());
            history.trim(now);
        } else {
            history.discard(&event);
        }
    })?;
    Ok((root, history))
}

fn intern(prefixes: &mut BTreeMap<Box<str>, Arc<str>>, prefix: &str) -> Arc<str> {
    if let Some(known) = prefixes.get(prefix) {
        return known.clone();
    }
    let shared: Arc<str> = prefix.into();
    prefixes.insert(prefix.into(), shared.clone());
    shared
}

/// Ends the watches also when the writer panics.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Writer {
    fn run(mut self, inbox: &mpsc::Receiver<Message>) {
        let stop = StopOnDrop(self.shared.clone());
        let mut stopping = None;
        while stopping.is_none() {
            let mut batch = Vec::new();
            let wait = if self.more { BRIEFLY } else { self.options.tick };
            match inbox.recv_timeout(wait) {
                Ok(message) => {
                    let mut next = Some(message);
                    let mut bytes = 0;
                    while let Some(message) = next.take() {
                        match message {
                            Message::Commit(request) => {
                                bytes += weight(&request);
                                batch.push(request);
                            }
                            Message::Compact(to, done) => {
                                self.commit(std::mem::take(&mut batch));
                                self.compact(to);
                                let _ = done.send(());
                            }
                            Message::Stop(done) => {
                                stopping = Some(done);
                                break;
                            }
                        }
                        if batch.len() < self.options.batch_commits && bytes < self.options.batch_bytes {
                            next = inbox.try_recv().ok();
                        }
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.rest(),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            self.commit(batch);
            // Where commits never pause, what is put off is done between them.
            if self.rested.elapsed() >= self.options.tick {
                self.rest();
            }
        }
        let Self { log, .. } = self;
        drop(log);
        drop(stop);
        // Last of all: who hears it may open the file.
        if let Some(done) = stopping {
            let _ = done.send(());
        }
    }

    fn commit(&mut self, batch: Vec<Request>) {
        if batch.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.retry.is_some_and(|retry| now < retry) {
            return self.refuse(batch.into_iter().map(|request| request.done));
        }
        let mut root = Root::clone(&self.shared.root.load());
        let mut events = Vec::new();
        let answers: Vec<Answer> = batch
            .into_iter()
            .map(|mut request| {
                let answer = self.check(&mut root, &mut request.writes, &mut events);
                (request, answer)
            })
            .collect();
        if events.is_empty() {
            return answer(answers);
        }
        let records: Vec<Record> = events.iter().map(record).collect();
        if let Err(error) = self.log.append(&records) {
            // The answers of this batch may rest on its writes, refusals too: none of them is true now.
            self.failed(&error);
            return self.refuse(answers.into_iter().map(|(request, _)| request.done));
        }
        self.recovered();
        self.untended = true;
        let wake = self.shared.publish(now, Arc::new(root), events);
        answer(answers);
        let _ = self.wakes.send(wake);
        self.clean(MUCH_GARBAGE);
    }

    /// Checks one transaction against `root`, all of it first, and applies it.
    fn check(
        &mut self,
        root: &mut Root,
        writes: &mut Vec<(Key, Expect, Write)>,
        events: &mut Vec<Event>,
    ) -> Result<Committed, CommitError> {
        well_formed(writes, self.options.value_bytes)?;
        for (index, (key, expect, write)) in writes.iter().enumerate() {
            let current = root.get(key);
            let holds = match expect {
                Expect::Any => current.is_some() || matches!(write, Write::Put(_)),
                Expect::Absent => current.is_none() && matches!(write, Write::Put(_)),
                Expect::At(revision) => current.is_some_and(|current| current.modified() == *revision),
            };
            if !holds {
                return Err(CommitError::Conflict { index, current: current.cloned() });
            }
        }
        if writes.is_empty() {
            return Ok(Committed { revision: root.revision, entries: Vec::new() });
        }
        let revision = root.revision + 1;
        let mut entries = Vec::with_capacity(writes.len());
        for (place, (key, _, write)) in (0_u16..).zip(writes.iter()) {
            let created = root.get(key).map(Entry::created);
            let row = Row { revision, place };
            let (Write::Put(draft) | Write::Delete(draft)) = write;
            let entry = Entry::of_draft(key, draft, created, row, &mut self.packer)
                .map_err(|_| CommitError::Malformed(Malformed::TooLong))?;
            entries.push(entry);
        }
        root.revision = revision;
        for ((key, _, write), entry) in std::mem::take(writes).into_iter().zip(&entries) {
            let prefix = intern(&mut self.prefixes, key.prefix());
            let deleted = matches!(write, Write::Delete(_));
            let previous =
                if deleted { root.remove(&prefix, entry.path()) } else { root.insert(&prefix, entry.clone()) };
            events.push(Event { prefix, entry: entry.clone(), previous, deleted, revision });
        }
        Ok(Committed { revision, entries })
    }

    fn refuse(&self, waiting: impl Iterator<Item = oneshot::Sender<Result<Committed, CommitError>>>) {
        let reason = self.shared.refusing.load_full().unwrap_or_default();
        for done in waiting {
            let _ = done.send(Err(CommitError::ReadOnly(reason.clone())));
        }
    }

    fn failed(&mut self, error: &LogError) {
        self.retry = Some(Instant::now() + self.options.retry);
        let reason = chain(error);
        tracing::error!(reason, "the store refuses writes");
        self.shared.refusing.store(Some(Arc::new(reason)));
    }

    fn recovered(&mut self) {
        if self.retry.take().is_some() {
            self.shared.refusing.store(None);
            tracing::info!("the store writes again");
        }
    }

    /// What was put off, or a piece of it.
    fn rest(&mut self) {
        let now = Instant::now();
        self.rested = now;
        if self.retry.is_some_and(|retry| now >= retry) {
            match self.log.probe() {
                Ok(()) => self.recovered(),
                Err(error) => self.failed(&error),
            }
        }
        self.shared.history().trim(now);
        self.clean(0);
        if self.untended && self.retry.is_none() {
            self.untended = self.log.tend().unwrap_or_else(|error| {
                tracing::warn!(reason = chain(&error), "the store's file was not tended");
                false
            });
        }
        self.more = self.retry.is_none() && (self.untended || self.shared.history().has_garbage() > 0);
    }

    fn compact(&mut self, to: Revision) {
        {
            let newest = self.shared.root.load().revision;
            self.shared.history().compact(to.min(newest));
        }
        while self.retry.is_none()
            && (self.shared.history().has_garbage() > 0 || self.shared.history().compacted() > self.compacted)
        {
            self.clean(0);
        }
    }

    /// Removes from the log what is forgotten, down to `leave` rows.
    fn clean(&mut self, leave: usize) {
        if self.retry.is_some() {
            return;
        }
        let (to, rows) = {
            let history = self.shared.history();
            let little = history.has_garbage() <= leave;
            if little && (leave > 0 || history.compacted() == self.compacted) {
                return;
            }
            (history.compacted(), history.garbage(GARBAGE))
        };
        match self.log.compact(to, &rows) {
            Ok(()) => {
                self.shared.history().removed(rows.len());
                self.compacted = to;
                self.untended = true;
            }
            Err(error) => self.failed(&error),
        }
    }
}

fn weight(request: &Request) -> usize {
    let bytes = |write: &Write| match write {
        Write::Put(draft) | Write::Delete(draft) => draft.bytes.len(),
    };
    request.writes.iter().map(|(_, _, write)| bytes(write)).sum()
}

fn record(event: &Event) -> Record {
    Record { prefix: event.prefix.clone(), entry: event.entry.clone(), deleted: event.deleted }
}

fn answer(answers: Vec<Answer>) {
    for (request, answer) in answers {
        // Who no longer waits does not need it.
        let _ = request.done.send(answer);
    }
}

/// What no state of the store could make right.
fn well_formed(writes: &[(Key, Expect, Write)], value_bytes: usize) -> Result<(), CommitError> {
    if writes.len() > WRITES {
        return Err(CommitError::Malformed(Malformed::TooMany));
    }
    for (at, (key, _, write)) in writes.iter().enumerate() {
        let (Write::Put(draft) | Write::Delete(draft)) = write;
        if draft.revision_at > draft.bytes.len() {
            return Err(CommitError::Malformed(Malformed::RevisionAt));
        }
        if draft.bytes.len() > value_bytes {
            return Err(CommitError::Malformed(Malformed::TooLong));
        }
        if writes.iter().take(at).any(|(other, _, _)| other == key) {
            return Err(CommitError::Malformed(Malformed::Twice));
        }
    }
    Ok(())
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// How long it waits between two pieces of such work.
const BRIEFLY: Duration = Duration::from_millis(1);

/// How long the writer waits for a commit before it does what was put off.
pub(super) const TICK: Duration = Duration::from_secs(1);
