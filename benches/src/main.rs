//! The benches of Drover: `make bench` prints its figures beside those of other proxies.

mod client;
mod compare;
mod load;
mod names;
mod peers;
mod pingora;
mod pki;
mod process;
mod relay;
mod stats;
mod upstream;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, clap::Parser)]
#[command(name = "drover-bench", version, about)]
enum Command {
    /// The static TLS server behind every peer.
    Upstream(upstream::Args),
    /// The pingora-proxy peer.
    Pingora(pingora::Args),
    /// The plain TLS-to-TLS relay.
    Relay(relay::Args),
    /// The load.
    Load(load::Args),
    /// All peers side by side.
    Compare(compare::Args),
}

fn main() -> Result<()> {
    // Two providers are in this program (pingora brings ring); all parts use this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Command::parse() {
        Command::Upstream(args) => upstream::run(&args),
        Command::Pingora(args) => pingora::run(&args),
        Command::Relay(args) => relay::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Compare(args) => compare::run(&args),
    }
}
