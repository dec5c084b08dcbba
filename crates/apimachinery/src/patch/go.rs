//! Values as Go's `%v` prints them: Kubernetes' messages show them so.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// The text of a decoded JSON value under `%v`.
pub fn printed(value: &Value) -> String {
    let mut text = String::new();
    print(&mut text, value);
    text
}

fn print(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(bool) => text.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&printed_number(number)),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                print(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            text.push_str("map[");
            for (index, (name, field)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(name);
                text.push(':');
                print(text, field);
            }
            text.push(']');
        }
    }
}

/// Whole numbers as they are, floats as `%g` writes the shortest text.
fn printed_number(number: &Number) -> String {
    if number.is_i64() {
        return number.to_string();
    }
    let float = number.as_f64().unwrap_or_default();
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let mut text = digits.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(text, "e{sign}{:02}", exponent.unsigned_abs());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_as_go_prints_them() {
        let value = json!({"b": [1, "x", null, true], "a": {"k": 1.5}});
        assert_eq!(printed(&value), "map[a:map[k:1.5] b:[1 x <nil> true]]");
        assert_eq!(printed(&json!(1e6)), "1e+06");
        assert_eq!(printed(&json!(2_000_000.5)), "2.0000005e+06");
        assert_eq!(printed(&json!(100_000.0)), "100000");
        assert_eq!(printed(&json!(1e-7)), "1e-07");
        assert_eq!(printed(&json!(0.25)), "0.25");
    }
}
