//! Paths, methods and queries: what routing reads is what policy reads is what the cluster gets.

use kit::{client::empty, fake::Reply};

use crate::{Scene, assert_status, raw};

/// H12: whatever two servers could read in two ways is refused before it is routed.
#[tokio::test]
async fn paths_with_two_readings_are_refused() {
    let scene = Scene::new().await;
    for path in [
        "/k8s/clusters/c-a//api/v1/odd",
        "/k8s/clusters/c-a/api//v1/odd",
        "//k8s/clusters/c-a/api/v1/odd",
        "/k8s/clusters/c-a/./api/v1/odd",
        "/k8s/clusters/c-a/api/v1/../v1/odd",
        "/k8s/clusters/c-a/api/v1/odd/..",
        "/k8s/clusters/c-b/../c-a/api/v1/odd",
        "/k8s/clusters/c-a/%2e%2e/c-b/api/v1/odd",
        "/k8s/clusters/c-a/api/v1/%2e%2e/odd",
        "/k8s/clusters/c-a/api/v1/.%2E/odd",
        "/k8s/clusters/c-a/api%2fv1/odd",
        "/k8s/clusters/c-a/api/v1/odd%2Fx",
        "/k8s/clusters/c-a%2f..%2fc-b/api/v1/odd",
        "/k8s/clusters/c-a/api/v1/odd;x=1",
        "/k8s/clusters/c-a/api/v1/odd%3Bx",
        "/k8s/clusters/c-a/api/v1/odd%00",
        "/k8s/clusters/c-a/api/v1/odd%0d%0aX-A:%20b",
        "/k8s/clusters/c-a/api/v1/odd%5c",
        "/k8s/clusters/c-a/api/v1/odd%252e",
        "/k8s/clusters/c-a/api/v1/odd%zz",
        "/k8s/clusters/c-a/api/v1/odd%",
        "/k8s/clusters/c-a/api/v1/odd%ff",
        "/k8s/clusters/C-A/api/v1/odd",
        "/k8s/clusters/%63-a/api/v1/odd",
        "/k8s/clusters/c-a%20/api/v1/odd",
        "/k8s//clusters/c-a/api/v1/odd",
        "/k8s/clusters//api/v1/odd",
        "/K8S/clusters/c-a/api/v1/odd",
        "/k8s/clusters/c-a/api/v1/odd?watch=true&watch=false",
    ] {
        let endpoint = scene.endpoint();
        let first = endpoint.send(endpoint.request("GET", path, &scene.token, empty())).await;
        let second = endpoint.request2("GET", path, &scene.token, empty());
        let second = kit::client::read(endpoint.http2().await.send_request(second).await.unwrap()).await;
        for answer in [first, second] {
            let code = answer.status().as_u16();
            assert!(code == 400 || code == 404, "{path}: {code}");
            assert_status(&answer, code);
        }
    }
    for target in ["/k8s/clusters/c-a/api/v1/odd\\x", "/k8s/clusters/c-a/api/v1/odd\u{e4}", "/k8s/clusters/c-a/odd\0"] {
        let (host, token) = (scene.gateway.address(), &scene.token);
        let bytes = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let answer = raw(&scene.endpoint(), bytes).await;
        assert!(matches!(answer.codes()[..], [] | [400]), "{target:?}: {answer:?}");
    }
    let odd = scene.fake.proxied().into_iter().find(|request| request.uri.to_string().contains("odd"));
    assert!(odd.is_none(), "{odd:?}");
}

/// H12: below a proxied pod the application's own paths pass as they came, but no dot segment climbs out.
#[tokio::test]
async fn below_a_proxy_paths_pass_as_they_came_and_never_climb_out() {
    let scene = Scene::new().await;
    let pod = "/api/v1/namespaces/n/pods/p/proxy";
    for tail in ["/a//b", "/a;x=1/b", "/a%2Fb?c=1&c=2&watch=true"] {
        for answer in scene.both_as_ann("GET", &format!("{pod}{tail}"), &[]).await {
            assert_eq!(answer.status(), 200, "{tail}");
        }
        let passed = scene.fake.proxied().pop().unwrap();
        assert_eq!(passed.uri.path_and_query().unwrap().as_str(), format!("{pod}{tail}"));
    }
    let before = scene.passed("/").len();
    for tail in
        ["/../../secrets", "/a/%2e%2e/b", "/..;/secrets", "/%2e%2e%3b/x", "/a%5c..%5cb", "/a%00", "/..%2f..%2fx"]
    {
        for answer in scene.both_as_ann("GET", &format!("{pod}{tail}"), &[]).await {
            assert_status(&answer, 400);
        }
    }
    assert_eq!(scene.passed("/").len(), before);
}

/// H13: policy and cluster see the same verb.
#[tokio::test]
async fn repeated_query_keys_and_unknown_methods_are_refused() {
    let scene = Scene::new().await;
    for query in [
        "watch=true&watch=false",
        "watch=false&watch=1",
        "w%61tch=true&watch=false",
        "labelSelector=a&labelSelector=b",
        "fieldSelector=a&fieldSelector=b",
        "dryRun=All&dryRun=",
        "limit=1&limit=2",
        "a=b;watch=true",
    ] {
        for answer in scene.both_as_ann("GET", &format!("/api/v1/pods?{query}"), &[]).await {
            assert_status(&answer, 400);
        }
    }
    for method in ["TRACE", "PROPFIND", "GETX", "get", "LINK"] {
        for answer in scene.both_as_ann(method, "/api/v1/pods", &[]).await {
            assert_status(&answer, 405);
        }
    }
    let host = scene.gateway.address();
    for target in ["/k8s/clusters/c-a/api/v1/pods", "127.0.0.1:6443", "c-a:443"] {
        let token = &scene.token;
        let bytes = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let answer = raw(&scene.endpoint(), bytes).await;
        assert!(!answer.codes().contains(&200), "{target}: {answer:?}");
    }
    assert!(scene.passed("/api/v1/pods").is_empty() && scene.passed("/smuggled").is_empty());
    // Words that say nothing of the verb may come as they please.
    scene.fake.route("GET", "/api/v1/namespaces/n/pods/p/exec", Reply::upgrade_echo());
    for answer in scene.both_as_ann("GET", "/api/v1/namespaces/x?command=a&command=b", &[]).await {
        assert_eq!(answer.status(), 200);
    }
}
