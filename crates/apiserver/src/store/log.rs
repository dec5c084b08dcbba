//! What makes commits durable: a log of the states of objects, in the order of their revisions.

mod memory;
mod sqlite;

use std::{path::PathBuf, sync::Arc};

pub use memory::MemoryLog;
pub use sqlite::{Sealed, Sealing, SqliteLog};

use super::{
    Revision,
    entry::{Entry, Row},
};

/// One row of a log: an object's new state, or its last one at its deletion.
#[derive(Clone, Debug)]
pub struct Record {
    /// The prefix of the object's key.
    pub prefix: Arc<str>,
    /// The state.
    pub entry: Entry,
    /// Whether the object was deleted at this row.
    pub deleted: bool,
}

/// A log, used by one thread at a time.
///
/// A log holds at least the newest state of every object that is not deleted, and of the objects that changed after
/// [`compacted`](Log::compacted) every state since then and the one before.
pub trait Log: Send + 'static {
    /// Every change behind this revision is in the log. Of an empty log it is 1, the revision of an empty store as in etcd.
    fn compacted(&mut self) -> Result<Revision, LogError>;

    /// Gives every record to `each`, in the order of their rows.
    fn replay(&mut self, each: &mut dyn FnMut(Record)) -> Result<(), LogError>;

    /// Appends `records` as one: all are durable when this returns, or none ever is seen.
    fn append(&mut self, records: &[Record]) -> Result<(), LogError>;

    /// Removes `rows`, which are not needed to know the changes behind `to`.
    fn compact(&mut self, to: Revision, rows: &[Row]) -> Result<(), LogError>;

    /// Whether the log can be written to now.
    fn probe(&mut self) -> Result<(), LogError>;

    /// A piece of the work that can wait for a quiet moment. Gives whether more is left.
    fn tend(&mut self) -> Result<bool, LogError>;
}

/// Why a log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk is full, or the file has reached the size it may have.
    #[error("no space is left for `{path}`")]
    Full {
        /// The log's file.
        path: PathBuf,
    },
    /// Another process has the file open, or another log in this one.
    #[error("`{path}` is in use by another process: stop it first")]
    Locked {
        /// The log's file.
        path: PathBuf,
    },
    /// Some other file.
    #[error("`{path}` is not a store of this program")]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of this program.
    #[error(
        "`{path}` is of schema version {found}, this program knows versions up to {known}: use the program that wrote it, or a later one"
    )]
    Newer {
        /// The log's file.
        path: PathBuf,
        /// The file's version.
        found: usize,
        /// The newest one known.
        known: usize,
    },
    /// The file is encrypted, and no key was given.
    #[error("`{path}` is encrypted: give the key file or the passphrase that it was made with")]
    KeyMissing {
        /// The log's file.
        path: PathBuf,
    },
    /// The file is encrypted with another key.
    #[error(
        "`{path}` is encrypted with another key: give the key file or the passphrase that it was made with, or the former one as the previous key"
    )]
    KeyWrong {
        /// The log's file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("`{path}` is damaged ({what}): restore a backup")]
    Corrupt {
        /// The log's file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The system's or the back end's own error.
    #[error("`{path}` cannot be {doing}")]
    Io {
        /// The log's file.
        path: PathBuf,
        /// Read, written …
        doing: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
