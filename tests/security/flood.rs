//! L1: clients that send slowly, endlessly or without end. Memory stays bounded and others are served.

use std::{cell::Cell, time::Duration};

use futures_util::future::join_all;
use kit::{
    fake::{FakeApiserver, Reply},
    wait,
};
use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{
    Scene,
    frames::{self, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, block, frame},
};

const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const MIB: u64 = 1 << 20;

/// While `attack` runs others are served, and memory does not grow past `bound` bytes.
async fn withstood(scene: &Scene, bound: u64, attack: impl Future<Output = ()>) {
    let before = scene.gateway.process().resident();
    let mut most = 0;
    let (over, attack) = (Cell::new(false), Box::pin(attack));
    let attack = async {
        attack.await;
        over.set(true);
    };
    let served = async {
        while !over.get() {
            wait::event("another caller to be served", scene.assert_serves()).await;
            most = most.max(scene.gateway.process().resident());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(served, attack);
    most = most.max(scene.gateway.process().resident());
    let grown = most.saturating_sub(before);
    assert!(grown < bound, "{grown} bytes more, of {bound}");
    scene.gateway.process().assert_running();
    scene.assert_serves().await;
}

/// Writes byte by byte until the peer closes; whether it did before all was written.
async fn closed_upon(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: impl Iterator<Item = u8>) -> bool {
    let mut buffer = [0; 256];
    for byte in bytes {
        if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
            return true;
        }
        let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await;
        if matches!(read, Ok(Ok(0) | Err(_))) {
            return true;
        }
    }
    false
}

/// Writes as long as the gateway takes it, for at most `times` and some seconds.
async fn pour(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], times: usize) {
    let _ = tokio::time::timeout(Duration::from_secs(2), async {
        for _ in 0..times {
            if stream.write_all(bytes).await.is_err() {
                return;
            }
        }
        let _ = stream.flush().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_cost_little_and_are_closed() {
    // Both ends of each are open files, of two processes; the gateway raises its own limit.
    let room = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: room.maximum, ..room }).unwrap();
    let most = room.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    let count = 10_000.min(most - 1000);
    let scene = Scene::with(|folder| {
        folder.set("timeouts.idleClient", "40s").set("timeouts.tlsHandshake", "40s");
    })
    .await;
    let endpoint = scene.endpoint();
    withstood(&scene, 256 * MIB, async {
        // One in ten has signed its TLS handshake, and says nothing then.
        let mut idle = Vec::new();
        while idle.len() < count / 10 {
            idle.extend(join_all((0..20).map(|_| endpoint.raw())).await);
        }
        let mut bare = Vec::new();
        while bare.len() + idle.len() < count {
            bare.push(tokio::net::TcpStream::connect(scene.gateway.address()).await.unwrap());
        }
        let open = async || scene.gateway.metric("drover_client_connections", &[]).await;
        wait::within(Duration::from_secs(30), "all connections to be open", || async {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let all = open().await >= count as f64;
            all.then_some(())
        })
        .await;
        for stream in &mut idle {
            let ended = tokio::time::timeout(Duration::from_mins(1), stream.read(&mut [0])).await;
            assert!(!matches!(ended.expect("an idle connection is closed"), Ok(1..)));
        }
        for stream in &mut bare {
            let ended = tokio::time::timeout(Duration::from_mins(1), stream.read(&mut [0])).await;
            assert!(!matches!(ended.expect("a connection without a handshake is closed"), Ok(1..)));
        }
    })
    .await;
    wait::until("only the caller's connections to be left", || async {
        (scene.gateway.metric("drover_client_connections", &[]).await < 10.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let scene = Scene::with(|folder| {
        folder.set("timeouts.headersIn", "1s");
    })
    .await;
    let endpoint = scene.endpoint();
    withstood(&scene, 32 * MIB, async {
        // Each byte takes a while: neither head would be whole before its caller's patience ends.
        let long = "y".repeat(1000);
        let slow = (0..50).map(|number| {
            let head = format!("{}X-Slow: {long}", scene.head("GET", "/api/v1/namespaces/slow"));
            let opening = frame(HEADERS, 0, 1, &block(&[(":method", "GET"), ("x", &long)]));
            let endpoint = endpoint.clone();
            async move {
                let closed = if number % 2 == 0 {
                    closed_upon(&mut endpoint.raw().await, head.into_bytes().into_iter()).await
                } else {
                    closed_upon(&mut frames::open(&endpoint).await, opening.into_iter()).await
                };
                assert!(closed, "{number}");
            }
        });
        let slow = slow.map(|caller| wait::event("a slow caller to be given up", caller));
        join_all(slow).await;
    })
    .await;
    assert!(scene.passed("/api/v1/namespaces/slow").is_empty());
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let scene = Scene::with(|folder| {
        folder.set("timeouts.bodyStall", "1s");
    })
    .await;
    let endpoint = scene.endpoint();
    withstood(&scene, 32 * MIB, async {
        let slow = (0..20).map(|_| async {
            let head = scene.head("POST", "/api/v1/namespaces/n/configmaps");
            let mut stream = endpoint.raw().await;
            stream.write_all(format!("{head}Content-Length: 1000\r\n\r\n{{").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(read.is_ok(), "the connection is still open after `{answer}`");
            assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"kind\":\"Status\""), "{answer}");
        });
        join_all(slow).await;
    })
    .await;
}

#[tokio::test]
async fn header_bombs_are_refused_before_they_are_kept() {
    let scene = Scene::new().await;
    let endpoint = scene.endpoint();
    let head = scene.head("GET", "/api/v1/namespaces/bomb");
    withstood(&scene, 32 * MIB, async {
        // One line without end, lines without end, a request line without end.
        let lines =
            ["x".repeat(1 << 16), format!("X-{}: y\r\n", "a".repeat(100)).repeat(600), "a: b\r\n".repeat(10_000)];
        for (line, start) in lines.iter().zip([format!("{head}X-Long: "), head.clone(), head.clone()]) {
            let mut stream = endpoint.raw().await;
            pour(&mut stream, start.as_bytes(), 1).await;
            pour(&mut stream, line.as_bytes(), 50).await;
        }
        let mut stream = endpoint.raw().await;
        pour(&mut stream, b"GET /", 1).await;
        pour(&mut stream, &vec![b'a'; 1 << 16], 50).await;
        // HTTP/2: one reference of one byte stands for a line of 4 kB, thousands of times (CVE-2016-1544).
        let mut stream = frames::open(&endpoint).await;
        let value = "v".repeat(3900);
        let mut bomb = block(&[(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
        let mut entry = block(&[("x", &value)]);
        entry[0] = 0x40;
        bomb.extend(entry);
        bomb.extend(vec![0xbe; 12_000]);
        for stream_id in 0..200 {
            let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 2 * stream_id + 1, &bomb);
            pour(&mut stream, &bytes, 1).await;
        }
        frames::read(&mut stream).await;
    })
    .await;
    assert!(scene.passed("/api/v1/namespaces/bomb").is_empty());
}

/// CVE-2023-44487.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let scene = Scene::new().await;
    scene.fake.route("", "/api/v1/namespaces/reset", Reply::hang());
    let endpoint = scene.endpoint();
    let bearer = format!("Bearer {}", scene.token);
    let lines = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "127.0.0.1"),
        (":path", "/k8s/clusters/c-a/api/v1/namespaces/reset"),
        ("authorization", &*bearer),
    ];
    let block = block(&lines);
    withstood(&scene, 64 * MIB, async {
        for _ in 0..2 {
            let mut stream = frames::open(&endpoint).await;
            let mut gone = false;
            for burst in 0..100_u32 {
                let mut bytes = Vec::new();
                for number in 0..100 {
                    let id = 2 * (burst * 100 + number) + 1;
                    bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &block));
                    bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
                }
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    gone = true;
                    break;
                }
            }
            let (answers, closed) = frames::read(&mut stream).await;
            let goaway = answers.iter().any(|(kind, ..)| *kind == frames::GOAWAY);
            assert!(gone || closed || goaway, "10,000 resets on one connection are accepted");
        }
    })
    .await;
}

