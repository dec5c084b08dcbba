use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use drover::cluster::{Call, Cluster, SendError};
use http::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    fake::{Fake, Trust, accept, connection, full, listen, registry, token},
    fetch, get, text, until,
};

/// A cluster that writes `answer` to each request and closes.
async fn answering(answer: &'static [u8], protocol: &str) -> Arc<Cluster> {
    let (listener, address) = listen().await;
    let trust = Trust::new(&[protocol]);
    accept(listener, trust.acceptor, move |mut stream, _| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    });
    registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")))
}

#[tokio::test]
async fn half_a_head_and_none_at_all_are_errors_and_not_tried_again() {
    for answer in [&b"HTTP/1.1 200 OK\r\ncontent-le"[..], b""] {
        let cluster = answering(answer, "http/1.1").await;
        let error = fetch(&cluster, Call::List, "/").await.unwrap_err();
        assert!(matches!(error, SendError::Broken(_)), "{error:?}");
        assert!(!error.retry_is_safe());
        assert_eq!(cluster.stats().connects.read(), 1);
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let cluster = answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "http/1.1").await;
    let error = fetch(&cluster, Call::List, "/").await.unwrap_err();
    assert!(matches!(error, SendError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_refused() {
    let cluster =
        answering(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "http/1.1").await;
    assert!(fetch(&cluster, Call::List, "/").await.is_err());
}

/// H15: an endless head ends the connection after some kilobytes, and what the sockets hold.
#[tokio::test]
async fn a_head_without_end_ends_its_connection() {
    let (listener, address) = listen().await;
    let trust = Trust::new(&["http/1.1"]);
    let (written, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Notify::new()));
    let (count, end) = (Arc::clone(&written), Arc::clone(&ended));
    accept(listener, trust.acceptor, move |mut stream, _| {
        let (count, end) = (Arc::clone(&count), Arc::clone(&end));
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            let line = format!("x-filler: {}\r\n", "y".repeat(8000));
            while stream.write_all(line.as_bytes()).await.is_ok() {
                count.fetch_add(line.len(), Ordering::SeqCst);
            }
            end.notify_one();
        }
    });
    let cluster = registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")));
    let error = kit::wait::event("the error", fetch(&cluster, Call::List, "/")).await.unwrap_err();
    assert!(matches!(error, SendError::Protocol(_) | SendError::Broken(_)), "{error:?}");
    kit::wait::event("the connection's end", ended.notified()).await;
    let written = written.load(Ordering::SeqCst);
    assert!(written < 16 << 20, "{written} bytes were taken");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_body() {
    let cluster = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "http/1.1").await;
    let response = cluster.send(0, Call::List, get("/")).await.unwrap();
    assert!(http_body_util::BodyExt::collect(response.into_body()).await.is_err());
    assert_eq!(cluster.stats().idle.read(), 0);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, |_, _| async { Response::new(full("")) }).await;
    let other = Trust::new(&["h2"]);
    let cluster = registry().put(&Arc::from("c1"), &connection(fake.address, &other.ca, token("t")));
    for call in [Call::Short, Call::List] {
        let error = fetch(&cluster, call, "/").await.unwrap_err();
        assert!(error.to_string().contains("TLS"), "{error}");
    }
    assert_eq!(fake.connections(), 0);
}

/// H22: an address that the policy denies is not connected to.
#[tokio::test]
async fn an_address_that_the_policy_denies_is_not_connected_to() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, |_, _| async { Response::new(full("")) }).await;
    let options = drover::cluster::Options {
        address_policy: Some(Arc::new(
            |_, address, _| if address.is_loopback() { Err("it is loopback".to_owned()) } else { Ok(()) },
        )),
        ..Default::default()
    };
    let registry = drover::cluster::Registry::new(tokio::runtime::Handle::current(), options);
    let mut by_name = (*fake.connection(token("t"))).clone();
    by_name.host = "localhost".to_owned();
    for (id, connection) in [("c1", fake.connection(token("t"))), ("c2", Arc::new(by_name))] {
        let cluster = registry.put(&Arc::from(id), &connection);
        for _ in 0..6 {
            let error = fetch(&cluster, Call::Short, "/").await.unwrap_err();
            assert_eq!(error.to_string(), "connecting is not allowed: it is loopback");
        }
    }
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn the_circuit_opens_after_five_failures_and_closes_when_the_cluster_is_back() {
    // Bound and not yet listening: connecting is refused, and nobody else gets the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let trust = Trust::new(&["http/1.1"]);
    let cluster = registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")));
    for _ in 0..5 {
        assert!(matches!(fetch(&cluster, Call::Short, "/").await.unwrap_err(), SendError::Connect(_)));
    }
    let stats = cluster.stats();
    assert_eq!((stats.connect_failures.read(), stats.circuit_refusals.read()), (5, 0));
    for _ in 0..1000 {
        let error = fetch(&cluster, Call::Short, "/").await.unwrap_err();
        assert!(matches!(error, SendError::CircuitOpen { .. }), "{error:?}");
    }
    // Nothing was waited for: each was refused without a try.
    assert_eq!((stats.circuit_refusals.read(), stats.circuit_opened.read()), (1000, 1));

    accept(socket.listen(64).unwrap(), trust.acceptor, move |stream, _| async move {
        let service =
            hyper::service::service_fn(|_| async { Ok::<_, std::convert::Infallible>(Response::new(full("back"))) });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    });
    until(async || fetch(&cluster, Call::Short, "/").await.is_ok_and(|text| text == "back")).await;
    assert!(!cluster.circuit_is_open());
}

async fn echo(mut request: Request<hyper::body::Incoming>, number: usize) -> Response<crate::fake::Body> {
    if request.uri().path() != "/exec" {
        let mut refused = Response::new(full(number.to_string()));
        *refused.status_mut() = StatusCode::FORBIDDEN;
        return refused;
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let (mut read, mut write) = tokio::io::split(&mut io);
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
    response.headers_mut().insert(header::UPGRADE, "spdy/3.1".parse().unwrap());
    response
}

fn upgrade(path: &str) -> Request<drover::cluster::RequestBody> {
    let mut request = get(path);
    request.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
    request.headers_mut().insert(header::UPGRADE, "spdy/3.1".parse().unwrap());
    request
}

#[tokio::test]
async fn an_upgrade_carries_bytes_both_ways() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, echo).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    let mut response = cluster.send(0, Call::Upgrade, upgrade("/exec")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let upgraded = hyper::upgrade::on(&mut response);
    drop(response);
    let mut io = TokioIo::new(upgraded.await.unwrap());
    io.write_all(b"hello").await.unwrap();
    io.flush().await.unwrap();
    let mut back = [0; 5];
    io.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
}

/// H16: what a client sends after a refused upgrade finds no authenticated connection to the cluster.
#[tokio::test]
async fn the_connection_of_a_refused_upgrade_is_never_used_again() {
    let fake = Fake::start(&["http/1.1"], 100, echo).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for number in 0..3 {
        let response = cluster.send(0, Call::Upgrade, upgrade("/refused")).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(text(response).await, number.to_string());
        assert_eq!(cluster.stats().idle.read(), 0);
    }
}
