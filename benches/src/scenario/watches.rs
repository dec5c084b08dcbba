//! Idle watches: memory for each, and the time to open some.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::streams::{Opener, Watch};
use tokio::runtime::Runtime;

use super::{Args, Stand, apiserver};
use crate::names;
use crate::peers::Place;
use crate::peers::drover::{self, Options};
use crate::process::resident;
use crate::stats::spread;

/// Streams of one shared connection, as kube-apiserver allows them.
const SHARED: usize = 100;
/// Opened for the comparison with the direct way.
const OPENED: usize = 500;
const SHARING: &str = "HTTP/2, 100 streams a connection";
const OWN: &str = "own TLS connection each";

/// Opens them both ways and prints memory and times.
#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(5000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "### {count} idle watches (goals: ≤ 15 kB each shared, ≤ 40 kB each on its own connection; {OPENED} opened in ≤ 1.2 × direct)\n"
    );
    println!(
        "| clients | memory each | {OPENED} opened through Drover, ms | direct, ms | ratio |\n|---|---|---|---|---|"
    );
    for own in [false, true] {
        let stand = Stand::start(0, &Options::default())?;
        let pid = stand.drover.pid().context("no process")?;
        let through = Opener::new(&stand.place.pki, stand.drover.port, true)?;
        let direct = Opener::new(&stand.place.pki, stand.direct.port, false)?;
        let times = compare(&runtime, args.rounds, &through, &direct, own)?;
        let before = resident(pid);
        let watches = runtime.block_on(open(&through, count, own))?;
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(2)).await });
        let each = resident(pid).saturating_sub(before) as f64 / count as f64 / 1000.0;
        drop(watches);
        println!("| {} | {each:.1} kB | {times} |", if own { OWN } else { SHARING });
    }
    let place = Place::new()?;
    let server = apiserver::start(&place)?;
    let drover = drover::start(&place, server.port, &apiserver::options())?;
    let through = Opener::new(&place.pki, drover.port, true)?.watching("configmaps");
    let direct = Opener::new(&place.pki, server.port, false)?.watching("configmaps");
    for own in [false, true] {
        let times = compare(&runtime, args.rounds, &through, &direct, own)?;
        println!("| {}, a real kube-apiserver | | {times} |", if own { OWN } else { SHARING });
    }
    println!();
    Ok(())
}

/// Opens them both ways in turn; the cells of the table.
fn compare(runtime: &Runtime, rounds: usize, through: &Opener, direct: &Opener, own: bool) -> Result<String> {
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (opener, times) in [through, direct].into_iter().zip(&mut times) {
            let start = Instant::now();
            drop(runtime.block_on(open(opener, OPENED, own))?);
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            // The connections of one are gone before the next.
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
        }
    }
    let ratio = spread(times[0].iter().zip(&times[1]).map(|(mine, its)| mine / its));
    let [through, direct] = times.map(|times| spread(times).median);
    Ok(format!("{through:.0} | {direct:.0} | **{:.2}** ({:.2}–{:.2})", ratio.median, ratio.low, ratio.high))
}

/// Opens `count` watches, 32 at a time.
async fn open(opener: &Opener, count: usize, own: bool) -> Result<Vec<Watch>> {
    let mut tasks = tokio::task::JoinSet::new();
    let mut watches = Vec::with_capacity(count);
    let mut shared = None;
    for number in 0..count {
        if !own && number % SHARED == 0 {
            shared = Some(opener.shared().await?);
        }
        if tasks.len() >= 32 {
            watches.push(tasks.join_next().await.context("no task")???);
        }
        let (opener, shared) = (opener.clone(), shared.clone());
        tasks.spawn(async move {
            match shared {
                Some(sender) => opener.shared_watch(&sender, number % names::USERS).await,
                None => opener.own_watch(number % names::USERS).await,
            }
        });
    }
    while let Some(watch) = tasks.join_next().await {
        watches.push(watch??);
    }
    Ok(watches)
}
