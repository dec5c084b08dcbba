use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use drover::cluster::{Call, Protocols, RequestBody};
use futures_util::future::join_all;
use http::{Request, Response, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    fake::{Fake, Trust, accept, connection, full, listen, registry, registry_with, token},
    fetch, get, text, until,
};

async fn describe(request: Request<hyper::body::Incoming>, number: usize) -> Response<crate::fake::Body> {
    let header = |name| request.headers().get(name).map_or("-", |value: &http::HeaderValue| value.to_str().unwrap());
    let authority = request.uri().authority().map_or_else(|| header("host").to_owned(), ToString::to_string);
    let text = format!(
        "{number} {:?} {} {} {authority} {}",
        request.version(),
        request.method(),
        request.uri().path_and_query().unwrap(),
        header("authorization")
    );
    Response::new(full(text))
}

#[tokio::test]
async fn a_request_carries_the_gateways_own_credential_over_both_protocols() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let (registry, id) = (registry(), Arc::from("c1"));
    let cluster = registry.put(&id, &fake.connection(token("secret\n")));
    let port = fake.address.port();
    for (call, version) in [(Call::Short, "HTTP/2.0"), (Call::List, "HTTP/1.1"), (Call::Watch, "HTTP/2.0")] {
        let mut request = get("/api/v1/pods?limit=1");
        request.headers_mut().insert(header::AUTHORIZATION, "Bearer stranger".parse().unwrap());
        let said = text(cluster.send(0, call, request).await.unwrap()).await;
        let expected = format!(" {version} GET /api/v1/pods?limit=1 127.0.0.1:{port} Bearer secret");
        assert!(said.ends_with(&expected), "{said}");
    }
}

#[tokio::test]
async fn few_reads_have_connections_of_their_own_and_writes_share_one() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let registry = registry_with(Protocols { alone: 2, ..Protocols::MEASURED });
    let cluster = registry.put(&Arc::from("c1"), &fake.connection(token("t")));
    let send = async |method: &str| {
        let request = Request::builder().method(method).uri("/x").body(RequestBody::Empty).unwrap();
        cluster.send(0, Call::Short, request).await.unwrap()
    };
    // Unread, an answer keeps its connection.
    let (first, second) = (send("GET").await, send("GET").await);
    let third = send("GET").await;
    let version = async |response| text(response).await.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(version(third).await, "HTTP/2.0");
    assert_eq!((version(first).await.as_str(), version(second).await.as_str()), ("HTTP/1.1", "HTTP/1.1"));
    assert_eq!(version(send("POST").await).await, "HTTP/2.0");
    // Dropped unread, it gives its place back too.
    drop((send("GET").await, send("GET").await));
    assert_eq!(version(send("GET").await).await, "HTTP/1.1");
}

#[tokio::test]
async fn a_cluster_without_http1_is_spoken_to_in_http2() {
    let fake = Fake::start(&["h2"], 100, describe).await;
    let registry = registry_with(Protocols::MEASURED);
    let cluster = registry.put(&Arc::from("c1"), &fake.connection(token("t")));
    for call in [Call::Short, Call::List, Call::Watch, Call::List, Call::Short] {
        assert!(fetch(&cluster, call, "/x").await.unwrap().contains(" HTTP/2.0 GET /x "), "{call:?}");
    }
    assert!(!cluster.circuit_is_open());
}

#[tokio::test]
async fn a_path_prefix_stands_before_the_path() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let mut connection = (*fake.connection(token("t"))).clone();
    connection.path_prefix = "/k8s/inner".to_owned();
    let cluster = registry().put(&Arc::from("c1"), &Arc::new(connection));
    for call in [Call::Short, Call::List] {
        assert!(fetch(&cluster, call, "/api?x=1").await.unwrap().contains(" /k8s/inner/api?x=1 "));
    }
}

