//! What can be seen of Drover from outside: audit events, metrics, logs, traces, health.
//!
//! The request path calls [`audit`] and [`metrics`] on every request: nothing there makes a system call, waits, wakes
//! a thread or allocates per request. Each worker thread writes to a shard of its own; a thread of the audit log's own,
//! or the scrape, adds the shards up.

pub mod audit;
pub mod log;
pub mod metrics;
pub mod ops;
pub mod poster;
mod shard;
pub mod trace;
