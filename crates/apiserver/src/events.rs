//! Events are forgotten after an hour, as `--event-ttl` has it.

use std::time::Duration;

use apimachinery::meta::options::DeleteOptions;
use jiff::Timestamp;
use serde_json::Value;

use crate::{api::Api, failure::Outcome, store::Range, verbs};

/// How long an event is kept after its last change.
const KEPT: Duration = Duration::from_hours(1);
/// How often it is looked for old ones.
const EVERY: Duration = Duration::from_mins(1);

/// Forgets old events, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(failed) = sweep(&api).await {
            tracing::warn!(why = failed.message(), "old events cannot be deleted");
        }
    }
}

async fn sweep(api: &Api) -> Outcome<()> {
    let scope = api.scope("", "events", "")?;
    let now = Timestamp::now();
    let snapshot = api.core().store.snapshot();
    let old: Vec<_> = snapshot
        .range(&Range::prefix(&scope.resource.prefix), None)
        .filter(|entry| {
            let event: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
            last_change(&event).is_some_and(|at| now.duration_since(at).unsigned_abs() > KEPT && at < now)
        })
        .cloned()
        .collect();
    verbs::delete::delete_all(&scope, old, &DeleteOptions::default()).await.map(drop)
}

/// When an event last changed.
fn last_change(event: &Value) -> Option<Timestamp> {
    ["/metadata/creationTimestamp", "/lastTimestamp", "/eventTime", "/series/lastObservedTime"]
        .into_iter()
        .filter_map(|path| event.pointer(path)?.as_str()?.parse().ok())
        .max()
}
