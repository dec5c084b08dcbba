//! The structured log: start, reloads, errors. Requests are the audit log's work.

use std::io;

use tracing_subscriber::{EnvFilter, fmt};

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
}

/// Sets up the process's log on standard error.
///
/// # Errors
/// A level that cannot be read.
pub fn init(log: &Log) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&log.level).map_err(|_| LogError::Level(log.level.clone()))?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let result = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    result.map_err(|_| LogError::Twice)
}
