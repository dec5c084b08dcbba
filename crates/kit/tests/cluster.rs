//! Real clusters come up side by side and their pods answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use kit::cluster::RealCluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn two_clusters_run_side_by_side_and_come_back_with_their_data() {
    let start = Instant::now();
    let (a, b) = tokio::join!(
        RealCluster::builder().name("a").audit(true).user("ann", &["dev", "ops", "qa"]).start(),
        RealCluster::builder().name("b").start(),
    );
    println!("two clusters were up after {:?}", start.elapsed());
    assert_ne!(a.server_url(), b.server_url());
    a.create_namespace("only-in-a").await;
    assert!(b.try_get("/api/v1/namespaces/only-in-a").await.is_none());

    let ann = kit::kubectl::Kubectl::new(&a.kubeconfig_with_token(a.token_for("ann")));
    let who = ann.run(&["auth", "whoami"]).await.ok();
    assert!(who.contains("ann") && who.contains("dev ops qa"), "{who}");
    assert!(ann.run(&["get", "pods"]).await.err().contains("Forbidden"));
    a.bind_user("ben", "view").await;
    a.kubectl_for("ben", &["x", "y"]).run(&["get", "pods", "-A"]).await.ok();
    let token = a.service_account_token("drover-system", "gateway").await;
    let robot = kit::kubectl::Kubectl::new(&a.kubeconfig_with_token(&token));
    assert!(robot.run(&["auth", "whoami"]).await.ok().contains("system:serviceaccount:drover-system:gateway"));
    assert_eq!(a.endpoint().get("/api/v1/namespaces", "").await.status(), 401);
    a.wait_for_audit_event("ben's list", |e| e["user"]["username"] == "ben" && e["verb"] == "list").await;

    a.stop();
    assert!(a.endpoint().try_connect(&[]).await.is_err());
    b.request("GET", "/version", None).await;
    a.start_again().await;
    assert!(a.try_get("/api/v1/namespaces/only-in-a").await.is_some());
}

#[tokio::test]
async fn pods_answer_exec_logs_attach_and_port_forward() {
    let start = Instant::now();
    let cluster = RealCluster::builder().name("pods").kwok(true).controller_manager(true).start().await;
    println!("a cluster with controllers and kwok was up after {:?}", start.elapsed());
    // The account that pods run under is made by a controller.
    kit::wait::until("the default service account", || {
        cluster.try_get("/api/v1/namespaces/default/serviceaccounts/default")
    })
    .await;
    cluster.create_pod("default", "web").await;
    assert_eq!(cluster.kubectl(&["exec", "web", "--", "sh", "-c", "echo $((6*7))"]).await.ok(), "42\n");
    let kubectl = cluster.admin_kubectl();
    let echo = kubectl.run_with_input(&["exec", "-i", "web", "--", "cat"], "to and fro").await;
    assert_eq!(echo.ok(), "to and fro");
    let mut shell = kubectl.start_on_terminal(&["exec", "-it", "web", "--", "sh"]);
    shell.write("tty\n").await;
    shell.line_with("/dev/pts/").await;
    shell.write("exit 3\n").await;
    assert_eq!(shell.wait(Duration::from_secs(10)).await.code, Some(3));

    assert_eq!(cluster.kubectl(&["logs", "web"]).await.ok(), "hello from the pod\n");
    let mut follow = kubectl.start(&["logs", "-f", "web"]);
    follow.line_with("hello").await;
    let mut attach = kubectl.start(&["attach", "web"]);
    let feed = async {
        // An attached client sees what is written from then on, so it is written until it was seen.
        loop {
            cluster.write_log("a second line");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = feed => {}
        _ = async { tokio::join!(follow.line_with("a second line"), attach.line_with("a second line")) } => {}
    }

    let mut forward = kubectl.start(&["port-forward", "web", ":80", ":7000"]);
    let mut ports = Vec::new();
    for _ in 0..2 {
        let line = forward.line_with("Forwarding from 127.0.0.1").await;
        let port = line.split([':', ' ']).nth(3).unwrap().parse::<u16>().unwrap();
        ports.push((port, line));
    }
    for (port, line) in ports {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let n = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
        let wanted = if line.ends_with("-> 80") { "HTTP/1.1 200" } else { "GET / HTTP/1.1" };
        assert!(answer.starts_with(wanted), "{line}: {answer}");
    }
    assert_eq!(cluster.port_80_requests(), 1);
}
