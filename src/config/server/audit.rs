//! The audit log: `audit`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Period, Size};

/// The audit log, in the form of `audit.k8s.io/v1`. Nothing is written where there is neither `log` nor `webhook`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Audit {
    /// A `Policy` of `audit.k8s.io/v1`. Default: everything at level Metadata.
    pub policy_file: Option<PathBuf>,
    /// A file, or standard output.
    pub log: Option<AuditLog>,
    /// A server that takes `EventList` objects.
    pub webhook: Option<AuditWebhook>,
    /// Events that wait to be written.
    pub queue: AuditQueue,
    /// Bytes of a body kept at the levels `Request` and `RequestResponse`; the rest is left out and marked. Default 64KiB.
    pub max_body: Size,
}

impl Default for Audit {
    fn default() -> Self {
        Self { policy_file: None, log: None, webhook: None, queue: AuditQueue::default(), max_body: Size::kib(64) }
    }
}

/// A file of events, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditLog {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// The file is turned over at this size. Default 100MiB; 0: never.
    #[serde(default = "hundred_mib")]
    pub max_size: Size,
    /// Turned-over files that are kept. Default 10; 0: all.
    #[serde(default = "ten")]
    pub max_backups: u32,
    /// Age at which a turned-over file is removed. Default 30d; 0: never.
    #[serde(default = "thirty_days")]
    pub max_age: Period,
}

/// A server that takes `EventList` objects by POST. Exactly one of `kubeconfig` and `url` is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditWebhook {
    /// A kubeconfig whose current context is the server, as kube-apiserver's `--audit-webhook-config-file`.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// The server's URL.
    #[serde(default)]
    pub url: Option<String>,
    /// PEM authorities for `url`. Default: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Events sent at once, at most. Default 400.
    #[serde(default = "four_hundred")]
    pub batch_events: u32,
    /// How long an event waits for others. Default 5s.
    #[serde(default = "five_seconds")]
    pub batch_wait: Period,
    /// Tries of one batch before it is dropped and counted. Default 5.
    #[serde(default = "five")]
    pub attempts: u32,
    /// Time for one try. Default 10s.
    #[serde(default = "ten_seconds")]
    pub timeout: Period,
}

/// Events that wait to be written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditQueue {
    /// Their size together. Default 16MiB.
    pub max_bytes: Size,
    /// What happens to an event that finds the queue full.
    pub when_full: WhenFull,
}

impl Default for AuditQueue {
    fn default() -> Self {
        Self { max_bytes: Size::mib(16), when_full: WhenFull::default() }
    }
}

/// What happens to an event that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WhenFull {
    /// It is dropped and counted.
    #[default]
    Drop,
    /// Its request waits.
    Block,
}

const fn hundred_mib() -> Size {
    Size::mib(100)
}

const fn ten() -> u32 {
    10
}

const fn thirty_days() -> Period {
    Period::secs(30 * 24 * 3600)
}

const fn four_hundred() -> u32 {
    400
}

const fn five_seconds() -> Period {
    Period::secs(5)
}

const fn five() -> u32 {
    5
}

const fn ten_seconds() -> Period {
    Period::secs(10)
}
