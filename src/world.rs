//! All that a request reads: one immutable snapshot at a time, its publisher, and the rows in it.
//!
//! Nothing here waits, does IO or reads a clock. A request loads the current [`World`] once and decides by it.

pub mod input;

use std::fmt;

/// SHA-256 of a token's whole text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "sha256:{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}
