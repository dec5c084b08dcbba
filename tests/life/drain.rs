use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use http_body_util::BodyExt as _;
use kit::{
    client::{Endpoint, empty},
    cluster::RealCluster,
    gateway::Gateway,
};

use crate::{DROVER, before};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn draining_is_announced_first_ends_watches_cleanly_and_lets_execs_live() {
    let cluster = RealCluster::builder().name("drain").kwok(true).start().await;
    cluster.create_pod("default", "web").await;
    let (gateway, ann) = before(&cluster, |folder| {
        folder.set("drain.delay", "1500ms").set("drain.deadline", "4s");
    })
    .await;
    let kubectl = gateway.kubectl("c-a", &ann);
    let watch = kubectl.start(&["get", "--raw", &format!("{MAPS}?watch=true")]);
    let mut exec = kubectl.start(&["exec", "-i", "web", "--", "sh", "-c", "echo open; cat"]);
    exec.line_with("open").await;
    let endpoint = gateway.endpoint();
    let mut idle = endpoint.http2().await;
    let path = Gateway::path("c-a", MAPS);
    assert_eq!(idle.send_request(endpoint.request2("GET", &path, &ann, empty())).await.unwrap().status(), 200);

    gateway.sigterm();
    let told = Instant::now();
    kit::wait::until("readiness to fail", || async {
        (gateway.ops_get("/readyz").await?.0 == StatusCode::INTERNAL_SERVER_ERROR).then_some(())
    })
    .await;
    assert_eq!(gateway.ops_get("/livez").await.unwrap().0, 200);
    // It serves as ever until the delay is over, on new connections too.
    while told.elapsed() < Duration::from_secs(1) {
        assert_eq!(gateway.get("c-a", MAPS, &ann).await.status(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = watch.wait(Duration::from_secs(5)).await;
    println!("the watch ended {:?} after the signal", told.elapsed());
    assert_eq!(ended.code, Some(0), "a clean end: {ended:?}");
    assert!(endpoint.try_connect(&["h2"]).await.is_err(), "no new connections");
    assert!(exec.running(), "the exec lives on");
    exec.write("in the drain\n").await;
    exec.line_with("in the drain").await;
    let exit = gateway.wait_for_exit(Duration::from_secs(10)).await;
    println!("the gateway ended {:?} after the signal", told.elapsed());
    assert_eq!(exit.code(), Some(0));
    assert!(told.elapsed() > Duration::from_secs(5), "the exec had its time until the deadline");
    kit::wait::until_true("the exec to end", || !exec.running()).await;
}

#[tokio::test]
async fn an_idle_gateway_drains_at_once() {
    let cluster = RealCluster::builder().name("idle").start().await;
    let (gateway, ann) = before(&cluster, |folder| {
        folder.set("drain.delay", "0s").set("drain.deadline", "30s");
    })
    .await;
    let endpoint = gateway.endpoint();
    let (mut one, mut two) = (endpoint.http1().await, endpoint.http2().await);
    let path = Gateway::path("c-a", MAPS);
    let answer = one.send_request(endpoint.request("GET", &path, &ann, empty())).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let answer = two.send_request(endpoint.request2("GET", &path, &ann, empty())).await.unwrap();
    answer.into_body().collect().await.unwrap();
    gateway.sigterm();
    let told = Instant::now();
    assert_eq!(gateway.wait_for_exit(Duration::from_secs(10)).await.code(), Some(0));
    println!("with two idle connections it ended after {:?}", told.elapsed());
}

/// What a load balancer does: takes the gateways that are ready, in turn, a connection at a time.
struct Balancer {
    ready: Vec<(Endpoint, std::net::SocketAddr)>,
}

impl Balancer {
    async fn pick(&self, turn: usize) -> Option<&Endpoint> {
        for step in 0..self.ready.len() {
            let (endpoint, ops) = &self.ready[(turn + step) % self.ready.len()];
            if is_ready(*ops).await {
                return Some(endpoint);
            }
        }
        None
    }
}

async fn is_ready(ops: std::net::SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = tokio::net::TcpStream::connect(ops).await else { return false };
    let mut answer = Vec::new();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

#[derive(Default)]
struct Calls {
    answered: AtomicUsize,
    /// Met a connection that was closing.
    sent_again: AtomicUsize,
}

/// One client: connections that live for some calls, each to a gateway that is ready.
async fn load(balancer: Arc<Balancer>, token: String, turn: usize, stop: Arc<AtomicBool>, calls: Arc<Calls>) {
    let path = Gateway::path("c-a", MAPS);
    let http2 = turn.is_multiple_of(2);
    let mut turn = turn;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let endpoint = balancer.pick(turn).await.expect("one gateway is always ready");
        if http2 {
            let mut sender = endpoint.http2().await;
            for _ in 0..50 {
                // A connection that was told to go is left, as every client does.
                if sender.ready().await.is_err() || stop.load(Ordering::Relaxed) {
                    break;
                }
                let request = endpoint.request2("GET", &path, &token, empty());
                let answer = sender.send_request(request).await;
                let answer = match answer {
                    Ok(answer) => answer,
                    // Refused unprocessed after GOAWAY: RFC 9113 lets every client send it again elsewhere.
                    Err(error) if error.is_canceled() || unprocessed(&error) => {
                        calls.sent_again.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    Err(error) => panic!("HTTP/2: {error:?}"),
                };
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.unwrap();
                calls.answered.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            let mut sender = endpoint.http1().await;
            for _ in 0..50 {
                if sender.ready().await.is_err() || stop.load(Ordering::Relaxed) {
                    break;
                }
                let request = endpoint.request("GET", &path, &token, empty());
                let answer = match sender.send_request(request).await {
                    Ok(answer) => answer,
                    // The idle connection was closed as the call began: a GET is sent again elsewhere.
                    Err(error) if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {
                        calls.sent_again.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    Err(error) => panic!("HTTP/1.1: {error:?}"),
                };
                assert_eq!(answer.status(), 200);
                let last = answer.headers().get("connection").is_some_and(|value| value == "close");
                answer.into_body().collect().await.unwrap();
                calls.answered.fetch_add(1, Ordering::Relaxed);
                if last {
                    break;
                }
            }
        }
    }
}

fn unprocessed(error: &hyper::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return h2.is_go_away() || h2.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        cause = error.source();
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_fails_no_short_request() {
    let cluster = RealCluster::builder().name("rolling").start().await;
    let settings = |folder: &kit::gateway::ConfigFolder| {
        folder.set("drain.delay", "1s").set("drain.deadline", "10s");
    };
    let (first, ann) = before(&cluster, settings).await;
    // The second replica has the same files.
    let folder = kit::gateway::ConfigFolder::new();
    settings(&folder);
    for file in std::fs::read_dir(first.folder().manifests()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.manifests().join(file.file_name())).unwrap();
    }
    let second = Gateway::start(DROVER, folder).await;
    second.wait_for_cluster("c-a", &ann).await;

    let ready = [&first, &second].map(|gateway| (gateway.endpoint(), gateway.ops_address())).to_vec();
    let balancer = Arc::new(Balancer { ready });
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::<Calls>::default());
    let clients: Vec<_> = (0..8)
        .map(|turn| tokio::spawn(load(Arc::clone(&balancer), ann.clone(), turn, Arc::clone(&stop), Arc::clone(&calls))))
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.sigterm();
    assert_eq!(first.wait_for_exit(Duration::from_secs(15)).await.code(), Some(0));
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no call failed");
    }
    let (answered, again) = (calls.answered.load(Ordering::Relaxed), calls.sent_again.load(Ordering::Relaxed));
    println!("{answered} calls, none failed, {again} met a closing connection");
    assert!(answered > 100, "{answered}");
    // At most one for each connection that was open when the gateway went.
    assert!(again <= 8, "{again}");
}
