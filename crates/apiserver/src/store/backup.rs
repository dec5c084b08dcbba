//! Copies of a store's state in a file of its own, and back.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    Entry, Log as _, LogError, Record, Revision, Snapshot,
    log::{Sealing, SqliteLog},
};

/// Objects written in one transaction.
const CHUNK: usize = 4_096;

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file is in the way.
    #[error("`{0}` exists: nothing is overwritten")]
    Exists(PathBuf),
    /// There is no such backup.
    #[error("`{path}` cannot be copied")]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read or written as a store.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The program ends.
    #[error("the backup was interrupted")]
    Interrupted,
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many objects.
    pub objects: usize,
    /// The revision at which the restored store begins.
    pub revision: Revision,
}

/// Writes `snapshot` to a new file at `to`.
pub(super) fn write(snapshot: &Snapshot, to: &Path, sealing: Option<Sealing>) -> Result<Revision, BackupError> {
    let mut records: Vec<Record> = Vec::new();
    for prefix in snapshot.prefixes() {
        let range = super::Range::prefix(prefix);
        let record = |entry: &Entry| Record { prefix: prefix.clone(), entry: entry.clone(), deleted: false };
        records.extend(snapshot.range(&range, None).map(record));
    }
    fresh(to, sealing, records, snapshot.revision())?;
    Ok(snapshot.revision())
}

/// Makes a new store at `to` of the backup at `from`, encrypted as `sealing` says; `opens` is what opens the backup.
///
/// The new store's revisions begin `skip` behind the backup's: what clients have seen since then of the lost store must not look like
/// its future (`etcdutl snapshot restore --bump-revision --mark-compacted`). Their watches get 410 and they list again.
pub fn restore(
    from: &Path,
    opens: Option<Sealing>,
    to: &Path,
    sealing: Option<Sealing>,
    skip: Revision,
) -> Result<Restored, BackupError> {
    // Opening brings a file's schema forward and locks it: not the backup's own.
    let copy = beside(to, "restoring");
    let copied = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Copy { path, source }
    };
    if !from.is_file() {
        return Err(copied(from)(io::ErrorKind::NotFound.into()));
    }
    let _ = fs::remove_file(&copy);
    let removed = Remove(&copy);
    fs::copy(from, &copy).map_err(copied(from))?;
    let mut records = Vec::new();
    let mut log = SqliteLog::open(&copy, opens)?;
    let mut newest = log.compacted()?;
    log.replay(&mut |record| {
        newest = newest.max(record.entry.modified());
        records.push(record);
    })?;
    log.settle()?;
    drop(removed);
    let objects = records.len();
    let revision = newest.saturating_add(skip);
    fresh(to, sealing, records, revision)?;
    Ok(Restored { objects, revision })
}

/// A new, whole file at `to` with `records` in it; until it is whole it has another name.
fn fresh(to: &Path, sealing: Option<Sealing>, mut records: Vec<Record>, revision: Revision) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.into()));
    }
    // Rows in their order fill the file's pages.
    records.sort_unstable_by_key(|record| record.entry.row());
    let partial = beside(to, "partial");
    let _ = fs::remove_file(&partial);
    let removed = Remove(&partial);
    let mut log = SqliteLog::open(&partial, sealing)?;
    for chunk in records.chunks(CHUNK) {
        log.append(chunk)?;
    }
    log.compact(revision, &[])?;
    log.settle()?;
    let place = |source| BackupError::Copy { path: to.into(), source };
    // Unlike a rename this fails where a file has appeared in the meantime.
    fs::hard_link(&partial, to).map_err(place)?;
    drop(removed);
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(place)
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    path.with_file_name(name)
}

/// Removes a file that is of no use any more.
struct Remove<'a>(&'a Path);

impl Drop for Remove<'_> {
    fn drop(&mut self) {
        for what in ["", "-wal", "-journal"] {
            let mut name = self.0.as_os_str().to_owned();
            name.push(what);
            let _ = fs::remove_file(Path::new(&name));
        }
    }
}
