//! The work queue: `k8s.io/client-go/util/workqueue`.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::QueueMetrics;

/// How long a key waits after each failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure; doubled after each further one.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

impl Default for Backoff {
    /// From 5 ms, as client-go's default, to five minutes.
    fn default() -> Self {
        Self { first: Duration::from_millis(5), longest: Duration::from_mins(5) }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row; 0 is none.
    pub fn after(self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// Keys to work on. A key that is added several times waits once; one that is added while it is worked on is worked on again
/// afterwards, never at the same time. Cheap to clone.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    state: Mutex<State<K>>,
    wake: Notify,
    backoff: Backoff,
    metrics: QueueMetrics,
}

struct State<K> {
    /// In the order in which they came.
    waiting: VecDeque<K>,
    /// To be worked on, and since when: those that wait, and those under work that were added again.
    dirty: HashMap<K, Instant>,
    working: HashMap<K, Instant>,
    later: BTreeMap<(Instant, u64), K>,
    due: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    counter: u64,
    closed: bool,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("backoff", &self.shared.backoff).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue.
    pub fn new(backoff: Backoff, metrics: QueueMetrics) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            dirty: HashMap::new(),
            working: HashMap::new(),
            later: BTreeMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            counter: 0,
            closed: false,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), wake: Notify::new(), backoff, metrics }) }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a key.
    pub fn add(&self, key: K) {
        self.put(&mut self.state(), key, Instant::now());
    }

    /// Adds a key after `delay`; of several delays the shortest counts.
    pub fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.state();
        if delay.is_zero() {
            return self.put(&mut state, key, Instant::now());
        }
        if state.closed {
            return;
        }
        let at = Instant::now() + delay;
        if let Some(known) = state.due.get(&key).copied() {
            if known.0 <= at {
                return;
            }
            state.later.remove(&known);
        }
        state.counter += 1;
        let slot = (at, state.counter);
        state.later.insert(slot, key.clone());
        state.due.insert(key, slot);
        // One of those that wait computes its alarm anew.
        self.shared.wake.notify_one();
    }

    /// Adds a key that failed again, after its back-off.
    pub fn retry(&self, key: K) {
        let failures = {
            let mut state = self.state();
            let failures = state.failures.entry(key.clone()).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        self.shared.metrics.retried();
        self.add_after(key, self.shared.backoff.after(failures));
    }

    /// A key did not fail: its next failure is its first one.
    pub fn forget(&self, key: &K) {
        self.state().failures.remove(key);
    }

    /// The next key; [`Queue::done`] is owed for it. `None` once the queue is closed.
    pub async fn next(&self) -> Option<K> {
        loop {
            let alarm = {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                let now = Instant::now();
                while let Some(entry) = state.later.first_entry().filter(|entry| entry.key().0 <= now) {
                    let key = entry.remove();
                    state.due.remove(&key);
                    self.put(&mut state, key, now);
                }
                if let Some(key) = state.waiting.pop_front() {
                    let since = state.dirty.remove(&key).unwrap_or(now);
                    self.shared.metrics.started(state.waiting.len(), now - since);
                    state.working.insert(key.clone(), now);
                    if !state.waiting.is_empty() || !state.later.is_empty() {
                        // Another worker looks after what is left.
                        self.shared.wake.notify_one();
                    }
                    return Some(key);
                }
                state.later.first_key_value().map(|((at, _), _)| *at)
            };
            let woken = self.shared.wake.notified();
            match alarm {
                // A worker whose sleep is over need not be woken; one that was woken looks at the clock anew.
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, woken).await;
                }
                None => woken.await,
            }
        }
    }

    /// Work on a key is over; where it was added meanwhile it waits again.
    pub fn done(&self, key: &K) {
        let mut state = self.state();
        if let Some(since) = state.working.remove(key) {
            self.shared.metrics.finished(since.elapsed());
        }
        if state.dirty.contains_key(key) {
            state.waiting.push_back(key.clone());
            self.shared.metrics.waiting(state.waiting.len());
            self.shared.wake.notify_one();
        }
    }

    /// Ends it: nothing is added or given out any more.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        self.shared.metrics.waiting(0);
        drop(state);
        self.shared.wake.notify_waiters();
        // One that was about to wait finds this.
        self.shared.wake.notify_one();
    }

    fn put(&self, state: &mut State<K>, key: K, now: Instant) {
        if state.closed || state.dirty.contains_key(&key) {
            return;
        }
        self.shared.metrics.added();
        state.dirty.insert(key.clone(), now);
        if !state.working.contains_key(&key) {
            state.waiting.push_back(key);
            self.shared.metrics.waiting(state.waiting.len());
            self.shared.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::time::timeout;

    use super::{Backoff, Queue};
    use crate::controller::WorkQueueMetrics;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn queue() -> Queue<&'static str> {
        Queue::new(Backoff::default(), WorkQueueMetrics::new().unwrap().queue("test"))
    }

    #[tokio::test]
    async fn a_key_added_twice_is_given_once() {
        let queue = queue();
        queue.add("a");
        queue.add("b");
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(queue.next().await, Some("b"));
        assert_eq!(queue.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_key_added_under_work_is_given_again_only_when_that_is_done() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
        queue.add("a");
        assert_eq!(queue.next().now_or_never(), None);
        queue.done(&"a");
        assert_eq!(queue.next().await, Some("a"));
        queue.done(&"a");
        assert_eq!(queue.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn of_several_delays_the_shortest_counts_and_the_key_is_given_once() {
        let queue = queue();
        queue.add_after("a", Duration::from_hours(2));
        queue.add_after("a", Duration::from_millis(20));
        queue.add_after("a", Duration::from_hours(1));
        assert_eq!(queue.next().now_or_never(), None);
        assert_eq!(timeout(PATIENCE, queue.next()).await, Ok(Some("a")));
        queue.done(&"a");
        assert!(queue.state().later.is_empty() && queue.state().due.is_empty());
    }

    #[tokio::test]
    async fn a_waiting_worker_is_woken_for_a_key_that_is_due_before_its_alarm() {
        let queue = queue();
        queue.add_after("late", Duration::from_hours(1));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next().await }
        });
        tokio::task::yield_now().await;
        queue.add_after("soon", Duration::from_millis(20));
        assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap(), Some("soon"));
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_wait_up_to_the_longest() {
        let waits = (0..5).map(|failures| Backoff::default().after(failures).as_millis());
        assert_eq!(waits.collect::<Vec<_>>(), [0, 5, 10, 20, 40]);
        assert_eq!(Backoff::default().after(1000), Duration::from_mins(5));
    }

    #[tokio::test]
    async fn a_key_that_failed_comes_back_and_a_success_forgets_its_failures() {
        let queue = queue();
        for _ in 0..3 {
            queue.retry("a");
            assert_eq!(timeout(PATIENCE, queue.next()).await, Ok(Some("a")));
            queue.done(&"a");
        }
        assert_eq!(queue.state().failures.get("a"), Some(&3));
        queue.forget(&"a");
        assert!(queue.state().failures.is_empty());
    }

    #[tokio::test]
    async fn a_closed_queue_lets_every_worker_go() {
        let queue = queue();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        queue.add("a");
        for worker in workers {
            assert_eq!(timeout(PATIENCE, worker).await.unwrap().unwrap(), None);
        }
        assert_eq!(queue.next().await, None);
    }
}
