//! How often somebody may try a password: slow for whoever guesses, open for whoever knows.
//!
//! Nobody is shut out by what others do. Failures count for one name from one source; a name under attack from many sources, and a
//! source that tries many names, let only so many failures a minute through. None of that bears on a browser that signed in with
//! the name before, which proves it by a cookie ("device cookie", OWASP): it has a counter of its own. T5.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use moka::sync::Cache;
use pingora_limits::rate::Rate;

/// Failures of a name from one source before it has to wait.
const FREE: u32 = 5;
/// The longest wait of a name from one source.
const LONGEST: Duration = Duration::from_mins(5);
/// Failures a minute of strangers at one name.
const STRANGERS: isize = 30;
/// Failures a minute from one source, whatever the names.
const SOURCE: isize = 60;
const MINUTE: Duration = Duration::from_mins(1);
/// Pairs of name and source that are remembered.
const REMEMBERED: u64 = 100_000;

/// Come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts to sign in: try again in {} s", .0.as_secs().max(1))]
pub struct Wait(pub Duration);

type Key = (Arc<str>, Option<IpAddr>);

/// Counts attempts of this replica.
pub struct Attempts {
    /// By name and source; those of browsers that signed in before have none.
    failures: Cache<Key, (u32, Instant)>,
    strangers: Rate,
    sources: Rate,
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            failures: Cache::builder().max_capacity(REMEMBERED).time_to_idle(2 * LONGEST).build(),
            strangers: Rate::new(MINUTE),
            sources: Rate::new(MINUTE),
        }
    }
}

impl Attempts {
    /// Whether an attempt at `name` from `source` may be made now. `known` says that this very browser signed in with the name
    /// before.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, name: &str, source: IpAddr, known: bool, now: Instant) -> Result<(), Wait> {
        if let Some((failures, last)) = self.failures.get(&key(name, source, known)) {
            let wait = pause(failures).saturating_sub(now.saturating_duration_since(last));
            if !wait.is_zero() {
                return Err(Wait(wait));
            }
        }
        if known {
            return Ok(());
        }
        // Counted as a failure until it is a success: many at once are not let through either.
        let source = network(source);
        if self.sources.observe(&source, 1) > SOURCE || self.strangers.observe(&name, 1) > STRANGERS {
            return Err(Wait(MINUTE));
        }
        Ok(())
    }

    /// An attempt has failed.
    pub fn failed(&self, name: &str, source: IpAddr, known: bool, now: Instant) {
        let key = key(name, source, known);
        let (failures, _) = self.failures.get(&key).unwrap_or((0, now));
        self.failures.insert(key, (failures.saturating_add(1), now));
    }

    /// An attempt has succeeded: what failed before from there was the person.
    pub fn succeeded(&self, name: &str, source: IpAddr, known: bool) {
        self.failures.invalidate(&key(name, source, known));
        if !known {
            self.sources.observe(&network(source), -1);
            self.strangers.observe(&name, -1);
        }
    }
}

fn key(name: &str, source: IpAddr, known: bool) -> Key {
    (Arc::from(name), (!known).then(|| network(source)))
}

/// The wait after so many failures: twice as long after each beyond the free ones.
fn pause(failures: u32) -> Duration {
    let beyond = failures.saturating_sub(FREE);
    if beyond == 0 { Duration::ZERO } else { Duration::from_secs(1 << beyond.min(9)).min(LONGEST) }
}

/// Where somebody comes from, as far as it cannot choose: one customer has a whole /64 of IPv6.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn elsewhere(n: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, n))
    }

    #[test]
    fn after_some_failures_each_further_one_costs_twice_the_time() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..FREE {
            attempts.admit("ann", HOME, false, now).unwrap();
            attempts.failed("ann", HOME, false, now);
        }
        attempts.admit("ann", HOME, false, now).unwrap();
        attempts.failed("ann", HOME, false, now);
        assert_eq!(attempts.admit("ann", HOME, false, now), Err(Wait(Duration::from_secs(2))));
        attempts.failed("ann", HOME, false, now);
        assert_eq!(attempts.admit("ann", HOME, false, now), Err(Wait(Duration::from_secs(4))));
        attempts.admit("ann", HOME, false, now + Duration::from_secs(4)).unwrap();
        attempts.admit("bob", HOME, false, now).unwrap();
        attempts.succeeded("ann", HOME, false);
        attempts.admit("ann", HOME, false, now).unwrap();
    }

    /// T5: whoever guesses from everywhere slows strangers down, and not the person.
    #[test]
    fn an_attack_from_many_sources_does_not_shut_the_person_out() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let mut refused = 0;
        for n in 0..100 {
            match attempts.admit("ann", elsewhere(n), false, now) {
                Ok(()) => attempts.failed("ann", elsewhere(n), false, now),
                Err(Wait(_)) => refused += 1,
            }
        }
        assert_eq!(refused, 70);
        // The browser that she always uses is let in, from anywhere, beside the attacker too.
        attempts.admit("ann", HOME, true, now).unwrap();
        for _ in 0..20 {
            attempts.failed("ann", HOME, false, now);
        }
        attempts.admit("ann", HOME, false, now).unwrap_err();
        attempts.admit("ann", HOME, true, now).unwrap();
        attempts.admit("ann", elsewhere(200), true, now).unwrap();
    }

    #[test]
    fn an_office_behind_one_address_signs_in_in_the_morning() {
        let attempts = Attempts::default();
        for n in 0..500 {
            let name = format!("user-{n}");
            attempts.admit(&name, HOME, false, Instant::now()).unwrap();
            attempts.succeeded(&name, HOME, false);
        }
    }

    #[test]
    fn one_source_that_sprays_over_many_names_is_slowed_down() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let sprayed = (0..200).filter(|n| attempts.admit(&format!("user-{n}"), HOME, false, now).is_ok()).count();
        assert_eq!(sprayed, 60);
        let v6 = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, last));
        let sprayed = (0..200).filter(|n| attempts.admit(&format!("user-{n}"), v6(*n), false, now).is_ok()).count();
        assert_eq!(sprayed, 60, "one customer's network");
    }
}
