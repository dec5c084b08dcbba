//! `drover version`.

use clap::Args;

use super::{Failure, print};

/// Prints the version, the commit it was built from where that is known, the compiler and the features.
#[derive(Debug, Args)]
pub(super) struct Version {}

impl Version {
    #[expect(clippy::unused_self, reason = "every command is run alike")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let features = if cfg!(feature = "otel") { "otel" } else { "none" };
        print(&format!(
            "drover {}\ncommit: {}\nbuilt by: {}\nfeatures: {features}\n",
            env!("CARGO_PKG_VERSION"),
            env!("DROVER_COMMIT"),
            env!("DROVER_RUSTC"),
        ))
    }
}
