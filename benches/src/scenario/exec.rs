//! Bytes through an upgrade, echoed, beside a plain TLS-to-TLS relay.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::streams::Opener;
use super::{Args, Stand};
use crate::peers::drover::Options;
use crate::peers::{Kind, PROXY_CORE, Peer, start_this};
use crate::process::{cpu, free_port};
use crate::stats::spread;

/// Sends the bytes and reads them back, round by round through each.
#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let bytes = args.count.unwrap_or(1_000_000_000);
    let stand = Stand::start(0, &Options::default())?;
    let port = free_port()?;
    let relay = start_this(&stand.place, "relay", PROXY_CORE, port, Some(stand.direct.port))?;
    let relay = Peer::wait(Kind::Direct, port, relay, &stand.place)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rates = [Vec::new(), Vec::new()];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (index, peer) in [&stand.drover, &relay].into_iter().enumerate() {
            let pid = peer.pid().context("no process")?;
            let opener = Opener::new(&stand.place.pki, peer.port, true)?;
            let before = cpu(pid);
            let took = runtime.block_on(echo(&opener, bytes))?;
            rates[index].push(bytes as f64 / 1e6 / took.as_secs_f64());
            times[index].push(cpu(pid).saturating_sub(before).as_secs_f64() * 1e9 / bytes as f64);
        }
    }
    let paired = |values: &[Vec<f64>; 2]| spread(values[0].iter().zip(&values[1]).map(|(mine, its)| mine / its));
    let (rate, time) = (paired(&rates), paired(&times));
    println!("### {} MB through an upgrade and back (goal: ≥ 0.9 × the relay)\n", bytes / 1_000_000);
    println!("| | Drover | TLS relay | Drover ÷ relay |\n|---|---|---|---|");
    println!(
        "| MB/s each way | {:.0} | {:.0} | **{:.2}** ({:.2}–{:.2}) |",
        spread(rates[0].clone()).median,
        spread(rates[1].clone()).median,
        rate.median,
        rate.low,
        rate.high
    );
    println!(
        "| CPU s/GB | {:.2} | {:.2} | **{:.2}** ({:.2}–{:.2}) |\n",
        spread(times[0].clone()).median,
        spread(times[1].clone()).median,
        time.median,
        time.low,
        time.high
    );
    Ok(())
}

async fn echo(opener: &Opener, bytes: usize) -> Result<Duration> {
    let (mut reader, mut writer) = tokio::io::split(opener.exec(0).await?);
    let start = Instant::now();
    let send = async {
        let chunk = vec![0x5a_u8; 32 * 1024];
        let mut left = bytes;
        while left > 0 {
            let count = left.min(chunk.len());
            writer.write_all(&chunk[..count]).await?;
            left -= count;
        }
        writer.flush().await?;
        anyhow::Ok(())
    };
    let receive = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut got = 0;
        while got < bytes {
            let read = reader.read(&mut buffer).await?;
            if read == 0 {
                bail!("the stream ended after {got} bytes");
            }
            got += read;
        }
        Ok(())
    };
    tokio::try_join!(send, receive)?;
    Ok(start.elapsed())
}
