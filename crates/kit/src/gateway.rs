//! The real `drover serve`, as a child, with a config folder that the test writes.
//!
//! ```no_run
//! # async fn example() {
//! use kit::{fake::FakeApiserver, gateway::{ConfigFolder, Gateway}};
//! let fake = FakeApiserver::start();
//! let folder = ConfigFolder::new();
//! folder.add_cluster("c-a", &fake.kubeconfig("secret"));
//! folder.add_user("u-ann");
//! folder.add_binding("c-a", "u-ann", "view");
//! let token = folder.add_token("u-ann");
//! # let binary = "";
//! // let binary = env!("CARGO_BIN_EXE_drover");
//! let gateway = Gateway::start(binary, folder).await;
//! gateway.wait_for_cluster("c-a", &token).await;
//! assert_eq!(gateway.get("c-a", "/api/v1/pods", &token).await.status(), 200);
//! # }
//! ```

mod account;
mod folder;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub use folder::{ClusterOptions, ConfigFolder, token_hash};

use crate::{
    client::{Endpoint, kubeconfig_with_token},
    cluster::RealCluster,
    kubectl::Kubectl,
    process::{Process, Spec},
    wait,
};

/// How long the program may take to listen, unoptimised and beside a compiler.
const LIMIT: Duration = Duration::from_secs(30);

/// A running gateway; it ends when dropped. A test that fails shows the end of its log.
pub struct Gateway {
    folder: ConfigFolder,
    binary: PathBuf,
    process: Process,
    address: SocketAddr,
    ops: SocketAddr,
    ca: String,
}

impl Gateway {
    /// Starts `binary` (`env!("CARGO_BIN_EXE_drover")` in a test) on this folder and waits until it is ready.
    pub async fn start(binary: impl AsRef<Path>, folder: ConfigFolder) -> Self {
        let gateway = Self::start_unready(binary, folder).await;
        gateway.wait_until_ready().await;
        gateway
    }

    /// Like [`Self::start`], without waiting for more than its addresses.
    pub async fn start_unready(binary: impl AsRef<Path>, folder: ConfigFolder) -> Self {
        // The child runs in another folder.
        let binary = std::path::absolute(binary).expect("a path");
        let process = spawn(&binary, &folder);
        let (address, ops) = addresses(&process, &folder).await;
        let ca = folder.own_ca();
        Self { folder, binary, process, address, ops, ca }
    }

    /// A gateway before one real cluster, `c-a`, in which `u-ann` may do everything; with her token. `change` is made before
    /// the roles are published and the start.
    pub async fn before(
        binary: impl AsRef<Path>,
        cluster: &RealCluster,
        change: impl FnOnce(&ConfigFolder),
    ) -> (Self, String) {
        let folder = ConfigFolder::new();
        folder.add_real_cluster("c-a", cluster).await;
        folder.add_user("u-ann").add_binding("c-a", "u-ann", "cluster-admin");
        let token = folder.add_token("u-ann");
        change(&folder);
        folder.publish(binary.as_ref(), "c-a", cluster).await;
        let gateway = Self::start(binary, folder).await;
        gateway.wait_for_cluster("c-a", &token).await;
        (gateway, token)
    }

    /// Starts it again after it ended, on the same folder; the ports are others unless the folder sets them.
    pub async fn start_again(&mut self) {
        self.process.kill();
        self.process = spawn(&self.binary, &self.folder);
        (self.address, self.ops) = addresses(&self.process, &self.folder).await;
        self.ca = self.folder.own_ca();
        self.wait_until_ready().await;
    }