#[tokio::test]
async fn a_cluster_without_http2_is_spoken_to_in_http1() {
    let fake = Fake::start(&["http/1.1"], 100, describe).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for call in [Call::Short, Call::Watch, Call::Short] {
        assert!(fetch(&cluster, call, "/api").await.unwrap().starts_with("0 HTTP/1.1"));
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn warm_calls_make_no_connection() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for call in [Call::Short, Call::List] {
        join_all((0..32).map(|_| fetch(&cluster, call, "/api"))).await;
        let before = fake.connections();
        for _ in 0..40 {
            for answer in join_all((0..32).map(|_| fetch(&cluster, call, "/api"))).await {
                answer.unwrap();
            }
        }
        assert_eq!(fake.connections(), before, "{call:?}");
    }
    assert_eq!(cluster.stats().http2_streams.read(), 0);
    assert_eq!(cluster.stats().idle.read(), 32);
}

#[tokio::test]
async fn an_answer_whose_reader_stops_at_its_last_byte_frees_its_connection() {
    let fake = Fake::start(&["http/1.1"], 100, describe).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for _ in 0..5 {
        let mut body = cluster.send(0, Call::List, get("/api")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(fake.connections(), 1);
}

/// As kube-apiserver answers with more than two kilobytes.
#[tokio::test]
async fn an_answer_without_a_length_frees_its_connection_and_tells_its_end_with_its_last_part() {
    let fake = Fake::start(&["http/1.1"], 100, |_, _| async {
        let parts = ["one", "two"].map(|part| Ok(Frame::data(Bytes::from(part))));
        Response::new(StreamBody::new(futures_util::stream::iter(parts)).boxed())
    })
    .await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for _ in 0..5 {
        assert_eq!(fetch(&cluster, Call::Short, "/api").await.unwrap(), "onetwo");
        let mut body = cluster.send(0, Call::Short, get("/api")).await.unwrap().into_body();
        let mut read = Vec::new();
        while !body.is_end_stream() {
            read.extend_from_slice(body.frame().await.unwrap().unwrap().data_ref().unwrap());
        }
        assert_eq!(read, b"onetwo");
    }
    assert_eq!(fake.connections(), 1);
}

/// A watch's events may be minutes apart: each is handed on when it comes.
#[tokio::test]
async fn a_part_of_an_answer_without_a_length_waits_for_no_other() {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let fake = Fake::start(&["http/1.1"], 100, move |_, _| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            let parts =
                futures_util::stream::unfold(receiver, |mut receiver: tokio::sync::mpsc::UnboundedReceiver<_>| async {
                    Some((receiver.recv().await?, receiver))
                });
            Response::new(StreamBody::new(parts).boxed())
        }
    })
    .await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    let mut body = cluster.send(0, Call::Short, get("/api")).await.unwrap().into_body();
    for part in ["one", "two", "three"] {
        sender.send(Ok(Frame::data(Bytes::from(part)))).unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
    }
}

/// H17: neither two clusters of one address nor two credentials share a connection.
#[tokio::test]
async fn two_clusters_of_one_address_share_no_connection() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let registry = registry();
    let one = registry.put(&Arc::from("c1"), &fake.connection(token("one")));
    let two = registry.put(&Arc::from("c2"), &fake.connection(token("two")));
    for call in [Call::Short, Call::List] {
        let (one, two) = (fetch(&one, call, "/").await.unwrap(), fetch(&two, call, "/").await.unwrap());
        assert!(one.ends_with("Bearer one") && two.ends_with("Bearer two"));
        assert_ne!(one.split(' ').next(), two.split(' ').next());
    }
    assert_eq!(fake.connections(), 4);
}

#[tokio::test]
async fn streams_never_pass_the_clusters_limit() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&waiting);
    let fake = Fake::start(&["h2"], 10, move |_, number| {
        count.fetch_add(1, Ordering::SeqCst);
        let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from(format!("{number}\n"))))]);
        let body = StreamBody::new(futures_util::StreamExt::chain(first, futures_util::stream::pending()));
        async move { Response::new(body.boxed()) }
    })
    .await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    let opened = join_all((0..25).map(|_| cluster.send(0, Call::Watch, get("/watch"))));
    let watches: Vec<_> = kit::wait::event("the watches", opened).await;
    let mut on = [0_usize; 25];
    let mut open = Vec::new();
    for watch in watches {
        let mut body = watch.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        on[std::str::from_utf8(&first).unwrap().trim().parse::<usize>().unwrap()] += 1;
        open.push(body);
    }
    assert!(on.iter().all(|streams| *streams <= 10), "{on:?}");
    assert!(fake.connections() <= 5, "{}", fake.connections());
    assert_eq!(cluster.stats().http2_streams.read(), 25);
    drop(open);
    assert_eq!(cluster.stats().http2_streams.read(), 0);
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_and_a_reset_one_is_not() {
    let (listener, address) = listen().await;
    let trust = Trust::new(&["h2"]);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    accept(listener, trust.acceptor, move |stream, _| {
        let count = Arc::clone(&count);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                match request.uri().path() {
                    "/refuse" if count.load(Ordering::SeqCst) == 1 => respond.send_reset(h2::Reason::REFUSED_STREAM),
                    "/reset" => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                    _ => drop(respond.send_response(Response::new(()), true).unwrap()),
                }
            }
        }
    });
    let cluster = registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")));
    fetch(&cluster, Call::Short, "/refuse").await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    let error = fetch(&cluster, Call::Short, "/reset").await.unwrap_err();
    assert!(!error.retry_is_safe(), "{error:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn after_a_goaway_requests_go_elsewhere_and_the_open_ones_end_well() {
    let (listener, address) = listen().await;
    let trust = Trust::new(&["h2"]);
    accept(listener, trust.acceptor, move |stream, number| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let mut open = Vec::new();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            if request.uri().path() == "/last" {
                connection.graceful_shutdown();
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                open.push(tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    body.send_data(Bytes::from("whole"), true).unwrap();
                }));
            } else {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from(number.to_string()), true).unwrap();
            }
        }
    });
    let cluster = registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")));
    assert_eq!(fetch(&cluster, Call::Short, "/").await.unwrap(), "0");
    let last = cluster.send(0, Call::Short, get("/last")).await.unwrap();
    for _ in 0..20 {
        fetch(&cluster, Call::Short, "/").await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fetch(&cluster, Call::Short, "/").await.unwrap(), "1");
    assert_eq!(text(last).await, "whole");
}

