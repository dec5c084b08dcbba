//! `drover admin`.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};

use super::{
    ConfigFile, Failure,
    operator::{self, Operator},
    print,
};
use crate::{
    config,
    management::{bootstrap, passwords},
    secret::Secret,
};

/// Helps an administrator who is locked out.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    Recover(Recover),
}

/// Sets an administrator's password, on the machine of a server that does not run.
///
/// The user is made, or enabled, and bound to `cluster-admin` in `local` again. Only who can read the server's files can do this.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  systemctl stop drover && drover admin recover && systemctl start drover")]
pub(super) struct Recover {
    #[command(flatten)]
    file: ConfigFile,
    /// The User's `metadata.name`.
    #[arg(long, default_value = bootstrap::ADMIN)]
    user: String,
    /// A file whose first line is the new password. Default: a random one, printed once.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Admin {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Recover(command) => command.run(),
        }
    }
}

impl Recover {
    fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        operator::place(&config)?;
        let (password, made) = match &self.password_file {
            Some(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| Failure(format!("--password-file: {}: {error}", path.display())))?;
                (passwords::chosen(text.lines().next().unwrap_or_default()).map_err(Failure::new)?, false)
            }
            None => (passwords::random().map_err(Failure::new)?, true),
        };
        operator::runtime()?.block_on(async {
            // Never over the socket: whose server runs can ask another administrator.
            let operator = Operator::open(&config).await?;
            let set = self.set(&operator, &password, made).await;
            operator.close().await;
            set
        })?;
        if made {
            print(&format!("The new password of `{}`, shown this once: {}\n", self.user, password.expose()))
        } else {
            print(&format!("the password of `{}` is set\n", self.user))
        }
    }

    async fn set(&self, operator: &Operator, password: &Secret<String>, must_change: bool) -> Result<(), Failure> {
        let client = &operator.client;
        let user = bootstrap::administrator(client, &self.user, must_change).await.map_err(Failure::new)?;
        passwords::set(client, &user, password).await.map_err(Failure::new)
    }
}
