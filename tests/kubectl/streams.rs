use std::time::{Duration, Instant};

use kit::kubectl::Kubectl;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::House;

const EXEC: &str = "KUBECTL_REMOTE_COMMAND_WEBSOCKETS";
const FORWARD: &str = "KUBECTL_PORT_FORWARD_WEBSOCKETS";

/// Both transports of exec and attach, with the verb under which the cluster's audit log has them.
fn transports(house: &House) -> [(&'static str, &'static str, Kubectl); 2] {
    [("websocket", "get", house.ann().env(EXEC, "true")), ("spdy", "create", house.ann().env(EXEC, "false"))]
}

async fn was_asked_for(house: &House, verb: &str, subresource: &str, mark: &str) {
    let wanted = |event: &Value| {
        event["verb"] == verb
            && event["objectRef"]["subresource"] == subresource
            && event["impersonatedUser"]["username"] == "u-ann"
            && event["requestURI"].as_str().is_some_and(|uri| uri.contains(mark))
    };
    house.cluster.wait_for_audit_event(&format!("{subresource} by {verb}"), wanted).await;
}

#[tokio::test]
async fn exec_carries_input_output_and_exit_code_over_both_transports() {
    let house = House::get().await;
    for (transport, verb, ann) in transports(&house) {
        let echoed = ann.run_with_input(&["exec", "-i", "web", "--", "cat"], "to and fro").await.ok();
        assert_eq!(echoed, "to and fro", "{transport}");
        let command = format!("echo out-{transport}; echo err >&2; exit 7");
        let output = ann.run(&["exec", "web", "--", "sh", "-c", &command]).await;
        assert_eq!(output.code, Some(7), "{transport}: {output:?}");
        assert_eq!(output.stdout, format!("out-{transport}\n"));
        assert!(output.stderr.starts_with("err\n"), "{transport}: {output:?}");
        was_asked_for(&house, verb, "exec", &format!("out-{transport}")).await;
    }
}

#[tokio::test]
async fn a_shell_on_a_terminal_works_over_both_transports() {
    let house = House::get().await;
    for (transport, _, ann) in transports(&house) {
        let mut shell = ann.start_on_terminal(&["exec", "-it", "web", "--", "sh"]);
        shell.write("tty\n").await;
        shell.line_with("/dev/pts/").await;
        shell.write("exit 3\n").await;
        assert_eq!(shell.wait(Duration::from_secs(10)).await.code, Some(3), "{transport}");
    }
}

#[tokio::test]
async fn logs_and_attach_follow_what_the_pod_writes() {
    let house = House::get().await;
    let [(_, _, websocket), (_, _, spdy)] = transports(&house);
    let mut follow = websocket.start(&["logs", "-f", "web"]);
    follow.line_with("hello").await;
    let mut attached = websocket.start(&["attach", "web"]);
    let mut attached_by_spdy = spdy.start(&["attach", "web"]);
    let feed = async {
        // An attached client sees what is written from then on, so it is written until it was seen.
        loop {
            house.cluster.write_log("a second line");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let seen = async {
        tokio::join!(
            follow.line_with("a second line"),
            attached.line_with("a second line"),
            attached_by_spdy.line_with("a second line"),
        )
    };
    tokio::select! {
        () = feed => {}
        _ = seen => {}
    }
    was_asked_for(&house, "create", "attach", "attach").await;
    was_asked_for(&house, "get", "attach", "attach").await;
}

/// `DROVER_COPY_MB` makes the file longer.
#[tokio::test]
async fn cp_brings_a_file_there_and_back_unchanged() {
    let house = House::get().await;
    let megabytes = std::env::var("DROVER_COPY_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut content = vec![0; megabytes << 20];
    aws_lc_rs::rand::fill(&mut content).unwrap();
    for (transport, _, ann) in transports(&house) {
        let ann = ann.limit(Duration::from_mins(5));
        std::fs::write(ann.home().join("there"), &content).unwrap();
        let started = Instant::now();
        let copy = format!("web:copied-{transport}");
        ann.run(&["cp", "there", &copy]).await.ok();
        let there = started.elapsed();
        let arrived = house.cluster.pod_dir().join(format!("copied-{transport}"));
        assert!(std::fs::read(&arrived).unwrap() == content, "{transport}: the pod's file is the one that was sent");
        let started = Instant::now();
        ann.run(&["cp", &copy, "back"]).await.ok();
        let back = started.elapsed();
        assert!(std::fs::read(ann.home().join("back")).unwrap() == content, "{transport}: the file came back");
        println!("{transport}: {megabytes} MiB there in {there:?}, back in {back:?}");
        std::fs::remove_file(arrived).unwrap();
    }
}

#[tokio::test]
async fn a_forwarded_port_carries_bytes_both_ways_over_both_transports() {
    let house = House::get().await;
    let mut content = vec![0; 1 << 20];
    aws_lc_rs::rand::fill(&mut content).unwrap();
    for (websockets, verb) in [("true", "get"), ("false", "create")] {
        let ann = house.ann().env(FORWARD, websockets);
        let mut forward = ann.start(&["port-forward", "web", ":7000"]);
        let line = forward.line_with("Forwarding from 127.0.0.1").await;
        let port: u16 = line.split([':', ' ']).nth(3).unwrap().parse().unwrap();
        // Port 7000 of the pod sends back what it gets.
        let (mut read, mut write) = TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split();
        let mut echoed = vec![0; content.len()];
        let (sent, got) = tokio::join!(write.write_all(&content), read.read_exact(&mut echoed));
        sent.unwrap();
        got.unwrap();
        assert!(echoed == content, "over WebSocket: {websockets}");
        was_asked_for(&house, verb, "portforward", "portforward").await;
    }
}
