//! All that a request reads: one immutable snapshot at a time, its publisher, and the rows in it.
//!
//! Nothing here waits, does IO or reads a clock. A request loads the current [`World`] once and decides by it.

mod build;
pub mod input;
mod membership;
pub mod names;
mod publish;
pub mod rows;
mod snapshot;
mod usage;

use std::fmt;

pub use build::Touched;
pub use membership::{MAX_DEPTH, Membership};
pub use publish::{Feed, Publisher, Update, Watch};
pub use snapshot::World;
pub use usage::Usage;

/// SHA-256 of a token's whole text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    pub fn of(token: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }

    /// Where the row of a token stands of which only a salted hash is known: by its name. No token has this hash, since none
    /// has a NUL in it.
    pub fn salted(name: &str) -> Self {
        Self::of(&format!("salted\0{name}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, ..] = self.0;
        write!(f, "sha256:{first:02x}{second:02x}{third:02x}…")
    }
}
