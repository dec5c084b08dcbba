//! L4: clusters that are down, hang, reset or answer slowly. Their callers hear so fast, others' notice nothing.

use std::time::{Duration, Instant};

use http::Response;
use kit::fake::{FakeApiserver, Reply};

use crate::{Scene, assert_status};

/// A scene with a second cluster `c-b`, which fails.
async fn two() -> (Scene, FakeApiserver) {
    let other = FakeApiserver::start();
    let scene = Scene::with(|folder| {
        folder.add_cluster("c-b", &other.kubeconfig("other")).add_binding("c-b", "u-ann", "view");
        folder.set("timeouts.connectUpstream", "1s").set("timeouts.responseHeaders", "2s");
    })
    .await;
    scene.gateway.wait_for_cluster("c-b", &scene.token).await;
    (scene, other)
}

async fn ask(scene: &Scene, cluster: &str) -> (Response<bytes::Bytes>, Duration) {
    let started = Instant::now();
    let answer = scene.gateway.get(cluster, "/api/v1/namespaces/x", &scene.token).await;
    (answer, started.elapsed())
}

/// The failing cluster answers with a Status within a limit, and from some moment on at once; the other one serves.
async fn assert_fails_fast(scene: &Scene, limit: Duration) {
    let mut quick = 0;
    for _ in 0..40 {
        let (answer, took) = ask(scene, "c-b").await;
        let code = answer.status().as_u16();
        assert!([502, 503, 504].contains(&code), "{code}");
        assert_status(&answer, code);
        assert!(took < limit, "{took:?}");
        quick = if took < Duration::from_millis(100) { quick + 1 } else { 0 };
        let (well, took) = ask(scene, "c-a").await;
        assert_eq!(well.status(), 200);
        assert!(took < Duration::from_millis(500), "{took:?}");
        if quick >= 5 {
            return;
        }
    }
    panic!("the circuit does not open");
}

async fn assert_recovers(scene: &Scene) {
    let started = Instant::now();
    scene.gateway.wait_for_status("c-b", "/api/v1/namespaces/x", &scene.token, 200).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_cluster_that_is_down_is_told_at_once_and_comes_back_alone() {
    let (scene, mut other) = two().await;
    other.stop();
    assert_fails_fast(&scene, Duration::from_secs(3)).await;
    let (answer, _) = ask(&scene, "c-b").await;
    assert_status(&answer, 503);
    assert!(answer.headers().contains_key("retry-after"));
    other.start_again();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_accepts_and_says_nothing_is_given_up() {
    let (scene, mut other) = two().await;
    other.go_silent();
    // Breaks what is open, too.
    other.start_again();
    assert_fails_fast(&scene, Duration::from_secs(4)).await;
    other.behave();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_resets_connections_is_given_up() {
    let (scene, mut other) = two().await;
    other.reset_connections();
    other.start_again();
    assert_fails_fast(&scene, Duration::from_secs(3)).await;
    other.behave();
    assert_recovers(&scene).await;
}

#[tokio::test]
async fn a_cluster_that_speaks_no_tls_is_given_up() {
    let (scene, mut other) = two().await;
    other.speak_garbage();
    other.start_again();
    assert_fails_fast(&scene, Duration::from_secs(3)).await;
    other.behave();
    assert_recovers(&scene).await;
}

/// Many callers wait in a cluster that hangs; no caller of another waits for them.
#[tokio::test]
async fn a_cluster_that_hangs_holds_up_nobody_elses_callers() {
    let (scene, other) = two().await;
    other.route("", "/api/v1/namespaces/x", Reply::hang());
    let waiting = futures_util::future::join_all((0..50).map(|_| ask(&scene, "c-b")));
    let others = async {
        for _ in 0..50 {
            let (answer, took) = ask(&scene, "c-a").await;
            assert_eq!(answer.status(), 200);
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    };
    let (hung, ()) = tokio::join!(waiting, others);
    for (answer, took) in hung {
        assert_status(&answer, 504);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    other.clear_routes();
    assert_recovers(&scene).await;
}

/// Slow is not broken: the answer comes as slowly as the cluster gives it.
#[tokio::test]
async fn a_slow_cluster_is_waited_for_and_slows_nobody_else() {
    let (scene, other) = two().await;
    other.route("", "/api/v1/namespaces/x", Reply::text("slow answer").slow(1, Duration::from_millis(100)));
    let slow = ask(&scene, "c-b");
    let others = async {
        for _ in 0..20 {
            let (answer, took) = ask(&scene, "c-a").await;
            assert_eq!(answer.status(), 200);
            assert!(took < Duration::from_millis(500), "{took:?}");
        }
    };
    let ((answer, took), ()) = tokio::join!(slow, others);
    assert_eq!(&answer.body()[..], b"slow answer");
    assert!(took > Duration::from_millis(900), "{took:?}");
}

/// A body that breaks off must not look whole to the client.
#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_off_for_the_client_too() {
    use http_body_util::BodyExt as _;
    let (scene, other) = two().await;
    let endpoint = scene.endpoint();
    let path = "/k8s/clusters/c-b/api/v1/namespaces/x";
    other.route("", "/api/v1/namespaces/x", Reply::text("half").break_off(100));
    let first = endpoint.request("GET", path, &scene.token, kit::client::empty());
    let first = endpoint.http1().await.send_request(first).await.unwrap();
    assert!(first.into_body().collect().await.is_err());
    let second = endpoint.request2("GET", path, &scene.token, kit::client::empty());
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
        kit::wait::until("the reload", || async { (rejected().await >= f64::from(round)).then_some(()) }).await;
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
