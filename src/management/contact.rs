//! When the plane was last heard of, so that a gateway that is cut off knows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When each of the watches that feed the world last proved that the plane was there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Contact {
    start: Instant,
    heard: Arc<[AtomicU64]>,
}

/// The part of one watch.
#[derive(Clone, Debug)]
pub(super) struct Line {
    contact: Contact,
    index: usize,
}

impl Contact {
    /// With `lines` watches, none of which has heard anything; counted as heard at this moment.
    pub(super) fn new(lines: usize) -> Self {
        Self { start: Instant::now(), heard: (0..lines).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn line(&self, index: usize) -> Line {
        Line { contact: self.clone(), index }
    }

    /// How old the oldest proof is: the world may lack everything that happened since then.
    pub fn age(&self) -> Duration {
        self.age_at(Instant::now())
    }

    fn age_at(&self, now: Instant) -> Duration {
        let oldest = self.heard.iter().map(|heard| heard.load(Ordering::Relaxed)).min().unwrap_or_default();
        (now - self.start).saturating_sub(Duration::from_millis(oldest))
    }
}

impl Line {
    /// The plane answered just now.
    pub(super) fn heard(&self) {
        self.heard_at(Instant::now());
    }

    fn heard_at(&self, now: Instant) {
        let now = u64::try_from((now - self.contact.start).as_millis()).unwrap_or(u64::MAX);
        if let Some(heard) = self.contact.heard.get(self.index) {
            heard.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Contact;

    #[test]
    fn the_watch_that_was_silent_longest_tells_the_age() {
        let contact = Contact::new(2);
        let (first, second) = (contact.line(0), contact.line(1));
        let at = |seconds| contact.start + Duration::from_secs(seconds);
        first.heard_at(at(10));
        assert_eq!(contact.age_at(at(10)), Duration::from_secs(10));
        second.heard_at(at(10));
        assert_eq!(contact.age_at(at(10)), Duration::ZERO);
        first.heard_at(at(17));
        assert_eq!(contact.age_at(at(17)), Duration::from_secs(7));
    }
}
