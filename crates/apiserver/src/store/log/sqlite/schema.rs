//! The file's schema, its version and how older versions come forward.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{LogError, io};

/// `DRVR`: tells a store from any other SQLite file (`PRAGMA application_id`).
const APPLICATION: i32 = 0x4452_5652;

/// What brings a file from version n (the place in this list) to n + 1. An empty file is of version 0.
///
/// Steps that were released are never changed; a new one is appended.
const STEPS: &[&str] = &[
    // 1: the log. `id` is the revision × 1024 + the place in the transaction.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
     CREATE TABLE log (id INTEGER PRIMARY KEY, key TEXT, created INTEGER NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL);",
    // 2: encryption. `epoch` 0 is plain text; `key` is NULL where it is sealed in the body.
    "ALTER TABLE log ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
     CREATE INDEX sealed ON log (epoch) WHERE epoch <> 0;
     CREATE TABLE keys (epoch INTEGER PRIMARY KEY, salt BLOB NOT NULL, wrapped BLOB NOT NULL, since INTEGER NOT NULL);",
];

/// Locks the file, and brings it to the newest version.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), LogError> {
    let fault = |error| io(path, "opened", error);
    // The lock is taken with the first read and kept; a WAL under it needs no shared memory file. Page size and vacuum mode hold for
    // a new file only. Pages of 8 kB fit several objects of the usual size.
    connection
        .execute_batch(
            "PRAGMA busy_timeout = 0;
             PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA page_size = 8192;
             PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 2000;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA cache_size = -4096;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;",
        )
        .map_err(fault)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fault)?;
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map_err(fault)?
        .try_into()
        .unwrap_or(usize::MAX);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fault)?;
    if application != APPLICATION && (tables > 0 || found > 0) {
        return Err(LogError::NotAStore { path: path.into() });
    }
    if found > STEPS.len() {
        return Err(LogError::Newer { path: path.into(), found, known: STEPS.len() });
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(fault)?;
    for step in STEPS.get(found..).unwrap_or_default() {
        transaction.execute_batch(step).map_err(fault)?;
    }
    if found < STEPS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(fault)?;
        let newest = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
        transaction.pragma_update(None, "user_version", newest).map_err(fault)?;
    }
    transaction.commit().map_err(fault)
}
