//! JSON in the form of Go's encoder, and YAML.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// As JSON in Go's form: `<`, `>` and `&` escaped, `1e+21`, no point where none is needed; without a line feed at the end.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    // Writing a tree to memory does not fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, Go(CompactFormatter)));
    bytes
}

/// As JSON in lines, two blanks for each level: what `?pretty` asks for.
pub fn encode_pretty(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, Go(PrettyFormatter::new())));
    bytes
}

/// As one YAML document, keys in order; texts that YAML 1.1 would take for something else stand quoted.
pub fn encode_yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).unwrap_or_default()
}

/// A float as Go's JSON encoder writes it.
pub fn go_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// A float as Go's `%v` writes it: `1e+06`, `0.5`.
pub fn go_g(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return format!("{value}") };
    match exponent.parse::<i32>().unwrap_or_default() {
        exponent @ ..-4 => format!("{digits}e-{:02}", exponent.unsigned_abs()),
        -4..6 => format!("{value}"),
        exponent => format!("{digits}e+{exponent:02}"),
    }
}

/// A text as Go's `strconv.Quote` (`%q`) writes it: what cannot be printed is escaped.
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            ' '..='~' => quoted.push(character),
            // Writing to a string does not fail.
            '\0'..='\u{1f}' | '\u{7f}' => drop(write!(quoted, "\\x{:02x}", u32::from(character))),
            other if printable(other) => quoted.push(other),
            '\u{80}'..='\u{ffff}' => drop(write!(quoted, "\\u{:04x}", u32::from(character))),
            _ => drop(write!(quoted, "\\U{:08x}", u32::from(character))),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether Go prints a character as it is. Rust escapes what is not printable in the same way, and marks that combine besides.
fn printable(character: char) -> bool {
    if character.is_whitespace() || character.is_control() {
        return false;
    }
    character.is_alphanumeric() || !matches!(character.escape_debug().next(), Some('\\')) || is_mark(character)
}

/// The blocks of combining marks, which Go prints and Rust escapes.
const fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// A formatter with Go's floats and escapes.
struct Go<F>(F);

impl<F: Formatter> Formatter for Go<F> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(go_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        // U+2028 and U+2029 begin with this byte.
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
            writer.write_all(plain.as_bytes())?;
            let Some(character) = special.chars().next() else { return Ok(()) };
            let length = character.len_utf8();
            match character {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => write!(writer, "\\u{:04x}", u32::from(character))?,
                _ => writer.write_all(special.get(..length).unwrap_or_default().as_bytes())?,
            }
            rest = special.get(length..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
