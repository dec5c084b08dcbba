//! The data keys of a file, one an epoch.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{LogError, Sealed, Sealing, io};
use crate::store::{
    Revision,
    seal::{Closed, DataKey, MasterKey, Wrapped},
};

/// After so many revisions a new data key is used: random nonces are safe for 2^32 messages under one key (NIST SP 800-38D, 8.3).
const REVISIONS: Revision = 1 << 30;

#[derive(Debug)]
pub(super) struct Keys {
    master: MasterKey,
    what: Sealed,
    epochs: BTreeMap<i64, DataKey>,
    epoch: i64,
    /// The revision at which the epoch began.
    since: Revision,
}

impl Keys {
    /// Unwraps the keys in the file. A file that is given a key for the first time, or a new one, begins a new epoch.
    pub(super) fn open(
        connection: &mut Connection,
        path: &Path,
        sealing: Option<Sealing>,
    ) -> Result<Option<Self>, LogError> {
        let fault = |error| io(path, "opened", error);
        let wrapped = wrapped(connection).map_err(fault)?;
        let Some(Sealing { key: master, previous, what }) = sealing else {
            let missing = !wrapped.is_empty();
            return if missing { Err(LogError::KeyMissing { path: path.into() }) } else { Ok(None) };
        };
        let mut epochs = BTreeMap::new();
        let mut rotated = false;
        for (wrapped, _) in &wrapped {
            let mut key = DataKey::unwrap(wrapped, &master);
            if let (Err(Closed), Some(previous)) = (&key, &previous) {
                key = DataKey::unwrap(wrapped, previous);
                rotated = true;
            }
            let key = key.map_err(|_| LogError::KeyWrong { path: path.into() })?;
            epochs.insert(key.epoch, key);
        }
        let (epoch, since) = wrapped.last().map_or((0, 0), |(wrapped, since)| (wrapped.epoch, *since));
        let mut keys = Self { master, what, epochs, epoch, since };
        if rotated || keys.epochs.is_empty() {
            let rewrap: Vec<_> = wrapped.iter().map(|(wrapped, since)| (wrapped.epoch, *since)).collect();
            keys.begin(connection, path, since, &rewrap)?;
        }
        Ok(Some(keys))
    }

    pub(super) const fn what(&self) -> &Sealed {
        &self.what
    }

    pub(super) const fn epoch(&self) -> i64 {
        self.epoch
    }

    pub(super) fn get(&self, epoch: i64) -> Option<&DataKey> {
        self.epochs.get(&epoch)
    }

    /// The key to seal with.
    pub(super) fn current(&self) -> Option<&DataKey> {
        self.epochs.get(&self.epoch)
    }

    /// Begins a new epoch if this one's key was used for long.
    pub(super) fn renew(&mut self, connection: &mut Connection, path: &Path, newest: Revision) -> Result<(), LogError> {
        if newest.saturating_sub(self.since) <= REVISIONS {
            return Ok(());
        }
        self.begin(connection, path, newest, &[])
    }

    /// Begins a new epoch, and wraps the keys of `rewrap` anew.
    fn begin(
        &mut self,
        connection: &mut Connection,
        path: &Path,
        since: Revision,
        rewrap: &[(i64, Revision)],
    ) -> Result<(), LogError> {
        let fault = |error| io(path, "written", error);
        let key = DataKey::generate(self.epoch + 1).map_err(|closed| sealed(path, closed))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        for (epoch, since) in rewrap {
            if let Some(key) = self.epochs.get(epoch) {
                self.store(&transaction, path, key, *since)?;
            }
        }
        self.store(&transaction, path, &key, since)?;
        transaction.commit().map_err(fault)?;
        // Only now: a row sealed with a key that is not in the file would be lost.
        self.epoch = key.epoch;
        self.since = since;
        self.epochs.insert(key.epoch, key);
        Ok(())
    }

    fn store(&self, connection: &Connection, path: &Path, key: &DataKey, since: Revision) -> Result<(), LogError> {
        let Wrapped { epoch, salt, bytes } = key.wrap(&self.master).map_err(|closed| sealed(path, closed))?;
        connection
            .execute(
                "INSERT OR REPLACE INTO keys (epoch, salt, wrapped, since) VALUES (?1, ?2, ?3, ?4)",
                params![epoch, salt, bytes, i64::try_from(since).unwrap_or(i64::MAX)],
            )
            .map(drop)
            .map_err(|error| io(path, "written", error))
    }

    /// Removes the keys of former epochs that no row needs any more.
    pub(super) fn forget_unused(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "DELETE FROM keys WHERE epoch < ?1 AND epoch NOT IN (SELECT epoch FROM log WHERE epoch <> 0)",
            [self.epoch],
        )?;
        Ok(())
    }
}

fn sealed(path: &Path, closed: Closed) -> LogError {
    LogError::Io { path: path.into(), doing: "sealed", source: closed.into() }
}

/// The wrapped keys with the revisions at which they began, oldest first.
fn wrapped(connection: &Connection) -> rusqlite::Result<Vec<(Wrapped, Revision)>> {
    connection
        .prepare("SELECT epoch, salt, wrapped, since FROM keys ORDER BY epoch")?
        .query_map([], |row| {
            let wrapped = Wrapped { epoch: row.get(0)?, salt: row.get(1)?, bytes: row.get(2)? };
            Ok((wrapped, Revision::try_from(row.get::<_, i64>(3)?).unwrap_or_default()))
        })?
        .collect()
}
