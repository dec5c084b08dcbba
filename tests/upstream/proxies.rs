use std::sync::Arc;

use drover::cluster::Call;
use http::Response;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    fake::{Fake, full, listen, registry, token},
    fetch,
};

async fn through(url: String) -> Result<String, String> {
    let fake = Fake::start(&["h2", "http/1.1"], 100, |_, _| async { Response::new(full("through")) }).await;
    let mut connection = (*fake.connection(token("t"))).clone();
    connection.proxy_url = Some(url);
    let cluster = registry().put(&Arc::from("c1"), &Arc::new(connection));
    let long = fetch(&cluster, Call::List, "/").await.map_err(|error| error.to_string())?;
    assert_eq!(fetch(&cluster, Call::Short, "/").await.unwrap(), long);
    Ok(long)
}

async fn splice(mut client: TcpStream, target: String) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

fn connect_proxy(listener: TcpListener, credential: Option<&'static str>) {
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                if credential.is_some_and(|credential| !head.contains(credential)) {
                    client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
                    return;
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                client.write_all(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").await.unwrap();
                splice(client, target).await;
            });
        }
    });
}

#[tokio::test]
async fn a_cluster_is_reached_through_an_http_proxy() {
    let (listener, address) = listen().await;
    connect_proxy(listener, Some("Proxy-Authorization: Basic dTpwQHM="));
    assert_eq!(through(format!("http://u:p%40s@{address}")).await.unwrap(), "through");
    let error = through(format!("http://u:wrong@{address}")).await.unwrap_err();
    assert!(error.contains("407") && !error.contains("wrong"), "{error}");
}

#[tokio::test]
async fn a_cluster_is_reached_through_a_socks5_proxy() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 3];
                client.read_exact(&mut head).await.unwrap();
                assert_eq!(head, [5, 1, 2]);
                client.write_all(&[5, 2]).await.unwrap();
                let mut sign_in = [0; 7];
                client.read_exact(&mut sign_in).await.unwrap();
                assert_eq!(&sign_in, b"\x01\x01u\x03pwd");
                client.write_all(&[1, 0]).await.unwrap();
                let mut request = [0; 10];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 1]);
                let port = u16::from_be_bytes([request[8], request[9]]);
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                splice(client, format!("127.0.0.1:{port}")).await;
            });
        }
    });
    assert_eq!(through(format!("socks5://u:pwd@{address}")).await.unwrap(), "through");
}

#[tokio::test]
async fn a_proxy_of_another_kind_is_refused_by_name() {
    let error = through("ftp://127.0.0.1:1".to_owned()).await.unwrap_err();
    assert!(error.contains("proxy-url"), "{error}");
}
