//! An encoded object: as it comes to the store, and as the store keeps it.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Revision,
    key::Key,
    labels::{Labels, LabelsView},
    texts::{Texts, common},
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

/// A stored object. Cheap to clone, and small: at a million objects every word beside the value counts.
#[derive(Clone)]
pub struct Entry {
    inner: Arc<Inner>,
}

struct Inner {
    /// The fields of [`Head`], `<namespace>/<name>`, the labels and the value, one behind the other.
    packed: Box<[u8]>,
    /// A piece of the value that other objects have as well, and that `packed` lacks.
    shared: Option<Arc<[u8]>>,
}

/// Makes entries: what is kept from one to the next.
#[derive(Debug, Default)]
pub struct Packer {
    /// Spares an allocation where many are made.
    scratch: Vec<u8>,
    texts: Texts,
}

impl Packer {
    /// The entry of what is in `scratch`, whose value starts at `value`.
    fn done(&mut self, value: usize) -> Entry {
        let whole = self.scratch.get(value..).unwrap_or_default();
        let found = common(whole).and_then(|at| Some((at.clone(), self.texts.share(whole.get(at)?)?)));
        let entry = match found {
            None => Inner { packed: self.scratch.as_slice().into(), shared: None },
            Some((Range { start, end }, shared)) => {
                let mut packed = Vec::with_capacity(self.scratch.len() - shared.len());
                packed.extend_from_slice(self.scratch.get(..value + start).unwrap_or_default());
                packed.extend_from_slice(self.scratch.get(value + end..).unwrap_or_default());
                // INVARIANT: `common` finds nothing that starts behind 4 GB.
                let at = u32::try_from(start).unwrap_or_default();
                if let Some(field) = packed.get_mut(Head::SHARED_AT) {
                    field.copy_from_slice(&at.to_le_bytes());
                }
                Inner { packed: packed.into(), shared: Some(shared) }
            }
        };
        // A burst of huge values is not kept for the rest of the process's life.
        if self.scratch.capacity() > 1 << 20 {
            self.scratch = Vec::new();
        }
        Entry { inner: Arc::new(entry) }
    }
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
    /// Where in the value the shared piece belongs.
    shared_at: u32,
}

impl Head {
    const LENGTH: usize = 30;
    const SHARED_AT: Range<usize> = 26..30;

    fn read(packed: &[u8]) -> Self {
        Self {
            created: u64::from_le_bytes(field(packed, 0)),
            modified: u64::from_le_bytes(field(packed, 8)),
            labels: u32::from_le_bytes(field(packed, 16)),
            path: u16::from_le_bytes(field(packed, 20)),
            namespace: u16::from_le_bytes(field(packed, 22)),
            place: u16::from_le_bytes(field(packed, 24)),
            shared_at: u32::from_le_bytes(field(packed, Self::SHARED_AT.start)),
        }
    }

    fn write(self, packed: &mut Vec<u8>) {
        packed.extend_from_slice(&self.created.to_le_bytes());
        packed.extend_from_slice(&self.modified.to_le_bytes());
        packed.extend_from_slice(&self.labels.to_le_bytes());
        packed.extend_from_slice(&self.path.to_le_bytes());
        packed.extend_from_slice(&self.namespace.to_le_bytes());
        packed.extend_from_slice(&self.place.to_le_bytes());
        packed.extend_from_slice(&self.shared_at.to_le_bytes());
    }
}

fn field<const N: usize>(packed: &[u8], at: usize) -> [u8; N] {
    packed.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The parts of an entry, as the log keeps them.
#[derive(Clone, Debug)]
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
    pub value: Cow<'a, [u8]>,
}

/// An object that the store cannot hold: its name is longer than 64 kB, or its labels than 4 GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object's name or its labels are too long to be stored")]
pub struct TooLong;

impl Entry {
    /// The entry made of `parts`.
    pub fn pack(parts: &Parts<'_>, packer: &mut Packer) -> Result<Self, TooLong> {
        packer.scratch.clear();
        head(parts, &mut packer.scratch)?;
        let value = packer.scratch.len();
        packer.scratch.extend_from_slice(&parts.value);
        Ok(packer.done(value))
    }

