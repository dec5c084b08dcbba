//! An encoded object: as it comes to the store, and as the store keeps it.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    Revision,
    key::Key,
    labels::{Labels, LabelsView},
};

/// An encoded object without its resourceVersion: the commit writes the revision's digits at `revision_at`.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The object's JSON, with `"resourceVersion":""` in its metadata.
    pub bytes: Vec<u8>,
    /// Where between the two quotes the digits go, from the start of `bytes`.
    pub revision_at: usize,
    /// The object's labels.
    pub labels: Labels,
}

/// Where a row of the log stands: the revision and the place in its transaction. Rows are written in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// The revision of the transaction.
    pub revision: Revision,
    /// The place in it, from 0.
    pub place: u16,
}

/// A stored object. Cheap to clone, and one allocation: at a million objects every word beside the value counts.
///
/// The allocation holds the fields of `Head`, `<namespace>/<name>`, the labels and the value, one behind the other.
#[derive(Clone)]
pub struct Entry {
    packed: Arc<[u8]>,
}

/// The fixed part of an entry.
#[derive(Clone, Copy)]
struct Head {
    created: Revision,
    modified: Revision,
    labels: u32,
    path: u16,
    namespace: u16,
    place: u16,
}

impl Head {
    const LENGTH: usize = 26;

    fn read(packed: &[u8]) -> Self {
        Self {
            created: u64::from_le_bytes(field(packed, 0)),
            modified: u64::from_le_bytes(field(packed, 8)),
            labels: u32::from_le_bytes(field(packed, 16)),
            path: u16::from_le_bytes(field(packed, 20)),
            namespace: u16::from_le_bytes(field(packed, 22)),
            place: u16::from_le_bytes(field(packed, 24)),
        }
    }

    fn write(self, packed: &mut Vec<u8>) {
        packed.extend_from_slice(&self.created.to_le_bytes());
        packed.extend_from_slice(&self.modified.to_le_bytes());
        packed.extend_from_slice(&self.labels.to_le_bytes());
        packed.extend_from_slice(&self.path.to_le_bytes());
        packed.extend_from_slice(&self.namespace.to_le_bytes());
        packed.extend_from_slice(&self.place.to_le_bytes());
    }
}

fn field<const N: usize>(packed: &[u8], at: usize) -> [u8; N] {
    packed.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The parts of an entry, as the log keeps them.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Where the entry's row stands.
    pub row: Row,
    /// The revision at which the object was created.
    pub created: Revision,
    /// The object's namespace, empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The labels, packed.
    pub labels: &'a [u8],
    /// The object's JSON, its resourceVersion inside.
    pub value: &'a [u8],
}

/// An object that the store cannot hold: its name is longer than 64 kB, or its labels than 4 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object's name or its labels are too long to be stored")]
pub struct TooLong;

impl Entry {
    /// The entry made of `parts`; `scratch` spares an allocation where many are made.
    pub fn pack(parts: &Parts<'_>, scratch: &mut Vec<u8>) -> Result<Self, TooLong> {
        scratch.clear();
        head(parts, scratch)?;
        scratch.extend_from_slice(parts.value);
        Ok(Self { packed: Arc::from(scratch.as_slice()) })
    }

