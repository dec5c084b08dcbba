//! The management plane: the embedded server beside etcd with fsync and kube-apiserver, with one kind and one client.

mod link;
mod load;
mod objects;
mod side;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;

use self::load::{Ask, Run};
use self::side::{Kind, Side, Stand};
use crate::client::Client;
use crate::pki::Pki;
use crate::stats::{Spread, spread};

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Measured seconds of one run.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// How often both sides are measured, one after the other.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Objects on both sides, from the beginning.
    #[arg(long, default_value_t = 100_000)]
    pub objects: usize,
    /// How many of them are in the long list.
    #[arg(long, default_value_t = 50_000)]
    pub list: usize,
    /// Objects in the end, on our side; 0 leaves this out.
    #[arg(long, default_value_t = 1_000_000)]
    pub large: usize,
    /// As many on their side too, which takes long.
    #[arg(long)]
    pub large_theirs: bool,
    /// Watches on the kind.
    #[arg(long, default_value_t = 1_000)]
    pub watchers: usize,
    /// Events that they see.
    #[arg(long, default_value_t = 200)]
    pub events: usize,
    /// Kinds for the last table, on our side; 0 leaves it out.
    #[arg(long, default_value_t = 500)]
    pub kinds: usize,
    /// Only our side.
    #[arg(long)]
    pub ours: bool,
    /// A folder on the disk that is measured: a file system in memory would make every flush free.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"))]
    pub disk: PathBuf,
    /// The embedded server's program.
    #[arg(long, env = "DROVER_SERVE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/examples/serve"))]
    pub serve: PathBuf,
}

/// What the rounds found on one side; each row has one figure a round.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Found {
    fn add(&mut self, row: &'static str, figure: f64) {
        match self.rows.iter_mut().find(|(name, _)| *name == row) {
            Some((_, figures)) => figures.push(figure),
            None => self.rows.push((row, vec![figure])),
        }
    }

    fn row(&self, name: &str) -> &[f64] {
        self.rows.iter().find(|(row, _)| *row == name).map_or(&[], |(_, figures)| figures)
    }
}

/// A runtime for clients: they share one core.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Measures all and prints the tables.
pub fn run(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir_in(&args.disk)?;
    let stand = Stand {
        dir: dir.path().into(),
        pki: Pki::create(dir.path())?,
        serve: args.serve.clone(),
        programs: super::apiserver::programs()?,
    };
    if !stand.serve.exists() {
        bail!("{} is not built: cargo build --release -p drover-apiserver --example serve", stand.serve.display());
    }
    pin()?;
    let config = stand.pki.client(&["http/1.1"])?;
    let kinds = if args.ours { vec![Kind::Ours] } else { vec![Kind::Ours, Kind::Theirs] };
    let mut found: Vec<Found> = kinds.iter().map(|_| Found::default()).collect();
    let mut sides = Vec::new();
    for (kind, found) in kinds.iter().zip(&mut found) {
        sides.push(prepare(args, &stand, &config, *kind, found)?);
    }
    let mut flush = Vec::new();
    for round in 0..args.rounds {
        for at in 0..sides.len() {
            let at = (at + round) % sides.len();
            let page = measure(args, &stand, &config, &sides[at], &mut found[at])?;
            flush.push(page);
        }
    }
    print(args, &found, spread(flush));
    let mut sides = sides.into_iter();
    let ours = sides.next().context("no side")?;
    let theirs = sides.next().filter(|_| args.large_theirs);
    large(args, &stand, &config, ours, theirs)?;
    growth(args, &stand)
}

/// This program's threads leave the servers' core to them.
fn pin() -> Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(0);
    rustix::thread::sched_setaffinity(None, &cores)?;
    Ok(())
}

/// Starts a side with nothing in it, fills it, and starts it anew.
fn prepare(args: &Args, stand: &Stand, config: &Arc<ClientConfig>, kind: Kind, found: &mut Found) -> Result<Side> {
    let name = format!("{kind:?}");
    let (side, ready) = Side::start(kind, stand, &name, None)?;
    found.add("ready, empty", ready.as_secs_f64());
    settle();
    found.add("idle", side.memory().iter().sum());
    say(&format!("{name}: idle, MB: {:.0?}", side.memory()));
    begin(&side, stand)?;
    let runtime = runtime()?;
    let listed = args.list.min(args.objects);
    let mut took = runtime.block_on(load::fill(&side, config, objects::LISTED, 0, listed))?;
    took += runtime.block_on(load::fill(&side, config, objects::OTHERS, listed, args.objects))?;
    settle();
    say(&format!("{name}: {} objects made in {:.1} s, MB: {:.0?}", args.objects, took.as_secs_f64(), side.memory()));
    found.add("filled", side.memory().iter().sum());
    drop(side);
    let (side, ready) = Side::start(kind, stand, &name, Some(&first()))?;
    found.add("ready", ready.as_secs_f64());
    settle();
    found.add("restarted", side.memory().iter().sum());
    say(&format!("{name}: ready in {:.2} s, MB: {:.0?}", ready.as_secs_f64(), side.memory()));
    Ok(side)
}