/// CVE-2024-27316: a head that is never finished.
#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let scene = Scene::new().await;
    let endpoint = scene.endpoint();
    withstood(&scene, 32 * MIB, async {
        for piece in [block(&[("x", &"y".repeat(1000))]), Vec::new()] {
            let mut stream = frames::open(&endpoint).await;
            let begin = frame(HEADERS, END_STREAM, 1, &block(&[(":method", "GET")]));
            pour(&mut stream, &begin, 1).await;
            let more = frame(CONTINUATION, 0, 1, &piece).repeat(100);
            let mut ended = false;
            for _ in 0..1000 {
                if stream.write_all(&more).await.is_err() || stream.flush().await.is_err() {
                    ended = true;
                    break;
                }
            }
            let (answers, closed) = frames::read(&mut stream).await;
            assert!(ended || closed || answers.iter().any(|(kind, ..)| *kind == frames::GOAWAY), "{}", piece.len());
        }
    })
    .await;
}

/// CVE-2019-9512, CVE-2019-9515, CVE-2019-9518: answers that nobody reads, frames without content.
#[tokio::test]
async fn floods_of_pings_settings_and_empty_frames_keep_memory_bounded() {
    let scene = Scene::of(FakeApiserver::start(), |_| {}).await;
    let endpoint = scene.endpoint();
    withstood(&scene, 32 * MIB, async {
        for flood in [
            frame(PING, 0, 0, &[0; 8]).repeat(1000),
            frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(1000),
            frame(frames::DATA, 0, 1, b"").repeat(1000),
            frame(2, 0, 1, &[0, 0, 0, 0, 1]).repeat(1000),
            frame(8, 0, 0, &[0, 0, 0, 1]).repeat(1000),
        ] {
            let mut stream = frames::open(&endpoint).await;
            // Nothing is read: what the gateway answers has nowhere to go.
            pour(&mut stream, &flood, 300).await;
        }
    })
    .await;
}
