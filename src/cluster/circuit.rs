//! The circuit of one cluster: after too many failures to connect, callers hear so at once, and one probe a second looks whether
//! the cluster is back.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// This many failures …
const FAILURES: usize = 5;
/// … within this time open the circuit.
const WITHIN: Duration = Duration::from_secs(10);

/// Whether connections to a cluster are tried. Time is passed in.
#[derive(Debug, Default)]
pub struct Circuit {
    open: AtomicBool,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    at: [Option<Instant>; FAILURES],
    next: usize,
}

impl Circuit {
    /// Whether connecting is not to be tried: one atomic read.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Notes a failure to connect. True when this one opened the circuit: the caller starts the probe.
    pub fn failed(&self, now: Instant) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let next = failures.next;
        if let Some(slot) = failures.at.get_mut(next) {
            *slot = Some(now);
        }
        failures.next = (next + 1) % FAILURES;
        let recent = |at: &Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) <= WITHIN);
        failures.at.iter().all(recent) && !self.open.swap(true, Ordering::AcqRel)
    }

    /// Notes that the cluster answered.
    pub fn close(&self) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = Failures::default();
        self.open.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start.checked_add(Duration::from_secs(seconds)).expect("a time")
    }

    #[test]
    fn five_failures_within_ten_seconds_open_it_once() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        for second in 0..4 {
            assert!(!circuit.failed(at(start, second)));
            assert!(!circuit.is_open());
        }
        assert!(circuit.failed(at(start, 4)));
        assert!(circuit.is_open());
        assert!(!circuit.failed(at(start, 4)), "it is open already");
    }

    #[test]
    fn failures_that_lie_further_apart_do_not_open_it() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        for step in 0..20 {
            assert!(!circuit.failed(at(start, step * 3)));
        }
        assert!(!circuit.is_open());
    }

    #[test]
    fn an_answer_closes_it_and_forgets_the_failures() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        for _ in 0..5 {
            circuit.failed(start);
        }
        circuit.close();
        assert!(!circuit.is_open());
        assert!(!circuit.failed(start));
    }
}
