//! Unusual but lawful HTTP: it passes as it is meant, and what comes after it on the same connection is right as well.

use std::time::Duration;

use kit::{
    client::{Endpoint, bytes, empty, read},
    fake::Reply,
    gateway::Gateway,
    wait,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Scene, assert_status, identity::http1_and_http2_clusters, raw};

const PATH: &str = "/api/v1/namespaces/edge";

/// Two requests on one connection, over HTTP/1.1 and over HTTP/2: the status of each, a header of the first, its body.
async fn twice(scene: &Scene, method: &str, header: &str) -> [(u16, Option<String>, usize, u16); 2] {
    let (endpoint, path) = (scene.endpoint(), Gateway::path("c-a", PATH));
    let well = Gateway::path("c-a", "/api/v1/namespaces/well");
    let (mut one, mut two) = (endpoint.http1().await, endpoint.http2().await);
    let first = read(one.send_request(endpoint.request(method, &path, &scene.token, empty())).await.unwrap()).await;
    let after = read(one.send_request(endpoint.request("GET", &well, &scene.token, empty())).await.unwrap()).await;
    let second = read(two.send_request(endpoint.request2(method, &path, &scene.token, empty())).await.unwrap()).await;
    let later = read(two.send_request(endpoint.request2("GET", &well, &scene.token, empty())).await.unwrap()).await;
    [(first, after), (second, later)].map(|(answer, next)| {
        let value = answer.headers().get(header).map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), value, answer.body().len(), next.status().as_u16())
    })
}

#[tokio::test]
async fn an_answer_without_a_body_keeps_its_length_and_its_connection() {
    for scene in http1_and_http2_clusters().await {
        scene.fake.route("HEAD", PATH, Reply::new(200).header("content-length", "1234"));
        for told in twice(&scene, "HEAD", "content-length").await {
            assert_eq!(told, (200, Some("1234".into()), 0, 200));
        }
        for code in [204, 304] {
            scene.fake.clear_routes();
            scene.fake.route("GET", PATH, Reply::new(code).header("etag", "\"a\""));
            for told in twice(&scene, "GET", "etag").await {
                assert_eq!(told, (code, Some("\"a\"".into()), 0, 200));
            }
        }
        scene.assert_serves().await;
    }
}

/// RFC 9110, 15.2: any number of answers may come before the one that counts.
#[tokio::test]
async fn early_hints_of_a_cluster_are_not_the_answer() {
    let [scene, _] = http1_and_http2_clusters().await;
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    scene.fake.route("GET", PATH, Reply::raw(early, false));
    for answer in scene.both_as_ann("GET", PATH, &[]).await {
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"ok"[..]));
    }
    scene.assert_serves().await;
}

/// A client that asks first is told to go on only once somebody wants its body.
#[tokio::test]
async fn a_client_that_expects_100_sends_its_body_only_when_it_is_let_in() {
    for scene in http1_and_http2_clusters().await {
        let mut stream = scene.endpoint().raw().await;
        let head = scene.head("POST", PATH);
        let expecting = "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n";
        stream.write_all(format!("{head}{expecting}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        let count = wait::event("the answer", stream.read(&mut buffer)).await.unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&buffer[..count]));
        stream.write_all(b"{}").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        let passed = scene.passed(PATH).pop().unwrap();
        assert_eq!((&passed.body[..], passed.header("expect")), (&b"{}"[..], None));

        let stranger = head.replace(&scene.token, "wrong");
        let answer = raw(&scene.endpoint(), format!("{stranger}{expecting}\r\n")).await;
        assert_eq!(answer.codes(), [401], "{answer:?}");
    }
}

/// An answer that comes while the body is still under way reaches the client, who may then stop.
#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    for scene in http1_and_http2_clusters().await {
        scene.fake.route_early("POST", PATH, Reply::failure(413, "RequestEntityTooLarge", "too large"));
        let mut stream = scene.endpoint().raw().await;
        let head = scene.head("POST", PATH);
        stream.write_all(format!("{head}Content-Length: 100000\r\n\r\n{{").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = wait::event("the answer", stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]);
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too large"), "{answer}");
        scene.assert_serves().await;
    }
}