/// What is needed before objects can be made.
fn begin(side: &Side, stand: &Stand) -> Result<()> {
    let mut client = Client::connect(side.port, &stand.pki.client(&["http/1.1"])?)?;
    let authorization = format!("Bearer {}", objects::ADMINISTRATOR);
    for (path, object) in objects::beginning() {
        let (status, answer) = client.post(path, &authorization, object.to_string().as_bytes())?;
        if status != 201 {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer));
        }
    }
    // A definition is served a moment later, and rights reach kube-apiserver's authorizer by a watch.
    side.answers(stand, &objects::widgets(objects::MADE), &crate::names::token(0))
}

/// The path of the first object.
fn first() -> String {
    format!("{}/{}", objects::widgets(objects::LISTED), load::name(0))
}

/// One round of one side; gives the time of one flush, in µs.
fn measure(args: &Args, stand: &Stand, config: &Arc<ClientConfig>, side: &Side, found: &mut Found) -> Result<f64> {
    let runtime = runtime()?;
    let time = Duration::from_secs_f64(args.seconds);
    let ask = |ask: &Ask, clients: usize| -> Result<Run> {
        let run = runtime.block_on(load::run(side, config, ask, clients, time))?;
        // What a run leaves behind, Go's collector above all, is not the next one's.
        std::thread::sleep(Duration::from_millis(300));
        Ok(run)
    };
    let flush = load::fsync(&stand.dir, time / 4)?.quantile(0.5);
    let create = ask(&Ask::Create, 1)?;
    found.add("create p50", create.times.quantile(0.5));
    found.add("create less a flush", create.times.quantile(0.5) - flush);
    found.add("create CPU", 1e6 / create.per_cpu);
    let create = ask(&Ask::Create, 64)?;
    found.add("creates", create.rate);
    found.add("creates CPU", 1e6 / create.per_cpu);
    found.add("get", ask(&Ask::Get(first()), 8)?.per_cpu);
    let listed = objects::widgets(objects::LISTED);
    found.add("list 500", ask(&Ask::Get(format!("{listed}?limit=500")), 4)?.per_cpu);
    found.add("list all", ask(&Ask::Get(listed.clone()), 2)?.per_cpu);
    let (watch, cpu) = runtime.block_on(load::watch(side, config, args.watchers, args.events))?;
    found.add("watch p50", watch.quantile(0.5));
    found.add("watch p99", watch.quantile(0.99));
    found.add("watch CPU", cpu);
    drop(runtime);
    let (alone, beside, lists) = load::fairness(side, config, &first(), &listed, time)?;
    found.add("get p99 alone", alone.quantile(0.99));
    found.add("get p99 beside", beside.quantile(0.99));
    say(&format!("{:?}: a round, {lists} long lists beside the gets", side.kind));
    Ok(flush)
}

