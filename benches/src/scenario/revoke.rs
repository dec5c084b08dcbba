//! How long open streams live after the binding they stand on is gone.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::AsyncReadExt;

use super::streams::Opener;
use super::{Args, Stand};
use crate::peers::drover::{Options, bindings_file};
use crate::stats::spread;

/// A stream that is still open then is taken as never ended.
const LONGEST: Duration = Duration::from_secs(10);

/// Each round takes another user's binding away.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let stand = Stand::start(0, &Options::default())?;
    let opener = Opener::new(&stand.place.pki, stand.drover.port, true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let names = ["watch, HTTP/1.1", "watch, HTTP/2", "exec"];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut clean = true;
    for user in 0..args.rounds.min(crate::names::USERS) {
        let ends = runtime.block_on(async {
            let own = opener.own_watch(user).await?;
            let sender = opener.shared().await?;
            let shared = opener.shared_watch(&sender, user).await?;
            let mut exec = opener.exec(user).await?;
            fs::remove_file(bindings_file(&stand.place, user))?;
            let start = Instant::now();
            let exec = async {
                let mut rest = Vec::new();
                // The end is what counts, however it comes.
                (tokio::time::timeout(LONGEST, exec.read_to_end(&mut rest)).await.is_ok(), start.elapsed())
            };
            let own = async { (matches!(tokio::time::timeout(LONGEST, own.ended()).await, Ok(true)), start.elapsed()) };
            let shared =
                async { (matches!(tokio::time::timeout(LONGEST, shared.ended()).await, Ok(true)), start.elapsed()) };
            anyhow::Ok(tokio::join!(own, shared, exec))
        })?;
        for (times, (ended_cleanly, took)) in times.iter_mut().zip([ends.0, ends.1, ends.2]) {
            times.push(took.as_secs_f64() * 1000.0);
            clean &= ended_cleanly;
        }
    }
    println!("### A binding goes while streams are open (goal: they end within 1 s)\n");
    println!("| stream | ends after, ms: median (range) |\n|---|---|");
    for (name, times) in names.iter().zip(times) {
        let time = spread(times);
        let late = if time.high >= LONGEST.as_secs_f64() * 1000.0 { ", still open" } else { "" };
        println!("| {name} | {:.0} ({:.0}–{:.0}){late} |", time.median, time.low, time.high);
    }
    println!("\nEach watch ended cleanly: {}.\n", if clean { "yes" } else { "no" });
    Ok(())
}
