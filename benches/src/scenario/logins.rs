//! Very many local sign-ins at once: memory, and what requests feel of it meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use drover::management::passwords;
use drover::secret::Secret;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::json;

use super::admin::{Admin, KINDS, embedded, object};
use super::{Args, Shape, Stand};
use crate::load::Protocol;
use crate::names;
use crate::peers::drover::Options;
use crate::process::{loopback, resident};
use crate::stats::spread;

const PASSWORD: &str = "correct horse battery staple";
/// Connections that the sign-ins share.
const CONNECTIONS: usize = 10;
/// Requests a second, of which p99 is taken.
const RATE: f64 = 1000.0;

/// Measures both with Drover on one core, which its hashing then shares with its one worker, and on both.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(500);
    println!("### {count} local sign-ins at once (goals: bounded memory; p99 of 2 kB GETs ≤ 1.3 × meanwhile)\n");
    println!(
        "| Drover on | sign-ins, s | most memory more, MB | p99 before, µs | meanwhile, µs | ÷: median (range) |\n|---|---|---|---|---|---|"
    );
    for core in [None, Options::default().core] {
        let found = measure(args, count, core)?;
        println!("| {} | {found} |", if core.is_some() { "one core" } else { "both cores" });
    }
    println!();
    Ok(())
}

fn measure(args: &Args, count: usize, core: Option<usize>) -> Result<String> {
    let stand = Stand::start(0, &Options { core, config: embedded(), ..Options::default() })?;
    let pid = stand.drover.pid().context("no process")?;
    people(&stand, count)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target = names::target(names::SMALL);
    let (mut before, mut meanwhile, mut ratios, mut more, mut took) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let shape = Shape {
            protocol: Protocol::H1,
            connections: 32,
            streams: 1,
            target: &target,
            rate: Some(RATE),
            users: (0, names::USERS),
            seconds: args.seconds,
        };
        let alone = shape.run(&stand.place, &stand.drover)?;
        let rest = resident(pid);
        forget_peak(pid)?;
        let load = std::thread::scope(|scope| {
            let load = scope.spawn(|| shape.run(&stand.place, &stand.drover));
            took.push(runtime.block_on(sign_in(&stand, count, round))?.as_secs_f64());
            load.join().map_err(|_| anyhow::anyhow!("the load panicked"))?
        })?;
        ensure!(load.failed == 0, "requests failed meanwhile");
        more.push(peak(pid)?.saturating_sub(rest) as f64 / 1e6);
        ratios.push(load.latency.p99 / alone.latency.p99);
        before.push(alone.latency.p99);
        meanwhile.push(load.latency.p99);
    }
    let (more, ratio, took) = (spread(more), spread(ratios), spread(took));
    Ok(format!(
        "{:.1} | {:.0} (to {:.0}) | {:.0} | {:.0} | **{:.2}** ({:.2}–{:.2})",
        took.median,
        more.median,
        more.high,
        spread(before).median,
        spread(meanwhile).median,
        ratio.median,
        ratio.low,
        ratio.high
    ))
}

/// Makes people with a password.
fn people(stand: &Stand, count: usize) -> Result<()> {
    let admin = Admin::of(stand)?;
    let hash = passwords::hash(&Secret::new(PASSWORD.to_owned()))?;
    let numbers: Vec<usize> = (0..count).collect();
    admin.create_all(stand, &format!("{KINDS}/users"), &numbers, |number| {
        object("User", &format!("u-person-{number}"), json!({"username": format!("person{number}")}))
    })?;
    admin.create_all(stand, &format!("/api/v1/namespaces/{}/secrets", passwords::NAMESPACE), &numbers, |number| {
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": format!("u-person-{number}"), "annotations": {"cattle.io/password-hash": "argon2id"}},
            "stringData": {"password": hash}})
    })
}

/// All sign in at once, each from a place of its own; how long it takes until the last has its token.
async fn sign_in(stand: &Stand, count: usize, round: usize) -> Result<Duration> {
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        senders.push(connect(stand).await?);
    }
    // The load is under way by then.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let start = Instant::now();
    let asked = (0..count).map(|number| {
        let sender = senders.get(number % CONNECTIONS).cloned();
        async move { one(sender.context("no connection")?, number, round).await }
    });
    let mut answers = BTreeMap::<String, usize>::new();
    for answer in futures_util::future::join_all(asked).await {
        *answers.entry(answer?).or_default() += 1;
    }
    ensure!(answers.get("200") == Some(&count), "not everybody was let in: {answers:?}");
    Ok(start.elapsed())
}

async fn one(mut sender: SendRequest<Full<Bytes>>, number: usize, round: usize) -> Result<String> {
    let form = format!(
        "client_id=drover-cli&grant_type=password&username=person{number}&password={}",
        PASSWORD.replace(' ', "+")
    );
    let request = Request::post("https://localhost/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", format!("10.{round}.{}.{}", number / 250, number % 250 + 1))
        .body(Full::new(Bytes::from(form)))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(if status == 200 { "200".to_owned() } else { format!("{status} {}", String::from_utf8_lossy(&body)) })
}

async fn connect(stand: &Stand) -> Result<SendRequest<Full<Bytes>>> {
    let config = stand.place.pki.client(&["h2"])?;
    let socket = tokio::net::TcpStream::connect(loopback(stand.drover.port)).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::clone(&config))
        .connect(ServerName::try_from("localhost")?, socket)
        .await?;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Lets the kernel count the most memory of a process anew.
fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// The most memory of a process since then, in bytes.
fn peak(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