    /// The entry of `draft` at `row`, the revision's digits written into it.
    pub(super) fn of_draft(
        key: &Key,
        draft: &Draft,
        created: Option<Revision>,
        row: Row,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, TooLong> {
        scratch.clear();
        let created = created.unwrap_or(row.revision);
        let labels = draft.labels.as_bytes();
        head(&Parts { row, created, namespace: key.namespace(), name: key.name(), labels, value: &[] }, scratch)?;
        let (before, after) = draft.bytes.split_at_checked(draft.revision_at).unwrap_or((&draft.bytes, &[]));
        scratch.extend_from_slice(before);
        scratch.extend_from_slice(row.revision.to_string().as_bytes());
        scratch.extend_from_slice(after);
        Ok(Self { packed: Arc::from(scratch.as_slice()) })
    }

    fn head(&self) -> Head {
        Head::read(&self.packed)
    }

    fn part(&self, from: usize, length: usize) -> &[u8] {
        self.packed.get(from..from + length).unwrap_or_default()
    }

    /// The object's namespace, empty for cluster-scoped kinds.
    pub fn namespace(&self) -> &str {
        std::str::from_utf8(self.part(Head::LENGTH, self.head().namespace.into())).unwrap_or_default()
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        let head = self.head();
        let namespace = usize::from(head.namespace) + 1;
        let name = self.part(Head::LENGTH + namespace, usize::from(head.path) - namespace);
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// `<namespace>/<name>`.
    pub(super) fn path_str(&self) -> &str {
        std::str::from_utf8(self.path()).unwrap_or_default()
    }

    /// The key of this object among those of `prefix`.
    pub fn key(&self, prefix: &str) -> Key {
        Key::new(prefix, self.namespace(), self.name())
    }

    /// `<namespace>/<name>`.
    pub(super) fn path(&self) -> &[u8] {
        self.part(Head::LENGTH, self.head().path.into())
    }

    /// The object's JSON, its resourceVersion inside.
    pub fn as_bytes(&self) -> &[u8] {
        let head = self.head();
        self.packed.get(Head::LENGTH + usize::from(head.path) + head.labels as usize..).unwrap_or_default()
    }

    /// The object's JSON, its resourceVersion inside, not copied.
    pub fn value(&self) -> Bytes {
        Bytes::from_owner(Value(self.clone()))
    }

    /// The object's labels.
    pub fn labels(&self) -> LabelsView<'_> {
        LabelsView::new(self.packed_labels())
    }

    fn packed_labels(&self) -> &[u8] {
        let head = self.head();
        self.part(Head::LENGTH + usize::from(head.path), head.labels as usize)
    }

    /// The revision at which the object was created.
    pub fn created(&self) -> Revision {
        self.head().created
    }

    /// The revision of this state: the object's resourceVersion.
    pub fn modified(&self) -> Revision {
        self.head().modified
    }

    /// Where this state stands in the log.
    pub fn row(&self) -> Row {
        let head = self.head();
        Row { revision: head.modified, place: head.place }
    }

    /// What the log keeps of this entry.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            row: self.row(),
            created: self.created(),
            namespace: self.namespace(),
            name: self.name(),
            labels: self.packed_labels(),
            value: self.as_bytes(),
        }
    }

    /// Bytes of memory that this entry holds.
    pub(super) fn weight(&self) -> usize {
        self.packed.len()
    }

    /// Whether both are the very same state in memory.
    #[cfg(test)]
    pub(super) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.packed, &other.packed)
    }
}

fn head(parts: &Parts<'_>, packed: &mut Vec<u8>) -> Result<(), TooLong> {
    let path = parts.namespace.len() + 1 + parts.name.len();
    let head = Head {
        created: parts.created,
        modified: parts.row.revision,
        labels: u32::try_from(parts.labels.len()).map_err(|_| TooLong)?,
        path: u16::try_from(path).map_err(|_| TooLong)?,
        namespace: u16::try_from(parts.namespace.len()).map_err(|_| TooLong)?,
        place: parts.row.place,
    };
    packed.reserve(Head::LENGTH + path + parts.labels.len() + parts.value.len());
    head.write(packed);
    packed.extend_from_slice(parts.namespace.as_bytes());
    packed.push(b'/');
    packed.extend_from_slice(parts.name.as_bytes());
    packed.extend_from_slice(parts.labels);
    Ok(())
}

impl fmt::Debug for Entry {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .field("created", &self.created())
            .field("modified", &self.modified())
            .finish_non_exhaustive()
    }
}

/// The value's part of an entry, as the owner of a [`Bytes`].
struct Value(Entry);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
