//! A record as a row of the file.
//!
//! The body of a row is the length of the packed labels (4 bytes, little endian), the labels and the value. A sealed row's body has the
//! length of the key (4 bytes) and the key in front of that, before it is sealed.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{LogError, Record, io, keys::Keys};
use crate::store::{
    Key, Revision,
    entry::{Entry, Packer, Parts, Row},
};

pub(super) const SELECT_ALL: &str = "SELECT id, key, created, deleted, epoch, body FROM log ORDER BY id";

/// Places in a transaction.
const PLACES: i64 = 1_024;

/// The number of a row.
pub(super) fn id(row: Row) -> i64 {
    // 2^53 revisions: at a million a second for 285 years.
    i64::try_from(row.revision).unwrap_or(i64::MAX).saturating_mul(PLACES).saturating_add(i64::from(row.place))
}

/// Where the row of a number stands.
pub(super) fn row(id: i64) -> Row {
    Row {
        revision: Revision::try_from(id.div_euclid(PLACES)).unwrap_or_default(),
        place: u16::try_from(id.rem_euclid(PLACES)).unwrap_or_default(),
    }
}

/// What a sealed row is bound to.
fn place(id: i64, created: i64, deleted: bool) -> [u8; 17] {
    let numbers = (u128::from(id.cast_unsigned()) << 64) | u128::from(created.cast_unsigned());
    let mut place = [u8::from(deleted); 17];
    if let Some(first) = place.first_chunk_mut() {
        *first = numbers.to_be_bytes();
    }
    place
}

/// A row as it is in the file.
pub(super) struct Read<'a> {
    pub(super) id: i64,
    pub(super) epoch: i64,
    key: Option<std::borrow::Cow<'a, str>>,
    created: i64,
    deleted: bool,
    body: std::borrow::Cow<'a, [u8]>,
}

impl<'a> Read<'a> {
    pub(super) fn of(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get_ref(1)?.as_str_or_null()?.map(Into::into),
            created: row.get(2)?,
            deleted: row.get(3)?,
            epoch: row.get(4)?,
            body: row.get_ref(5)?.as_blob()?.into(),
        })
    }

    /// The record in this row.
    pub(super) fn record(&self, path: &Path, keys: Option<&Keys>, packer: &mut Packer) -> Result<Record, LogError> {
        let corrupt = || LogError::Corrupt { path: path.into(), what: format!("row {} is not whole", self.id) };
        let opened;
        let mut body = &*self.body;
        let mut key = self.key.as_deref();
        if self.epoch != 0 {
            let keys = keys.ok_or_else(|| LogError::KeyMissing { path: path.into() })?;
            opened = keys
                .get(self.epoch)
                .and_then(|key| key.open(&place(self.id, self.created, self.deleted), body).ok())
                .ok_or_else(corrupt)?;
            let (sealed_key, rest) = chunk(&opened).ok_or_else(corrupt)?;
            key = Some(std::str::from_utf8(sealed_key).map_err(|_| corrupt())?);
            body = rest;
        }
        let (labels, value) = chunk(body).ok_or_else(corrupt)?;
        // A prefix may have slashes of its own, namespaces and names have none.
        let mut from_behind = key.ok_or_else(corrupt)?.rsplitn(3, '/');
        let (Some(name), Some(namespace), Some(prefix)) = (from_behind.next(), from_behind.next(), from_behind.next())
        else {
            return Err(corrupt());
        };
        let created = Revision::try_from(self.created).map_err(|_| corrupt())?;
        let parts = Parts { row: row(self.id), created, namespace, name, labels, value: value.into() };
        let entry = Entry::pack(&parts, packer).map_err(|_| corrupt())?;
        Ok(Record { prefix: Arc::from(prefix), entry, deleted: self.deleted })
    }
}

/// The row `id`.
pub(super) fn read(connection: &Connection, id: i64) -> rusqlite::Result<Option<Read<'static>>> {
    connection
        .prepare_cached("SELECT key, created, deleted, epoch, body FROM log WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Read {
                id,
                key: row.get::<_, Option<String>>(0)?.map(Into::into),
                created: row.get(1)?,
                deleted: row.get(2)?,
                epoch: row.get(3)?,
                body: row.get::<_, Vec<u8>>(4)?.into(),
            })
        })
        .optional()
}

/// Writes `record`, sealed if its prefix is to be, over the row that is there.
pub(super) fn write(
    connection: &Connection,
    path: &Path,
    keys: Option<&Keys>,
    record: &Record,
) -> Result<(), LogError> {
    let fault = |error| io(path, "written", error);
    let Parts { row, created, namespace, name, labels, value } = record.entry.parts();
    let id = id(row);
    let created = i64::try_from(created).unwrap_or(i64::MAX);
    let key = Key::new(&record.prefix, namespace, name).to_string();
    let mut body = Vec::with_capacity(8 + key.len() + labels.len() + value.len());
    let mut statement = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO log (id, key, created, deleted, epoch, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .map_err(fault)?;
    let sealing = keys.filter(|keys| keys.what().holds(&record.prefix));
    if let Some(data_key) = sealing.and_then(Keys::current) {
        put(&mut body, key.as_bytes());
        put(&mut body, labels);
        body.extend_from_slice(&value);
        let sealed = data_key.seal(&place(id, created, record.deleted), &body).map_err(|closed| LogError::Io {
            path: path.into(),
            doing: "sealed",
            source: closed.into(),
        })?;
        statement.execute(params![id, None::<&str>, created, record.deleted, data_key.epoch, sealed])
    } else {
        put(&mut body, labels);
        body.extend_from_slice(&value);
        statement.execute(params![id, key, created, record.deleted, 0, body])
    }
    .map(drop)
    .map_err(fault)
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    // INVARIANT: an entry's labels and path are shorter than 4 GB, `Entry` sees to that.
    body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(bytes);
}

fn chunk(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
