//! What a user or a cluster uses at this moment: exact, process-wide, without a lock.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// Counters of one user or cluster; they live on while its rows are replaced.
#[derive(Debug, Default)]
pub struct Usage {
    in_flight: AtomicU32,
    /// Theoretical arrival time of the generic cell rate algorithm, in nanoseconds since the server's start.
    arrival: AtomicU64,
}

impl Usage {
    /// Takes one of `limit` places; `false` when none is free. 0 is no limit.
    pub fn enter(&self, limit: u32) -> bool {
        if limit == 0 {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < limit).then_some(now + 1))
            .is_ok()
    }

    /// Gives a place back. Called once for each [`Usage::enter`] that answered `true`.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Places taken.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Lets one request through a rate of `per_second` with `burst` above it, or says how long to wait.
    ///
    /// `now` is the time since the server's start. A `per_second` of 0 is no limit.
    pub fn admit(&self, per_second: u32, burst: u32, now: Duration) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let step = 1_000_000_000 / u64::from(per_second);
        let room = step.saturating_mul(u64::from(burst.max(1)) - 1);
        let admitted = self.arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| {
            let start = arrival.max(now);
            (start - now <= room).then(|| start.saturating_add(step))
        });
        match admitted {
            Ok(_) => Ok(()),
            Err(arrival) => Err(Duration::from_nanos(arrival.saturating_sub(now).saturating_sub(room))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Usage;

    #[test]
    fn places_are_exact() {
        let usage = Usage::default();
        assert!(usage.enter(2));
        assert!(usage.enter(2));
        assert!(!usage.enter(2));
        usage.leave();
        assert!(usage.enter(2));
    }

    #[test]
    fn a_rate_lets_its_burst_through_and_then_its_rate() {
        let usage = Usage::default();
        let at = Duration::from_secs(5);
        for _ in 0..3 {
            assert_eq!(usage.admit(10, 3, at), Ok(()));
        }
        assert_eq!(usage.admit(10, 3, at), Err(Duration::from_millis(100)));
        assert_eq!(usage.admit(10, 3, at + Duration::from_millis(100)), Ok(()));
        assert!(usage.admit(10, 3, at + Duration::from_millis(150)).is_err());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let usage = Usage::default();
        for _ in 0..1000 {
            assert_eq!(usage.admit(0, 0, Duration::ZERO), Ok(()));
        }
    }
}
