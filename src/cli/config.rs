//! `drover config`.

use clap::Subcommand;

use super::{ConfigFile, Failure, inputs, print};
use crate::{
    config::{ServerConfig, address::AddressPolicy},
    world::input::Inputs,
};

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
                let (config, inputs) = inputs::load(&file)?;
                let refused = refused(&config, &inputs);
                if !refused.is_empty() {
                    return Err(Failure(refused.join("\n")));
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

/// The clusters whose kubeconfig names an address that is never connected to. Host names are judged by what they resolve to, when
/// they are connected to.
fn refused(config: &ServerConfig, inputs: &Inputs) -> Vec<String> {
    let own = [config.listen.address, config.ops.address];
    let policy = AddressPolicy::new(&config.upstream.allowed_addresses, &own);
    let refused = inputs.clusters.iter().filter_map(|cluster| {
        let connection = &cluster.connection;
        let address = connection.host.parse().ok().filter(|_| connection.proxy_url.is_none())?;
        let denied = policy.check(&connection.host, address, connection.port).err()?;
        let (id, port) = (&cluster.id, connection.port);
        Some(format!(
            "Cluster `{id}`: {address} port {port} is refused: {denied}; `upstream.allowedAddresses` can list it"
        ))
    });
    refused.collect()
}
