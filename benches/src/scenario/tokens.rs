//! A caller known by token: time with few and with very many tokens, and instructions beside the hash.

use std::hint::black_box;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use drover::world::input::Inputs;
use drover::world::{TokenHash, World};
use http::HeaderMap;
use jiff::Timestamp;

use super::Args;
use super::callers::{Door, bearer, time, token, user};
use crate::names;

/// Users that the tokens are of, at most.
const USERS: usize = 100_000;
/// Tokens that are asked with: enough of a million that nothing of them is in a cache.
const ASKED: usize = 200_000;

/// One run for callgrind.
#[derive(Clone, Debug, clap::Args)]
pub struct Callers {
    /// Tokens in the world.
    #[arg(long)]
    tokens: usize,
    /// How many callers are asked about.
    #[arg(long)]
    calls: usize,
    /// Only the hashes of their tokens.
    #[arg(long)]
    hash: bool,
}

/// Prints time and instructions.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    println!(
        "### A request's caller by token (goals: ≤ 3 µs with the hash at both sizes; ≤ 8,000 instructions beside it)\n"
    );
    println!(
        "| tokens | users | µs, p50 | p99 of batches of 64 | of it the hash, µs | instructions beside the hash |\n|---|---|---|---|---|---|"
    );
    let hash = instructions(1000, true)?;
    for tokens in [1000, args.count.unwrap_or(1_000_000)] {
        let world = world(tokens);
        let door = Door::new();
        let requests =
            (0..tokens.min(ASKED)).map(|number| bearer(&names::token(number))).collect::<Result<Vec<_>>>()?;
        let texts: Vec<String> = (0..requests.len()).map(names::token).collect();
        ensure!(known(&door, &world, &requests) == requests.len(), "a token is not known");
        let whole = time(requests.len(), rounds(args, tokens), |number, now| {
            let _ = black_box(door.authenticate(&requests[number], &world, None, now));
        });
        let hashes = time(texts.len(), rounds(args, tokens), |number, _| {
            black_box(TokenHash::of(&texts[number]));
        });
        drop(world);
        // Building a million rows takes callgrind many minutes; the way to a row is one step of a tree longer there.
        let beside = instructions(tokens.min(USERS), false)?.saturating_sub(hash);
        println!(
            "| {tokens} | {} | **{:.2}** | {:.2} | {:.2} | **{beside}**{} |",
            tokens.min(USERS),
            whole.p50 / 1000.0,
            whole.p99 / 1000.0,
            hashes.p50 / 1000.0,
            if tokens > USERS { " (at 100,000 tokens)" } else { "" }
        );
    }
    println!("\nThe hash itself: {hash} instructions.\n");
    Ok(())
}

/// Few tokens are asked about more often.
fn rounds(args: &Args, tokens: usize) -> usize {
    args.rounds * if tokens < ASKED { 100 } else { 1 }
}

fn world(tokens: usize) -> World {
    let users = tokens.min(USERS);
    World::of(Inputs {
        users: (0..users).map(user).collect(),
        tokens: (0..tokens).map(|number| token(number, users)).collect(),
        ..Inputs::default()
    })
}

fn known(door: &Door, world: &World, requests: &[HeaderMap]) -> usize {
    let now = Timestamp::now();
    requests.iter().filter(|headers| door.authenticate(headers, world, None, now).is_ok()).count()
}

/// What callgrind counts: only what happens in the two functions below.
pub fn callers(args: &Callers) -> Result<()> {
    let asked = args.tokens.min(args.calls);
    if args.hash {
        let texts: Vec<String> = (0..asked).map(names::token).collect();
        counted_hashes(&texts, args.calls);
        return Ok(());
    }
    let world = world(args.tokens);
    let requests = (0..asked).map(|number| bearer(&names::token(number))).collect::<Result<Vec<_>>>()?;
    let door = Door::new();
    // The first use of some things costs once.
    known(&door, &world, &requests);
    let found = counted_callers(&door, &world, &requests, args.calls);
    ensure!(found == args.calls, "a token is not known");
    Ok(())
}

#[inline(never)]
fn counted_callers(door: &Door, world: &World, requests: &[HeaderMap], calls: usize) -> usize {
    let now = Timestamp::now();
    let asked = requests.iter().cycle().take(calls);
    asked.filter(|headers| black_box(door.authenticate(headers, world, None, now)).is_ok()).count()
}

#[inline(never)]
fn counted_hashes(texts: &[String], calls: usize) {
    for text in texts.iter().cycle().take(calls) {
        black_box(TokenHash::of(text));
    }
}

/// Instructions of one call.
fn instructions(tokens: usize, hash: bool) -> Result<u64> {
    const CALLS: u64 = 20_000;
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    command.arg(format!("--toggle-collect=*{}*", if hash { "counted_hashes" } else { "counted_callers" }));
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(std::env::current_exe()?);
    command.args(["callers", "--tokens", &tokens.to_string(), "--calls", &CALLS.to_string()]);
    if hash {
        command.arg("--hash");
    }
    let output = command.output().context("running valgrind")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")));
    let total: u64 = total.and_then(|count| count.trim().parse().ok()).context("callgrind tells no sum")?;
    ensure!(total > 0, "callgrind did not see the function");
    Ok(total / CALLS)
}
