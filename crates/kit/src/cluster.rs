//! A real Kubernetes cluster: etcd, kube-apiserver and, where asked for, kube-controller-manager and kwok, whose
//! pods answer exec, attach, logs and port-forward.
//!
//! Each cluster has an address of its own (`127.x.y.1`), so that any number run side by side on the usual ports,
//! and comes back at the same one after [`RealCluster::stop`] and [`RealCluster::start_again`].
//!
//! ```no_run
//! # async fn example() {
//! let cluster = kit::cluster::RealCluster::builder().name("a").kwok(true).start().await;
//! cluster.create_pod("default", "web").await;
//! cluster.kubectl(&["exec", "web", "--", "echo", "hello"]).await.ok();
//! # }
//! ```

mod address;
mod admin;
mod files;
mod pods;
mod start;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

pub use address::Address;
use tempfile::TempDir;

use crate::{
    client::{Endpoint, kubeconfig_with_token},
    kubectl::Kubectl,
    process::Process,
    servers::Binaries,
    tls::{Ca, Pair},
};

/// The apiserver's port, on the cluster's own address.
pub const PORT: u16 = 6443;

/// What a cluster has.
#[derive(Clone, Debug)]
struct Options {
    name: String,
    nodes: usize,
    controller_manager: bool,
    controllers: Option<String>,
    kwok: bool,
    audit: bool,
    tokens: Vec<Account>,
    apiserver_args: Vec<String>,
}

#[derive(Clone, Debug)]
struct Account {
    user: String,
    groups: Vec<String>,
    token: String,
}

/// Builds a [`RealCluster`].
#[derive(Debug)]
pub struct Builder(Options);

/// A running cluster; it and its folder go when it is dropped. A test that fails keeps the folder, for its logs.
pub struct RealCluster {
    options: Options,
    binaries: Binaries,
    address: Address,
    dir: Option<TempDir>,
    ca: Ca,
    admin: Pair,
    admin_token: String,
    kubectl: Kubectl,
    servers: Mutex<Servers>,
    pod_server: Option<crate::fake::FakeApiserver>,
}

#[derive(Default)]
struct Servers {
    etcd: Option<Process>,
    apiserver: Option<Process>,
    controller_manager: Option<Process>,
    kwok: Option<Process>,
}

impl Builder {
    /// For messages and folder names.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.name);
        self
    }

    /// That many Node objects, `node-0` and on; they are ready where kwok runs. One unless set.
    #[must_use]
    pub const fn nodes(mut self, nodes: usize) -> Self {
        self.0.nodes = nodes;
        self
    }

    /// Runs kube-controller-manager: service accounts, deployments, garbage collection. Off unless set.
    #[must_use]
    pub const fn controller_manager(mut self, on: bool) -> Self {
        self.0.controller_manager = on;
        self
    }

    /// Runs kube-controller-manager with these controllers alone: `garbage-collector-controller`, for instance.
    #[must_use]
    pub fn controllers(mut self, names: &[&str]) -> Self {
        self.0.controller_manager = true;
        self.0.controllers = Some(names.join(","));
        self
    }

    /// Runs kwok, which makes pods run and answer. Off unless set.
    #[must_use]
    pub const fn kwok(mut self, on: bool) -> Self {
        self.0.kwok = on;
        self
    }

    /// Writes the apiserver's audit log: see [`RealCluster::audit_events`]. Off unless set.
    #[must_use]
    pub const fn audit(mut self, on: bool) -> Self {
        self.0.audit = on;
        self
    }

    /// Makes a bearer token for a user with any number of groups: see [`RealCluster::token_for`].
    #[must_use]
    pub fn user(mut self, user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&g| g.to_owned()).collect();
        self.0.tokens.push(Account { user: user.to_owned(), groups, token: random_token() });
        self
    }

    /// Adds an argument of kube-apiserver.
    #[must_use]
    pub fn apiserver_arg(mut self, arg: &str) -> Self {
        self.0.apiserver_args.push(arg.to_owned());
        self
    }
}

impl RealCluster {
    /// A cluster of one Node, without controllers and pods that run.
    pub fn builder() -> Builder {
        Builder(Options {
            name: "cluster".into(),
            nodes: 1,
            controller_manager: false,
            controllers: None,
            kwok: false,
            audit: false,
            tokens: Vec::new(),
            apiserver_args: Vec::new(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// `https://127.x.y.1:6443`.
    pub fn server_url(&self) -> String {
        format!("https://{}:{PORT}", self.address.ip())
    }

    /// How its apiserver is reached, without a credential.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new((self.address.ip(), PORT).into(), &self.ca.pem())
    }

    /// The authority of its servers and of client certificates.
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// The path of a kubeconfig with every right (`system:masters`).
    pub fn admin_kubeconfig_path(&self) -> PathBuf {
        self.kubectl.kubeconfig()
    }

    /// A kubeconfig with every right (`system:masters`).
    pub fn admin_kubeconfig(&self) -> String {
        self.kubeconfig_with_token(&self.admin_token)
    }

    /// A bearer token with every right (`system:masters`).
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// A client certificate for this user with at most two groups, good at once.
    pub fn client_cert(&self, user: &str, groups: &[&str]) -> Pair {
        self.ca.client(user, groups)
    }

    /// A kubeconfig for this user with at most two groups, by client certificate.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> String {
        files::kubeconfig_with_certificate(&self.server_url(), &self.ca_pem(), &self.client_cert(user, groups))
    }

    /// A kubeconfig with this bearer token.
    pub fn kubeconfig_with_token(&self, token: &str) -> String {
        kubeconfig_with_token(&self.server_url(), &self.ca_pem(), token)
    }

    /// The bearer token of a user that [`Builder::user`] made.
    pub fn token_for(&self, user: &str) -> &str {
        let account = self.options.tokens.iter().find(|a| a.user == user);
        &account.unwrap_or_else(|| panic!("no token was made for `{user}`: use Builder::user")).token
    }

    /// Its folder: configuration, data, logs.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("the folder lives as long as the cluster").path()
    }

    /// Kills it all; its address and data stay.
    pub fn stop(&self) {
        // The clients first, so that they do not fill their logs; a drop kills.
        let mut servers = self.servers.lock().unwrap();
        servers.kwok = None;
        servers.controller_manager = None;
        servers.apiserver = None;
        servers.etcd = None;
    }

    /// Kills the apiserver alone with SIGKILL.
    pub fn kill_apiserver(&self) {
        self.servers.lock().unwrap().apiserver = None;
    }

    /// Stops the apiserver's process (SIGSTOP), so that it hangs without closing anything.
    pub fn freeze(&self) {
        self.servers.lock().unwrap().apiserver.as_ref().expect("the apiserver runs").signal("STOP");
    }

    /// Lets a frozen apiserver go on.
    pub fn thaw(&self) {
        self.servers.lock().unwrap().apiserver.as_ref().expect("the apiserver runs").signal("CONT");
    }

    /// CPU time that the apiserver used so far.
    pub fn apiserver_cpu_time(&self) -> Duration {
        self.servers.lock().unwrap().apiserver.as_ref().expect("the apiserver runs").cpu_time()
    }
}

impl Drop for RealCluster {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("the logs of cluster `{}` are in {}", self.options.name, dir.keep().display());
        }
    }
}

fn random_token() -> String {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes)
}
