//! How much one source, user, cluster and the whole process may have under way. Exact and process-wide, not per worker.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pingora_limits::rate::Rate;

pub use crate::telemetry::metrics::Scope;
use crate::world::{Usage, input::LimitsInput};

/// Limits where a user or cluster sets none of its own. 0 is no limit everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    /// Short requests under way at once.
    pub in_flight: u32,
    /// Requests a second.
    pub per_second: u32,
    /// Requests let through at once above the rate.
    pub burst: u32,
}

/// Which limit was reached, and when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Whose limit.
    pub scope: Scope,
    /// How long to wait.
    pub retry_after: Duration,
}

/// The limits of one process.
pub struct Limits {
    started: Instant,
    /// Defaults for users.
    pub user: Defaults,
    /// Defaults for clusters.
    pub cluster: Defaults,
    total: Arc<Total>,
    streams: Arc<Total>,
    failures: Rate,
    failures_per_second: isize,
}

/// A counter with a ceiling.
#[derive(Debug)]
struct Total {
    now: AtomicUsize,
    max: usize,
}

impl Total {
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let taken = self.now.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        // The place gives itself back when it is dropped here.
        (self.max == 0 || taken < self.max).then_some(place)
    }
}

/// One place under the process's ceiling.
#[derive(Debug)]
pub struct Place(Arc<Total>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One place under the limit of a user or cluster.
#[derive(Debug)]
pub struct Turn(Arc<Usage>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").field("total", &self.total).field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl Limits {
    /// `in_flight` short requests and `streams` streams in all, `failures_per_second` failed authentications a source.
    pub fn new(user: Defaults, cluster: Defaults, in_flight: usize, streams: usize, failures_per_second: u32) -> Self {
        let total = |max| Arc::new(Total { now: AtomicUsize::new(0), max });
        Self {
            started: Instant::now(),
            user,
            cluster,
            total: total(in_flight),
            streams: total(streams),
            failures: Rate::new(Duration::from_secs(1)),
            failures_per_second: isize::try_from(failures_per_second).unwrap_or(isize::MAX),
        }
    }

    /// A place for a short request.
    pub fn enter(&self) -> Result<Place, Reached> {
        self.total.enter().ok_or(Reached { scope: Scope::Total, retry_after: Duration::from_secs(1) })
    }

    /// A place for a stream.
    pub fn enter_stream(&self) -> Result<Place, Reached> {
        self.streams.enter().ok_or(Reached { scope: Scope::Total, retry_after: Duration::from_secs(5) })
    }

    /// Short requests under way.
    pub fn in_flight(&self) -> usize {
        self.total.now.load(Ordering::Relaxed)
    }

    /// Streams open.
    pub fn streams(&self) -> usize {
        self.streams.now.load(Ordering::Relaxed)
    }

    /// Lets a request of `usage` through its rate and, for a short one, gives it a turn.
    pub fn turn(
        &self,
        scope: Scope,
        usage: &Arc<Usage>,
        own: LimitsInput,
        short: bool,
    ) -> Result<Option<Turn>, Reached> {
        let defaults = if scope == Scope::User { self.user } else { self.cluster };
        let per_second = own.per_second.unwrap_or(defaults.per_second);
        if per_second > 0 {
            // No burst said: a second's worth.
            let burst = own.burst.or((defaults.burst > 0).then_some(defaults.burst)).unwrap_or(per_second);
            let admitted = usage.admit(per_second, burst, self.started.elapsed());
            admitted.map_err(|retry_after| Reached { scope, retry_after })?;
        }
        if !short {
            return Ok(None);
        }
        if usage.enter(own.in_flight.unwrap_or(defaults.in_flight)) {
            Ok(Some(Turn(Arc::clone(usage))))
        } else {
            Err(Reached { scope, retry_after: Duration::from_secs(1) })
        }
    }

    /// Counts a failed authentication from `source`; an error once there are too many a second.
    ///
    /// Only failures count, so that a flood from behind one address never shuts out those who have a valid token.
    #[expect(clippy::cast_precision_loss, reason = "a limit of a few events a second")]
    pub fn failed(&self, source: IpAddr) -> Result<(), Reached> {
        let seen = self.failures.observe(&source, 1);
        let limit = self.failures_per_second;
        if limit > 0 && (seen > limit || self.failures.rate(&source) > limit as f64) {
            return Err(Reached { scope: Scope::Source, retry_after: Duration::from_secs(1) });
        }
        Ok(())
    }
}
