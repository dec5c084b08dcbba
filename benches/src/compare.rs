//! All peers side by side: CPU and throughput at saturation, latency at one open-loop rate.

pub mod check;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::load::{Protocol, Report};
use crate::names;
use crate::peers::{Kind, OTHER_CORE, Peer, Place, start_upstream};

/// Options of the comparison.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Measured seconds of one run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Which peers (all without; those whose program is missing are left out).
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Kind>,
    /// Only these figures.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Figure>,
    /// Only these answers.
    #[arg(long, value_enum, value_delimiter = ',')]
    sizes: Vec<Size>,
    /// Only this protocol.
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Requests a second of the open loop; half of the slowest peer's saturation without.
    #[arg(long)]
    rate: Option<f64>,
    /// Where raw results and the summary go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum, Serialize, Deserialize)]
pub enum Figure {
    /// CPU for each request, and throughput, at saturation.
    Cpu,
    /// Latency at half of the slowest peer's saturation.
    Latency,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum, Serialize, Deserialize)]
pub enum Size {
    /// GET of 2 kB
    Small,
    /// LIST of 1 MB
    Megabyte,
    /// LIST of 20 MB
    Twenty,
}

impl Size {
    fn name(self) -> &'static str {
        match self {
            Self::Small => "GET 2 kB",
            Self::Megabyte => "LIST 1 MB",
            Self::Twenty => "LIST 20 MB",
        }
    }

    fn target(self) -> String {
        names::target(match self {
            Self::Small => names::SMALL,
            Self::Megabyte => names::LIST_1MB,
            Self::Twenty => names::LIST_20MB,
        })
    }

    /// Connections, and streams on each.
    fn shape(self, protocol: Protocol) -> (usize, usize) {
        match (self, protocol) {
            (Self::Small, Protocol::H1) => (32, 1),
            (Self::Small, Protocol::H2) => (8, 4),
            (Self::Megabyte, Protocol::H1) => (8, 1),
            (Self::Megabyte, Protocol::H2) => (4, 2),
            (Self::Twenty, Protocol::H1) => (4, 1),
            (Self::Twenty, Protocol::H2) => (2, 2),
        }
    }
}

/// One run of the load against one peer.
#[derive(Debug, Serialize)]
pub struct Run {
    round: usize,
    peer: Kind,
    protocol: Protocol,
    size: Size,
    figure: Figure,
    rate: Option<f64>,
    report: Report,
}

/// Runs all rounds and prints the table.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let place = Place::new()?;
    let (_upstream, upstream) = start_upstream(&place, 0)?;
    let peers = start(args, &place, upstream)?;
    for peer in &peers {
        check::identity(peer, &place).with_context(|| format!("checking {}", peer.kind.name()))?;
    }
    let protocols: Vec<Protocol> =
        args.protocol.map_or_else(|| vec![Protocol::H1, Protocol::H2], |protocol| vec![protocol]);
    let sizes =
        if args.sizes.is_empty() { vec![Size::Small, Size::Megabyte, Size::Twenty] } else { args.sizes.clone() };
    let rates = rates(args, &place, &peers, &protocols, &sizes)?;
    let folder = args.results.join(stamp()?);
    fs::create_dir_all(&folder)?;
    let mut raw = fs::File::create(folder.join("raw.jsonl"))?;
    let mut runs = Vec::new();
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        for size in &sizes {
            for protocol in &protocols {
                for figure in [Figure::Cpu, Figure::Latency] {
                    // Too few lists of 20 MB are answered in a run for a quantile to mean anything.
                    if !wanted(args, figure) || (figure == Figure::Latency && *size == Size::Twenty) {
                        continue;
                    }
                    for step in 0..peers.len() {
                        // Another peer goes first in each round.
                        let peer = &peers[(step + round) % peers.len()];
                        if figure == Figure::Cpu && peer.kind == Kind::Direct {
                            continue;
                        }
                        let rate = if figure == Figure::Latency {
                            rates.get(&(*size, protocol.name())).copied()
                        } else {
                            None
                        };
                        let report = load(&place, peer, *size, *protocol, rate, args.seconds)?;
                        let run =
                            Run { round, peer: peer.kind, protocol: *protocol, size: *size, figure, rate, report };
                        writeln!(raw, "{}", serde_json::to_string(&run)?)?;
                        runs.push(run);
                    }
                }
            }
        }
    }
    let table = table::render(&runs, &peers.iter().map(|peer| peer.kind).collect::<Vec<_>>());
    fs::write(folder.join("summary.md"), &table)?;
    println!("{table}");
    eprintln!("raw results: {}", folder.display());
    Ok(())
}

