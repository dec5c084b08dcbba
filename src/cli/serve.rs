//! `drover serve`.

use clap::Args;

use super::{ConfigFile, Failure};
use crate::{config, server, telemetry};

/// Runs the gateway until SIGTERM or Ctrl-C.
///
/// Files are read again when they change; a broken one is reported and changes nothing. SIGTERM drains: readiness fails, watches end
/// evenly, upgraded connections live until the deadline, and the exit code is 0.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        let _log = telemetry::log::init(&config.telemetry.log).map_err(Failure::new)?;
        server::run(config).map_err(Failure::new)
    }
}
