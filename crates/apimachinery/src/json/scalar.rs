//! Numbers as Go reads them into untyped fields.

use serde_json::{Number, Value};

/// The largest magnitude up to which each integer is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a JSON number: an integer where it has neither point nor exponent and fits 64 bits, else a float. `None` where no
/// float can hold it.
pub(super) fn number(text: &str) -> Option<Value> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    float(text.parse().ok()?)
}

/// A float as it will be after it was written once: Go writes 1.0 as `1`, which is an integer from then on.
pub(super) fn float(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "integral and within 53 bits")]
        let integer = value as i64;
        return Some(integer.into());
    }
    Number::from_f64(value).map(Value::Number)
}
