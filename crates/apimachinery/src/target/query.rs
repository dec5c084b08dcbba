//! The query of a target: decoded pairs, and the check that no key which policy reads is given twice.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::TargetError;

/// A query string, without its `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    raw: &'a str,
}

impl<'a> Query<'a> {
    /// A query from its raw text, unchecked.
    pub fn new(raw: &'a str) -> Self {
        Self { raw }
    }

    /// The text as it came.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// The pairs in order, decoded. A value that is not UTF-8 comes with replacement characters.
    pub fn pairs(self) -> Pairs<'a> {
        Pairs { rest: self.raw }
    }

    /// The first value of `key`, decoded; empty when the key stands without `=`.
    pub fn first(self, key: &str) -> Option<Cow<'a, str>> {
        self.pairs().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The first value of `key` as Kubernetes reads a boolean: absent, `0` and `false` are false, all else is true.
    ///
    /// See `Convert_Slice_string_To_bool` in `k8s.io/apimachinery/pkg/runtime/conversion.go`.
    pub fn flag(self, key: &str) -> bool {
        self.first(key).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Refuses what two servers could read in two ways.
    pub(super) fn check(self) -> Result<(), TargetError> {
        let mut seen = 0_u64;
        for piece in self.raw.split('&') {
            let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
            check_text(key)?;
            check_text(value)?;
            let Some(index) = single_key(&decode(key)) else {
                continue;
            };
            let Some(name) = SINGLE_KEYS.get(index) else {
                continue;
            };
            if seen & (1 << index) != 0 {
                return Err(TargetError::RepeatedKey(name));
            }
            seen |= 1 << index;
            if value.contains('%') && percent_decode_str(value).decode_utf8().is_err() {
                return Err(TargetError::NotUtf8);
            }
        }
        Ok(())
    }
}

/// The decoded pairs of a [`Query`].
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (piece, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !piece.is_empty() {
                let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
                return Some((decode(key), decode(value)));
            }
        }
        None
    }
}

/// Keys that decide the verb, what policy sees or what is returned; Kubernetes reads the first value, others may read
/// the last. `command` and `ports` may rightly come several times.
const SINGLE_KEYS: [&str; 33] = [
    "watch",
    "follow",
    "fieldSelector",
    "labelSelector",
    "shardSelector",
    "dryRun",
    "resourceVersion",
    "resourceVersionMatch",
    "limit",
    "continue",
    "sendInitialEvents",
    "allowWatchBookmarks",
    "timeoutSeconds",
    "timeout",
    "fieldManager",
    "fieldValidation",
    "force",
    "gracePeriodSeconds",
    "propagationPolicy",
    "orphanDependents",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "includeObject",
    "pretty",
    "container",
    "stdin",
    "stdout",
    "stderr",
    "tty",
    "stream",
    "previous",
    "tailLines",
    "limitBytes",
    "path",
];

/// The place of `key` in [`SINGLE_KEYS`].
fn single_key(key: &str) -> Option<usize> {
    SINGLE_KEYS.iter().position(|single| *single == key)
}

/// Refuses bytes and escapes that servers read differently.
fn check_text(text: &str) -> Result<(), TargetError> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b';' => return Err(TargetError::QuerySemicolon),
            b'%' => {
                let hex = |offset| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
                if !hex(1) || !hex(2) {
                    return Err(TargetError::PercentEncoding);
                }
            }
            0..0x21 | 0x7f.. => return Err(TargetError::QueryByte),
            _ => {}
        }
    }
    Ok(())
}

/// Decodes a key or value as forms are: `+` is a space.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'+' || b == b'%') {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}
