//! Where a message ends: no bytes of one request become another's (RFC 9112, RFC 9113).

use kit::fake::{FakeApiserver, Reply};
use tokio::io::AsyncWriteExt as _;

use crate::{
    Scene,
    frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS, block, frame},
    raw,
};

/// What an attacker hides: the cluster must never be asked for it, whichever way it was understood.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// The cluster never saw what was hidden, and the next to use its connections is served as himself.
async fn assert_unpoisoned(scene: &Scene, attack: &str) {
    for request in scene.fake.proxied() {
        let seen = format!("{} {:?}", request.uri, request.headers);
        assert!(!seen.contains("smuggled"), "{attack}: {seen}");
    }
    scene.assert_serves().await;
}

/// H11: two lengths, lengths that are none, transfer codings that are none.
#[tokio::test]
async fn bodies_with_two_lengths_poison_nothing() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    for (attack, refused) in [
        (format!("Content-Length: 5\r\nContent-Length: 6\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length: 5, 6\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length: +5\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length: -1\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length: 0x5\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length: 99999999999999999999\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length:\r\n\r\n{SMUGGLED}"), true),
        (format!("Content-Length : 0\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding: identity\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding: xchunked\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"), true),
        (format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{SMUGGLED}"), true),
        // RFC 9112, 6.3: the coding wins, and the length is not forwarded.
        (format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"), false),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{SMUGGLED}"), false),
        (
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}", 5 + SMUGGLED.len()),
            false,
        ),
        (format!("Content-Length: 0\r\nContent-Length: 0\r\n\r\n{SMUGGLED}"), false),
        (format!("X: y\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n{SMUGGLED}"), false),
    ] {
        let answer = raw(&scene.endpoint(), format!("{}{attack}", scene.head("POST", "/api/v1/lengths"))).await;
        if refused {
            assert!(answer.codes().iter().all(|code| *code >= 400), "{attack:?}: {answer:?}");
            assert!(answer.closed, "{attack:?}: {answer:?}");
        }
        assert_unpoisoned(&scene, &attack).await;
    }
    for request in scene.passed("/api/v1/lengths") {
        let lengths = request.header_all("content-length").len() + request.header_all("transfer-encoding").len();
        assert!(lengths <= 1, "{request:?}");
    }
}

/// H11: chunk sizes that parsers disagree on.
#[tokio::test]
async fn bad_chunks_end_the_connection_and_poison_nothing() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    for chunks in [
        "zz\r\n",
        "-1\r\nab\r\n",
        "0x2\r\nab\r\n",
        " 2\r\nab\r\n",
        "2\nab\n0\n\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nab\r\n",
        "\r\n0\r\n\r\n",
        "2 ;x\nab\r\n0\r\n\r\n",
        "2\r\nab0\r\n\r\n",
    ] {
        let head = scene.head("POST", "/api/v1/namespaces/n/chunks");
        let bytes = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}{SMUGGLED}");
        let answer = raw(&scene.endpoint(), bytes).await;
        assert!(!answer.codes().contains(&200) && answer.closed, "{chunks:?}: {answer:?}");
        assert_unpoisoned(&scene, chunks).await;
    }
    // What the cluster got of them, it did not take for whole bodies.
    assert!(scene.passed("/api/v1/namespaces/n/chunks").iter().all(|request| !request.complete));
}

