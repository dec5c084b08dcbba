//! The command line starts here.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The one TLS provider of the process, before anything could choose another.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing runs before this");
    drover::cli::run(std::env::args_os())
}
