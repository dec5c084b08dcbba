//! A Kubernetes API in a library: the embedded management plane, called in-process.

pub mod builtin;
pub mod store;
pub mod validation;
