//! L4: clusters that are down, hang, reset or answer slowly. Their callers hear of it, others' notice nothing.

use std::{cell::Cell, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Response;
use http_body_util::BodyExt as _;
use kit::{
    client::{empty, read},
    fake::{FakeApiserver, Reply, WatchFeed},
    gateway::Gateway,
    wait,
};

use crate::{Scene, assert_status};

const PATH: &str = "/api/v1/namespaces/x";

/// A scene with a second cluster `c-b`, which fails.
async fn two() -> (Scene, FakeApiserver) {
    two_that_wait("2s").await
}

/// [`two`], whose answers are waited for so long.
async fn two_that_wait(long: &str) -> (Scene, FakeApiserver) {
    let other = FakeApiserver::start();
    let scene = Scene::with(|folder| {
        folder.add_cluster("c-b", &other.kubeconfig("other")).add_binding("c-b", "u-ann", "view");
        folder.set("timeouts.connectUpstream", "1s").set("timeouts.responseHeaders", long);
    })
    .await;
    scene.gateway.wait_for_cluster("c-b", &scene.token).await;
    (scene, other)
}

async fn ask(scene: &Scene, cluster: &str) -> Response<Bytes> {
    wait::event("an answer", scene.gateway.get(cluster, PATH, &scene.token)).await
}

/// Callers of the failing cluster get a Status, from some moment on without a try; the other one serves.
async fn assert_given_up(scene: &Scene) {
    let fails = async || {
        let answer = ask(scene, "c-b").await;
        let code = answer.status().as_u16();
        assert!([502, 503, 504].contains(&code), "{code}");
        assert_status(&answer, code);
        assert_eq!(ask(scene, "c-a").await.status(), 200);
        answer
    };
    let open = async || scene.gateway.metric("drover_circuit_open", &["cluster=\"c-b\""]).await > 0.5;
    let mut failed = 0;
    while !open().await {
        fails().await;
        failed += 1;
        assert!(failed < 40, "the circuit does not open");
    }
    for _ in 0..5 {
        let refused = fails().await;
        assert_eq!(refused.status(), 503, "{refused:?}");
        assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    }
}

async fn assert_recovers(scene: &Scene) {
    scene.gateway.wait_for_status("c-b", PATH, &scene.token, 200).await;
}

#[tokio::test]
async fn a_cluster_that_is_down_is_told_at_once_and_comes_back_alone() {
    let (scene, mut other) = two().await;
    other.stop();
    assert_given_up(&scene).await;
    other.start_again();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_accepts_and_says_nothing_is_given_up() {
    let (scene, mut other) = two().await;
    other.go_silent();
    // Breaks what is open, too.
    other.start_again();
    assert_given_up(&scene).await;
    other.behave();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_resets_connections_is_given_up() {
    let (scene, mut other) = two().await;
    other.reset_connections();
    other.start_again();
    assert_given_up(&scene).await;
    other.behave();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_speaks_no_tls_is_given_up() {
    let (scene, mut other) = two().await;
    other.speak_garbage();
    other.start_again();
    assert_given_up(&scene).await;
    other.behave();
    assert_recovers(&scene).await;
}

/// Many callers wait in a cluster that hangs; no caller of another waits for them.
#[tokio::test]
async fn a_cluster_that_hangs_holds_up_nobody_elses_callers() {
    let (scene, mut other) = two_that_wait("5m").await;
    other.route("", PATH, Reply::hang());
    let let_go = Cell::new(false);
    let (endpoint, path) = (scene.endpoint(), Gateway::path("c-b", PATH));
    let caller = endpoint.http2().await;
    let waiting = join_all((0..50).map(|_| async {
        let asked = caller.clone().send_request(endpoint.request2("GET", &path, &scene.token, empty())).await;
        let answer = read(asked.unwrap()).await;
        assert!(let_go.get(), "{answer:?}");
        assert_status(&answer, 502);
    }));
    let others = async {
        let asked = || other.proxied().iter().filter(|request| request.path() == PATH).count();
        wait::until_true("all to wait", || asked() == 50).await;
        for _ in 0..20 {
            assert_eq!(ask(&scene, "c-a").await.status(), 200);
        }
        let_go.set(true);
        other.stop();
    };
    tokio::join!(waiting, others);
    other.clear_routes();
    other.start_again();
    assert_recovers(&scene).await;
}

/// Slow is not broken: the answer comes as slowly as the cluster gives it.
#[tokio::test]
async fn a_slow_cluster_is_waited_for_and_slows_nobody_else() {
    let (scene, other) = two().await;
    let feed = WatchFeed::new();
    other.route("", PATH, Reply::watch(&feed));
    let endpoint = scene.endpoint();
    let request = endpoint.request("GET", &Gateway::path("c-b", PATH), &scene.token, empty());
    let mut slow = endpoint.http1().await.send_request(request).await.unwrap().into_body();
    for piece in ["a slow ", "answer"] {
        for _ in 0..10 {
            assert_eq!(ask(&scene, "c-a").await.status(), 200);
        }
        assert_eq!(feed.send_bytes(piece), 1);
        let frame = wait::event("the next piece", slow.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    feed.close();
    assert!(wait::event("the end", slow.collect()).await.unwrap().to_bytes().is_empty());
}

/// A body that breaks off must not look whole to the client.
#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off_for_the_client_too() {
    let (scene, other) = two().await;
    let endpoint = scene.endpoint();
    let path = &Gateway::path("c-b", PATH);
    other.route("", PATH, Reply::text("half").break_off(100));
    let first = endpoint.request("GET", path, &scene.token, empty());
    let first = endpoint.http1().await.send_request(first).await.unwrap();
    assert!(first.into_body().collect().await.is_err());
    let second = endpoint.request2("GET", path, &scene.token, empty());
    let mut sender = endpoint.http2().await;
    let second = sender.send_request(second).await.unwrap();
    assert!(second.into_body().collect().await.is_err());
    other.clear_routes();
    assert_recovers(&scene).await;
}

/// What goes wrong again and again is told a few times, then counted.
#[tokio::test]
async fn a_fault_that_repeats_does_not_fill_the_log() {
    let scene = Scene::with(|folder| {
        folder.set("telemetry.log.repeats", 2).set("drain.delay", "0s");
    })
    .await;
    let rejected = async || scene.gateway.metric("drover_config_reloads_total", &["result=\"rejected\""]).await;
    for round in 1..=5_u8 {
        scene.gateway.folder().write_manifest("broken", &format!("kind: Nothing\n#{}\n", "x".repeat(round.into())));
        wait::until("the reload", || async { (rejected().await >= f64::from(round)).then_some(()) }).await;
    }
    scene.gateway.sigterm();
    scene.gateway.wait_for_exit(Duration::from_secs(20)).await;
    let lines = scene.gateway.log_lines();
    let told = |text: &str| {
        lines.iter().filter(|line| line["message"].as_str().is_some_and(|line| line.starts_with(text))).count()
    };
    assert_eq!(told("the manifests are not taken into force"), 2);
    let counted = lines.iter().find(|line| line["message"] == "repeated lines were left out").expect("a count");
    assert!(counted["left_out"].as_u64().unwrap() >= 3, "{counted}");
    assert_eq!(counted["level"], "WARN");
    assert!(counted["line"].as_str().unwrap().contains("broken.yaml"), "{counted}");
    assert!(counted.get("cluster").is_none(), "{counted}");
}
