//! Numbers as Go reads them into untyped fields.

use serde_json::{Number, Value};

use super::write::go_float;

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
    if value.fract() == 0.0
        && let Ok(integer) = go_float(value).parse::<i64>()
    {
        return Some(integer.into());
    }
    Number::from_f64(value).map(Value::Number)
}
