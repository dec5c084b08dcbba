//! What is measured of one side.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use rustls::ClientConfig;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::link::Link;
use super::objects::{API, MADE, widget, widgets};
use super::side::Side;

/// Names of all objects that a run makes differ.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Lists of the greedy caller at once.
const GREEDY: usize = 4;

/// Durations, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The duration that `share` of all are not above, in µs.
    pub fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let at = (self.0.len().saturating_sub(1) as f64 * share).round() as usize;
        self.0.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

/// One flush of a page to a file in `dir`, again and again for `time`.
pub fn fsync(dir: &Path, time: Duration) -> Result<Times> {
    const PAGES: u64 = 1024;
    let mut file = tempfile::tempfile_in(dir)?;
    let page = [7_u8; 4096];
    for _ in 0..PAGES {
        file.write_all(&page)?;
    }
    file.sync_all()?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        file.seek(SeekFrom::Start(times.len() as u64 % PAGES * 4096))?;
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(Times::new(times))
}

/// A closed loop of many clients.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Latency of each request.
    pub times: Times,
    /// Requests a second.
    pub rate: f64,
    /// Requests per CPU second of the server.
    pub per_cpu: f64,
}

/// What the clients of a run ask for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A new object each time.
    Create,
    /// A path.
    Get(String),
}

