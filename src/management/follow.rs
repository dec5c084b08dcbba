//! Follows one kind: a list, then its watch, for ever.
//!
//! Unlike `kube::runtime::watcher` it keeps no object, tells when the plane was last heard of, and lets one object that cannot be
//! read break nothing but itself. A watch is asked for a short time and opened again: a plane that has gone away in silence is
//! noticed within [`WATCH`] and [`SILENCE`].

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    api::{DynamicObject, ListParams, WatchEvent, WatchParams},
};
use tokio::time::{sleep, timeout};

use super::contact::Line;
use crate::controller::Backoff;

/// Objects a page of a list.
const PAGE: u32 = 500;
/// The longest wait for a page, and for the head of a watch.
const ANSWER: Duration = Duration::from_secs(30);
/// Seconds that a watch is asked for.
const WATCH: u32 = 20;
/// How much longer than asked for a watch may be silent.
const SILENCE: Duration = Duration::from_secs(5);
/// Waits after failures in a row.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };

/// Takes what is seen of a kind.
pub(super) trait Sink {
    /// A list begins; what follows until [`Sink::listed`] is all there is.
    fn list(&mut self);
    /// One object of the list.
    fn item(&mut self, object: &DynamicObject);
    /// The list is whole.
    fn listed(&mut self);
    /// An object is new or has changed.
    fn applied(&mut self, object: &DynamicObject);
    /// An object is gone.
    fn deleted(&mut self, object: &DynamicObject);
}

/// Why a watch ended.
enum End {
    /// By itself: it goes on where it was.
    Over,
    /// By a failure: it goes on where it was, a little later.
    Failed,
    /// The plane has forgotten where it was.
    Gone,
}

/// Follows what `api` reaches until it is dropped.
pub(super) async fn follow(api: Api<DynamicObject>, what: &str, line: &Line, sink: &mut impl Sink) {
    let mut failures = 0;
    loop {
        let mut version = match list(&api, line, sink).await {
            Ok(version) => version,
            Err(error) => {
                failures += 1;
                tracing::warn!(kind = what, %error, "cannot be listed");
                sleep(BACKOFF.after(failures)).await;
                continue;
            }
        };
        loop {
            match watch(&api, what, &mut version, line, sink, &mut failures).await {
                End::Over => {}
                End::Failed => {
                    failures += 1;
                    sleep(BACKOFF.after(failures)).await;
                }
                End::Gone => break,
            }
        }
    }
}

/// Why a list failed.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Plane(#[from] kube::Error),
    #[error("no answer within {ANSWER:?}")]
    Silence(#[from] tokio::time::error::Elapsed),
}

async fn list(api: &Api<DynamicObject>, line: &Line, sink: &mut impl Sink) -> Result<String, ListError> {
    let mut params = ListParams { limit: Some(PAGE), ..ListParams::default() };
    sink.list();
    loop {
        let page = timeout(ANSWER, api.list(&params)).await??;
        line.heard();
        page.items.iter().for_each(|object| sink.item(object));
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_none() {
            sink.listed();
            return Ok(page.metadata.resource_version.unwrap_or_default());
        }
    }
}

async fn watch(
    api: &Api<DynamicObject>,
    what: &str,
    version: &mut String,
    line: &Line,
    sink: &mut impl Sink,
    failures: &mut u32,
) -> End {
    let params = WatchParams { timeout: Some(WATCH), ..WatchParams::default() };
    let failed = |error: &dyn std::fmt::Display| {
        tracing::warn!(kind = what, %error, "cannot be watched");
        End::Failed
    };
    let events = match timeout(ANSWER, api.watch(&params, version)).await {
        Ok(Ok(events)) => events,
        Ok(Err(kube::Error::Api(status))) if status.code == 410 => return End::Gone,
        Ok(Err(error)) => return failed(&error),
        Err(silence) => return failed(&silence),
    };
    line.heard();
    *failures = 0;
    let mut events = events.into_stream().boxed();
    loop {
        let event = match timeout(Duration::from_secs(WATCH.into()) + SILENCE, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(error))) => return failed(&error),
            Ok(None) => return End::Over,
            Err(silence) => return failed(&silence),
        };
        let object = match &event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                sink.applied(object);
                object
            }
            WatchEvent::Deleted(object) => {
                sink.deleted(object);
                object
            }
            WatchEvent::Bookmark(bookmark) => {
                version.clone_from(&bookmark.metadata.resource_version);
                line.heard();
                continue;
            }
            WatchEvent::Error(status) if status.code == 410 => return End::Gone,
            WatchEvent::Error(status) => return failed(status),
        };
        if let Some(new) = &object.metadata.resource_version {
            version.clone_from(new);
        }
        line.heard();
    }
}