/// H11: heads that are none, lines that end in LF alone, targets in other forms, hosts that disagree.
#[tokio::test]
async fn heads_with_two_readings_are_refused_or_read_once() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let (host, token) = (scene.gateway.address(), scene.token.clone());
    let rest = format!("Authorization: Bearer {token}\r\n\r\n");
    let path = "/k8s/clusters/c-a/api/v1/namespaces/heads";
    for attack in [
        format!("GET https://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("GET http://c-b{path} HTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("GET {host} HTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost:\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: other\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: admin@{host}\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n: empty\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nNo colon\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\0b\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\rb\r\n{rest}"),
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-A: a\r\n b\r\n{rest}"),
        format!("GET {path} HTTP/2.0\r\nHost: {host}\r\n{rest}"),
        format!("GET {path} HTTP/1.2\r\nHost: {host}\r\n{rest}"),
        format!("GET {path}\r\nHost: {host}\r\n{rest}"),
        format!("GET {path} x HTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("GET\t{path}\tHTTP/1.1\r\nHost: {host}\r\n{rest}"),
        format!("G\0ET {path} HTTP/1.1\r\nHost: {host}\r\n{rest}"),
    ] {
        let answer = raw(&scene.endpoint(), format!("{attack}{SMUGGLED}")).await;
        assert!(!answer.codes().contains(&200), "{attack:?}: {answer:?}");
        assert!(scene.passed("/api/v1/namespaces/heads").is_empty(), "{attack:?}");
        assert_unpoisoned(&scene, &attack).await;
    }
    // RFC 9112, 2.2 lets a bare LF end a line: it is one, and the cluster gets CR LF.
    let bytes = format!("GET {path} HTTP/1.1\nHost: {host}\nX-A: b\n{}", rest.replace("\r\n", "\n"));
    let answer = raw(&scene.endpoint(), format!("{bytes}{SMUGGLED}")).await;
    assert!(matches!(answer.codes()[..], [] | [400] | [200, 401 | 404]), "{answer:?}");
    for request in scene.passed("/api/v1/namespaces/heads") {
        let raw = request.raw_head.unwrap();
        assert!(!String::from_utf8_lossy(&raw).replace("\r\n", "").contains('\n'), "{raw:?}");
    }
    assert_unpoisoned(&scene, "bare LF").await;
}

/// H11: pseudo-headers that are missing, repeated, late or unknown, and authorities that disagree with `Host`.
#[tokio::test]
async fn http2_heads_with_two_readings_are_refused() {
    let scene = Scene::new().await;
    let bearer = format!("Bearer {}", scene.token);
    let path = "/k8s/clusters/c-a/api/v1/namespaces/pseudo";
    let (get, scheme, host, target) =
        ((":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", path));
    let who = ("authorization", &*bearer);
    for lines in [
        &[scheme, host, target, who][..],
        &[get, scheme, host, who],
        &[get, host, target, who, (":scheme", "")],
        &[get, get, scheme, host, target, who],
        &[get, (":method", "DELETE"), scheme, host, target, who],
        &[get, scheme, host, target, (":path", "/smuggled"), who],
        &[get, scheme, host, (":authority", "other"), target, who],
        &[get, scheme, host, who, target],
        &[get, scheme, host, target, who, (":path", "/smuggled")],
        &[get, scheme, host, target, (":status", "200"), who],
        &[get, scheme, host, target, (":unknown", "x"), who],
        &[get, scheme, host, target, ("host", "other"), who],
        &[get, scheme, host, target, ("host", "127.0.0.1"), ("host", "127.0.0.1"), who],
        &[get, scheme, (":authority", "u@127.0.0.1"), target, who],
        &[get, scheme, (":authority", ""), target, who],
        &[get, scheme, target, who],
        &[get, scheme, host, (":path", ""), who],
        &[get, scheme, host, (":path", "smuggled"), who],
        &[get, scheme, host, (":path", "*"), who],
        &[get, scheme, host, (":path", "/k8s/clusters/c-a/api/v1/namespaces/pseudo HTTP/1.1\r\nX: y"), who],
        &[(":method", "GET /smuggled HTTP/1.1\r\nX: y"), scheme, host, target, who],
        &[(":method", ""), scheme, host, target, who],
        &[(":method", "CONNECT"), scheme, host, target, who],
        &[(":method", "CONNECT"), host, who],
        &[(":method", "CONNECT"), (":protocol", "tcp"), scheme, host, target, who],
        &[get, (":protocol", "websocket"), scheme, host, target, who],
        &[get, scheme, host, target, who, ("", "empty")],
        &[get, scheme, host, target, who, ("X-Upper", "a")],
    ] {
        let mut stream = frames::open(&scene.endpoint()).await;
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(lines))).await.unwrap();
        let (answers, _) = frames::read(&mut stream).await;
        assert!(scene.passed("/api/v1/namespaces/pseudo").is_empty(), "{lines:?}: {answers:?}");
        assert_unpoisoned(&scene, &format!("{lines:?}")).await;
    }
}

/// H11: a length that an HTTP/2 body does not have must not reach a cluster that speaks HTTP/1.1.
#[tokio::test]
async fn an_http2_body_of_another_length_poisons_nothing() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let bearer = format!("Bearer {}", scene.token);
    for (length, body) in
        [("0", SMUGGLED), ("4", SMUGGLED), ("4", ""), ("4000", SMUGGLED), ("-1", "x"), ("5, 6", "abcde")]
    {
        let lines = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "127.0.0.1"),
            (":path", "/k8s/clusters/c-a/api/v1/namespaces/n/lengths"),
            ("authorization", &*bearer),
            ("content-length", length),
        ];
        let mut stream = frames::open(&scene.endpoint()).await;
        let end = if body.is_empty() { END_STREAM } else { 0 };
        stream.write_all(&frame(HEADERS, END_HEADERS | end, 1, &block(&lines))).await.unwrap();
        if !body.is_empty() {
            stream.write_all(&frame(DATA, END_STREAM, 1, body.as_bytes())).await.unwrap();
        }
        frames::read(&mut stream).await;
        assert_unpoisoned(&scene, length).await;
    }
    for request in scene.passed("/api/v1/namespaces/n/lengths") {
        assert!(!request.complete, "{request:?}");
    }
}

/// H11: an upgrade with a body, whose length the spliced bytes would be counted by.
#[tokio::test]
async fn an_upgrade_with_a_body_poisons_nothing() {
    let scene = Scene::of(FakeApiserver::builder().http1_only().start(), |_| {}).await;
    let path = "/api/v1/namespaces/n/pods/p/exec";
    scene.fake.route("POST", path, Reply::failure(403, "Forbidden", "no"));
    for length in ["Content-Length: 57\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n", "Content-Length: 0\r\n"] {
        let head = scene.head("POST", path);
        let bytes = format!("{head}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n{length}\r\n{SMUGGLED}");
        let answer = raw(&scene.endpoint(), bytes).await;
        let expected = if length.contains(": 0") { 403 } else { 400 };
        assert_eq!(answer.codes()[0], expected, "{length}: {answer:?}");
        assert_unpoisoned(&scene, length).await;
    }
    let passed = scene.passed(path);
    assert_eq!(passed.len(), 1);
    assert_eq!(passed[0].body_length, 0);
    assert!(passed[0].header_all("transfer-encoding").is_empty());
    assert!(passed[0].header_all("content-length").iter().all(|length| length == "0"), "{passed:?}");
}
