//! A connection as the first call would find it, without a call: its files, its TLS, its proxy, its plugin's program.

use std::{env, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use super::{ConnectError, credential, proxy::Proxy, tls::Tls};
use crate::world::input::{Auth, Connection};

/// Reads what a connection is made of; asks no cluster and runs no plugin.
///
/// # Errors
/// Why the first call would fail. The text holds no secret.
pub async fn check(connection: &Connection) -> Result<(), Arc<str>> {
    let text = |error: ConnectError| Arc::<str>::from(error.to_string());
    let material = credential::at_rest(connection).await?;
    material.authorization()?;
    if connection.https {
        Tls::new(connection, &material).map_err(text)?;
    }
    if let Some(url) = connection.proxy_url.as_deref() {
        Proxy::parse(url).map_err(text)?;
    }
    match &connection.auth {
        Auth::Exec(plugin) if !found(&plugin.command) => {
            Err(format!("the plugin `{}` is no program that can be run here", plugin.command).into())
        }
        _ => Ok(()),
    }
}

/// Whether a command is a program: at its path, or for a bare name in a folder of `PATH`.
fn found(command: &str) -> bool {
    let runs = |path: &Path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if command.contains('/') {
        return runs(Path::new(command));
    }
    env::var_os("PATH").is_some_and(|folders| env::split_paths(&folders).any(|folder| runs(&folder.join(command))))
}
