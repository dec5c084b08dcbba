//! The store: one suite over both back ends, and what only a file can do.

mod crash;
mod faults;
mod file;
mod histories;
mod sealing;
mod suite;
mod support;
