//! What the store costs: `store_load FOLDER OBJECTS` fills a store in a file, opens it again and says what that took.
//!
//! Prints the bytes of memory an object of 1 kB takes, commits a second of 1 and of 64 clients, the time from a commit to the last of
//! 1,000 watches, and the time to open.

#![expect(clippy::cast_precision_loss, reason = "counts of commits, far below 2^52")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use apiserver::store::{Draft, Expect, Key, Labels, Options, Range, SqliteLog, Store, Write};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("a folder is missing")?;
    let objects: usize = arguments.next().ok_or("the number of objects is missing")?.parse()?;
    let path = Path::new(&folder).join("load.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&path, objects))
}

async fn run(path: &Path, objects: usize) -> Result<(), Failure> {
    let open =
        || -> Result<Store, Failure> { Ok(Store::open(Box::new(SqliteLog::open(path, None)?), Options::default())?) };
    let before = resident()?;
    let started = Instant::now();
    let store = open()?;
    let found = store.snapshot().count(&Range::prefix("example.com/widgets"));
    let taken = started.elapsed();
    if let Some(each) = (resident()? - before).checked_div(found) {
        say(&format!("open {found} objects: {taken:.2?}, {each} bytes an object"));
        return Ok(());
    }
    for clients in [1, 64] {
        let (count, taken) =
            writers(&store, clients, &format!("few-{clients}"), usize::MAX, Duration::from_secs(5)).await?;
        say(&format!("{clients} clients: {:.0} commits a second", count as f64 / taken.as_secs_f64()));
    }
    watchers(&store).await?;
    let (count, taken) = writers(&store, 1_024, "many", objects, Duration::MAX).await?;
    say(&format!("1024 clients: {:.0} commits a second", count as f64 / taken.as_secs_f64()));
    let stored = store.snapshot().count(&Range::prefix("example.com/widgets"));
    say(&format!("{stored} objects: {} bytes each, with the history", (resident()? - before) / stored));
    store.stop().await;
    Ok(())
}

/// `clients` that create objects one after the other, for `time` or until there are `limit`.
async fn writers(
    store: &Store,
    clients: usize,
    name: &str,
    limit: usize,
    time: Duration,
) -> Result<(usize, Duration), Failure> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (store, next, name) = (store.clone(), next.clone(), name.to_owned());
            tokio::spawn(async move {
                let mut made = 0;
                while started.elapsed() < time {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if at >= limit {
                        break;
                    }
                    let key =
                        Key::new("example.com/widgets", &format!("namespace-{}", at % 100), &format!("{name}-{at:07}"));
                    store.commit(vec![(key, Expect::Absent, Write::Put(draft()))]).await?;
                    made += 1;
                }
                Ok::<usize, Failure>(made)
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += task.await??;
    }
    Ok((made, started.elapsed()))
}

/// A thousand watches of one kind, and how long after the commit the last of them has its event.
async fn watchers(store: &Store) -> Result<(), Failure> {
    const WATCHES: usize = 1_000;
    let (seen, mut all) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WATCHES {
        let mut watch = store.watch(Range::prefix("example.com/watched"), store.revision())?;
        let seen = seen.clone();
        tasks.spawn(async move {
            while let Ok(batch) = watch.next().await {
                for _ in batch.events {
                    let _ = seen.send(Instant::now());
                }
            }
        });
    }
    let mut taken = Vec::new();
    for n in 0..200 {
        let key = Key::new("example.com/watched", "a", &n.to_string());
        store.commit(vec![(key, Expect::Absent, Write::Put(draft()))]).await?;
        let committed = Instant::now();
        let mut last = committed;
        for _ in 0..WATCHES {
            last = last.max(all.recv().await.ok_or("the watches are gone")?);
        }
        taken.push(last - committed);
    }
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).copied().unwrap_or_default();
    say(&format!("{WATCHES} watches: the last has its event {:.2?} after the answer, p99 {:.2?}", at(50), at(99)));
    Ok(())
}

/// An object of 1,024 bytes.
fn draft() -> Draft {
    let head = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"resourceVersion":""#;
    let tail = r#""},"spec":{"text":""#;
    let text = "x".repeat(1_024 - head.len() - tail.len() - 3);
    Draft {
        bytes: format!("{head}{tail}{text}\"}}}}").into_bytes(),
        revision_at: head.len(),
        labels: Labels::from_pairs([("app", "load")]),
    }
}

/// Bytes of memory that this process has.
fn resident() -> Result<usize, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1_024)
}

#[expect(clippy::print_stdout, reason = "what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
