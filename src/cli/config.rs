//! `drover config`.

use clap::Subcommand;

use super::{ConfigFile, Failure, inputs, print};
use crate::config::ServerConfig;

/// Checks the server's files, or prints their schema.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Reads the server's file, the manifests and the kubeconfigs as `serve` would, and reports every problem.
    Check(ConfigFile),
    /// Prints the JSON schema of the server's file, for editors.
    Schema,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(file) => {
                let (_, inputs) = inputs::load(&file)?;
                print(&format!(
                    "ok: {} users, {} tokens, {} clusters, {} bindings\n",
                    inputs.users.len(),
                    inputs.tokens.len(),
                    inputs.clusters.len(),
                    inputs.bindings.len()
                ))
            }
            Self::Schema => {
                let schema = schemars::schema_for!(ServerConfig);
                print(&format!("{}\n", serde_json::to_string_pretty(&schema).map_err(Failure::new)?))
            }
        }
    }
}