fn wanted(args: &Args, figure: Figure) -> bool {
    args.only.is_empty() || args.only.contains(&figure)
}

#[expect(clippy::print_stderr, reason = "progress of a command")]
fn start(args: &Args, place: &Place, upstream: u16) -> Result<Vec<Peer>> {
    let all = [Kind::Drover, Kind::Nginx, Kind::Haproxy, Kind::Envoy, Kind::Pingora];
    let mut kinds = if args.peers.is_empty() { all.to_vec() } else { args.peers.clone() };
    if !kinds.contains(&Kind::Direct) {
        kinds.push(Kind::Direct);
    }
    let mut peers = Vec::new();
    for kind in kinds {
        match Peer::start(kind, place, upstream) {
            Ok(peer) => peers.push(peer),
            Err(error) if args.peers.is_empty() => eprintln!("left out: {}: {error:#}", kind.name()),
            Err(error) => return Err(error),
        }
    }
    Ok(peers)
}

/// The open loop's rates: half of what the slowest peer answers at saturation.
fn rates(
    args: &Args,
    place: &Place,
    peers: &[Peer],
    protocols: &[Protocol],
    sizes: &[Size],
) -> Result<BTreeMap<(Size, &'static str), f64>> {
    let mut rates = BTreeMap::new();
    if !wanted(args, Figure::Latency) {
        return Ok(rates);
    }
    for size in sizes.iter().filter(|size| **size != Size::Twenty) {
        for protocol in protocols {
            let mut slowest = f64::INFINITY;
            if let Some(rate) = args.rate {
                slowest = rate * 2.0;
            } else {
                for peer in peers.iter().filter(|peer| peer.kind != Kind::Direct) {
                    slowest = slowest.min(load(place, peer, *size, *protocol, None, 1.0)?.throughput());
                }
            }
            rates.insert((*size, protocol.name()), (slowest / 2.0).floor());
        }
    }
    Ok(rates)
}

fn load(place: &Place, peer: &Peer, size: Size, protocol: Protocol, rate: Option<f64>, seconds: f64) -> Result<Report> {
    let (connections, streams) = size.shape(protocol);
    let mut args = vec![
        "--target".to_owned(),
        size.target(),
        "--connections".to_owned(),
        connections.to_string(),
        "--streams".to_owned(),
        streams.to_string(),
        "--seconds".to_owned(),
        seconds.to_string(),
        "--protocol".to_owned(),
        if protocol == Protocol::H1 { "h1".to_owned() } else { "h2".to_owned() },
    ];
    if let Some(rate) = rate {
        args.extend(["--rate".to_owned(), rate.to_string()]);
    }
    let report = run_load(place, peer, &args)?;
    if report.good == 0 || report.failed > report.good / 1000 {
        bail!("{} failed under load: {report:?}", peer.kind.name());
    }
    Ok(report)
}

/// Runs the load as a process of its own beside the upstream.
pub fn run_load(place: &Place, peer: &Peer, args: &[String]) -> Result<Report> {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(OTHER_CORE.to_string()).arg(&place.this).arg("load");
    command.arg("--pki").arg(place.dir.path()).arg("--port").arg(peer.port.to_string()).args(args);
    if let Some(pid) = peer.pid() {
        command.arg("--pid").arg(pid.to_string());
    }
    let output = command.output()?;
    if !output.status.success() {
        bail!(
            "the load against {} ended with {}: {}",
            peer.kind.name(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("reading the load's report")
}

fn stamp() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
