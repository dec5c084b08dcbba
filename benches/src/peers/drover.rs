//! Drover's files: its whole work is on (tokens, guard, impersonation, audit at Metadata, metrics).

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{Kind, PROXY_CORE, Peer, Place};
use crate::compare::check;
use crate::names;
use crate::process::{Process, free_port};

/// What a scenario changes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The core it is pinned to.
    pub core: Option<usize>,
    /// Keys of `drover.yaml`, laid over the bench's own.
    pub config: serde_json::Value,
    /// The role templates that each user has.
    pub templates: Vec<String>,
    /// How many role templates more the last user has.
    pub others: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { core: Some(PROXY_CORE), config: json!({}), templates: vec!["view".to_owned()], others: 0 }
    }
}

/// Starts it in front of the port `upstream`, and waits until it serves the cluster.
pub fn start(place: &Place, upstream: u16, options: &Options) -> Result<Peer> {
    let port = free_port()?;
    let file = write(place, port, upstream, options)?;
    let log = place.file(&format!("{}.out", Kind::Drover.name()));
    let args = ["serve", "--config", &file.display().to_string()];
    let process = Process::start("drover", options.core, &place.drover, &args, &log)?;
    let peer = Peer::wait(Kind::Drover, port, process, place)?;
    check::serves(&peer, place)?;
    Ok(peer)
}

/// Writes its files; the path of `drover.yaml`.
pub fn write(place: &Place, port: u16, upstream: u16, options: &Options) -> Result<PathBuf> {
    let dir = place.file("drover");
    let manifests = dir.join("manifests");
    fs::create_dir_all(&manifests)?;
    let mut config = json!({
        "listen": {"address": format!("127.0.0.1:{port}"), "tls": {"certificateFile": place.pki.certificate, "keyFile": place.pki.key}},
        "ops": {"address": format!("127.0.0.1:{}", free_port()?)},
        "manifests": manifests,
        "dataDir": dir.join("data"),
        "workers": 1,
        "audit": {"log": {"path": place.file("drover.audit.log"), "maxBackups": 1}},
        "upstream": {"allowedAddresses": ["127.0.0.0/8"]},
        "drain": {"delay": "0s", "deadline": "1s"},
        // The bench's own failed credentials must not be held against its one address.
        "limits": {"unauthenticated": {"perSecond": 0}},
        "management": {"files": {}},
    });
    overlay(&mut config, &options.config);
    let file = dir.join("drover.yaml");
    fs::write(&file, config.to_string())?;
    fs::write(dir.join("kubeconfig.yaml"), kubeconfig(place, upstream)?)?;
    fs::write(manifests.join("cluster.yaml"), cluster(dir.join("kubeconfig.yaml")))?;
    for number in 0..names::USERS {
        fs::write(manifests.join(format!("{}.yaml", names::user(number))), user(number))?;
        fs::write(bindings_file(place, number), bindings(number, &options.templates))?;
    }
    if options.others > 0 {
        // The last user has what nobody else has, so that these names are role groups too.
        let others: Vec<String> = (0..options.others).map(names::extra_template).collect();
        fs::write(manifests.join("others.yaml"), bindings(names::USERS - 1, &others))?;
    }
    Ok(file)
}

/// The manifest with the bindings of user `number`.
pub fn bindings_file(place: &Place, number: usize) -> PathBuf {
    place.file(&format!("drover/manifests/{}-bindings.yaml", names::user(number)))
}

/// The manifest of user `number` when it is disabled, and the file to write it to.
pub fn disable(place: &Place, number: usize) -> Result<(PathBuf, String)> {
    let file = place.file(&format!("drover/manifests/{}.yaml", names::user(number)));
    let text = fs::read_to_string(&file)?.replacen("\"kind\":\"User\"", "\"kind\":\"User\",\"enabled\":false", 1);
    Ok((file, text))
}

fn overlay(to: &mut serde_json::Value, from: &serde_json::Value) {
    match (to, from) {
        (serde_json::Value::Object(to), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                overlay(to.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (to, from) => *to = from.clone(),
    }
}

fn kubeconfig(place: &Place, upstream: u16) -> Result<String> {
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(place.pki.ca_pem()?);
    Ok(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": format!("https://127.0.0.1:{upstream}"), "tls-server-name": "localhost", "certificate-authority-data": ca}}],
        "users": [{"name": "gateway", "user": {"token": names::CREDENTIAL}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "gateway"}}],
    })
    .to_string())
}

fn cluster(kubeconfig: PathBuf) -> String {
    json!({
        "apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": names::CLUSTER},
        "spec": {"displayName": "bench", "upstream": {"kubeconfig": {"file": kubeconfig}}},
    })
    .to_string()
}

fn user(number: usize) -> String {
    let name = names::user(number);
    let user = json!({"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": name}, "username": format!("bench{number}")});
    let token = json!({"apiVersion": "management.cattle.io/v3", "kind": "Token", "metadata": {"name": format!("token-bench-{number}")},
        "userId": name, "token": names::hash(&names::token(number))});
    format!("{user}\n---\n{token}\n")
}

fn bindings(number: usize, templates: &[String]) -> String {
    let mut text = String::new();
    for template in templates {
        let binding = json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
            "metadata": {"name": format!("crtb-{number}-{template}"), "namespace": names::CLUSTER},
            "clusterName": names::CLUSTER, "roleTemplateName": template, "userName": names::user(number)});
        let _ = write!(text, "{binding}\n---\n");
    }
    text.truncate(text.len().saturating_sub(4));
    text
}
