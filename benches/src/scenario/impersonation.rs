//! `--as` with 20 groups: the first time, and in the next 10 s.

use std::time::Instant;

use anyhow::{Result, bail};

use super::{Args, Stand};
use crate::client::Client;
use crate::names;
use crate::peers::drover::Options;
use crate::stats::spread;

const GROUPS: usize = 20;

/// Measures both, each round as another user.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let stand = Stand::start(GROUPS, &Options { others: GROUPS, ..Options::default() })?;
    let mut client = Client::connect(stand.drover.port, &stand.place.pki.client(&["http/1.1"])?)?;
    let authorization = format!("Bearer {}", names::token(0));
    let groups: Vec<String> = (0..GROUPS).map(names::extra_group).collect();
    let (mut first, mut next, mut asked, mut again) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 1..=args.rounds.max(5).min(names::USERS - 1) {
        let user = names::user(round);
        let mut headers = vec![("Authorization", authorization.as_str()), ("Impersonate-User", user.as_str())];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", group.as_str())));
        let before = stand.counters()?;
        for times in [&mut first, &mut next] {
            let start = Instant::now();
            let (status, body) = client.ask("GET", &names::target(names::SMALL), &headers)?;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            if status != 200 {
                bail!("answered {status}: {}", String::from_utf8_lossy(&body));
            }
            let after = stand.counters()?;
            if times.len() > asked.len() {
                asked.push(after.reviews - before.reviews);
            } else {
                again += after.reviews - before.reviews - asked.last().copied().unwrap_or(0);
            }
        }
    }
    let (first, next) = (spread(first), spread(next));
    println!("### `--as` with {GROUPS} groups (goal: ≤ 30 ms first, no call in the next 10 s)\n");
    println!("| | ms: median (range) | access reviews asked |\n|---|---|---|");
    println!(
        "| first | {:.2} ({:.2}–{:.2}) | {} each |",
        first.median,
        first.low,
        first.high,
        asked.first().copied().unwrap_or(0)
    );
    println!("| next | {:.2} ({:.2}–{:.2}) | {again} in all |\n", next.median, next.low, next.high);
    Ok(())
}