/// Asks with `clients` at once for `time`.
pub async fn run(side: &Side, config: &Arc<ClientConfig>, ask: &Ask, clients: usize, time: Duration) -> Result<Run> {
    let mut links = Vec::new();
    for number in 0..clients {
        let mut link = Link::open(side.port, config, number).await?;
        // Its connection and the caches behind it are warm.
        once(&mut link, ask).await?;
        links.push(link);
    }
    let (start, spent) = (Instant::now(), side.cpu());
    let mut tasks = JoinSet::new();
    for mut link in links {
        let ask = ask.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < time {
                times.push(once(&mut link, &ask).await?);
            }
            Ok::<_, anyhow::Error>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let (elapsed, spent) = (start.elapsed(), side.cpu().saturating_sub(spent));
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let count = times.len() as f64;
    Ok(Run {
        times: Times::new(times),
        rate: count / elapsed.as_secs_f64(),
        per_cpu: count / spent.as_secs_f64().max(0.01),
    })
}

async fn once(link: &mut Link, ask: &Ask) -> Result<Duration> {
    let (method, path, body) = match ask {
        Ask::Create => {
            let name = format!("widget-{:08}", NEXT.fetch_add(1, Ordering::Relaxed));
            ("POST", widgets(MADE), Some(widget(MADE, &name)))
        }
        Ask::Get(path) => ("GET", path.clone(), None),
    };
    let start = Instant::now();
    let size = link.ask(method, &path, body).await?;
    if size < 500 {
        bail!("{method} {path}: {size} bytes are no widget");
    }
    Ok(start.elapsed())
}

/// Makes the objects `from..to` of `namespace`.
pub async fn fill(
    side: &Side,
    config: &Arc<ClientConfig>,
    namespace: &str,
    from: usize,
    to: usize,
) -> Result<Duration> {
    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(from));
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let mut link = Link::open(side.port, config, number).await?;
        let (next, namespace) = (Arc::clone(&next), namespace.to_owned());
        tasks.spawn(async move {
            let path = widgets(&namespace);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= to {
                    return Ok::<_, anyhow::Error>(());
                }
                link.ask("POST", &path, Some(widget(&namespace, &name(number)))).await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(start.elapsed())
}

/// The name of an object that [`fill`] makes.
pub fn name(number: usize) -> String {
    format!("widget-{number:07}")
}

/// Counts who has seen an event.
#[derive(Debug, Default)]
struct Seen {
    watchers: AtomicUsize,
    all: Notify,
}

/// `watchers` watch the kind, each on a connection of its own; one object after the other is made: the time from before its request
/// is sent until the last watcher has it, and the server's CPU for one event, in ms.
pub async fn watch(side: &Side, config: &Arc<ClientConfig>, watchers: usize, events: usize) -> Result<(Times, f64)> {
    let mut writer = Link::open(side.port, config, 0).await?;
    let version = writer.version(&format!("{API}/widgets?limit=1")).await?;
    let path = format!("{API}/widgets?watch=true&resourceVersion={version}");
    let seen = Arc::new(Seen::default());
    let mut tasks = JoinSet::new();
    for number in 0..watchers {
        let mut link = Link::open(side.port, config, number).await?;
        let mut body = link.begin("GET", &path, None).await?;
        let seen = Arc::clone(&seen);
        tasks.spawn(async move {
            while let Some(frame) = body.frame().await {
                let frame = frame?;
                let ends = frame.data_ref().map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
                if ends > 0 && seen.watchers.fetch_add(ends, Ordering::Relaxed) + ends >= watchers {
                    seen.all.notify_one();
                }
            }
            drop(link);
            bail!("a watch ended")
        });
    }
    let mut times = Vec::new();
    let mut spent = side.cpu();
    for event in 0..=events {
        seen.watchers.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let all = seen.all.notified();
        let made = once(&mut writer, &Ask::Create);
        let both = async { tokio::join!(made, all).0 };
        tokio::select! {
            made = tokio::time::timeout(Duration::from_secs(30), both) => {
                made.with_context(|| format!("only {:?} of the watchers saw an event", seen.watchers))??;
            }
            ended = tasks.join_next() => { ended.context("no watchers")???; }
        }
        times.push(start.elapsed());
        if event == 0 {
            // The first event finds what the opening of the watches left to do.
            times.clear();
            spent = side.cpu();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let cpu = side.cpu().saturating_sub(spent).as_secs_f64() * 1000.0 / events.max(1) as f64;
    Ok((Times::new(times), cpu))
}

/// A caller that gets one object every 5 ms, alone and beside another one's long lists: latency from when each was due.
pub fn fairness(
    side: &Side,
    config: &Arc<ClientConfig>,
    get: &str,
    list: &str,
    time: Duration,
) -> Result<(Times, Times, usize)> {
    let alone = gets(side, config, get, time)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (beside, lists) = std::thread::scope(|scope| {
        let greedy = scope.spawn(|| greedy(side, config, list, &stop));
        std::thread::sleep(Duration::from_millis(500));
        let beside = gets(side, config, get, time);
        stop.store(true, Ordering::Relaxed);
        (beside, greedy.join())
    });
    let lists = lists.map_err(|_| anyhow::anyhow!("the greedy caller panicked"))??;
    Ok((alone, beside?, lists))
}

fn gets(side: &Side, config: &Arc<ClientConfig>, path: &str, time: Duration) -> Result<Times> {
    const EVERY: Duration = Duration::from_millis(5);
    super::runtime()?.block_on(async {
        let mut link = Link::open(side.port, config, 1).await?;
        link.ask("GET", path, None).await?;
        let (start, mut due, mut times) = (Instant::now(), Instant::now(), Vec::new());
        while start.elapsed() < time {
            tokio::time::sleep_until(due.into()).await;
            link.ask("GET", path, None).await?;
            times.push(due.elapsed());
            due += EVERY;
        }
        Ok(Times::new(times))
    })
}

/// Reads lists until it is told to stop; how many it got. Its thread gives way to the one that measures.
fn greedy(side: &Side, config: &Arc<ClientConfig>, path: &str, stop: &Arc<AtomicBool>) -> Result<usize> {
    rustix::process::nice(19)?;
    super::runtime()?.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..GREEDY {
            let mut link = Link::open(side.port, config, 0).await?;
            let (path, stop) = (path.to_owned(), Arc::clone(stop));
            tasks.spawn(async move {
                let mut lists = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut body = link.begin("GET", &path, None).await?;
                    while let Some(frame) = body.frame().await {
                        frame?;
                        if stop.load(Ordering::Relaxed) {
                            return Ok(lists);
                        }
                    }
                    lists += 1;
                }
                Ok::<usize, anyhow::Error>(lists)
            });
        }
        let mut lists = 0;
        while let Some(done) = tasks.join_next().await {
            lists += done??;
        }
        Ok(lists)
    })
}
