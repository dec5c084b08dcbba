//! Numbers: which types hold them.

use super::node::Range;

/// Whether a float is an integer, as go-openapi's swag sees it.
pub(super) fn is_integer(value: f64) -> bool {
    const MOST: f64 = 9_007_199_254_740_991.0;
    const EPSILON: f64 = 1e-9;
    if value.is_nan() || value.abs() > MOST {
        return false;
    }
    let whole = value.trunc();
    let difference = (value - whole).abs();
    difference == 0.0 || (whole != 0.0 && difference / (value.abs() + whole.abs()) < EPSILON)
}

impl Range {
    /// Whether an integer is of the type.
    pub(super) fn has_integer(self, value: i64) -> bool {
        self != Self::Int32 || i32::try_from(value).is_ok()
    }

    /// Whether a float, written without exponent and read as the type, is of the type.
    pub(super) fn has_float(self, value: f64) -> bool {
        const INT64: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Self::Any => true,
            Self::Int32 => value.fract() == 0.0 && (-2_147_483_648.0..2_147_483_648.0).contains(&value),
            Self::Int64 | Self::Int => value.fract() == 0.0 && (-INT64..INT64).contains(&value),
            Self::Float => value.abs() <= f64::from(f32::MAX),
        }
    }

    /// As messages say it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Any => "number (default format)",
            Self::Int32 => "integer with format int32",
            Self::Int64 => "integer with format int64",
            Self::Int => "integer (default format)",
            Self::Float => "number with format float",
        }
    }
}
