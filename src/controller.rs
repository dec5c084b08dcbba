//! The controller framework: what watches objects of the management plane and brings the world in line with them.
//!
//! A controller speaks to the plane through a [`kube::Client`] and to nothing else, so that it runs on every plane. The words are
//! Rancher's: a [`GenericController`] calls a [`Handler`] for each object that changed; a [`Lifecycle`] is a handler that
//! is told apart into created, updated and removed, its finalizer done for it; a [`Condition`] tells in the object's status
//! how far things are. What may run only once in a fleet runs under an [`Elector`].

mod condition;
mod elector;
mod generic;
mod lifecycle;
mod metrics;
mod queue;

pub use self::{
    condition::{Condition, Conditioned, Conditions, StatusCondition},
    elector::{Elector, Timing},
    generic::{GenericController, Handler, Next},
    lifecycle::{Lifecycle, LifecycleError, WithLifecycle},
    metrics::{QueueMetrics, WorkQueueMetrics},
    queue::{Backoff, Queue},
};
