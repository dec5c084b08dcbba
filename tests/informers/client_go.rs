//! A client-go informer, as a program of its own.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

use crate::writer::{Seen, Written};

pub struct Informer {
    _child: Child,
    stdin: ChildStdin,
    seen: Arc<Mutex<Seen>>,
    _folder: TempDir,
}

impl Informer {
    pub async fn start(kubeconfig: &str, protobuf: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        let program = kit::servers::Binaries::locate().program("informer");
        let mut child = Command::new(program)
            .arg(format!("--kubeconfig={}", path.display()))
            .arg("--namespace=informed")
            .arg(format!("--protobuf={protobuf}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                note(&mut into.lock().unwrap(), &serde_json::from_str(&line).unwrap());
            }
        });
        kit::wait::until_true("the informer to be in sync", || seen.lock().unwrap().synced).await;
        Self { _child: child, stdin, seen, _folder: folder }
    }

    /// Waits until all that was written was seen, and asks for the store.
    pub async fn finish(&mut self, written: &Written) -> Seen {
        for _ in 0..100 {
            self.stdin.write_all(b"\n").await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let seen = self.seen.lock().unwrap().clone();
            if seen.is_complete(written) && seen.store == written.left() {
                return seen;
            }
        }
        self.seen.lock().unwrap().clone()
    }
}

fn note(seen: &mut Seen, line: &Value) {
    let name = line["name"].as_str().unwrap_or_default().to_owned();
    // Every namespace has one that is not ours.
    if name == "kube-root-ca.crt" {
        return;
    }
    match line["event"].as_str().unwrap() {
        "add" | "update" => {
            let version = line["resourceVersion"].as_str().unwrap().to_owned();
            seen.objects.entry(name).or_default().versions.push(version);
        }
        "delete" => seen.objects.entry(name).or_default().deleted = true,
        "cache" => {
            seen.synced = true;
            let names = line["names"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let names = names.map(|name| name.trim_start_matches("informed/").to_owned());
            seen.store = names.filter(|name| name != "kube-root-ca.crt").collect();
        }
        // A watch that could not be resumed at once is no loss: the informer tries again.
        _ => println!("client-go: {line}"),
    }
}
