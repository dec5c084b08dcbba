//! Values as Go writes them where a column shows text.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use serde_json::{Number, Value};

/// The text of a value: a string as it is, lists and maps as JSON.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.to_string(),
            None => float(number.as_f64().unwrap_or_default(), -4),
        },
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => marshal(value),
    }
}

/// A number of a column: whole numbers have no fraction, as in Go's JSON.
pub(super) fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "only taken where it is exact")]
    let whole = number as i64;
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return whole.into();
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A number in Go's shortest form, with an exponent below `smallest` and from 21 on.
fn float(number: f64, smallest: i32) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if exponent < smallest || exponent >= 21 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// JSON as Go's `json.Marshal` writes it.
fn marshal(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoJson);
    // INVARIANT: a JSON value, which is always written.
    if value.serialize(&mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8(out).unwrap_or_default()
}

struct GoJson;

impl Formatter for GoJson {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = float(value, -6);
        // JSON exponents have no leading zero below -9.
        writer.write_all(text.replace("e-0", "e-").as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_go_prints_them() {
        for (value, text) in [
            (json!("a"), "a"),
            (json!(null), "<no value>"),
            (json!(true), "true"),
            (json!(-5), "-5"),
            (json!(1.0), "1"),
            (json!(0.5), "0.5"),
            (json!(1e21), "1e+21"),
            (json!(0.00001), "1e-05"),
            (json!({"b": [1, 2.0], "a": "<x>"}), r#"{"a":"\u003cx\u003e","b":[1,2]}"#),
            (json!([1e-7]), "[1e-7]"),
        ] {
            assert_eq!(of(&value), text);
        }
    }
}
