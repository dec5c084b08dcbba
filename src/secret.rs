//! Values that must never be shown: in logs, in error texts, in debug output.

use std::fmt;

/// A value that `Debug` and logs show as `<redacted>`; it has no `Display` and cannot be serialised.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: the caller takes care where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_output_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("drover_abc")), "<redacted>");
    }
}
