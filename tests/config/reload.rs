//! Changes of files are noticed.

use std::{
    fs,
    path::Path,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use drover::config::{self, manifests, reload::Watcher};

const CLUSTER: &str = "\
apiVersion: management.cattle.io/v3
kind: Cluster
metadata: {name: c-a}
spec: {upstream: {kubeconfig: {file: ../kube/a.yaml}}}
";
const KUBECONFIG: &str = "\
clusters: [{name: a, cluster: {server: 'https://a:1'}}]
users: [{name: a, user: {token: b}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
";

fn start(folder: &Path) -> (Watcher, Receiver<()>) {
    for name in ["manifests", "kube"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::write(folder.join("manifests/c.yaml"), CLUSTER).unwrap();
    fs::write(folder.join("kube/a.yaml"), KUBECONFIG).unwrap();
    fs::write(folder.join("drover.yaml"), "").unwrap();
    let config = config::load(&folder.join("drover.yaml")).unwrap();
    let (sender, changes) = mpsc::channel();
    let watcher = Watcher::start(&config, move || sender.send(()).unwrap_or_default()).unwrap();
    changes.recv_timeout(Duration::from_secs(10)).expect("called at the start");
    (watcher, changes)
}

#[test]
fn a_changed_manifest_and_the_kubeconfig_it_names_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (_watcher, changes) = start(folder.path());
    let noticed = || changes.recv_timeout(Duration::from_secs(8)).expect("a change is noticed before the poll");

    let other = KUBECONFIG.replace("https://a:1", "https://a:2");
    fs::write(folder.path().join("kube/new"), other).unwrap();
    fs::rename(folder.path().join("kube/new"), folder.path().join("kube/a.yaml")).unwrap();
    noticed();
    let inputs = manifests::load(&folder.path().join("manifests")).unwrap();
    assert_eq!(inputs.clusters.first().unwrap().reach.connection().unwrap().port, 2);

    fs::write(
        folder.path().join("manifests/u.yaml"),
        "apiVersion: management.cattle.io/v3\nkind: User\nmetadata: {name: u-a}\n",
    )
    .unwrap();
    noticed();
}

#[test]
fn a_file_that_nobody_named_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (_watcher, changes) = start(folder.path());
    fs::write(folder.path().join("kube/audit.log"), "x").unwrap();
    assert!(changes.recv_timeout(Duration::from_millis(400)).is_err());
}

#[test]
fn a_watcher_that_is_dropped_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (watcher, changes) = start(folder.path());
    drop(watcher);
    // The thread's end drops the callback, and with it the sender.
    assert_eq!(changes.recv_timeout(Duration::from_secs(8)), Err(mpsc::RecvTimeoutError::Disconnected));
}
