//! What `drover version` says of the build: the compiler, and the commit where it is known.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DROVER_COMMIT");
    let rustc = env::var("RUSTC").ok().and_then(|rustc| said(Command::new(rustc).arg("--version")));
    println!("cargo::rustc-env=DROVER_RUSTC={}", rustc.as_deref().unwrap_or("unknown"));
    let told = env::var("DROVER_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.or_else(|| {
        // Else every commit would build the whole package anew on the desk of whoever works on it.
        (env::var("PROFILE").as_deref() == Ok("release")).then(commit).flatten()
    });
    println!("cargo::rustc-env=DROVER_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out, where this is a work tree of the program itself and not a copy inside another one.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| said(Command::new("git").args(arguments));
    if !Path::new(".git").exists() {
        return None;
    }
    // The branch's file changes with each commit, HEAD with each change of branch.
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

/// The first line that a command says, if it succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}