#[tokio::test]
async fn an_idle_connection_that_the_cluster_closed_is_no_error() {
    let (listener, address) = listen().await;
    let trust = Trust::new(&["http/1.1"]);
    accept(listener, trust.acceptor, move |mut stream, _| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        // Closed without a word, as a server does whose idle time is over.
        let _ = stream.shutdown().await;
    });
    let cluster = registry().put(&Arc::from("c1"), &connection(address, &trust.ca, token("t")));
    for _ in 0..50 {
        assert_eq!(fetch(&cluster, Call::List, "/").await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn a_streamed_body_arrives_whole_with_its_trailers_over_both_protocols() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, |request, _| async move {
        let collected = request.into_body().collect().await.unwrap();
        let trailer = collected.trailers().and_then(|trailers| trailers.get("x-sum").cloned());
        let length = collected.to_bytes().len();
        Response::new(full(format!("{length} {trailer:?}")))
    })
    .await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for call in [Call::Short, Call::List] {
        let data = (0..100).map(|_| Ok(Frame::data(Bytes::from(vec![7_u8; 50_000]))));
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "abc".parse().unwrap());
        let frames = futures_util::stream::iter(data.chain([Ok(Frame::trailers(trailers))]));
        let body = RequestBody::Stream(Box::pin(StreamBody::new(frames)));
        let request = Request::post("/").header("trailer", "x-sum").body(body).unwrap();
        let said = text(cluster.send(0, call, request).await.unwrap()).await;
        assert_eq!(said, "5000000 Some(\"abc\")", "{call:?}");
    }
    let full = Request::put("/").body(RequestBody::Full(Bytes::from(vec![1; 3_000_000]))).unwrap();
    assert_eq!(text(cluster.send(0, Call::Short, full).await.unwrap()).await, "3000000 None");
}

#[tokio::test]
async fn readers_that_stop_do_not_stop_the_others_of_their_connection() {
    let fake = Fake::start(&["h2"], 100, |request, _| async move {
        let size = if request.uri().path() == "/large" { 4_000_000 } else { 10 };
        Response::new(full(vec![b'x'; size]))
    })
    .await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    let stalled = join_all((0..60).map(|_| cluster.send(0, Call::Watch, get("/large")))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let other = kit::wait::event("the other's answer", fetch(&cluster, Call::Watch, "/small")).await;
    assert_eq!(other.unwrap().len(), 10);
    assert_eq!(fake.connections(), 1);
    for response in stalled {
        assert_eq!(text(response.unwrap()).await.len(), 4_000_000);
    }
}

#[tokio::test]
async fn a_dropped_request_resets_its_stream_and_counts_no_more() {
    let fake = Fake::start(&["h2"], 100, |_, _| std::future::pending()).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    for _ in 0..300 {
        let sent = cluster.send(0, Call::Short, get("/"));
        assert!(tokio::time::timeout(Duration::from_millis(1), sent).await.is_err());
    }
    until(async || cluster.stats().http2_streams.read() == 0).await;
    assert!(fake.connections() <= 2, "{}", fake.connections());
}

#[tokio::test]
async fn a_cluster_that_allows_no_stream_is_an_error_and_one_stream_is_enough() {
    let fake = Fake::start(&["h2"], 0, describe).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token("t")));
    let error = kit::wait::event("the error", fetch(&cluster, Call::Short, "/")).await;
    assert!(error.unwrap_err().to_string().contains("no stream"));

    let fake = Fake::start(&["h2"], 1, describe).await;
    let cluster = registry().put(&Arc::from("c2"), &fake.connection(token("t")));
    for answer in join_all((0..4).map(|_| fetch(&cluster, Call::Short, "/"))).await {
        answer.unwrap();
    }
}

/// Passes connections on to `target`, each after a moment.
async fn slow_way(target: std::net::SocketAddr) -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// A cluster's row may change while a connection under the one before is being made: who waits for it is served over it.
#[tokio::test]
async fn a_call_that_waits_for_a_connection_is_served_though_its_cluster_is_replaced() {
    let fake = Fake::start(&["h2", "http/1.1"], 100, describe).await;
    let port = slow_way(fake.address).await;
    let connection = |secret| {
        let mut connection = (*fake.connection(token(secret))).clone();
        connection.port = port;
        Arc::new(connection)
    };
    for (number, call) in [Call::Short, Call::Watch, Call::List].into_iter().enumerate() {
        let (registry, id) = (registry(), Arc::from("c1"));
        let old = registry.put(&id, &connection("first"));
        let replaced = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            registry.put(&id, &connection("second"))
        };
        let waiting = (0..3).map(|_| fetch(&old, call, "/"));
        let (answers, new) = tokio::join!(join_all(waiting), replaced);
        let of_http1 = if call == Call::List { 3 } else { 1 };
        assert_eq!(old.stats().connects.read(), of_http1, "{number}");
        for answer in answers {
            let answer = answer.unwrap();
            assert!(answer.ends_with("Bearer first"), "{answer}");
        }
        assert!(fetch(&new, call, "/").await.unwrap().ends_with("Bearer second"));
    }
}
