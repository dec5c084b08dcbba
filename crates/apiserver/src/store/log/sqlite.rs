//! A log in one SQLite file.
//!
//! Rows are only ever appended, so a commit writes the pages at the end of one tree and flushes once (WAL, `synchronous=FULL`). Rows
//! that nobody needs any more are deleted later, in quiet moments. The file is locked as long as it is open.

mod keys;
mod row;
mod schema;

use std::{
    collections::{BTreeSet, VecDeque},
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use self::keys::Keys;
use super::{Log, LogError, Record};
use crate::store::{
    Revision, SIGNING_KEYS,
    entry::{Packer, Row},
    seal::MasterKey,
};

/// Rows sealed anew in one piece of background work.
const RESEAL: usize = 256;

/// Free pages that are left in the file for what comes.
const SPARE_PAGES: i64 = 1_024;

/// Pages given back in one piece of background work.
const GIVE_BACK: u32 = 256;

/// How objects are encrypted in the file.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// What the file's keys are wrapped with.
    pub key: MasterKey,
    /// The one before, for a file that was not opened since the key was changed. Such a file is taken over to `key`.
    pub previous: Option<MasterKey>,
    /// Which objects are encrypted.
    pub what: Sealed,
}

/// Which objects are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Those of these prefixes.
    Prefixes(BTreeSet<String>),
    /// All.
    All,
}

impl Default for Sealed {
    /// Kubernetes' secrets, and the server's own.
    fn default() -> Self {
        Self::Prefixes(BTreeSet::from(["/secrets".to_owned(), SIGNING_KEYS.to_owned()]))
    }
}

impl Sealed {
    fn holds(&self, prefix: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefixes(prefixes) => prefixes.contains(prefix),
        }
    }
}

/// A log in a SQLite file.
#[derive(Debug)]
pub struct SqliteLog {
    path: PathBuf,
    connection: Connection,
    keys: Option<Keys>,
    /// Rows that are not sealed as they should be.
    reseal: VecDeque<i64>,
}

