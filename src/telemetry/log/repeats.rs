//! Repeated lines: of one message about one cluster so many a minute, and then how many were left out.
//!
//! A cluster that is down, or a disk that is full, is told of once and again, not a thousand times a second: the line
//! that says something else is to be found.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// How long lines are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// How often it is looked whether a window is over.
const LOOK: Duration = Duration::from_secs(1);
/// Kinds of lines that are counted; with more, new kinds are all written.
const KINDS: usize = 4096;
/// Of a message so much is told with the count, in characters.
const SHOWN: usize = 200;

/// What makes two lines the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Kind {
    message: String,
    cluster: String,
}

#[derive(Debug)]
struct Window {
    started: Instant,
    level: Level,
    written: u32,
    left_out: u64,
}

/// How many lines of one kind were left out.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    message: String,
    cluster: String,
    level: Level,
    count: u64,
}

/// Counts lines by kind.
#[derive(Debug)]
pub(super) struct Repeats {
    most: u32,
    windows: Mutex<HashMap<Kind, Window>>,
}

impl Repeats {
    /// Lets `most` lines of a kind through in each minute.
    pub(super) fn new(most: u32) -> Self {
        Self { most, windows: Mutex::default() }
    }

    fn admit(&self, kind: Kind, level: Level, now: Instant) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KINDS && !windows.contains_key(&kind) {
            return true;
        }
        let window = windows.entry(kind).or_insert(Window { started: now, level, written: 0, left_out: 0 });
        if now.saturating_duration_since(window.started) >= WINDOW {
            // What was left out before is told with the new window's.
            (window.started, window.written) = (now, 0);
        }
        let written = window.written < self.most;
        if written {
            window.written += 1;
        } else {
            window.left_out += 1;
        }
        written
    }

    /// Forgets the windows that are over, or all, and gives what they left out.
    fn over(&self, now: Instant, all: bool) -> Vec<LeftOut> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let over = windows.extract_if(|_, window| all || now.saturating_duration_since(window.started) >= WINDOW);
        over.filter(|(_, window)| window.left_out > 0)
            .map(|(Kind { message, cluster }, Window { level, left_out: count, .. })| LeftOut {
                message,
                cluster,
                level,
                count,
            })
            .collect()
    }

    fn tell(&self, all: bool) {
        for LeftOut { message, cluster, level, count } in self.over(Instant::now(), all) {
            let line: String = message.chars().take(SHOWN).collect();
            let cluster = Some(cluster).filter(|cluster| !cluster.is_empty());
            if level <= Level::WARN {
                tracing::warn!(cluster, line, left_out = count, "repeated lines were left out");
            } else {
                tracing::info!(cluster, line, left_out = count, "repeated lines were left out");
            }
        }
    }
}

/// The counting as a layer of the log.
pub(super) struct Limit(pub(super) Arc<Repeats>);

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Who asks for details wants them all; and what tells of the rest is not counted itself.
        if *metadata.level() > Level::INFO || metadata.target() == module_path!() {
            return true;
        }
        let mut kind = Kind::default();
        event.record(&mut kind);
        self.0.admit(kind, *metadata.level(), Instant::now())
    }
}

impl Visit for Kind {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => &mut self.message,
            "cluster" => &mut self.cluster,
            _ => return,
        };
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "cluster" => self.cluster.push_str(value),
            _ => {}
        }
    }
}

/// Tells every minute what was left out, and the rest when it is dropped.
#[derive(Debug)]
pub struct Guard(Arc<Repeats>);

impl Guard {
    /// Begins to tell, on a thread of its own.
    pub(super) fn start(repeats: Arc<Repeats>) -> std::io::Result<Self> {
        let weak = Arc::downgrade(&repeats);
        thread::Builder::new().name("drover-log".into()).spawn(move || tell_on(&weak))?;
        Ok(Self(repeats))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.tell(true);
    }
}

fn tell_on(repeats: &Weak<Repeats>) {
    while let Some(repeats) = repeats.upgrade() {
        repeats.tell(false);
        drop(repeats);
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(cluster: &str) -> Kind {
        Kind { message: "the cluster cannot be reached".into(), cluster: cluster.into() }
    }

    #[test]
    fn a_line_is_written_so_often_a_minute_for_each_cluster() {
        let (repeats, start) = (Repeats::new(3), Instant::now());
        let written = |cluster, at| {
            (0..10).filter(|_| repeats.admit(kind(cluster), Level::WARN, start + Duration::from_secs(at))).count()
        };
        assert_eq!((written("c-a", 0), written("c-b", 1), written("c-a", 59)), (3, 3, 0));
        assert_eq!((written("c-a", 60), written("c-b", 60)), (3, 0));
    }

    #[test]
    fn what_was_left_out_is_told_once_when_its_minute_is_over() {
        let (repeats, start) = (Repeats::new(1), Instant::now());
        for second in 0..5 {
            repeats.admit(kind("c-a"), Level::ERROR, start + Duration::from_secs(second));
        }
        repeats.admit(kind("c-quiet"), Level::INFO, start);
        assert_eq!(repeats.over(start + Duration::from_secs(59), false), []);
        let told = |count| LeftOut {
            message: "the cluster cannot be reached".into(),
            cluster: "c-a".into(),
            level: Level::ERROR,
            count,
        };
        assert_eq!(repeats.over(start + WINDOW, false), [told(4)]);
        assert_eq!(repeats.over(start + WINDOW, false), []);

        for _ in 0..3 {
            repeats.admit(kind("c-a"), Level::ERROR, start + WINDOW);
        }
        assert_eq!(repeats.over(start + WINDOW, true), [told(2)]);
    }

    #[test]
    fn lines_of_more_kinds_than_are_counted_are_written() {
        let (repeats, now) = (Repeats::new(1), Instant::now());
        for number in 0..KINDS {
            assert!(repeats.admit(kind(&format!("c-{number}")), Level::WARN, now));
        }
        assert!(!repeats.admit(kind("c-0"), Level::WARN, now));
        assert!(repeats.admit(kind("c-one-more"), Level::WARN, now));
        assert!(repeats.admit(kind("c-one-more"), Level::WARN, now));
    }
}
