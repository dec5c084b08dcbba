//! Runs the `pipeline` program under callgrind, with few and with many requests: the difference is
//! what one request costs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::names;
use crate::peers::{Place, drover};

/// Options of the instruction count.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Requests in the longer run.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Keep callgrind's output of the longer run here.
    #[arg(long)]
    out: Option<std::path::PathBuf>,
}

/// Prints instructions for each request.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let place = Place::new()?;
    drover::write(&place, 1, 1, &drover::Options::default())?;
    let short = args.requests / 10;
    let few = count(&place, short, None)?;
    let many = count(&place, args.requests, args.out.as_deref())?;
    println!("### Instructions of the request path less TLS and the kernel (callgrind)\n");
    println!(
        "| requests | instructions each |\n|---|---|\n| {} | {} |\n",
        args.requests,
        (many - few) / (args.requests - short) as u64
    );
    Ok(())
}

fn count(place: &Place, requests: usize, keep: Option<&Path>) -> Result<u64> {
    let out = keep.map_or_else(|| place.file("callgrind.out"), Path::to_path_buf);
    let program = place.this.with_file_name("pipeline");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .arg("--config")
        .arg(place.file("drover/drover.yaml"))
        .args([
            "--token",
            &names::token(0),
            "--target",
            &names::target(names::SMALL),
            "--requests",
            &requests.to_string(),
        ])
        .output()
        .context("running valgrind")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")));
    total.and_then(|count| count.trim().parse().ok()).context("callgrind tells no sum")
}
