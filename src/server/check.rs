//! What serving would read at its start, read without serving: every problem at once, nothing written, nobody asked.

use std::{io, path::Path, sync::Arc};

use rustls::crypto::aws_lc_rs;
use serde::Deserialize as _;
use serde_json::Value;

use super::tls::{self, TlsError};
use crate::{
    cluster,
    config::{self, Problems, address::AddressPolicy, server::ServerConfig},
    modules::{AuthConfig, AuthConfigSpec},
    telemetry::audit,
    world::input::{Connection, Inputs},
};

/// Everything that is wrong with what the server's file at `path` names; each with the field that names it.
pub fn server(path: &Path, config: &ServerConfig) -> Problems {
    let mut problems = Problems::default();
    let mut wrong = |field: &str, message: String| problems.push(config::problem(path, field, message));
    let tls = &config.listen.tls;
    if let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file)
        && let Err(error) = tls::config(certificate, key, None)
    {
        // Whatever is not told of a file is that the two do not go together.
        let field = match &error {
            TlsError::File { path, .. } if **path == **certificate => "listen.tls.certificateFile",
            _ => "listen.tls.keyFile",
        };
        wrong(field, error.to_string());
    }
    if let Some(authorities) = &tls.client_ca_file
        && let Err(error) = tls::clients(authorities, Arc::new(aws_lc_rs::default_provider()))
    {
        wrong("listen.tls.clientCaFile", error.to_string());
    }
    if let Some(webhook) = &config.audit.webhook
        && let Err(error) = audit::check_webhook(webhook)
    {
        wrong("audit.webhook", error.to_string());
    }
    if let Err(found) = audit::policy(&config.audit) {
        problems.extend(found);
    }
    problems.sorted()
}

/// The clusters that could not be called: at an address that is never connected to, or with a credential that does not hold
/// together. Host names are judged by what they resolve to, when they are connected to; plugins are not run.
///
/// # Errors
/// When the system gives no runtime.
pub fn clusters(config: &ServerConfig, inputs: &Inputs) -> io::Result<Vec<String>> {
    let own = [config.listen.address, config.ops.address];
    let policy = AddressPolicy::new(&config.upstream.allowed_addresses, &own);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut found = Vec::new();
    for cluster in &inputs.clusters {
        let id = &cluster.id;
        let Some(connection) = cluster.reach.connection() else { continue };
        found.extend(refused(&policy, connection).map(|why| format!("Cluster `{id}`: {why}")));
        found.extend(runtime.block_on(cluster::check(connection)).err().map(|why| format!("Cluster `{id}`: {why}")));
    }
    Ok(found)
}

/// What is wrong with the `AuthConfig`s among the manifests: the plane would refuse them, or drop what it does not know.
pub fn providers(config: &ServerConfig) -> Vec<String> {
    let schema = schemars::schema_for!(AuthConfigSpec);
    let known = schema.get("properties").and_then(Value::as_object);
    let is_known = |field: &str| {
        ["apiVersion", "kind", "metadata"].contains(&field) || known.is_none_or(|known| known.contains_key(field))
    };
    let mut found = Vec::new();
    let objects = config::manifests::read(config.manifests()).objects;
    for object in objects.iter().filter(|object| object["kind"] == "AuthConfig") {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let fields = object.as_object().into_iter().flat_map(|fields| fields.keys());
        let unknown = fields.filter(|field| !is_known(field));
        found.extend(unknown.map(|field| format!("AuthConfig `{name}`: {field}: there is no such field")));
        match AuthConfig::deserialize(object).map(|config| config.input()) {
            Err(error) => found.push(format!("AuthConfig `{name}`: {error}")),
            Ok(Err(flaws)) => {
                let told = flaws.iter().map(|flaw| format!("AuthConfig `{name}`: {}: {}", flaw.field, flaw.message));
                found.extend(told);
            }
            Ok(Ok(_)) => {}
        }
    }
    found
}

fn refused(policy: &AddressPolicy, connection: &Connection) -> Option<String> {
    let port = connection.port;
    let address = connection.host.parse().ok().filter(|_| connection.proxy_url.is_none())?;
    let denied = policy.check(&connection.host, address, port).err()?;
    Some(format!("{address} port {port} is refused: {denied}; `upstream.allowedAddresses` can list it"))
}
