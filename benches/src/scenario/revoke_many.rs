//! How long the last of very many open streams lives after its user was disabled.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::streams::{Opener, Watch};
use super::{Args, Stand};
use crate::names;
use crate::peers::drover::{Options, disable};
use crate::process::cpu;
use crate::stats::spread;

/// Streams of one connection.
const SHARED: usize = 100;
/// A stream that is still open then is taken as never ended.
const LONGEST: Duration = Duration::from_secs(30);

/// Each round opens them for another user, and disables that one.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stand = Stand::start(0, &Options::default())?;
    let pid = stand.drover.pid().context("no process")?;
    let opener = Opener::new(&stand.place.pki, stand.drover.port, true)?;
    let (mut firsts, mut lasts, mut used, mut clean) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..args.rounds.min(names::USERS) {
        let ends = runtime.block_on(async {
            let mut senders = Vec::new();
            let mut watches: Vec<Watch> = Vec::with_capacity(count);
            while watches.len() < count {
                let sender = opener.shared().await?;
                let opened = (0..SHARED.min(count - watches.len())).map(|_| opener.shared_watch(&sender, round));
                for watch in futures_util::future::join_all(opened).await {
                    watches.push(watch?);
                }
                senders.push(sender);
            }
            let (file, text) = disable(&stand.place, round)?;
            let before = cpu(pid);
            let start = Instant::now();
            fs::write(file, text)?;
            let ends = watches.into_iter().map(|watch| async {
                let clean = tokio::time::timeout(LONGEST, watch.ended()).await;
                (clean == Ok(true), start.elapsed())
            });
            let mut tasks = futures_util::stream::FuturesUnordered::from_iter(ends);
            let mut ends = Vec::with_capacity(count);
            while let Some(end) = futures_util::StreamExt::next(&mut tasks).await {
                ends.push(end);
            }
            used.push((cpu(pid) - before).as_secs_f64());
            anyhow::Ok(ends)
        })?;
        ensure!(ends.len() == count, "streams were lost");
        clean += ends.iter().filter(|(clean, _)| *clean).count();
        let time = |end: Option<&(bool, Duration)>| end.map_or(f64::NAN, |(_, took)| took.as_secs_f64());
        firsts.push(time(ends.first()));
        lasts.push(time(ends.last()));
    }
    let (first, last, used) = (spread(firsts), spread(lasts), spread(used));
    println!("### A user with {count} open watches is disabled (goal: the last one ends within 1 s)\n");
    println!("| first ends after, s | last, s: median (range) | CPU of it, s | ended cleanly |\n|---|---|---|---|");
    println!(
        "| {:.2} | **{:.2}** ({:.2}–{:.2}) | {:.2} | {clean} of {} |\n",
        first.median,
        last.median,
        last.low,
        last.high,
        used.median,
        count * args.rounds.min(names::USERS)
    );
    Ok(())
}
