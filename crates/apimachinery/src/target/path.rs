//! The path of a target: the scan that refuses, and the decoding.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::TargetError;

/// Decodes `raw`, which begins with `/`, or says what in it could be read in two ways.
pub(super) fn read(raw: &str) -> Result<Cow<'_, str>, TargetError> {
    if is_ordinary(raw.as_bytes()) { Ok(Cow::Borrowed(raw)) } else { read_closely(raw) }
}

/// Whether nothing in the path needs a second look: one pass over each byte and the one before it, without branches.
fn is_ordinary(bytes: &[u8]) -> bool {
    let mut before = 0;
    let odd = bytes.iter().fold(false, |odd, &byte| {
        let after_slash = before == b'/' && matches!(byte, b'/' | b'.');
        before = byte;
        odd | after_slash | !(0x20..0x7f).contains(&byte) | matches!(byte, b'%' | b';' | b'\\')
    });
    !odd
}

/// The scan that knows each rule.
fn read_closely(raw: &str) -> Result<Cow<'_, str>, TargetError> {
    let bytes = raw.as_bytes();
    let mut escaped = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'/' => match bytes.get(at + 1) {
                Some(b'/') => return read_with_tail(raw, at + 1, TargetError::EmptySegment),
                Some(b'.') if starts_with_dot_segment(bytes.get(at + 1..).unwrap_or_default()) => {
                    return Err(TargetError::DotSegment);
                }
                _ => {}
            },
            b'%' => {
                escaped = true;
                let decoded = escape_at(bytes, at)?;
                if let Some(refused) = refused_in_head(decoded) {
                    return read_with_tail(raw, at, refused);
                }
                at += 2;
            }
            0x80.. => return Err(TargetError::NotUtf8),
            _ => {
                if let Some(refused) = refused_in_head(byte) {
                    return read_with_tail(raw, at, refused);
                }
            }
        }
        at += 1;
    }
    if escaped { decode(raw, false).map(Cow::Owned) } else { Ok(Cow::Borrowed(raw)) }
}

/// Where the sub-path of a `proxy` subresource begins in `raw`: the index of the `/` after `proxy`.
///
/// Only literal segments count: in front of the tail nothing is given the benefit of the doubt.
pub(super) fn proxy_tail(raw: &str) -> Option<usize> {
    let mut rest = raw.strip_prefix('/')?;
    let mut next = || {
        let (segment, after) = rest.split_once('/')?;
        rest = after;
        (!segment.is_empty()).then_some(segment)
    };
    match next()? {
        "api" => {}
        "apis" => {
            next()?;
        }
        _ => return None,
    }
    next()?;
    let mut resource = next()?;
    if matches!(resource, "proxy" | "watch") {
        return None;
    }
    if resource == "namespaces" {
        next()?;
        resource = next()?;
        if matches!(resource, "status" | "finalize") {
            return None;
        }
    }
    next()?;
    if next()? != "proxy" {
        return None;
    }
    Some(raw.len() - rest.len() - 1)
}

/// Goes on after the strict scan met something at `at`: allowed only below a `proxy` subresource.
fn read_with_tail(raw: &str, at: usize, refused: TargetError) -> Result<Cow<'_, str>, TargetError> {
    let Some((head, tail)) = proxy_tail(raw).filter(|start| *start <= at).and_then(|start| raw.split_at_checked(start))
    else {
        return Err(refused);
    };
    let bytes = tail.as_bytes();
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let byte = if byte == b'%' {
            let decoded = escape_at(bytes, index)?;
            index += 2;
            decoded
        } else if byte >= 0x80 {
            return Err(TargetError::NotUtf8);
        } else {
            byte
        };
        if let Some(refused) = refused_everywhere(byte) {
            return Err(refused);
        }
        index += 1;
    }
    // The head was scanned before `at` was reached; decoding it again checks its segments as well.
    let mut path = decode(head, false)?;
    path.push_str(&decode(tail, true)?);
    Ok(if path == raw { Cow::Borrowed(raw) } else { Cow::Owned(path) })
}

/// Decodes and refuses dot segments; below a proxy also those that hide behind path parameters (`..;x`).
fn decode(raw: &str, tail: bool) -> Result<String, TargetError> {
    let path = percent_decode_str(raw).decode_utf8().map_err(|_| TargetError::NotUtf8)?;
    let dots = path.split('/').any(|segment| {
        let name = if tail { segment.split(';').next().unwrap_or_default() } else { segment };
        matches!(name, "." | "..")
    });
    if dots { Err(TargetError::DotSegment) } else { Ok(path.into_owned()) }
}

/// The byte that the escape at `at` stands for.
fn escape_at(bytes: &[u8], at: usize) -> Result<u8, TargetError> {
    let digit = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
    let (Some(high), Some(low)) = (digit(1), digit(2)) else {
        return Err(TargetError::PercentEncoding);
    };
    u8::try_from(high * 16 + low).map_err(|_| TargetError::PercentEncoding)
}

/// Whether a segment that begins with a dot is `.` or `..`.
fn starts_with_dot_segment(from: &[u8]) -> bool {
    matches!(from, [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

/// What a byte is refused for in front of a proxied sub-path; `/` and `%` stand for their encoded forms.
fn refused_in_head(byte: u8) -> Option<TargetError> {
    match byte {
        b'/' => Some(TargetError::Byte("%2F")),
        b'%' => Some(TargetError::Byte("%25")),
        b';' => Some(TargetError::Byte(";")),
        _ => refused_everywhere(byte),
    }
}

/// What a byte is refused for in any part of a path.
fn refused_everywhere(byte: u8) -> Option<TargetError> {
    match byte {
        b'\\' => Some(TargetError::Byte("\\")),
        0 => Some(TargetError::Byte("%00")),
        0x01..0x20 | 0x7f => Some(TargetError::Byte("a control byte")),
        _ => None,
    }
}
