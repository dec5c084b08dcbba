//! Events are forgotten an hour after their last change, as `--event-ttl` has it.

use std::{collections::VecDeque, time::Duration};

use apimachinery::meta::options::DeleteOptions;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    api::Api,
    failure::Outcome,
    store::{Entry, Range, Revision},
    verbs,
};

/// How long an event is kept after its last change.
const KEPT: Duration = Duration::from_hours(1);
/// How often it is looked for old ones.
const EVERY: Duration = Duration::from_mins(1);

/// Forgets old events, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    let mut ages = Ages::new(api.core().store.revision());
    loop {
        tokio::time::sleep(EVERY).await;
        ages.mark(Instant::now(), api.core().store.revision());
        if let Err(failed) = sweep(&api, &ages).await {
            tracing::warn!(why = failed.message(), "old events cannot be deleted");
        }
    }
}

async fn sweep(api: &Api, ages: &Ages) -> Outcome<()> {
    let scope = api.scope("", "events", "")?;
    let (now, instant) = (Timestamp::now(), Instant::now());
    let old = ages.old(instant);
    let snapshot = api.core().store.snapshot();
    let entries = snapshot.range(&Range::prefix(&scope.resource.prefix), None);
    let old: Vec<Entry> = entries.filter(|entry| ages.is_old(entry, old, now)).cloned().collect();
    verbs::delete::delete_all(&scope, old, &DeleteOptions::default()).await.map(drop)
}

/// When revisions were made: an event's age is told without reading it, but for those that were there at the start.
struct Ages {
    start: Revision,
    marks: VecDeque<(Instant, Revision)>,
}

impl Ages {
    const fn new(start: Revision) -> Self {
        Self { start, marks: VecDeque::new() }
    }

    /// All up to `revision` was made before `now`.
    fn mark(&mut self, now: Instant, revision: Revision) {
        self.marks.push_back((now, revision));
        while self.marks.get(1).is_some_and(|(time, _)| now.duration_since(*time) > KEPT) {
            self.marks.pop_front();
        }
    }

    /// The newest revision that is old.
    fn old(&self, now: Instant) -> Option<Revision> {
        let old = self.marks.iter().take_while(|(time, _)| now.duration_since(*time) > KEPT);
        old.last().map(|(_, revision)| *revision)
    }

    fn is_old(&self, entry: &Entry, old: Option<Revision>, now: Timestamp) -> bool {
        if old.is_some_and(|old| entry.modified() <= old) {
            return true;
        }
        if entry.modified() > self.start {
            return false;
        }
        let event: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
        last_change(&event).is_some_and(|at| now.duration_since(at).unsigned_abs() > KEPT && at < now)
    }
}

/// When an event last changed.
fn last_change(event: &Value) -> Option<Timestamp> {
    ["/metadata/creationTimestamp", "/lastTimestamp", "/eventTime", "/series/lastObservedTime"]
        .into_iter()
        .filter_map(|path| event.pointer(path)?.as_str()?.parse().ok())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_an_hour_ago_is_old() {
        let begin = Instant::now();
        let mut ages = Ages::new(5);
        ages.mark(begin, 10);
        ages.mark(begin + EVERY, 20);
        assert_eq!(ages.old(begin + KEPT), None);
        assert_eq!(ages.old(begin + KEPT + Duration::from_secs(1)), Some(10));
        assert_eq!(ages.old(begin + KEPT + EVERY + Duration::from_secs(1)), Some(20));
        ages.mark(begin + KEPT + EVERY + EVERY, 30);
        assert_eq!(ages.marks.len(), 2);
    }
}
