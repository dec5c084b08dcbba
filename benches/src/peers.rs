//! The proxies that stand side by side, each with TLS on both sides, verified, kept alive, one
//! thread, an access log, and the same identity headers.

pub mod drover;
mod envoy;
mod haproxy;
mod nginx;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pki::Pki;
use crate::process::{Process, free_port, loopback};

/// The core that the proxy has for itself.
pub const PROXY_CORE: usize = 1;
/// The core that load and upstream share.
pub const OTHER_CORE: usize = 0;

/// A proxy, or none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// What is built here, doing its whole work.
    Drover,
    /// nginx
    Nginx,
    /// HAProxy
    Haproxy,
    /// Envoy
    Envoy,
    /// pingora-proxy
    Pingora,
    /// The upstream itself.
    Direct,
}

impl Kind {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drover => "Drover",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Pingora => "pingora-proxy",
            Self::Direct => "direct",
        }
    }
}

/// Where a run keeps its files, and what it starts.
#[derive(Debug)]
pub struct Place {
    /// The run's folder; goes with it.
    pub dir: tempfile::TempDir,
    /// The run's certificates.
    pub pki: Pki,
    /// This program.
    pub this: PathBuf,
    /// `drover`, built for release.
    pub drover: PathBuf,
    /// Envoy's program.
    pub envoy: PathBuf,
}

impl Place {
    /// A new folder with certificates.
    pub fn new() -> Result<Self> {
        // In memory where that can be: a disk that writes one peer's log back must not stall another's.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
        let pki = Pki::create(dir.path())?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cache =
            std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")?.join(".cache/drover-test/bench");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("../target"), PathBuf::from);
        let drover = std::env::var_os("DROVER").map_or_else(|| target.join("release/drover"), PathBuf::from);
        Ok(Self { dir, pki, this: std::env::current_exe()?, drover, envoy: cache.join("envoy-1.40/envoy/_bin/envoy") })
    }

    /// A file of this run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A server under test.
#[derive(Debug)]
pub struct Peer {
    /// Which.
    pub kind: Kind,
    /// Its port on loopback.
    pub port: u16,
    process: Option<Process>,
}

impl Peer {
    /// Its process, if it has one of its own.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Ends its process.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts `kind` in front of the port `upstream`.
    pub fn start(kind: Kind, place: &Place, upstream: u16) -> Result<Self> {
        let port = free_port()?;
        let process = match kind {
            Kind::Direct => return Ok(Self { kind, port: upstream, process: None }),
            Kind::Drover => return drover::start(place, upstream, &drover::Options::default()),
            Kind::Nginx => nginx::start(place, port, upstream)?,
            Kind::Haproxy => haproxy::start(place, port, upstream)?,
            Kind::Envoy => envoy::start(place, port, upstream)?,
            Kind::Pingora => start_this(place, "pingora", PROXY_CORE, port, Some(upstream))?,
        };
        Self::wait(kind, port, process, place)
    }

    /// A peer of a process that was just started; waits until it listens.
    pub fn wait(kind: Kind, port: u16, mut process: Process, place: &Place) -> Result<Self> {
        process.wait_for(loopback(port)).with_context(|| {
            let log = place.file(&format!("{}.out", kind.name()));
            std::fs::read_to_string(log).unwrap_or_default()
        })?;
        Ok(Self { kind, port, process: Some(process) })
    }
}

/// Starts the upstream; its process and port.
pub fn start_upstream(place: &Place, names: usize) -> Result<(Process, u16)> {
    let port = free_port()?;
    let args = [
        "upstream".to_owned(),
        "--pki".to_owned(),
        place.dir.path().display().to_string(),
        "--port".to_owned(),
        port.to_string(),
        "--names".to_owned(),
        names.to_string(),
    ];
    let mut process = Process::start("upstream", Some(OTHER_CORE), &place.this, &args, &place.file("upstream.out"))?;
    process.wait_for(loopback(port))?;
    Ok((process, port))
}

/// Starts a server that is a command of this program.
pub fn start_this(place: &Place, command: &str, core: usize, port: u16, upstream: Option<u16>) -> Result<Process> {
    let mut args = vec![
        command.to_owned(),
        "--pki".to_owned(),
        place.dir.path().display().to_string(),
        "--port".to_owned(),
        port.to_string(),
    ];
    if let Some(upstream) = upstream {
        args.extend(["--upstream".to_owned(), upstream.to_string()]);
    }
    if command == "pingora" {
        args.extend(["--log".to_owned(), place.file("pingora.log").display().to_string()]);
    }
    Process::start(command, Some(core), &place.this, &args, &place.file(&format!("{command}.out")))
}
