//! The two sides: the embedded server, and etcd with kube-apiserver. Each has one core for all its processes, TLS, and its files
//! on the disk that is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::objects;
use crate::client::Client;
use crate::pki::Pki;
use crate::process::{Process, cpu, free_port, loopback, resident};

/// The core of the servers; clients have the other one.
const CORE: usize = 1;

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Drover's.
    Ours,
    /// etcd with fsync, and kube-apiserver.
    Theirs,
}

/// Where the programs and files are.
#[derive(Debug)]
pub struct Stand {
    /// The run's folder, on the disk.
    pub dir: PathBuf,
    /// Certificates.
    pub pki: Pki,
    /// The embedded server's program.
    pub serve: PathBuf,
    /// The folder of etcd and kube-apiserver.
    pub programs: PathBuf,
}

/// A running side.
#[derive(Debug)]
pub struct Side {
    /// Which.
    pub kind: Kind,
    /// Its port on loopback.
    pub port: u16,
    // kube-apiserver first: it is stopped while its etcd still answers.
    processes: Vec<Process>,
}

impl Side {
    /// Starts it on the files in `name`, new or from an earlier start; returns with the time until `/readyz`, and then `path` if
    /// there is one, is answered 200.
    pub fn start(kind: Kind, stand: &Stand, name: &str, path: Option<&str>) -> Result<(Self, Duration)> {
        let dir = stand.dir.join(name);
        fs::create_dir_all(&dir)?;
        let tokens = dir.join("tokens.csv");
        fs::write(&tokens, objects::tokens())?;
        let port = free_port()?;
        let start = Instant::now();
        let processes = match kind {
            Kind::Ours => vec![ours(stand, &dir, &tokens, port)?],
            Kind::Theirs => theirs(stand, &dir, &tokens, port)?,
        };
        let side = Self { kind, port, processes };
        for path in std::iter::once("/readyz").chain(path) {
            side.answers(stand, path, objects::ADMINISTRATOR).with_context(|| {
                let log = fs::read_to_string(dir.join("server.out")).unwrap_or_default();
                log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
            })?;
        }
        Ok((side, start.elapsed()))
    }

    /// Waits until `path` is answered 200 to the owner of `token`.
    pub fn answers(&self, stand: &Stand, path: &str, token: &str) -> Result<()> {
        let config = stand.pki.client(&["http/1.1"])?;
        let authorization = format!("Bearer {token}");
        let end = Instant::now() + Duration::from_secs(300);
        loop {
            let answer = Client::connect(self.port, &config)
                .and_then(|mut client| client.ask("GET", path, &[("Authorization", &authorization)]));
            if matches!(answer, Ok((200, _))) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{:?} does not become ready: {path}: {answer:?}", self.kind);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// CPU time of all its processes so far.
    pub fn cpu(&self) -> Duration {
        self.processes.iter().map(|process| cpu(process.id())).sum()
    }

    /// Resident memory of its processes, in MB: kube-apiserver's first, then etcd's.
    pub fn memory(&self) -> Vec<f64> {
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        self.processes.iter().map(|process| resident(process.id()) as f64 / 1e6).collect()
    }
}

fn ours(stand: &Stand, dir: &Path, tokens: &Path, port: u16) -> Result<Process> {
    let args = [
        "--listen".to_owned(),
        loopback(port).to_string(),
        "--file".to_owned(),
        dir.join("store").display().to_string(),
        "--certificate".to_owned(),
        stand.pki.certificate.display().to_string(),
        "--key".to_owned(),
        stand.pki.key.display().to_string(),
        "--tokens".to_owned(),
        tokens.display().to_string(),
    ];
    Process::start("the embedded server", Some(CORE), &stand.serve, &args, &dir.join("server.out"))
}

fn theirs(stand: &Stand, dir: &Path, tokens: &Path, port: u16) -> Result<Vec<Process>> {
    let (client, peer) = (free_port()?, free_port()?);
    let args = [
        format!("--data-dir={}/etcd", dir.display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        // The default of 2 GB is too little for a million objects.
        format!("--quota-backend-bytes={}", 16_u64 << 30),
        "--log-level=error".to_owned(),
    ];
    // Its ports are new after a restart, which its data does not mind with one member.
    let mut etcd = Process::start("etcd", Some(CORE), &stand.programs.join("etcd"), &args, &dir.join("etcd.out"))?;
    etcd.wait_for(loopback(client))?;
    let args = [
        format!("--etcd-servers=http://127.0.0.1:{client}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", stand.pki.certificate.display()),
        format!("--tls-private-key-file={}", stand.pki.key.display()),
        "--service-account-issuer=https://localhost".to_owned(),
        format!("--service-account-key-file={}", stand.pki.certificate.display()),
        format!("--service-account-signing-key-file={}", stand.pki.key.display()),
        format!("--token-auth-file={}", tokens.display()),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    let program = stand.programs.join("kube-apiserver");
    let api = Process::start("kube-apiserver", Some(CORE), &program, &args, &dir.join("server.out"))?;
    Ok(vec![api, etcd])
}
