//! The load: one thread, HTTP/1.1 or HTTP/2 over TLS, closed loop or open loop.
//!
//! Closed loop keeps every slot (connection × stream) busy, which finds the saturation. Open loop
//! starts requests at the times of a Poisson process with a fixed seed, whether or not earlier ones
//! have been answered, and measures each from the time it *should* have started: a server that
//! stalls cannot hide it (no coordinated omission).

mod engine;
mod http1;
mod http2;
mod report;
mod tls;

use std::path::PathBuf;

use anyhow::Result;

pub use self::report::{Latency, Report};

/// What the client speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2
    H2,
}

impl Protocol {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "HTTP/1.1",
            Self::H2 => "HTTP/2",
        }
    }
}

/// Options of the load.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder with the run's certificates.
    #[arg(long)]
    pub pki: PathBuf,
    /// The port to ask, on loopback.
    #[arg(long)]
    pub port: u16,
    /// What to speak.
    #[arg(long, value_enum, default_value = "h1")]
    pub protocol: Protocol,
    /// How many connections.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// How many requests at a time on each (HTTP/1.1: one).
    #[arg(long, default_value_t = 1)]
    pub streams: usize,
    /// The target to get.
    #[arg(long)]
    pub target: String,
    /// Open loop at this many requests a second; closed loop without.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Seconds before the measured ones.
    #[arg(long, default_value_t = 0.5)]
    pub warmup: f64,
    /// Measured seconds.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// The first user whose token is sent.
    #[arg(long, default_value_t = 0)]
    pub first_user: usize,
    /// How many users take turns, a request each.
    #[arg(long, default_value_t = crate::names::USERS)]
    pub users: usize,
    /// A credential to send instead of the users' tokens.
    #[arg(long)]
    pub token: Option<String>,
    /// The process whose CPU time is read at both ends of the measured time.
    #[arg(long)]
    pub pid: Option<u32>,
}

/// Runs the load and prints its report as JSON.
#[expect(clippy::print_stdout, reason = "the report is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let report = engine::Engine::connect(args)?.run()?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// A request that was answered, or never will be.
#[derive(Clone, Copy, Debug)]
struct Done {
    /// When it should have started, in nanoseconds since the engine's start.
    intended: u64,
    /// The status code; 0 when the connection or stream broke.
    status: u16,
}

/// What came out of some received bytes.
#[derive(Debug, Default)]
struct Received {
    done: Vec<Done>,
    /// Body bytes.
    body: u64,
}