    /// The entry of `draft` at `row`, the revision's digits written into it.
    pub(super) fn of_draft(
        key: &Key,
        draft: &Draft,
        created: Option<Revision>,
        row: Row,
        packer: &mut Packer,
    ) -> Result<Self, TooLong> {
        let scratch = &mut packer.scratch;
        scratch.clear();
        let created = created.unwrap_or(row.revision);
        let (namespace, name, labels) = (key.namespace(), key.name(), draft.labels.as_bytes());
        head(&Parts { row, created, namespace, name, labels, value: Cow::Borrowed(&[]) }, scratch)?;
        let value = scratch.len();
        let (before, after) = draft.bytes.split_at_checked(draft.revision_at).unwrap_or((&draft.bytes, &[]));
        scratch.extend_from_slice(before);
        scratch.extend_from_slice(row.revision.to_string().as_bytes());
        scratch.extend_from_slice(after);
        Ok(packer.done(value))
    }

    /// The same state with another value: what the object is in another version.
    pub(crate) fn with_value(&self, draft: &Draft) -> Result<Self, TooLong> {
        let (before, after) = draft.bytes.split_at_checked(draft.revision_at).unwrap_or((&draft.bytes, &[]));
        let value = [before, self.modified().to_string().as_bytes(), after].concat();
        let parts = Parts { labels: draft.labels.as_bytes(), value: value.into(), ..self.parts() };
        Self::pack(&parts, &mut Packer::default())
    }

    fn head(&self) -> Head {
        Head::read(&self.inner.packed)
    }

    fn part(&self, from: usize, length: usize) -> &[u8] {
        self.inner.packed.get(from..from + length).unwrap_or_default()
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

    /// The object's JSON in pieces, its resourceVersion inside.
    pub fn pieces(&self) -> [&[u8]; 3] {
        let head = self.head();
        let from = Head::LENGTH + usize::from(head.path) + head.labels as usize;
        let own = self.inner.packed.get(from..).unwrap_or_default();
        match &self.inner.shared {
            None => [own, &[], &[]],
            Some(shared) => {
                let (before, after) = own.split_at_checked(head.shared_at as usize).unwrap_or((own, &[]));
                [before, shared, after]
            }
        }
    }

    /// The object's JSON, its resourceVersion inside. Who can take it in pieces copies less.
    pub fn as_bytes(&self) -> Cow<'_, [u8]> {
        match self.pieces() {
            [whole, [], []] => Cow::Borrowed(whole),
            pieces => Cow::Owned(pieces.concat()),
        }
    }

    /// The object's JSON, its resourceVersion inside, to be kept.
    pub fn value(&self) -> Bytes {
        match self.as_bytes() {
            Cow::Borrowed(_) => Bytes::from_owner(Value(self.clone())),
            Cow::Owned(bytes) => bytes.into(),
        }
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

    /// Bytes of memory that this entry holds for itself.
    pub(super) fn weight(&self) -> usize {
        self.inner.packed.len()
    }

    /// Whether both are the very same state in memory.
    #[cfg(test)]
    pub(super) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
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
        shared_at: 0,
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

/// The value of an entry that has it in one piece, as the owner of a [`Bytes`].
struct Value(Entry);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        let [whole, ..] = self.0.pieces();
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_given_back_as_it_was_written_however_much_of_it_is_shared() {
        let mut packer = Packer::default();
        let fields = format!("{{\"f:{}\":{{}}}}", "x".repeat(200));
        let mut before: Option<Entry> = None;
        for revision in 2..5 {
            let head = format!(
                "{{\"metadata\":{{\"managedFields\":[{{\"fieldsV1\":{fields},\"time\":\"{revision}\"}}],\"resourceVersion\":\""
            );
            let draft =
                Draft { revision_at: head.len(), bytes: (head.clone() + "\"}}").into(), labels: Labels::default() };
            let (key, row) = (Key::new("g/r", "n", "o"), Row { revision, place: 0 });
            let entry = Entry::of_draft(&key, &draft, None, row, &mut packer).unwrap();
            assert_eq!(*entry.as_bytes(), *format!("{head}{revision}\"}}}}").as_bytes());
            assert_eq!(*entry.value(), *entry.as_bytes());
            let again = Entry::pack(&entry.parts(), &mut Packer::default()).unwrap();
            assert_eq!(again.as_bytes(), entry.as_bytes());
            assert_eq!((again.name(), again.namespace(), again.row()), ("o", "n", row));
            if let Some(before) = before.replace(entry.clone()) {
                assert!(std::ptr::eq(before.pieces()[1], entry.pieces()[1]));
            }
        }
    }
}