/// A row of the table: how it is called, its figure's name, how it is shown, and the goal.
struct Row(&'static str, &'static str, f64, usize, &'static str);

const ROWS: [Row; 18] = [
    Row("create, 1 client, p50, µs", "create p50", 1.0, 0, ""),
    Row("the same less one flush, µs", "create less a flush", 1.0, 0, "≤ 0.5"),
    Row("create, 1 client, CPU, µs", "create CPU", 1.0, 0, ""),
    Row("creates, 64 clients, a second", "creates", 1.0, 0, "≥ 3"),
    Row("create, 64 clients, CPU, µs", "creates CPU", 1.0, 0, ""),
    Row("get, a CPU second", "get", 1.0, 0, "≥ 3"),
    Row("list of 500, a CPU second", "list 500", 1.0, 1, "≥ 3"),
    Row("long list, a CPU second", "list all", 1.0, 2, "≥ 3"),
    Row("event to last watcher, p50, ms", "watch p50", 1e-3, 1, ""),
    Row("event to last watcher, p99, ms", "watch p99", 1e-3, 1, "≤ 1"),
    Row("an event to all, CPU, ms", "watch CPU", 1.0, 1, ""),
    Row("get p99, alone, ms", "get p99 alone", 1e-3, 2, ""),
    Row("get p99 beside 4 long lists of another caller, ms", "get p99 beside", 1e-3, 2, "≤ 2 × alone"),
    Row("memory, idle, MB", "idle", 1.0, 0, "≤ 40 MB"),
    Row("memory, objects made, MB", "filled", 1.0, 0, "≤ 300 MB"),
    Row("memory, objects read at start, MB", "restarted", 1.0, 0, "≤ 300 MB"),
    Row("start to ready, empty, s", "ready, empty", 1.0, 2, ""),
    Row("start to ready, objects, s", "ready", 1.0, 2, "≤ 3 s"),
];

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn print(args: &Args, found: &[Found], flush: Spread) {
    println!(
        "### The embedded server beside etcd and kube-apiserver, {} objects of 1 kB, a long list of {}, {} watchers\n\n\
         One flush: {:.0} µs ({:.0}–{:.0}).\n\n| | embedded | etcd + kube-apiserver | ÷ | goal |\n|---|---|---|---|---|",
        args.objects, args.list, args.watchers, flush.median, flush.low, flush.high
    );
    for Row(title, name, factor, digits, goal) in ROWS {
        let show = |spread: Spread| {
            let [median, low, high] = [spread.median, spread.low, spread.high].map(|figure| figure * factor);
            format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
        };
        let figures: Vec<&[f64]> = found.iter().map(|found| found.row(name)).collect();
        if figures[0].is_empty() {
            continue;
        }
        let mine = spread(figures[0].iter().copied());
        let Some(their) = figures.get(1) else {
            println!("| {title} | {} | | | {goal} |", show(mine));
            continue;
        };
        let ratio = spread(figures[0].iter().zip(*their).map(|(mine, its)| mine / its));
        let its = spread(their.iter().copied());
        println!(
            "| {title} | {} | {} | {:.2} ({:.2}–{:.2}) | {goal} |",
            show(mine),
            show(its),
            ratio.median,
            ratio.low,
            ratio.high
        );
    }
    for (found, name) in found.iter().zip(["embedded", "kube-apiserver"]) {
        let moved =
            found.row("get p99 beside").iter().zip(found.row("get p99 alone")).map(|(beside, alone)| beside / alone);
        let moved = spread(moved);
        println!(
            "\nget p99 beside long lists ÷ alone, {name}: {:.2} ({:.2}–{:.2})",
            moved.median, moved.low, moved.high
        );
    }
    println!();
}

/// The figures with very many objects.
#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn large(args: &Args, stand: &Stand, config: &Arc<ClientConfig>, ours: Side, theirs: Option<Side>) -> Result<()> {
    if args.large <= args.objects {
        return Ok(());
    }
    println!(
        "### {} objects of 1 kB (goals: ≤ 1,800 MB, ≤ 20 s)\n\n| | made in, s | memory, MB | start to ready, s | memory after it, MB | create CPU, µs | get, a CPU second | list of 500 |\n|---|---|---|---|---|---|---|---|",
        args.large
    );
    let time = Duration::from_secs_f64(args.seconds);
    for side in std::iter::once(ours).chain(theirs) {
        let kind = side.kind;
        let took = runtime()?.block_on(load::fill(&side, config, objects::OTHERS, args.objects, args.large))?;
        settle();
        let filled: f64 = side.memory().iter().sum();
        drop(side);
        let (side, ready) = Side::start(kind, stand, &format!("{kind:?}"), Some(&first()))?;
        settle();
        let restarted: f64 = side.memory().iter().sum();
        let runtime = runtime()?;
        let ask = |ask: Ask, clients: usize| runtime.block_on(load::run(&side, config, &ask, clients, time));
        let create = ask(Ask::Create, 64)?;
        let get = ask(Ask::Get(first()), 8)?;
        let list = ask(Ask::Get(format!("{}?limit=500", objects::widgets(objects::LISTED))), 4)?;
        println!(
            "| {kind:?} | {:.0} | {filled:.0} | {:.2} | {restarted:.0} | {:.0} | {:.0} | {:.0} |",
            took.as_secs_f64(),
            ready.as_secs_f64(),
            1e6 / create.per_cpu,
            get.per_cpu,
            list.per_cpu
        );
    }
    println!();
    Ok(())
}

/// How our side grows with kinds.
#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn growth(args: &Args, stand: &Stand) -> Result<()> {
    if args.kinds == 0 {
        return Ok(());
    }
    println!(
        "### Kinds, embedded server\n\n| kinds | a definition takes, ms | memory, MB | start to ready, s | memory after it, MB |\n|---|---|---|---|---|"
    );
    let (mut side, _) = Side::start(Kind::Ours, stand, "kinds", None)?;
    let authorization = format!("Bearer {}", objects::ADMINISTRATOR);
    let mut made = 0;
    for kinds in [args.kinds / 10, args.kinds] {
        let mut client = Client::connect(side.port, &stand.pki.client(&["http/1.1"])?)?;
        let (start, from) = (std::time::Instant::now(), made);
        while made < kinds {
            made += 1;
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            let (status, answer) =
                client.post(path, &authorization, objects::definition(made).to_string().as_bytes())?;
            if status != 201 {
                bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let each = start.elapsed().as_secs_f64() * 1000.0 / (made - from).max(1) as f64;
        settle();
        let before: f64 = side.memory().iter().sum();
        drop(side);
        let (next, ready) = Side::start(Kind::Ours, stand, "kinds", None)?;
        side = next;
        settle();
        let after: f64 = side.memory().iter().sum();
        println!("| {kinds} | {each:.1} | {before:.0} | {:.2} | {after:.0} |", ready.as_secs_f64());
    }
    println!();
    Ok(())
}

/// A server does what it put off, before its memory is looked at.
fn settle() {
    std::thread::sleep(Duration::from_secs(3));
}

#[expect(clippy::print_stderr, reason = "where a long run stands")]
fn say(what: &str) {
    eprintln!("plane: {what}");
}
