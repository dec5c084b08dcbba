//! Waiting for something to happen or to become true, with an end.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// How long [`until`] waits.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Polls `probe` until it gives a value, and panics with `what` after [`PATIENCE`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, probe: impl FnMut() -> F) -> T {
    within(PATIENCE, what, probe).await
}

/// Polls `probe` until it gives a value, and panics with `what` after `limit`.
pub async fn within<T, F: Future<Output = Option<T>>>(limit: Duration, what: &str, mut probe: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Awaits `event`, and panics with `what` after [`PATIENCE`].
pub async fn event<T>(what: &str, event: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, event).await;
    ended.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Polls `condition` until it holds, and panics with `what` after [`PATIENCE`].
pub async fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || std::future::ready(condition().then_some(()))).await;
}
