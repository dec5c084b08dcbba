//! Controllers that look at all objects of a kind, and again after each change.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{
    api::Api,
    failure::Outcome,
    scope::Scope,
    store::{Range, WatchEnd},
};

/// Looks at all objects of a kind; says whether something waits and is to be looked for again.
pub(crate) type Settle = for<'a> fn(&'a Scope, &'a Api) -> BoxFuture<'a, Outcome<bool>>;

/// Settles all objects of a kind at once and after each change, until the store stops.
pub(crate) async fn follow(api: Api, group: &str, plural: &str, settle: Settle) {
    while round(&api, group, plural, settle).await.is_some() {}
}

/// Follows until the watch has to be made anew; `None` when the store has stopped.
async fn round(api: &Api, group: &str, plural: &str, settle: Settle) -> Option<()> {
    let store = api.core().store.clone();
    let scope = api.scope(group, plural, "").ok()?;
    let mut watch = store.watch(Range::prefix(&scope.resource.prefix), store.revision()).ok()?;
    loop {
        let waits = match settle(&scope, api).await {
            Ok(waits) => waits,
            Err(failed) => {
                tracing::warn!(kind = plural, why = failed.message(), "objects cannot be settled");
                true
            }
        };
        // What waits for others, such as for finalizers of theirs, is looked for again.
        let wait = Duration::from_secs(if waits { 1 } else { 3600 });
        match tokio::time::timeout(wait, watch.next()).await {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(WatchEnd::Slow { .. })) => return Some(()),
            Ok(Err(WatchEnd::Stopped)) => return None,
        }
    }
}
