//! The folder that a gateway is configured by: `drover.yaml` and manifests.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CommandOutput, run};

const MANAGEMENT: &str = "management.cattle.io/v3";

/// How a cluster is added, beside its kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Accepts a credential that may do everything.
    pub allow_administrator: bool,
    /// Puts the kubeconfig into a file of its own rather than a Secret among the manifests.
    pub by_file: bool,
    /// `displayName`.
    pub display_name: Option<String>,
    /// `limits`: `{"inFlight": …, "perSecond": …, "burst": …}`.
    pub limits: Option<Value>,
}

/// A config folder, complete before a gateway starts on it and changed at will while it runs. Each object is a file,
/// written whole or not at all.
pub struct ConfigFolder {
    root: Root,
    server: Mutex<Value>,
}

enum Root {
    Temporary(Option<TempDir>),
    Given(PathBuf),
}

impl ConfigFolder {
    /// A temporary folder with a `drover.yaml` for tests: free ports on 127.0.0.1, loopback clusters allowed, quick
    /// probes, a short drain, the manifests as the management plane. Failed sign-ins have no limit: tests wait by asking
    /// again and again until they are known.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("drover-gateway-").tempdir().expect("a folder");
        let folder = Self { root: Root::Temporary(Some(dir)), server: Mutex::new(json!({})) };
        folder.fill(json!({
            "listen": {"address": "127.0.0.1:0"},
            "ops": {"address": "127.0.0.1:0"},
            "upstream": {"allowedAddresses": ["127.0.0.0/8"], "probeInterval": "200ms"},
            "drain": {"delay": "100ms", "deadline": "3s"},
            "limits": {"unauthenticated": {"perSecond": 0}},
            "management": {"files": {}},
        }));
        folder
    }

    /// A folder at this path, which stays, with this `drover.yaml`.
    pub fn at(path: &Path, server: Value) -> Self {
        let folder = Self { root: Root::Given(path.to_owned()), server: Mutex::new(json!({})) };
        folder.fill(server);
        folder
    }

    fn fill(&self, server: Value) {
        fs::create_dir_all(self.manifests()).expect("a folder");
        *self.server.lock().unwrap() = server;
        self.write_server();
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        match &self.root {
            Root::Temporary(dir) => dir.as_ref().expect("the folder lives").path(),
            Root::Given(path) => path,
        }
    }

    /// `drover.yaml`.
    pub fn config_path(&self) -> PathBuf {
        self.path().join("drover.yaml")
    }

    /// `manifests/`.
    pub fn manifests(&self) -> PathBuf {
        self.path().join("manifests")
    }

    /// `data/`: what the gateway writes.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(super) fn addresses_path(&self) -> PathBuf {
        self.data().join("addresses.json")
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.path().join("drover.log")
    }

    /// The authority that the gateway made for itself, or the one that was set with the certificate.
    pub(super) fn own_ca(&self) -> String {
        let given = self.path().join("tls-ca.pem");
        let path = if given.exists() { given } else { self.data().join("tls/ca.crt") };
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Sets one key of `drover.yaml`: `set("limits.maxInFlight", 10)`. A running gateway reads some keys only at its
    /// start.
    pub fn set(&self, key: &str, value: impl Into<Value>) -> &Self {
        {
            let mut server = self.server.lock().unwrap();
            let mut at = &mut *server;
            for part in key.split('.') {
                at = &mut at[part];
            }
            *at = value.into();
        }
        self.write_server();
        self
    }

    fn write_server(&self) {
        let text = format!("{:#}\n", self.server.lock().unwrap());
        write(&self.config_path(), &text);
    }

    /// Serves with this certificate rather than an authority of the gateway's own; `ca_pem` is for the clients.
    pub fn set_certificate(&self, pair: &crate::tls::Pair, ca_pem: &str) -> &Self {
        for (name, text) in [("tls.pem", &*pair.certificate), ("tls.key", &*pair.key), ("tls-ca.pem", ca_pem)] {
            write(&self.path().join(name), text);
        }
        self.set("listen.tls.certificateFile", "tls.pem").set("listen.tls.keyFile", "tls.key")
    }

    /// Accepts client certificates of the authority with this PEM.
    pub fn set_client_ca(&self, ca_pem: &str) -> &Self {
        write(&self.path().join("client-ca.pem"), ca_pem);
        self.set("listen.tls.clientCaFile", "client-ca.pem")
    }

    /// Writes one manifest file, `<name>.yaml`: any text.
    pub fn write_manifest(&self, name: &str, text: &str) -> &Self {
        write(&self.manifests().join(format!("{name}.yaml")), text);
        self
    }

    /// Writes objects as one manifest file, `<name>.yaml`.
    pub fn write_objects(&self, name: &str, objects: &[Value]) -> &Self {
        let documents: Vec<String> = objects.iter().map(|object| format!("{object:#}\n")).collect();
        self.write_manifest(name, &documents.join("---\n"))
    }

    /// Removes a manifest file; it must be there.
    pub fn remove_manifest(&self, name: &str) -> &Self {
        let path = self.manifests().join(format!("{name}.yaml"));
        fs::remove_file(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self
    }

    /// Adds or replaces a cluster: file `cluster-<id>`.
    pub fn add_cluster(&self, id: &str, kubeconfig: &str) -> &Self {
        self.add_cluster_with(id, kubeconfig, &ClusterOptions::default())
    }

    /// Adds or replaces a cluster.
    pub fn add_cluster_with(&self, id: &str, kubeconfig: &str, options: &ClusterOptions) -> &Self {
        let mut objects = Vec::new();
        let source = if options.by_file {
            let path = self.path().join(format!("{id}.kubeconfig"));
            write(&path, kubeconfig);
            json!({"file": path})
        } else {
            let name = format!("{id}-kubeconfig");
            objects.push(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "drover-system"},
                "stringData": {"kubeconfig": kubeconfig},
            }));
            json!({"secretRef": {"namespace": "drover-system", "name": name}})
        };
        let mut cluster = json!({
            "apiVersion": MANAGEMENT, "kind": "Cluster", "metadata": {"name": id},
            "spec": {"upstream": {"kubeconfig": source, "allowAdministrator": options.allow_administrator}},
        });
        if let Some(name) = &options.display_name {
            cluster["spec"]["displayName"] = json!(name);
        }
        if let Some(limits) = &options.limits {
            cluster["spec"]["upstream"]["limits"] = limits.clone();
        }
        objects.push(cluster);
        self.write_objects(&format!("cluster-{id}"), &objects)
    }

    /// Adds or replaces a user: file `user-<name>`.
    pub fn add_user(&self, name: &str) -> &Self {
        self.add_user_with(name, &json!({}))
    }

    /// Adds or replaces a user with more fields: `{"enabled": false}`, `{"metadata": {"uid": …}}`.
    pub fn add_user_with(&self, name: &str, fields: &Value) -> &Self {
        let mut user = json!({"apiVersion": MANAGEMENT, "kind": "User", "metadata": {"name": name}});
        merge(&mut user, fields);
        self.write_objects(&format!("user-{name}"), &[user])
    }

    /// Adds a token of a user, file `token-<user>`, and gives its secret text. A second one of the same user replaces
    /// it: see [`Self::add_token_with`].
    pub fn add_token(&self, user: &str) -> String {
        self.add_token_with(user, &format!("token-{user}"), &json!({}))
    }

    /// Adds a token by its own name, file `<name>`, with more fields: `{"clusterName": …}`, `{"expiresAt": …}`.
    pub fn add_token_with(&self, user: &str, name: &str, fields: &Value) -> String {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        let secret = format!("drover_{}", URL_SAFE_NO_PAD.encode(bytes));
        let mut token = json!({
            "apiVersion": MANAGEMENT, "kind": "Token", "metadata": {"name": name},
            "userId": user, "token": token_hash(&secret),
        });
        merge(&mut token, fields);
        self.write_objects(name, &[token]);
        secret
    }

    /// Binds a user to a role template in a cluster: file `binding-<cluster>-<user>-<template>`.
    pub fn add_binding(&self, cluster: &str, user: &str, template: &str) -> &Self {
        let file = Self::binding_file(cluster, user, template);
        self.add_binding_of(&file, cluster, template, &json!({"userName": user}))
    }

    /// Binds a subject (`{"groupPrincipalName": …}`) to a role template in a cluster, by the file's name.
    pub fn add_binding_of(&self, name: &str, cluster: &str, template: &str, subject: &Value) -> &Self {
        let mut binding = json!({
            "apiVersion": MANAGEMENT, "kind": "ClusterRoleTemplateBinding",
            "metadata": {"name": name, "namespace": cluster},
            "clusterName": cluster, "roleTemplateName": template,
        });
        merge(&mut binding, subject);
        self.write_objects(name, &[binding])
    }

    /// Takes a binding of [`Self::add_binding`] away.
    pub fn remove_binding(&self, cluster: &str, user: &str, template: &str) -> &Self {
        self.remove_manifest(&Self::binding_file(cluster, user, template))
    }

    fn binding_file(cluster: &str, user: &str, template: &str) -> String {
        format!("binding-{cluster}-{user}-{template}").to_lowercase()
    }

    /// Runs `drover` with these arguments and this folder's `--config` after them.
    pub fn command(&self, binary: &Path, args: &[&str]) -> CommandOutput {
        let config = self.config_path().display().to_string();
        let mut all = args.to_vec();
        all.extend(["--config", &config]);
        run(binary, &all)
    }
}

impl Default for ConfigFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ConfigFolder {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Root::Temporary(dir) = &mut self.root
            && let Some(dir) = dir.take()
        {
            eprintln!("the gateway's folder is kept: {}", dir.keep().display());
        }
    }
}

/// What is stored of a token: `sha256:` and the SHA-256 of its whole text in hexadecimal digits.
pub fn token_hash(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    hash.as_ref().iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Writes a file whole or not at all; the gateway passes over hidden files.
fn write(path: &Path, text: &str) {
    let name = path.file_name().expect("a file's name").to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
