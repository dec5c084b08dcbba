//! client-go and controller-runtime, check by check.

use std::{path::Path, process::Stdio};

use kit::servers::Binaries;
use tokio::process::Command;

use super::ours::Ours;

/// Runs the Go program with a kubeconfig; its lines are printed, and none may say FAIL. It gives way to what runs beside it.
pub async fn run(dir: &Path, kubeconfig: &str, args: &[&str]) -> String {
    let file = dir.join("go-kubeconfig");
    std::fs::write(&file, kubeconfig).unwrap();
    let output = Command::new("nice")
        .arg(Binaries::locate().program("clients"))
        .args(args)
        .arg("--kubeconfig")
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn client_go_and_controller_runtime_find_what_they_know() {
    let ours = Ours::start().await;
    let said = run(ours.dir(), &ours.kubeconfig("root"), &["suite"]).await;
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() > 30, "{said}");
}
