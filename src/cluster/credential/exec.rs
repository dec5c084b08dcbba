//! Exec credential plugins: a program that prints an `ExecCredential` (`client.authentication.k8s.io`, client-go's
//! `plugin/pkg/client/auth/exec`). Only an admin's own file can name one.

use std::{process::Stdio, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

use super::Pem;
use crate::{
    secret::Secret,
    world::input::{Connection, ExecPlugin},
};

/// How long a plugin may run.
const WITHIN: Duration = Duration::from_secs(30);
/// What is read of its output, in bytes.
const OUTPUT: u64 = 256 * 1024;

/// What a plugin gave.
#[derive(Debug)]
pub(in crate::cluster) struct Given {
    pub(in crate::cluster) token: Option<Secret<Arc<str>>>,
    pub(in crate::cluster) client_certificate: Option<(Pem, Pem)>,
    pub(in crate::cluster) expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

/// Runs `plugin` and reads what it prints. The text of a failure holds none of the plugin's standard output.
pub(in crate::cluster) async fn run(
    plugin: &ExecPlugin,
    connection: &Connection,
    ca: Option<&Pem>,
) -> Result<Given, Arc<str>> {
    let name = &plugin.command;
    let fail = |what: String| -> Arc<str> { format!("the plugin `{name}` {what}").into() };
    let mut child = Command::new(name)
        .args(&plugin.args)
        .envs(plugin.env.iter().map(|(key, value)| (key, value.expose())))
        .env("KUBERNETES_EXEC_INFO", info(plugin, connection, ca))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| fail(format!("cannot be started: {error}")))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let finished = tokio::time::timeout(WITHIN, async {
        let (out, err) = tokio::join!(bounded(out), bounded(err));
        (out, err, child.wait().await)
    });
    let (out, err, status) = finished.await.map_err(|_| fail(format!("did not end within {} s", WITHIN.as_secs())))?;
    let status = status.map_err(|error| fail(format!("failed: {error}")))?;
    if !status.success() {
        let words = String::from_utf8_lossy(&err);
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(fail(format!("failed ({status}): {}", last.chars().take(200).collect::<String>())));
    }
    if out.len() as u64 > OUTPUT {
        return Err(fail(format!("prints more than {} KiB", OUTPUT / 1024)));
    }
    parse(&plugin.api_version, &out).map_err(|why| fail(why.to_owned()))
}

async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _ = stream.take(OUTPUT + 1).read_to_end(&mut bytes).await;
    }
    bytes
}

/// `group/version` as plugins expect it, from `v1` or the whole name.
fn api_version(version: &str) -> String {
    if version.contains('/') { version.to_owned() } else { format!("client.authentication.k8s.io/{version}") }
}

fn info(plugin: &ExecPlugin, connection: &Connection, ca: Option<&Pem>) -> String {
    let mut spec = json!({ "interactive": false });
    if plugin.provide_cluster_info {
        let scheme = if connection.https { "https" } else { "http" };
        let host =
            if connection.host.contains(':') { format!("[{}]", connection.host) } else { connection.host.clone() };
        let server = format!("{scheme}://{host}:{}{}", connection.port, connection.path_prefix);
        let mut cluster = json!({ "server": server });
        if let Some(fields) = cluster.as_object_mut() {
            if let Some(ca) = ca {
                fields.insert("certificate-authority-data".into(), STANDARD.encode(ca.expose()).into());
            }
            if let Some(name) = &connection.tls_server_name {
                fields.insert("tls-server-name".into(), name.as_str().into());
            }
            if connection.insecure_skip_tls_verify {
                fields.insert("insecure-skip-tls-verify".into(), true.into());
            }
            if let Some(url) = &connection.proxy_url {
                fields.insert("proxy-url".into(), url.as_str().into());
            }
        }
        if let Some(fields) = spec.as_object_mut() {
            fields.insert("cluster".into(), cluster);
        }
    }
    json!({ "apiVersion": api_version(&plugin.api_version), "kind": "ExecCredential", "spec": spec }).to_string()
}

fn parse(version: &str, output: &[u8]) -> Result<Given, &'static str> {
    // serde's own words may quote the input, which is a secret.
    let credential: ExecCredential = serde_json::from_slice(output).map_err(|_| "prints no `ExecCredential`")?;
    if credential.kind != "ExecCredential" || credential.api_version != api_version(version) {
        return Err("prints another kind or version than the kubeconfig asks for");
    }
    let status = credential.status.ok_or("prints no `status`")?;
    let token =
        status.token.as_deref().map(str::trim).filter(|token| !token.is_empty()).map(|token| Secret::new(token.into()));
    let client_certificate = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(key)) => Some((pem(certificate), pem(key))),
        (None, None) => None,
        _ => return Err("prints a certificate without key, or a key without certificate"),
    };
    if token.is_none() && client_certificate.is_none() {
        return Err("prints neither a token nor a certificate");
    }
    Ok(Given { token, client_certificate, expires: status.expiration_timestamp })
}

fn pem(text: String) -> Pem {
    Secret::new(text.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_its_end_are_read() {
        let given = parse(
            "v1",
            br#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"abc","expirationTimestamp":"2030-01-02T03:04:05Z"}}"#,
        )
        .expect("a credential");
        assert_eq!(given.token.expect("a token").expose().as_ref(), "abc");
        assert_eq!(given.expires.expect("an end").to_string(), "2030-01-02T03:04:05Z");
    }

    #[test]
    fn another_version_or_an_empty_status_is_refused_without_quoting_it() {
        for output in [
            r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"s3cret"}}"#,
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":" "}}"#,
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"clientKeyData":"s3cret"}}"#,
            r#"{"status":"s3cret"}"#,
            "s3cret",
        ] {
            let why = parse("v1", output.as_bytes()).expect_err("refused");
            assert!(!why.contains("s3cret"));
        }
    }
}
