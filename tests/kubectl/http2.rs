use http::{Method, Request, StatusCode};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use kit::{client::empty, gateway::Gateway};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::House;

/// A binary frame as clients send it (RFC 6455), masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[0x82, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// A WebSocket over HTTP/2 (RFC 8441), beside other requests of the same connection.
#[tokio::test]
async fn exec_works_over_extended_connect() {
    let house = House::get().await;
    let endpoint = house.gateway.endpoint();
    let mut sender = endpoint.http2().await;
    // The server's settings, which allow extended CONNECT, come before its first answer.
    let version = sender.send_request(endpoint.request2("GET", "/k8s/clusters/c-a/version", &house.ann, empty())).await;
    assert_eq!(version.unwrap().status(), StatusCode::OK);

    let query = "container=main&command=tr&command=a-z&command=A-Z&stdin=true&stdout=true";
    let path = Gateway::path("c-a", &format!("/api/v1/namespaces/default/pods/web/exec?{query}"));
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://{}{path}", endpoint.host()))
        .extension(Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {}", house.ann))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "v5.channel.k8s.io")
        .body(empty())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    assert!(!response.headers().contains_key("upgrade") && !response.headers().contains_key("sec-websocket-accept"));
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    // Channel 0 is the standard input; channel 255 closes it.
    stream.write_all(&frame(b"\0over http2")).await.unwrap();
    stream.write_all(&frame(&[255, 0])).await.unwrap();
    let mut answer = Vec::new();
    kit::wait::event("the stream to end with the command", stream.read_to_end(&mut answer)).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("\u{1}OVER HTTP2"), "{text:?}");
    assert!(text.contains("\"status\":\"Success\""), "{text:?}");

    let again = sender.send_request(endpoint.request2("GET", "/k8s/clusters/c-a/version", &house.ann, empty())).await;
    assert_eq!(again.unwrap().status(), StatusCode::OK);
}