#[tokio::test]
async fn trailers_of_an_answer_reach_both_kinds_of_client() {
    use http_body_util::BodyExt as _;
    for scene in http1_and_http2_clusters().await {
        let reply =
            Reply::text("body").header("trailer", "x-sum").trailers(&[("x-sum", "4"), ("impersonate-user", "a")]);
        scene.fake.route("GET", PATH, reply);
        let (endpoint, path) = (scene.endpoint(), Gateway::path("c-a", PATH));
        let mut first = endpoint.request("GET", &path, &scene.token, empty());
        first.headers_mut().insert("te", "trailers".parse().unwrap());
        first.headers_mut().insert("connection", "te".parse().unwrap());
        let first = endpoint.http1().await.send_request(first).await.unwrap();
        let mut second = endpoint.request2("GET", &path, &scene.token, empty());
        second.headers_mut().insert("te", "trailers".parse().unwrap());
        let second = endpoint.http2().await.send_request(second).await.unwrap();
        for answer in [first, second] {
            let whole = answer.into_body().collect().await.unwrap();
            let trailers = whole.trailers().cloned().expect("trailers");
            assert_eq!(whole.to_bytes(), "body");
            assert_eq!(trailers["x-sum"], "4");
            assert_eq!(trailers.len(), 1, "{trailers:?}");
        }
        let passed = scene.passed(PATH);
        assert!(passed.iter().all(|request| request.header("te").as_deref() == Some("trailers")), "{passed:?}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_an_old_client_is_answered_too() {
    let [scene, _] = http1_and_http2_clusters().await;
    for (name, wait) in [("a", 300), ("b", 100), ("c", 0)] {
        let reply = Reply::text(name).after(Duration::from_millis(wait));
        scene.fake.route("GET", &format!("{PATH}/{name}"), reply);
    }
    let heads: Vec<String> = ["a", "b", "c"].map(|name| scene.head("GET", &format!("{PATH}/{name}"))).into();
    let bytes = format!("{}\r\n{}\r\n{}Connection: close\r\n\r\n", heads[0], heads[1], heads[2]);
    let answer = raw(&scene.endpoint(), bytes).await;
    assert_eq!(answer.codes(), [200, 200, 200]);
    let bodies: Vec<usize> = ["\r\n\r\na", "\r\n\r\nb", "\r\n\r\nc"].map(|body| answer.text.find(body).unwrap()).into();
    assert!(bodies.is_sorted(), "{answer:?}");

    let old = scene.head("GET", &format!("{PATH}/c")).replace("HTTP/1.1", "HTTP/1.0");
    let answer = raw(&scene.endpoint(), format!("{old}\r\n")).await;
    assert!(answer.closed && answer.text.ends_with("\r\n\r\nc"), "{answer:?}");
    assert!(!answer.text.to_ascii_lowercase().contains("transfer-encoding"), "{answer:?}");
}

#[tokio::test]
async fn odd_headers_and_long_queries_pass_byte_for_byte() {
    for scene in http1_and_http2_clusters().await {
        let selector = format!("labelSelector={}", "app%20in%20(a%2Cb)%2C".repeat(400));
        let query = format!("{PATH}?{selector}&fieldSelector=a%3Db&limit=500&x=%C3%A9&empty=&bare&plus=a+b");
        let mut bytes = scene.head("GET", &query).into_bytes();
        bytes.extend_from_slice(
            b"X-Latin: caf\xe9\r\nX-Tab: a\tb\r\nX-Empty:\r\nX-Twice: 1\r\nX-Twice: 2\r\n\
            Accept: application/json;as=Table;v=v1;g=meta.k8s.io, */*\r\nConnection: close\r\n\r\n",
        );
        let answer = raw(&scene.endpoint(), bytes).await;
        assert_eq!(answer.codes(), [200], "{answer:?}");
        let passed = scene.passed(PATH).pop().unwrap();
        assert_eq!(passed.uri.path_and_query().unwrap().as_str(), query);
        let value = |name: &str| {
            let line = passed.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            line.map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(
            (value("x-latin"), value("x-tab"), value("x-empty")),
            (b"caf\xe9".to_vec(), b"a\tb".to_vec(), Vec::new())
        );
        assert_eq!(passed.header_all("x-twice"), ["1", "2"]);
        assert_eq!(passed.header_all("accept"), ["application/json;as=Table;v=v1;g=meta.k8s.io, */*"]);
    }
}

/// One HTTP/2 connection of a client, with more requests at once than a cluster takes streams on one of its own.
#[tokio::test]
async fn hundreds_of_requests_on_one_connection_are_all_answered_with_their_own() {
    for scene in http1_and_http2_clusters().await {
        scene.fake.route_early("POST", PATH, Reply::echo());
        let (endpoint, path) = (scene.endpoint(), Gateway::path("c-a", PATH));
        let client = endpoint.http2().await;
        let all = (0..200_usize).map(|number| {
            let mut client = client.clone();
            let body = format!("{number}-").repeat(1 + number * 37 % 4000);
            let request = endpoint.request2("POST", &path, &scene.token, bytes(body.clone()));
            async move {
                client.ready().await.unwrap();
                let answer = read(client.send_request(request).await.unwrap()).await;
                assert_eq!(answer.status(), 200);
                assert!(answer.body() == body.as_bytes(), "{number}");
            }
        });
        futures_util::future::join_all(all).await;
    }
}

async fn ask(endpoint: &Endpoint, token: &str) -> u16 {
    let path = Gateway::path("c-a", "/api/v1/namespaces/well");
    endpoint.get(&path, token).await.status().as_u16()
}

/// Manifests, certificates and credentials change again and again under those who call.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_fail_no_call_and_grant_nobody_more() {
    let scene = Scene::with(|folder| {
        folder.add_user("u-eve");
    })
    .await;
    let eve = scene.gateway.folder().add_token("u-eve");
    scene.gateway.wait_for_status("c-a", "/api/v1/namespaces/well", &eve, 403).await;
    let folder = scene.gateway.folder();
    let generation = async || scene.gateway.metric("drover_world_generation", &[]).await;
    let before = generation().await;
    let changes = async {
        for round in 0..40 {
            folder.add_user(&format!("u-{round}")).add_binding("c-a", &format!("u-{round}"), "view");
            if round % 4 == 0 {
                folder.add_cluster("c-a", &scene.fake.kubeconfig(crate::scene::ACCOUNT));
            }
            if round % 5 == 0 {
                folder.remove_manifest(&format!("binding-c-a-u-{round}-view"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let calls = async {
        let endpoint = scene.endpoint();
        let mut asked = 0;
        loop {
            let told = tokio::join!(ask(&endpoint, &scene.token), ask(&endpoint, &eve), ask(&endpoint, "wrong"));
            assert_eq!(told, (200, 403, 401), "after {asked}");
            asked += 1;
        }
    };
    tokio::select! {
        () = changes => {}
        () = calls => {}
    }
    assert!(generation().await > before, "nothing was reloaded");
    scene.assert_serves().await;
}

/// A cluster that dies and comes back again and again under those who call: refusals are the gateway's own, and they end.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_comes_and_goes_costs_its_callers_clean_refusals_only() {
    let scene = Scene::new().await;
    let (endpoint, path) = (scene.endpoint(), Gateway::path("c-a", "/api/v1/namespaces/well"));
    let turns = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.fake.reset_connections();
            scene.fake.route("", "/api/v1/namespaces/well", Reply::reset());
            tokio::time::sleep(Duration::from_millis(300)).await;
            scene.fake.clear_routes();
            scene.fake.behave();
        }
    };
    let calls = async {
        let mut client = endpoint.http2().await;
        loop {
            let one = endpoint.get(&path, &scene.token);
            client.ready().await.expect("the client's own connection lives on");
            let two = client.send_request(endpoint.request2("GET", &path, &scene.token, empty()));
            let (one, two) = tokio::join!(one, two);
            for answer in [one, read(two.unwrap()).await] {
                match answer.status().as_u16() {
                    200 => {}
                    code @ 502..=504 => assert_status(&answer, code),
                    code => panic!("{code}: {answer:?}"),
                }
            }
        }
    };
    tokio::select! {
        () = turns => {}
        () = calls => {}
    }
    scene.gateway.wait_for_status("c-a", "/api/v1/namespaces/well", &scene.token, 200).await;
}
