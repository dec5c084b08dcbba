//! The server behind a socket.

use std::sync::Arc;

use apiserver::listen::listen;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support;

/// The head of the answer to a request's head.
async fn head(request: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = support::server().await;
    tokio::spawn(listen(server, listener, None, Arc::new(|_| Some(support::admin())), std::future::pending()));
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "the connection ended");
    }
    String::from_utf8_lossy(&read).to_lowercase()
}

#[tokio::test]
async fn a_client_whose_body_is_not_read_is_told_that_the_connection_ends() {
    let unread =
        head("POST /apis/none.example.com/v1/things HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await;
    assert!(unread.starts_with("http/1.1 404") && unread.contains("connection: close"), "{unread}");
    let without = head("GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!without.contains("connection: close"), "{without}");
    let body = r#"{"metadata":{"name":"a"}}"#;
    let read =
        head(&format!("POST /api/v1/namespaces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    assert!(read.starts_with("http/1.1 201") && !read.contains("connection: close"), "{read}");
}
