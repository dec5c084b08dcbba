//! Which shard the current thread writes to.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Hands out one slot a thread, in the order in which threads first ask.
///
/// A thread keeps its slot for life, also towards other `Slots`: two of them in one process share the numbers, which
/// may cost a collision and is never wrong, since a shard can be written by any thread.
#[derive(Debug, Default)]
pub struct Slots {
    next: AtomicUsize,
}

impl Slots {
    /// The current thread's slot; the caller takes it modulo the number of its shards.
    pub fn current(&self) -> usize {
        SLOT.with(|slot| match slot.get() {
            usize::MAX => {
                let new = self.next.fetch_add(1, Ordering::Relaxed);
                slot.set(new);
                new
            }
            known => known,
        })
    }
}

/// The number of shards for `threads` writers: a power of two, with room for the control threads.
pub fn count(threads: usize) -> usize {
    (threads + 1).next_power_of_two().min(64)
}

#[cfg(test)]
mod tests {
    use super::{Slots, count};

    #[test]
    fn a_thread_keeps_its_slot_and_two_threads_differ() {
        let slots = Slots::default();
        let here = slots.current();
        assert_eq!(here, slots.current());
        let there = std::thread::scope(|scope| scope.spawn(|| slots.current()).join().unwrap());
        assert_ne!(here, there);
    }

    #[test]
    fn the_count_is_a_power_of_two_with_a_bound() {
        assert_eq!(count(1), 2);
        assert_eq!(count(4), 8);
        assert_eq!(count(1000), 64);
    }
}
