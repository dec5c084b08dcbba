//! The structured log: start, reloads, errors. Requests are the audit log's work.

mod repeats;

use std::{io, sync::Arc};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use self::repeats::Guard;
use self::repeats::{Limit, Repeats};

use crate::config::server::{Log, LogFormat};

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `telemetry.log.level` is no filter.
    #[error(
        "telemetry.log.level: `{0}` is no level: expected `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,drover::cluster=debug`"
    )]
    Level(String),
    /// There is one already.
    #[error("the log is set up already")]
    Twice,
    /// No thread could be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// Sets up the process's log on standard error. What it gives is held as long as the process logs.
///
/// # Errors
/// A level that cannot be read.
pub fn init(log: &Log) -> Result<Guard, LogError> {
    let filter = EnvFilter::try_new(&log.level).map_err(|_| LogError::Level(log.level.clone()))?;
    let repeats = Arc::new(Repeats::new(if log.repeats == 0 { u32::MAX } else { log.repeats }));
    let registry = tracing_subscriber::registry().with(filter).with(Limit(Arc::clone(&repeats)));
    let lines = fmt::layer().with_writer(io::stderr);
    let result = match log.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
    };
    result.map_err(|_| LogError::Twice)?;
    Guard::start(repeats).map_err(LogError::Thread)
}
