//! Stores to test, and short words for what is done to them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use apiserver::store::{
    CommitError, Committed, Draft, Entry, Event, Expect, Key, Labels, Log, LogError, MemoryLog, Options, Range, Record,
    Retention, Revision, Row, Sealed, Sealing, SqliteLog, Store, Watch, Write,
};
use tempfile::TempDir;

/// The prefix of most tests.
pub const KIND: &str = "example.com/widgets";

/// Where a store keeps what it has.
pub struct Backend {
    place: Place,
    pub faults: Faults,
}

enum Place {
    Memory(MemoryLog),
    File { folder: TempDir, sealing: Option<Sealing> },
}

impl Backend {
    fn new(place: Place) -> Self {
        Self { place, faults: Faults::default() }
    }

    pub fn memory() -> Self {
        Self::new(Place::Memory(MemoryLog::default()))
    }

    pub fn file() -> Self {
        Self::new(Place::File { folder: tempfile::tempdir().unwrap(), sealing: None })
    }

    pub fn sealed(key: apiserver::store::MasterKey) -> Self {
        let sealing = Sealing { key, previous: None, what: Sealed::All };
        Self::new(Place::File { folder: tempfile::tempdir().unwrap(), sealing: Some(sealing) })
    }

    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::Memory(_) => panic!("a file was asked for"),
            Place::File { folder, .. } => folder.path().join("store.db"),
        }
    }

    pub fn log(&self) -> Box<dyn Log> {
        let log: Box<dyn Log> = match &self.place {
            Place::Memory(log) => Box::new(log.clone()),
            Place::File { sealing, .. } => Box::new(SqliteLog::open(&self.path(), sealing.clone()).unwrap()),
        };
        Box::new(Failing { log, faults: self.faults.clone() })
    }

    pub fn open(&self) -> Store {
        self.open_with(options())
    }

    pub fn open_with(&self, options: Options) -> Store {
        Store::open(self.log(), options).unwrap()
    }

    /// The store that a restart of the process opens.
    pub async fn reopen(&self, store: Store) -> Store {
        store.stop().await;
        drop(store);
        self.open()
    }
}

pub fn options() -> Options {
    Options { tick: Duration::from_millis(5), retry: Duration::from_millis(1), ..Options::default() }
}

/// Options under which only so many changes are remembered.
pub fn forgetful(events: usize) -> Options {
    Options { retention: Retention { events, ..Retention::default() }, ..options() }
}

/// An object that says `text`.
pub fn draft(text: &str) -> Draft {
    let head = r#"{"metadata":{"resourceVersion":""#;
    Draft {
        bytes: format!(r#"{head}"}},"says":"{text}"}}"#).into_bytes(),
        revision_at: head.len(),
        labels: Labels::from_pairs([("says", text), ("app", "test")]),
    }
}

/// What an object must look like in the store.
pub fn stored(text: &str, revision: u64) -> String {
    format!(r#"{{"metadata":{{"resourceVersion":"{revision}"}},"says":"{text}"}}"#)
}

pub fn text(entry: &Entry) -> String {
    String::from_utf8(entry.as_bytes().to_vec()).unwrap()
}

pub fn says(entry: &Entry) -> &str {
    entry.labels().get("says").unwrap()
}

pub fn key(namespace: &str, name: &str) -> Key {
    Key::new(KIND, namespace, name)
}

pub async fn write(store: &Store, key: &Key, expect: Expect, write: Write) -> Result<Committed, CommitError> {
    store.commit(vec![(key.clone(), expect, write)]).await
}

pub async fn put(store: &Store, key: &Key, text: &str) -> u64 {
    write(store, key, Expect::Any, Write::Put(draft(text))).await.unwrap().revision
}

pub async fn delete(store: &Store, key: &Key) -> u64 {
    write(store, key, Expect::Any, Write::Delete(draft("gone"))).await.unwrap().revision
}

/// The next `count` events.
pub async fn events(watch: &mut Watch, count: usize) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    while events.len() < count {
        let batch = kit::wait::event("an event", watch.next()).await.unwrap();
        events.extend(batch.events);
    }
    events
}

pub fn names(store: &Store, range: &Range) -> Vec<String> {
    store.snapshot().range(range, None).map(|entry| format!("{}/{}", entry.namespace(), entry.name())).collect()
}

/// How many writes of a log succeed, and how many fail then.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<(usize, usize)>>);

impl Faults {
    pub fn fail(&self, after: usize, times: usize) {
        *self.0.lock().unwrap() = (after, times);
    }

    fn meet(&self) -> Result<(), LogError> {
        let mut plan = self.0.lock().unwrap();
        match &mut *plan {
            (_, 0) => Ok(()),
            (0, times) => {
                *times -= 1;
                Err(LogError::Full { path: "here".into() })
            }
            (after, _) => {
                *after -= 1;
                Ok(())
            }
        }
    }
}

/// A log that fails as planned.
struct Failing {
    log: Box<dyn Log>,
    faults: Faults,
}

impl Log for Failing {
    fn compacted(&mut self) -> Result<Revision, LogError> {
        self.log.compacted()
    }

    fn replay(&mut self, each: &mut dyn FnMut(Record)) -> Result<(), LogError> {
        self.log.replay(each)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        self.faults.meet()?;
        self.log.append(records)
    }

    fn compact(&mut self, to: Revision, rows: &[Row]) -> Result<(), LogError> {
        self.faults.meet()?;
        self.log.compact(to, rows)
    }

    fn probe(&mut self) -> Result<(), LogError> {
        self.faults.meet()?;
        self.log.probe()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        self.log.tend()
    }
}
