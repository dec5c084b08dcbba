//! The files that the servers of a cluster read.

use std::{fmt::Write, net::IpAddr, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::Options;
use crate::{
    client::kubeconfig,
    tls::{Ca, Pair},
};

pub(super) fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), text).unwrap_or_else(|e| panic!("{name}: {e}"));
}

/// Everything that does not change while the cluster lives.
pub(super) fn prepare(dir: &Path, ip: IpAddr, ca: &Ca, options: &Options, admin_token: &str) {
    write(dir, "ca.pem", ca.pem());
    write(dir, "ca.key", ca.key_pem());
    let address = ip.to_string();
    let names = [address.as_str(), "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let server = ca.server(&names);
    write(dir, "server.pem", &server.certificate);
    write(dir, "server.key", &server.key);
    let key = rcgen::KeyPair::generate().expect("a key");
    write(dir, "service-account.key", key.serialize_pem());
    write(dir, "service-account.pub", key.public_key_pem());
    let mut tokens = format!("{admin_token},kit-admin,kit-admin,\"system:masters\"\n");
    for account in &options.tokens {
        let groups = account.groups.join(",");
        let _ = writeln!(tokens, "{},{},{},\"{groups}\"", account.token, account.user, account.user);
    }
    write(dir, "tokens.csv", tokens);
    write(dir, "authentication.yaml", authentication().to_string());
    write(dir, "audit-policy.yaml", audit_policy().to_string());
    std::fs::create_dir_all(dir.join("pods")).expect("a folder");
    write(dir, "container.log", "2026-01-01T00:00:00.000000000Z stdout F hello from the pod\n");
}

/// Nobody is anonymous, but for health checks.
fn authentication() -> Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": true, "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}]},
    })
}

fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": ["system:apiserver"]},
            {"level": "None", "userGroups": ["system:nodes"]},
            {"level": "Metadata"},
        ],
    })
}

pub(super) fn kubeconfig_with_certificate(server: &str, ca_pem: &str, pair: &Pair) -> String {
    kubeconfig(
        &json!({"server": server, "certificate-authority-data": STANDARD.encode(ca_pem)}),
        &json!({
            "client-certificate-data": STANDARD.encode(&pair.certificate),
            "client-key-data": STANDARD.encode(&pair.key),
        }),
    )
}

/// kwok's configuration: its own fast stages, and pods that answer.
pub(super) fn kwok(dir: &Path, stages: &str, pod_server: u16, ip: IpAddr) -> String {
    let log = dir.join("container.log");
    let documents = [
        // A command runs in this machine, in a folder of the cluster's own.
        ("ClusterExec", json!({"execs": [{"local": {"workDir": dir.join("pods")}}]})),
        ("ClusterLogs", json!({"logs": [{"logsFile": log, "previousLogsFile": log}]})),
        ("ClusterAttach", json!({"attaches": [{"logsFile": log}]})),
        (
            "ClusterPortForward",
            json!({"forwards": [
                {"ports": [80], "target": {"address": ip.to_string(), "port": pod_server}},
                {"command": ["cat"]},
            ]}),
        ),
    ];
    let mut text = stages.to_owned();
    for (kind, spec) in documents {
        let document = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "kit"}, "spec": spec,
        });
        let _ = write!(text, "\n---\n{document}\n");
    }
    text
}
