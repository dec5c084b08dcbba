//! New upstream connections of warm pools.

use anyhow::Result;

use super::{Args, Shape, Stand};
use crate::load::Protocol;
use crate::names;
use crate::peers::drover::Options;

/// Counts the upstream's connections over at least 5,000 requests at 32 in flight.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let stand = Stand::start(0, &Options::default())?;
    let target = names::target(names::SMALL);
    println!("### New upstream TLS connections at 32 in flight, warm (goal: 0 in 5,000 requests)\n");
    println!("| clients | requests | new connections |\n|---|---|---|");
    for (protocol, connections, streams) in [(Protocol::H1, 32, 1), (Protocol::H2, 8, 4)] {
        let shape = Shape {
            protocol,
            connections,
            streams,
            target: &target,
            rate: None,
            users: (0, names::USERS),
            seconds: args.seconds.max(1.0),
        };
        shape.run(&stand.place, &stand.drover)?;
        let before = stand.counters()?;
        shape.run(&stand.place, &stand.drover)?;
        let after = stand.counters()?;
        // The question itself is a connection.
        let new = after.connections - before.connections - 1;
        println!("| {} | {} | {new} |", protocol.name(), after.requests - before.requests);
    }
    println!();
    Ok(())
}
