//! The command line: one file a command. Results go to standard output, errors to standard error as `error: …`.

mod admin;
mod auth;
mod backup;
mod browser;
mod cluster;
mod config;
mod contexts;
mod credential;
mod device;
mod files;
mod groups;
mod inputs;
mod kubeconfig;
mod login;
mod logout;
mod operator;
mod output;
mod prompt;
mod remote;
mod serve;
mod session;
mod streams;
mod table;
mod token;
mod tokens;
mod users;
mod version;
mod whoami;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

/// A multi-cluster Kubernetes gateway: one door, with corporate identities, to every cluster.
#[derive(Debug, Parser)]
#[command(
    name = "drover",
    version,
    max_term_width = 100,
    after_help = "\
To use clusters behind a Drover:
  drover login drover.example.org
  kubectl get pods
To run one, with a folder that holds drover.yaml and manifests/:
  drover config check --config drover.yaml
  drover serve --config drover.yaml"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    #[command(subcommand)]
    Users(users::Users),
    #[command(subcommand)]
    Groups(groups::Groups),
    Credential(credential::Credential),
    Serve(serve::Serve),
    #[command(subcommand)]
    Config(config::Config),
    #[command(subcommand)]
    Token(token::Token),
    Kubeconfig(kubeconfig::Kubeconfig),
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    #[command(subcommand)]
    Streams(streams::Streams),
    Backup(backup::Backup),
    Restore(backup::Restore),
    #[command(subcommand)]
    Admin(admin::Admin),
    #[command(subcommand)]
    Auth(auth::Auth),
    Version(version::Version),
}

/// Where the server's file is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The server's file.
    #[arg(short, long, value_name = "FILE", default_value = "drover.yaml", env = "DROVER_CONFIG")]
    config: PathBuf,
}

/// Why a command failed: a text for a person, already whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(String);

impl Failure {
    fn new(text: impl std::fmt::Display) -> Self {
        Self(text.to_string())
    }

    /// An error with its causes.
    fn caused(error: impl std::error::Error) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        Self(causes.fold(error.to_string(), |text, cause| {
            let cause = cause.to_string();
            if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
        }))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command that `arguments` name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Where even this cannot be written there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Login(command) => command.run(),
        Command::Logout(command) => command.run(),
        Command::Whoami(command) => command.run(),
        Command::Tokens(command) => command.run(),
        Command::Users(command) => command.run(),
        Command::Groups(command) => command.run(),
        Command::Credential(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Kubeconfig(command) => command.run(),
        Command::Cluster(command) => command.run(),
        Command::Streams(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Admin(command) => command.run(),
        Command::Auth(command) => command.run(),
        Command::Version(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a result; a reader that has gone, such as `head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Failure::from),
    }
}
