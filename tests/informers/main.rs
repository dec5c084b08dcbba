//! Informers of client-go and of kube-rs through the gateway, while the cluster's credentials are rotated.
//!
//! `DROVER_SOAK_SECONDS` says for how long; a dozen seconds unless set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod client_go;
mod kube_rs;
mod writer;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use kit::{
    cluster::RealCluster,
    gateway::{ClusterOptions, ConfigFolder, Gateway},
};
use serde_json::Value;

const DROVER: &str = env!("CARGO_BIN_EXE_drover");

fn length() -> Duration {
    let seconds = std::env::var("DROVER_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(12))
}

/// How many credentials were taken into use so far.
async fn credentials(gateway: &Gateway) -> f64 {
    gateway.metric("drover_credential_changes_total", &[]).await
}

/// Gives the gateway a fresh token again and again, by a file of its own and by a Secret in turn, until `done`.
async fn rotate(gateway: &Gateway, cluster: &RealCluster, done: &AtomicBool) -> u32 {
    let mut turns: u32 = 0;
    let started = Instant::now();
    while !done.load(Ordering::Relaxed) {
        // Every two seconds in a test, every ten in a long run.
        let pause = if started.elapsed() < Duration::from_secs(30) { 2 } else { 10 };
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let token = cluster.service_account_token("drover-system", "gateway").await;
        let before = credentials(gateway).await;
        let options = ClusterOptions { by_file: turns.is_multiple_of(2), ..ClusterOptions::default() };
        gateway.folder().add_cluster_with("c-a", &cluster.kubeconfig_with_token(&token), &options);
        turns += 1;
        kit::wait::until("the credential to be taken into use", || async {
            (credentials(gateway).await > before).then_some(())
        })
        .await;
        // The informers' own watches would last for minutes: ended here, they are resumed under the new credential.
        let open: Vec<Value> = serde_json::from_str(&gateway.command(&["streams", "ls", "--json"]).ok()).unwrap();
        for stream in open {
            // client-go lists again after a watch that lasted less than a second, and a list skips versions by right.
            let since: jiff::Timestamp = stream["since"].as_str().unwrap().parse().unwrap();
            if jiff::Timestamp::now().duration_since(since) < jiff::SignedDuration::from_millis(1500) {
                continue;
            }
            gateway.command(&["streams", "kill", stream["id"].as_str().unwrap()]);
        }
    }
    turns
}

/// Every object that was written in the cluster is seen by an informer of each library, at each of its versions, in
/// order, with nothing more; and in the end their stores are what the cluster has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn informers_lose_no_event_while_credentials_rotate() {
    let cluster = RealCluster::builder().name("informers").start().await;
    cluster.create_namespace("informed").await;
    let folder = ConfigFolder::new();
    folder.add_real_cluster("c-a", &cluster).await;
    folder.add_user("u-ann").add_binding("c-a", "u-ann", "view");
    let token = folder.add_token("u-ann");
    folder.publish(DROVER, "c-a", &cluster).await;
    let gateway = Gateway::start(DROVER, folder).await;
    gateway.wait_for_cluster("c-a", &token).await;

    let kubeconfig = gateway.kubeconfig_for("c-a", &token);
    let mut go = client_go::Informer::start(&kubeconfig, true).await;
    let mut go_json = client_go::Informer::start(&kubeconfig, false).await;
    let rust = kube_rs::Informer::start(&kubeconfig).await;
    let done = AtomicBool::new(false);
    let (written, turns) = tokio::join!(
        async {
            let written = writer::write(&cluster, length()).await;
            done.store(true, Ordering::Relaxed);
            written
        },
        rotate(&gateway, &cluster, &done),
    );

    let seen = [go.finish(&written).await, go_json.finish(&written).await, rust.finish(&written).await];
    let watches = gateway.metric("drover_requests_total", &["verb=\"watch\""]).await;
    println!(
        "{} objects, {} events, {turns} rotations, {watches} watches ended and resumed",
        written.objects.len(),
        written.events(),
    );
    for (library, seen) in ["client-go, protobuf", "client-go, JSON", "kube-rs"].into_iter().zip(seen) {
        written.assert_seen(library, &seen);
    }
    assert!(turns > 2, "{turns}");
}
