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
        self.first(key).is_some_and(|value| is_true(&value))
    }

    /// Refuses what two servers could read in two ways.
    pub(super) fn check(self) -> Result<(), TargetError> {
        check_bytes(self.raw)?;
        let mut seen = 0_u64;
        let mut rest = self.raw;
        while !rest.is_empty() {
            let pair = RawPair::cut(rest);
            rest = pair.rest;
            let Some((index, name)) = single_key(&decode(pair.key)) else {
                continue;
            };
            if seen & (1 << index) != 0 {
                return Err(TargetError::RepeatedKey(name));
            }
            seen |= 1 << index;
            if pair.value.contains('%') && percent_decode_str(pair.value).decode_utf8().is_err() {
                return Err(TargetError::NotUtf8);
            }
        }
        Ok(())
    }
}

/// A value as Kubernetes reads a boolean.
pub(crate) fn is_true(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
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
            let pair = RawPair::cut(self.rest);
            self.rest = pair.rest;
            if !(pair.key.is_empty() && pair.value.is_empty()) {
                return Some((decode(pair.key), decode(pair.value)));
            }
        }
        None
    }
}

/// The first pair of a query as it came, and what follows its `&`.
struct RawPair<'a> {
    key: &'a str,
    value: &'a str,
    rest: &'a str,
}

impl<'a> RawPair<'a> {
    /// Queries are short: one walk over the bytes is cheaper than two searches.
    fn cut(text: &'a str) -> Self {
        let mut equal = None;
        let mut end = text.len();
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'=' if equal.is_none() => equal = Some(at),
                b'&' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let key = text.get(..equal.unwrap_or(end)).unwrap_or_default();
        let value = equal.and_then(|at| text.get(at + 1..end)).unwrap_or_default();
        Self { key, value, rest: text.get(end + 1..).unwrap_or_default() }
    }
}

/// A key that decides the verb, what policy sees or what is returned, with a number of its own below 64: Kubernetes
/// reads the first value, others may read the last. `command` and `ports` may rightly come several times.
fn single_key(key: &str) -> Option<(u8, &'static str)> {
    Some(match key {
        "watch" => (0, "watch"),
        "follow" => (1, "follow"),
        "fieldSelector" => (2, "fieldSelector"),
        "labelSelector" => (3, "labelSelector"),
        "shardSelector" => (4, "shardSelector"),
        "dryRun" => (5, "dryRun"),
        "resourceVersion" => (6, "resourceVersion"),
        "resourceVersionMatch" => (7, "resourceVersionMatch"),
        "limit" => (8, "limit"),
        "continue" => (9, "continue"),
        "sendInitialEvents" => (10, "sendInitialEvents"),
        "allowWatchBookmarks" => (11, "allowWatchBookmarks"),
        "timeoutSeconds" => (12, "timeoutSeconds"),
        "timeout" => (13, "timeout"),
        "fieldManager" => (14, "fieldManager"),
        "fieldValidation" => (15, "fieldValidation"),
        "force" => (16, "force"),
        "gracePeriodSeconds" => (17, "gracePeriodSeconds"),
        "propagationPolicy" => (18, "propagationPolicy"),
        "orphanDependents" => (19, "orphanDependents"),
        "ignoreStoreReadErrorWithClusterBreakingPotential" => (20, "ignoreStoreReadErrorWithClusterBreakingPotential"),
        "includeObject" => (21, "includeObject"),
        "pretty" => (22, "pretty"),
        "container" => (23, "container"),
        "stdin" => (24, "stdin"),
        "stdout" => (25, "stdout"),
        "stderr" => (26, "stderr"),
        "tty" => (27, "tty"),
        "stream" => (28, "stream"),
        "previous" => (29, "previous"),
        "tailLines" => (30, "tailLines"),
        "limitBytes" => (31, "limitBytes"),
        "path" => (32, "path"),
        _ => return None,
    })
}

/// Refuses bytes and escapes that servers read differently.
fn check_bytes(text: &str) -> Result<(), TargetError> {
    let bytes = text.as_bytes();
    // One pass without branches says for most queries that there is nothing to look at.
    if !bytes.iter().fold(false, |found, byte| found | !(0x21..0x7f).contains(byte) | matches!(byte, b';' | b'%')) {
        return Ok(());
    }
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
