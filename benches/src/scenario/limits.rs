//! One user far over its limit: what another user feels of it.

use anyhow::Result;
use serde_json::json;

use super::{Args, Shape, Stand, together};
use crate::load::Protocol;
use crate::names;
use crate::peers::drover::Options;
use crate::stats::spread;

/// Requests a second that each user may make.
const LIMIT: u32 = 1000;

/// User A asks at ten times its limit, user B at half of it, paired with B alone.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let options = Options {
        config: json!({"limits": {"perUser": {"perSecond": LIMIT, "burst": LIMIT / 10}}}),
        ..Options::default()
    };
    let stand = Stand::start(0, &options)?;
    let target = names::target(names::SMALL);
    let of = |user: usize, rate: f64| Shape {
        protocol: Protocol::H1,
        connections: 32,
        streams: 1,
        target: &target,
        rate: Some(rate),
        users: (user, 1),
        seconds: args.seconds,
    };
    let limit = f64::from(LIMIT);
    let (mut ratios, mut alone, mut beside, mut let_through) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let single = of(1, limit / 2.0).run(&stand.place, &stand.drover)?;
        let (loud, quiet) = together(&stand.place, &stand.drover, &of(0, limit * 10.0), &of(1, limit / 2.0))?;
        ratios.push(quiet.latency.p99 / single.latency.p99);
        alone.push(single.latency.p99);
        beside.push(quiet.latency.p99);
        let_through.push(loud.throughput());
    }
    let ratio = spread(ratios);
    println!("### User A at ten times its limit of {LIMIT}/s, user B at half of it (goal: B's p99 ≤ 1.5 ×)\n");
    println!("| B's p99 alone, µs | beside A, µs | ratio | of A let through, /s |\n|---|---|---|---|");
    println!(
        "| {:.0} | {:.0} | **{:.2}** ({:.2}–{:.2}) | {:.0} |\n",
        spread(alone).median,
        spread(beside).median,
        ratio.median,
        ratio.low,
        ratio.high,
        spread(let_through).median
    );
    Ok(())
}
