//! The labels of an object, kept beside its bytes so that a selector needs no parsing of JSON.

/// Sorted pairs in one allocation: for each a length, the key, a length, the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    bytes: Vec<u8>,
}

impl Labels {
    /// The labels in `pairs`, in any order; of two with one key the last one holds.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        // Stable, so that the last of equal keys is the last of its run.
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut bytes = Vec::with_capacity(pairs.iter().map(|(k, v)| k.as_ref().len() + v.as_ref().len() + 2).sum());
        let mut pairs = pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).peekable();
        while let Some((key, value)) = pairs.next() {
            if pairs.peek().is_none_or(|(next, _)| *next != key) {
                put(&mut bytes, key);
                put(&mut bytes, value);
            }
        }
        Self { bytes }
    }

    /// A view of these labels.
    pub fn view(&self) -> LabelsView<'_> {
        LabelsView { bytes: &self.bytes }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.view().get(key)
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> Pairs<'_> {
        self.view().iter()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Pairs<'a>;

    fn into_iter(self) -> Pairs<'a> {
        self.iter()
    }
}

/// Borrowed [`Labels`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelsView<'a> {
    bytes: &'a [u8],
}

impl<'a> LabelsView<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The value of `key`.
    pub fn get(self, key: &str) -> Option<&'a str> {
        for (at, value) in self {
            match at.cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    /// The pairs, sorted by key.
    pub const fn iter(self) -> Pairs<'a> {
        Pairs { bytes: self.bytes }
    }
}

impl<'a> IntoIterator for LabelsView<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = Pairs<'a>;

    fn into_iter(self) -> Pairs<'a> {
        self.iter()
    }
}

/// The pairs of labels, sorted by key.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let key = take(&mut self.bytes)?;
        let value = take(&mut self.bytes)?;
        Some((key, value))
    }
}

/// Writes `text` behind its length in LEB128.
fn put(bytes: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        bytes.push(low_bits(length) | 0x80);
        length >>= 7;
    }
    bytes.push(low_bits(length));
    bytes.extend_from_slice(text.as_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
const fn low_bits(length: usize) -> u8 {
    (length & 0x7f) as u8
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let mut length = 0_usize;
    let mut shift = 0;
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
