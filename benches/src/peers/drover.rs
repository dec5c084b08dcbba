//! Drover's files: its whole work is on (tokens, guard, impersonation, audit at Metadata, metrics).

use anyhow::Result;

use super::{Kind, PROXY_CORE, Place};
use crate::process::Process;

/// What a scenario changes.
#[derive(Clone, Debug, Default)]
pub struct Options {}

/// Starts it.
pub fn start(place: &Place, port: u16, upstream: u16, options: &Options) -> Result<Process> {
    let _ = (port, upstream, options);
    let log = place.file(&format!("{}.out", Kind::Drover.name()));
    let args = ["serve", "--config", &place.file("drover/drover.yaml").display().to_string()];
    Process::start("drover", Some(PROXY_CORE), &place.drover, &args, &log)
}
