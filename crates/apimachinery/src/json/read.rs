//! JSON as `sigs.k8s.io/json` reads it: one pass, with Go's words for what is wrong.

use serde_json::{Map, Value};

use super::write::go_quote;
use super::{DecodeError, Decoded, MAX_DEPTH, scalar};
use crate::field::Path;

/// As many duplicates are told, like Kubernetes does.
const MAX_DUPLICATES: usize = 100;

/// Reads one JSON value and nothing behind it.
pub(super) fn read(body: &[u8]) -> Result<Decoded, DecodeError> {
    let mut reader = Reader { body, at: 0, duplicates: Vec::new(), huge: None };
    let value = reader.value(&Path::ROOT, 0)?;
    if let Some(byte) = reader.token() {
        return Err(reader.unexpected(byte, "after top-level value"));
    }
    if let Some(number) = reader.huge {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let version = text("apiVersion").rsplit('/').next().unwrap_or_default().to_owned();
        return Err(DecodeError::Number { number, kind: text("kind").to_owned(), version });
    }
    Ok(Decoded { value, duplicates: reader.duplicates })
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    duplicates: Vec<String>,
    /// The first number that no float can hold: told only where all else is well-formed.
    huge: Option<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The next byte that is no space, not consumed.
    fn token(&mut self) -> Option<u8> {
        while let Some(byte) = self.peek() {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    #[expect(clippy::unused_self, reason = "reads as what the reader does")]
    fn unexpected(&self, byte: u8, context: &str) -> DecodeError {
        let quoted = match byte {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            // Go takes a byte for the character of that number.
            byte => {
                let quoted = go_quote(char::from(byte).encode_utf8(&mut [0; 4]));
                format!("'{}'", quoted.trim_matches('"'))
            }
        };
        DecodeError::Syntax { message: format!("invalid character {quoted} {context}") }
    }

    /// Consumes the next token, which must be one of those that `wanted` takes.
    fn after(&mut self, context: &str, wanted: impl Fn(u8) -> bool) -> Result<u8, DecodeError> {
        let byte = self.token().ok_or_else(ended)?;
        if !wanted(byte) {
            return Err(self.unexpected(byte, context));
        }
        self.at += 1;
        Ok(byte)
    }

    fn value(&mut self, path: &Path<'_>, depth: usize) -> Result<Value, DecodeError> {
        let byte = self.token().ok_or_else(ended)?;
        match byte {
            b'{' | b'[' if depth >= MAX_DEPTH => Err(self.unexpected(byte, "exceeded max depth")),
            b'{' => self.object(path, depth + 1),
            b'[' => self.array(path, depth + 1),
            b'"' => Ok(Value::String(self.string()?)),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            _ => Err(self.unexpected(byte, "looking for beginning of value")),
        }
    }

    fn object(&mut self, path: &Path<'_>, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut map = Map::new();
        if self.token() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            self.after("looking for beginning of object key string", |byte| byte == b'"')?;
            self.at -= 1;
            let key = self.string()?;
            self.after("after object key", |byte| byte == b':')?;
            if map.contains_key(&key) {
                self.duplicate(&path.child(&key));
            }
            let value = self.value(&path.child(&key), depth)?;
            map.insert(key, value);
            if self.after("after object key:value pair", |byte| matches!(byte, b',' | b'}'))? == b'}' {
                return Ok(Value::Object(map));
            }
        }
    }

    fn array(&mut self, path: &Path<'_>, depth: usize) -> Result<Value, DecodeError> {
        self.at += 1;
        let mut list = Vec::new();
        if self.token() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(list));
        }
        loop {
            list.push(self.value(&path.index(list.len()), depth)?);
            if self.after("after array element", |byte| matches!(byte, b',' | b']'))? == b']' {
                return Ok(Value::Array(list));
            }
        }
    }

    fn duplicate(&mut self, path: &Path<'_>) {
        if self.duplicates.len() < MAX_DUPLICATES {
            let message = format!("duplicate field {}", go_quote(&path.to_string()));
            if !self.duplicates.contains(&message) {
                self.duplicates.push(message);
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, DecodeError> {
        for (index, expected) in word.bytes().enumerate() {
            let byte = self.peek().ok_or_else(ended)?;
            if byte != expected {
                debug_assert!(index > 0, "the first byte chose the word");
                return Err(self.unexpected(byte, &format!("in literal {word} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &str) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'0'..=b'9') => {}
            Some(byte) => return Err(self.unexpected(byte, context)),
            None => return Err(ended()),
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = self.body.get(start..self.at).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
        Ok(scalar::number(text).unwrap_or_else(|| {
            self.huge.get_or_insert_with(|| text.to_owned());
            Value::Null
        }))
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            let byte = loop {
                match self.peek().ok_or_else(ended)? {
                    byte if byte == b'"' || byte == b'\\' || byte < 0x20 => break byte,
                    _ => self.at += 1,
                }
            };
            let run = self.body.get(start..self.at).unwrap_or_default();
            match (std::str::from_utf8(run), text.is_empty()) {
                (Ok(run), true) => run.clone_into(&mut text),
                (Ok(run), false) => text.push_str(run),
                (Err(_), _) => push_replaced(&mut text, run),
            }
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                byte => return Err(self.unexpected(byte, "in string literal")),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), DecodeError> {
        let byte = self.peek().ok_or_else(ended)?;
        text.push(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let first = self.hex()?;
                // Half of a pair without its other half is replaced, and what follows it is read on its own.
                let character =
                    if (0xd800..0xdc00).contains(&first) { self.low_half(first) } else { char::from_u32(first) };
                text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            byte => return Err(self.unexpected(byte, "in string escape code")),
        });
        self.at += 1;
        Ok(())
    }

    fn low_half(&mut self, high: u32) -> Option<char> {
        let rest = self.body.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        let low = u32::from_str_radix(std::str::from_utf8(rest).ok()?, 16).ok()?;
        if !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.at += 6;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let mut number = 0;
        for _ in 0..4 {
            let byte = self.peek().ok_or_else(ended)?;
            let Some(digit) = char::from(byte).to_digit(16) else {
                return Err(self.unexpected(byte, "in \\u hexadecimal character escape"));
            };
            number = number * 16 + digit;
            self.at += 1;
        }
        Ok(number)
    }
}

/// Each byte that belongs to no character becomes one replacement character, as Go decodes it.
fn push_replaced(text: &mut String, mut run: &[u8]) {
    loop {
        match std::str::from_utf8(run) {
            Ok(rest) => return text.push_str(rest),
            Err(error) => {
                let (valid, rest) = run.split_at_checked(error.valid_up_to()).unwrap_or_default();
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                run = rest.get(1..).unwrap_or_default();
            }
        }
    }
}

fn ended() -> DecodeError {
    DecodeError::Syntax { message: "unexpected end of JSON input".to_owned() }
}
