//! The audit log, in the form of `audit.k8s.io/v1`.
//!
//! A request asks [`AuditLog::decide`] once, waits for [`AuditLog::ready`] and tells its end to [`AuditLog::record`],
//! which writes the event's JSON into a buffer of the current worker's own. One thread collects the buffers every
//! 100 ms, or as soon as one has 256 KiB, and writes them to the file and to the webhook.

mod body;
mod event;
mod file;
mod id;
mod json;
mod policy;
mod queue;
mod redact;
mod render;
mod time;
mod webhook;
mod writer;

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

pub use self::{
    event::{Body, EventRef, Level, ObjectRef, RequestRef, ResponseRef, Stage, Strings, UserRef, annotation},
    id::{AuditId, new_id},
    policy::{Decision, Policy},
    webhook::{WebhookError, check as check_webhook},
};
use self::{
    file::FileSink,
    queue::Queue,
    webhook::Webhook,
    writer::{Sinks, Writer},
};
use super::metrics;
use crate::config::{
    Problem, Problems,
    server::{Audit, WhenFull},
};

/// Why the audit log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The policy's file cannot be read, or is no policy.
    #[error(transparent)]
    Policy(#[from] Problems),
    /// The file cannot be opened.
    #[error("audit log `{}` cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The webhook's settings make no sense.
    #[error("audit webhook: {0}")]
    Webhook(#[from] WebhookError),
    /// No thread could be started.
    #[error("the audit log's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// The audit log.
#[derive(Debug)]
pub struct AuditLog(Option<Inner>);

#[derive(Debug)]
struct Inner {
    policy: ArcSwap<Policy>,
    queue: Arc<Queue>,
    writer: Writer,
}

impl AuditLog {
    /// No audit log: nothing is recorded and nothing waits.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Reads the policy, opens the sinks and starts the writer; `workers` threads will record, the webhook is sent to
    /// from `control`. Settings without a sink give [`AuditLog::off`].
    ///
    /// # Errors
    /// The policy is refused, the file cannot be opened, the webhook's settings cannot be used, or no thread can be had.
    pub fn start(settings: &Audit, workers: usize, control: &Handle) -> Result<Arc<Self>, AuditError> {
        let policy = policy(settings)?;
        let file = settings
            .log
            .as_ref()
            .map(|log| FileSink::open(log).map_err(|source| AuditError::Open { path: log.path.clone(), source }));
        let file = file.transpose()?;
        let queue = Arc::new(Queue::new(
            settings.queue.max_bytes.bytes(),
            settings.queue.when_full == WhenFull::Block,
            workers,
        ));
        let webhook = settings
            .webhook
            .as_ref()
            .map(|webhook| Webhook::start(webhook, Arc::clone(&queue), control))
            .transpose()?;
        if file.is_none() && webhook.is_none() {
            return Ok(Arc::new(Self::off()));
        }
        let writer = Writer::start(&queue, Sinks { file, webhook }).map_err(AuditError::Thread)?;
        Ok(Arc::new(Self(Some(Inner { policy: ArcSwap::from_pointee(policy), queue, writer }))))
    }

    /// Reads the policy's file again; what it says holds from the next request on. After an error the old one stays.
    ///
    /// # Errors
    /// The file cannot be read, or is no policy.
    pub fn reload(&self, settings: &Audit) -> Result<(), AuditError> {
        if let Some(inner) = &self.0 {
            inner.policy.store(Arc::new(policy(settings)?));
        }
        Ok(())
    }

    /// What to record of `request`. Ask once a request: a policy may change while it runs.
    pub fn decide(&self, request: &RequestRef<'_>) -> Decision {
        self.0.as_ref().map_or(Decision::NOTHING, |inner| inner.policy.load().decide(request))
    }

    /// Waits, where `queue.whenFull` is `block` and the current worker's queue is full, until there is room. Called
    /// before a request is served; at once ready in all other cases.
    pub async fn ready(&self) {
        if let Some(inner) = &self.0 {
            inner.queue.ready().await;
        }
    }

    /// Records `event` if `decision` says so.
    pub fn record(&self, decision: Decision, event: &EventRef<'_>) {
        if let Some(inner) = &self.0
            && decision.wants(event.stage)
        {
            inner.queue.push(decision, event);
        }
    }

    /// Whether requests wait while events cannot be written.
    pub fn blocks(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.queue.blocks())
    }

    /// Whether events can be written.
    ///
    /// # Errors
    /// Why the last write to the file, or the last batch to the webhook, failed.
    pub fn health(&self) -> Result<(), String> {
        self.0.as_ref().map_or(Ok(()), |inner| inner.queue.stats.health())
    }

    /// Adds the audit log's own metrics to a scrape.
    pub fn write_metrics(&self, writer: &mut metrics::Writer) {
        if let Some(inner) = &self.0 {
            inner.queue.write_metrics(writer);
        }
    }

    /// Writes what is queued and ends; says whether all was written within `deadline`. Later events are lost.
    pub async fn close(&self, deadline: Duration) -> bool {
        match &self.0 {
            Some(inner) => inner.writer.close(&inner.queue, deadline).await,
            None => true,
        }
    }
}

/// What `settings` want recorded; without a file the default.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn policy(settings: &Audit) -> Result<Policy, Problems> {
    let Some(path) = &settings.policy_file else { return Ok(Policy::default()) };
    let text = fs::read_to_string(path).map_err(|error| Problem::unreadable(path, &error))?;
    Policy::parse(&text, path)
}
