//! Writing the identity that was decided.

use std::fmt::Write;

use http::header::MaxSizeReached;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest value, in bytes.
const LONGEST_VALUE: usize = 2048;
/// The most bytes of all names and values together; well below what any server takes as headers.
const MOST_BYTES: usize = 32 * 1024;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// Who a request is forwarded as.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// The user's name, not empty.
    pub user: &'a str,
    /// The user's uid.
    pub uid: Option<&'a str>,
    /// The groups.
    pub groups: &'a [&'a str],
    /// The extras: key and values.
    pub extras: &'a [(&'a str, &'a [&'a str])],
}

/// Why an identity cannot be written as headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value that is empty, holds a control or invisible character, or begins or ends with a space.
    #[error("the {what} `{}` cannot be written as a header", .value.escape_debug())]
    Value {
        /// Which part of the identity.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A value of more than 2 KiB.
    #[error("a {0} of {1} bytes is too long for a header")]
    TooLong(&'static str, usize),
    /// More than 32 KiB in all.
    #[error("the identity is too large to be sent in headers")]
    TooLarge,
}

/// An identity as headers, made once and set on many requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: HeaderName,
    value: HeaderValue,
    /// Whether the line is the first of its name, and so takes the place of any that is there.
    first: bool,
}

/// Writes an identity as `Impersonate-*` headers.
///
/// Keys of extras are percent-encoded but for lower-case letters, digits, `-` and `.`, so that no server reads one key
/// as another: a header's name has no case, and Kubernetes takes the letters of a key as lower case before it decodes.
///
/// # Errors
/// A value that servers could read differently, or that is too long; see [`RenderError`].
pub fn render_identity(identity: &Identity<'_>) -> Result<Rendered, RenderError> {
    let mut writer = Writer { lines: Vec::with_capacity(2 + identity.groups.len()), bytes: 0 };
    writer.push("user name", USER, identity.user)?;
    if let Some(uid) = identity.uid {
        writer.push("uid", UID, uid)?;
    }
    for group in identity.groups {
        writer.push("group", GROUP, group)?;
    }
    for (key, values) in identity.extras {
        let name = extra_name(key)?;
        for value in *values {
            writer.push("extra", name.clone(), value)?;
        }
    }
    Ok(Rendered { lines: writer.lines })
}

struct Writer {
    lines: Vec<Line>,
    bytes: usize,
}

impl Writer {
    fn push(&mut self, what: &'static str, name: HeaderName, value: &str) -> Result<(), RenderError> {
        if value.len() > LONGEST_VALUE {
            return Err(RenderError::TooLong(what, value.len()));
        }
        self.bytes += name.as_str().len() + value.len();
        if self.bytes > MOST_BYTES {
            return Err(RenderError::TooLarge);
        }
        let refused = || RenderError::Value { what, value: value.to_owned() };
        if !is_plain(value) {
            return Err(refused());
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refused())?;
        let first = self.lines.iter().all(|line| line.name != name);
        self.lines.push(Line { name, value, first });
        Ok(())
    }
}

impl Rendered {
    /// Sets the identity. [`super::strip_hop_by_hop`] and [`super::remove_identity_headers`] must have run.
    ///
    /// # Errors
    /// When the request has more headers than a map can hold.
    pub fn apply(&self, headers: &mut HeaderMap) -> Result<(), MaxSizeReached> {
        headers.try_reserve(self.lines.len())?;
        for line in &self.lines {
            if line.first {
                headers.try_insert(line.name.clone(), line.value.clone())?;
            } else {
                headers.try_append(line.name.clone(), line.value.clone())?;
            }
        }
        Ok(())
    }

    /// The headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.lines.iter().map(|line| (&line.name, &line.value))
    }
}

/// The name of an extra's header.
fn extra_name(key: &str) -> Result<HeaderName, RenderError> {
    let refused = || RenderError::Value { what: "extra's key", value: key.to_owned() };
    if key.len() > LONGEST_VALUE {
        return Err(RenderError::TooLong("extra's key", key.len()));
    }
    if !is_plain(key) {
        return Err(refused());
    }
    let mut name = String::with_capacity("impersonate-extra-".len() + key.len());
    name.push_str("impersonate-extra-");
    for byte in key.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.') {
            name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())
}

/// Whether a text is the same value to every reader: not empty, no control or invisible character, no space at its
/// ends.
pub(super) fn is_plain(text: &str) -> bool {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return !text.is_empty();
    }
    text.trim() == text && !text.chars().any(|c| c.is_control() || is_invisible(c))
}

/// Characters that no reader sees: separators of lines, marks of direction, joiners, fillers.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}
