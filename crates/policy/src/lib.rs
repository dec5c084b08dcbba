//! Who may do what: the one RBAC matcher, and what is built on it; no IO, no clock, no runtime.

pub mod aggregation;
pub mod bootstrap;
pub mod escalation;
mod quoted;
pub mod reviews;
pub mod rules;