    /// Waits until `/readyz` says yes.
    pub async fn wait_until_ready(&self) {
        wait::within(LIMIT, "the gateway to be ready", || async {
            self.process.assert_running();
            (self.ops_get("/readyz").await?.0 == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Its config folder, to change while it runs.
    pub const fn folder(&self) -> &ConfigFolder {
        &self.folder
    }

    /// Its process: memory, CPU time, signals.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and health are.
    pub const fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The authority that clients trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// How clients reach it: raw TLS, HTTP/1.1, HTTP/2.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address, &self.ca)
    }

    /// `/k8s/clusters/<cluster><path>`.
    pub fn path(cluster: &str, path: &str) -> String {
        format!("/k8s/clusters/{cluster}{path}")
    }

    /// GET of a path in a cluster over a new connection, with a bearer token (none where empty).
    pub async fn get(&self, cluster: &str, path: &str, token: &str) -> Response<Bytes> {
        self.endpoint().get(&Self::path(cluster, path), token).await
    }

    /// Waits until a call into a cluster gives this status, as after a change of its files.
    pub async fn wait_for_status(&self, cluster: &str, path: &str, token: &str, status: u16) {
        let what = format!("{status} from {path} of {cluster}; the gateway's log ends with\n{}", self.log_tail());
        wait::until(&what, || async {
            self.process.assert_running();
            (self.get(cluster, path, token).await.status() == status).then_some(())
        })
        .await;
    }

    /// Waits until this token's calls reach a cluster: it was probed, and the names are published.
    pub async fn wait_for_cluster(&self, cluster: &str, token: &str) {
        self.wait_for_status(cluster, "/version", token, 200).await;
    }

    /// A kubeconfig for one cluster through the gateway.
    pub fn kubeconfig_for(&self, cluster: &str, token: &str) -> String {
        kubeconfig_with_token(&format!("{}{}", self.url(), Self::path(cluster, "")), &self.ca, token)
    }

    /// kubectl for one cluster through the gateway.
    pub fn kubectl(&self, cluster: &str, token: &str) -> Kubectl {
        Kubectl::new(&self.kubeconfig_for(cluster, token))
    }

    /// GET of the operators' listener.
    pub async fn ops_get(&self, path: &str) -> Option<(StatusCode, String)> {
        plain_get(self.ops, path).await
    }

    /// All metrics, in Prometheus' text form.
    pub async fn metrics(&self) -> String {
        self.ops_get("/metrics").await.expect("the operators' listener answers").1
    }

    /// The sum over a metric's lines whose labels hold all of `labels` (`code="403"`).
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics().await;
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Runs `drover` with these arguments and `--config` of this folder after them: `streams ls`, `kubeconfig …`.
    pub fn command(&self, args: &[&str]) -> CommandOutput {
        self.folder.command(&self.binary, args)
    }

    /// Sends SIGTERM.
    pub fn sigterm(&self) {
        self.process.signal("TERM");
    }

    /// Waits for its end.
    pub async fn wait_for_exit(&self, limit: Duration) -> ExitStatus {
        self.process.wait(limit).await
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its log lines, where they are JSON.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn log_tail(&self) -> String {
        crate::process::tail(&self.folder.log_path(), 20)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the gateway's log ends with\n{}", self.log_tail());
        }
    }
}

/// What a finished `drover` said.
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Standard output of a command that succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error of a command that failed.
    pub fn err(self) -> String {
        assert_ne!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs a `drover` to its end, with a bare environment.
pub fn run(binary: &Path, args: &[&str]) -> CommandOutput {
    let output = Command::new(binary).args(args).stdin(Stdio::null()).output().expect("drover starts");
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn spawn(binary: &Path, folder: &ConfigFolder) -> Process {
    let _ = std::fs::remove_file(folder.addresses_path());
    Process::start(&Spec {
        name: "drover serve".into(),
        program: binary.to_owned(),
        args: vec!["serve".into(), "--config".into(), folder.config_path().display().to_string()],
        env: Vec::new(),
        dir: folder.path().to_owned(),
        log: folder.log_path(),
    })
}

async fn addresses(process: &Process, folder: &ConfigFolder) -> (SocketAddr, SocketAddr) {
    let path = folder.addresses_path();
    let text = wait::within(LIMIT, "the gateway to listen", || async {
        process.assert_running();
        std::fs::read(&path).ok()
    })
    .await;
    let addresses: Value = serde_json::from_slice(&text).expect("addresses.json");
    let read = |key: &str| addresses[key].as_str().and_then(|a| a.parse().ok());
    (read("gateway").expect("the gateway's address"), read("ops").expect("the operators' address"))
}

async fn plain_get(address: SocketAddr, path: &str) -> Option<(StatusCode, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some((code, body.to_owned()))
}
