//! Five times what can be served: how much is still served, and how fast the rest is refused.

use anyhow::Result;
use serde_json::json;

use super::{Args, Shape, Stand};
use crate::load::Protocol;
use crate::names;
use crate::peers::drover::Options;
use crate::stats::spread;

/// Requests under way that Drover lets in.
const IN_FLIGHT: u32 = 64;
/// How long the cluster takes for each.
const MILLIS: u32 = 20;

/// A slow cluster behind a small total limit, so that the limit is what saturates.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let options = Options { config: json!({"limits": {"maxInFlight": IN_FLIGHT}}), ..Options::default() };
    let stand = Stand::start(0, &options)?;
    let target = names::target(&format!("{}{MILLIS}", names::SLOW));
    let shape = Shape {
        protocol: Protocol::H1,
        connections: IN_FLIGHT as usize,
        streams: 1,
        target: &target,
        rate: None,
        users: (0, names::USERS),
        seconds: args.seconds,
    };
    let (mut ratios, mut p50, mut p99, mut refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let peak = shape.run(&stand.place, &stand.drover)?.throughput();
        let over =
            Shape { connections: 512, rate: Some(peak * 5.0), ..shape.clone() }.run(&stand.place, &stand.drover)?;
        ratios.push(over.throughput() / peak);
        p50.push(over.refusal.p50 / 1000.0);
        p99.push(over.refusal.p99 / 1000.0);
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        refused.push(over.refused as f64 / over.seconds);
    }
    let ratio = spread(ratios);
    println!(
        "### Offered 5 × saturation, {IN_FLIGHT} in flight, {MILLIS} ms each (goals: goodput ≥ 0.8 × peak, 503 in ≤ 1 ms)\n"
    );
    println!("| goodput ÷ peak | refused, /s | 503 after, ms: p50 | p99 |\n|---|---|---|---|");
    println!(
        "| **{:.2}** ({:.2}–{:.2}) | {:.0} | {:.2} | {:.2} |\n",
        ratio.median,
        ratio.low,
        ratio.high,
        spread(refused).median,
        spread(p50).median,
        spread(p99).median
    );
    Ok(())
}
