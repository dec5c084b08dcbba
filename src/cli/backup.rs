//! `drover backup` and `drover restore`.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::json;

use super::{
    ConfigFile, Failure,
    operator::{self, Operator},
    print,
};
use crate::config;

/// Writes all of the embedded management plane to a new file, while the server runs or not.
///
/// A running server writes it itself, and goes on serving. Secrets are encrypted in it with the key that the data has
/// (`management.embedded.encryption`): keep that key elsewhere, a backup is of no use without it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  drover backup /var/backups/drover-2026-11-25.db")]
pub(super) struct Backup {
    #[command(flatten)]
    file: ConfigFile,
    /// The new file. One that is there is not overwritten.
    #[arg(value_name = "BACKUP")]
    to: PathBuf,
}

/// Makes the embedded management plane of a backup; the server must not run.
///
/// The key must be the one that the backup was made with, or be named as the previous one. What watches the plane lists anew.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  drover restore /var/backups/drover-2026-11-25.db --replace")]
pub(super) struct Restore {
    #[command(flatten)]
    file: ConfigFile,
    /// The backup.
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// Moves the data that is there aside, into a file of its own.
    #[arg(long)]
    replace: bool,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        operator::place(&config)?;
        let to = std::path::absolute(&self.to)?;
        let socket = config.admin_socket();
        operator::runtime()?.block_on(async {
            if operator::is_served(&socket) {
                operator::call(&socket, Method::POST, "/backup", Some(&json!({"file": to}))).await?;
                return Ok(());
            }
            let operator = Operator::open(&config).await?;
            let written = operator.backup(&to).await;
            operator.close().await;
            written
        })?;
        print(&format!("{}\n", to.display()))
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        let (restored, aside) = operator::place(&config)?.restore(&self.from, self.replace).map_err(Failure::caused)?;
        if let Some(aside) = aside {
            print(&format!("what was there is now {}\n", aside.display()))?;
        }
        print(&format!("{} objects restored\n", restored.objects))
    }
}
