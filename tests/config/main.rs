//! The admin's files: every mistake is told by file, line and field, and what was expected.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod kubeconfigs;
mod manifests;
mod mutations;
mod reload;
mod server;

use std::path::Path;

/// `text` with the first `from` replaced; fails where there is none.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in the text");
    text.replacen(from, to, 1)
}

/// The folder of commented examples.
fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config"))
}