impl SqliteLog {
    /// Opens the file at `path` and locks it; makes it, readable by its owner only, where there is none.
    ///
    /// # Errors
    /// The file is locked by another process, is of a newer version, is not a store, or needs another key.
    pub fn open(path: &Path, sealing: Option<Sealing>) -> Result<Self, LogError> {
        let fault = |doing| move |source| io(path, doing, source);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LogError::Io { path: path.into(), doing: "created", source: error.into() }),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(fault("opened"))?;
        schema::prepare(&mut connection, path)?;
        let keys = Keys::open(&mut connection, path, sealing)?;
        Ok(Self { path: path.into(), connection, keys, reseal: VecDeque::new() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the largest size that the file may have, in pages: to try what a full disk does.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Result<(), LogError> {
        self.connection.pragma_update(None, "max_page_count", pages).map_err(|error| io(&self.path, "limited", error))
    }

    /// Pages of the file.
    #[doc(hidden)]
    pub fn pages(&self) -> Result<u32, LogError> {
        self.connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .map_err(|error| io(&self.path, "read", error))
    }

    /// Moves all that is in the write-ahead log into the file, which is then whole by itself.
    pub(in crate::store) fn settle(self) -> Result<(), LogError> {
        let path = self.path;
        self.connection
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(|error| io(&path, "settled", error))?;
        self.connection.close().map_err(|(_, error)| io(&path, "closed", error))
    }

    fn seal_again(&mut self) -> Result<(), LogError> {
        let count = self.reseal.len().min(RESEAL);
        let fault = |error| io(&self.path, "sealed anew", error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        let mut packer = Packer::default();
        for id in self.reseal.range(..count) {
            // Some are compacted in the meantime.
            if let Some(read) = row::read(&transaction, *id).map_err(fault)? {
                let record = read.record(&self.path, self.keys.as_ref(), &mut packer)?;
                row::write(&transaction, &self.path, self.keys.as_ref(), &record)?;
            }
        }
        if self.reseal.len() == count
            && let Some(keys) = &self.keys
        {
            keys.forget_unused(&transaction).map_err(fault)?;
        }
        transaction.commit().map_err(fault)?;
        self.reseal.drain(..count);
        Ok(())
    }

    /// Gives free pages back to the file system. Whether there are more.
    fn shrink(&mut self) -> rusqlite::Result<bool> {
        let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        let pages: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if free < SPARE_PAGES.max(pages / 4) {
            return Ok(false);
        }
        // Steps once for each page that it gives back.
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({GIVE_BACK})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(true)
    }
}

impl Log for SqliteLog {
    fn compacted(&mut self) -> Result<Revision, LogError> {
        let stored = self
            .connection
            .query_row("SELECT value FROM meta WHERE name = 'compacted'", [], |row| row.get::<_, i64>(0))
            .optional()
            .map_err(|error| io(&self.path, "read", error))?;
        Ok(stored.and_then(|stored| Revision::try_from(stored).ok()).unwrap_or(1).max(1))
    }

    fn replay(&mut self, each: &mut dyn FnMut(Record)) -> Result<(), LogError> {
        let fault = |error| io(&self.path, "read", error);
        let mut statement = self.connection.prepare(row::SELECT_ALL).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        let mut packer = Packer::default();
        self.reseal.clear();
        let current = self.keys.as_ref().map_or(0, Keys::epoch);
        while let Some(found) = rows.next().map_err(fault)? {
            let read = row::Read::of(found).map_err(fault)?;
            let record = read.record(&self.path, self.keys.as_ref(), &mut packer)?;
            let wanted =
                if self.keys.as_ref().is_some_and(|keys| keys.what().holds(&record.prefix)) { current } else { 0 };
            if read.epoch != wanted && self.keys.is_some() {
                self.reseal.push_back(read.id);
            }
            each(record);
        }
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        let fault = |error| io(&self.path, "written", error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        for record in records {
            row::write(&transaction, &self.path, self.keys.as_ref(), record)?;
        }
        transaction.commit().map_err(fault)
    }

    fn compact(&mut self, to: Revision, rows: &[Row]) -> Result<(), LogError> {
        let fault = |error| io(&self.path, "compacted", error);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM log WHERE id = ?1").map_err(fault)?;
            for row in rows {
                delete.execute([row::id(*row)]).map_err(fault)?;
            }
        }
        let to = i64::try_from(to).unwrap_or(i64::MAX);
        transaction
            .execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('compacted', ?1)", [to])
            .map_err(fault)?;
        transaction.commit().map_err(fault)
    }

    fn probe(&mut self) -> Result<(), LogError> {
        self.connection
            .execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('probe', randomblob(8))", params![])
            .map(drop)
            .map_err(|error| io(&self.path, "written", error))
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        if !self.reseal.is_empty() {
            self.seal_again()?;
            return Ok(true);
        }
        if let Some(keys) = &mut self.keys {
            let newest: Option<i64> = self
                .connection
                .query_row("SELECT max(id) FROM log", [], |row| row.get(0))
                .map_err(|error| io(&self.path, "read", error))?;
            keys.renew(&mut self.connection, &self.path, row::row(newest.unwrap_or_default()).revision)?;
        }
        let more = self.shrink().map_err(|error| io(&self.path, "shrunk", error))?;
        if !more {
            // So that the next burst of commits need not move the pages of this one.
            self.connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(|error| io(&self.path, "settled", error))?;
        }
        Ok(more)
    }
}

fn io(path: &Path, doing: &'static str, error: rusqlite::Error) -> LogError {
    let path = path.into();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LogError::Locked { path },
        Some(ErrorCode::NotADatabase) => LogError::NotAStore { path },
        Some(ErrorCode::DatabaseCorrupt) => LogError::Corrupt { path, what: error.to_string() },
        _ => LogError::Io { path, doing, source: error.into() },
    }
}
