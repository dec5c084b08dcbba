//! `drover config`.

use clap::Subcommand;

use super::{ConfigFile, Failure, inputs, print};
use crate::{
    config::{self, ServerConfig},
    modules, server,
};

/// Checks the server's files, or prints their schema.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Reads all that `serve` would read, and reports every problem: the server's file, certificates, the audit policy, the
    /// manifests, the kubeconfigs and the credentials in them. Asks no server and runs no plugin.
    Check(ConfigFile),
    /// Prints the JSON schema of the server's file, for editors.
    Schema,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(file) => {
                let config = config::load(&file.config).map_err(Failure::new)?;
                modules::enabled(&config.modules).map_err(Failure::new)?;
                let mut wrong: Vec<String> =
                    server::check::server(&file.config, &config).iter().map(ToString::to_string).collect();
                let inputs = match inputs::of_folder(&config) {
                    Ok(inputs) => inputs,
                    Err(problems) => {
                        wrong.extend(problems.iter().map(ToString::to_string));
                        return Err(Failure(wrong.join("\n")));
                    }
                };
                wrong.extend(server::check::clusters(&config, &inputs)?);
                wrong.extend(server::check::providers(&config));
                if !wrong.is_empty() {
                    return Err(Failure(wrong.join("\n")));
                }
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
