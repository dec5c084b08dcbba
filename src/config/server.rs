//! The server's file, `drover.yaml`: its types, with a default for every key.

mod audit;
mod limits;
mod listen;
mod management;
mod upstream;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    audit::{Audit, AuditLog, AuditQueue, AuditWebhook, WhenFull},
    limits::{Drain, FailureLimits, Limits, RateLimits, Timeouts},
    listen::{Listen, Ops, Tls},
    management::{
        Bootstrap, Chosen, EmbeddedPlane, Encryption, Files, KubernetesPlane, Management, RancherMode, Staleness,
        Webhook,
    },
    upstream::{AllowedAddress, Upstream},
};
use super::units::Cidr;

/// The server's file. Every key may be left out; relative paths are taken from the folder of the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "drover.yaml")]
pub struct ServerConfig {
    /// Where clients connect.
    pub listen: Listen,
    /// Where the people who run Drover connect: metrics, health, the admin socket.
    pub ops: Ops,
    /// Folder of what the server itself writes: its own authority, the embedded management plane, the admin socket. Default `data`.
    pub data_dir: DataDir,
    /// Folder of manifests: users, tokens, clusters, bindings. Default `manifests`.
    pub manifests: Manifests,
    /// What holds Drover's own objects.
    pub management: Management,
    /// Switches modules of the management plane on and off, by name: `users`, `tokens`, `clusters`, `settings`. Default: all are on.
    pub modules: BTreeMap<String, bool>,
    /// Worker threads. Default: the number of CPUs.
    pub workers: Option<NonZeroUsize>,
    /// Shape of the runtime that serves requests.
    pub runtime: Runtime,
    /// How much is served at once.
    pub limits: Limits,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// How the server stops.
    pub drain: Drain,
    /// Networks of proxies in front of Drover, whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Vec<Cidr>,
    /// The audit log.
    pub audit: Audit,
    /// The server's own logs and traces.
    pub telemetry: Telemetry,
    /// How clusters are reached.
    pub upstream: Upstream,
}

/// Shape of the runtime that serves requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Runtime {
    /// One single-threaded runtime a worker; connections are spread over them.
    #[default]
    PerCore,
    /// One runtime whose workers steal work from each other.
    MultiThread,
}

/// `dataDir`; `data` unless told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct DataDir(pub PathBuf);

/// `manifests`; the folder of that name unless told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Manifests(pub PathBuf);

impl Default for DataDir {
    fn default() -> Self {
        Self(PathBuf::from("data"))
    }
}

impl Default for Manifests {
    fn default() -> Self {
        Self(PathBuf::from("manifests"))
    }
}

/// The server's own logs and traces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// Logs on standard error.
    pub log: Log,
    /// Traces in the form of OpenTelemetry.
    pub tracing: Tracing,
}

/// Logs on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// `json`: one object a line. `text`: for people.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; also by part, such as `info,drover::cluster=debug`. Default `info`.
    pub level: String,
    /// Lines of one message about one cluster that are written in a minute; how many more there were is told after it.
    /// Default 10; 0: all. Lines of `debug` and `trace` are all written.
    pub repeats: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned(), repeats: 10 }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Traces in the form of OpenTelemetry; needs a binary built with the feature `otel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// The collector's OTLP address, such as `http://127.0.0.1:4318`. Default: no traces.
    pub otlp_endpoint: Option<String>,
}

impl ServerConfig {
    /// `dataDir`, absolute once the file is loaded.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir.0
    }

    /// `manifests`, absolute once the file is loaded.
    pub fn manifests(&self) -> &Path {
        &self.manifests.0
    }

    /// `ops.adminSocket`, or `admin.sock` in `dataDir`.
    pub fn admin_socket(&self) -> PathBuf {
        self.ops.admin_socket.clone().unwrap_or_else(|| self.data_dir().join("admin.sock"))
    }

    /// The number of workers: as told, or one a CPU.
    pub fn workers(&self) -> NonZeroUsize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}
