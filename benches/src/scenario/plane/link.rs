//! The client of both sides: HTTP/1.1 over TLS, one request at a time on a connection.

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::names;
use crate::process::loopback;

/// A connection of one user.
#[derive(Debug)]
pub struct Link {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
}

impl Link {
    /// Connects user `number` to `port`.
    pub async fn open(port: u16, config: &Arc<ClientConfig>, number: usize) -> Result<Self> {
        let socket = TcpStream::connect(loopback(port)).await?;
        socket.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(ServerName::try_from("localhost")?, socket).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // The requests tell how it ends.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, authorization: format!("Bearer {}", names::token(number % names::USERS)) })
    }

    /// Sends a request; the answer's body is still to be read.
    pub async fn begin(&mut self, method: &str, path: &str, body: Option<Bytes>) -> Result<Incoming> {
        self.sender.ready().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", self.authorization.as_str())
            .header("user-agent", "bench/1.0")
            .header("accept", "application/json");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let answer = self.sender.send_request(request.body(Full::new(body.unwrap_or_default()))?).await?;
        let status = answer.status();
        let body = answer.into_body();
        if !status.is_success() {
            let text = body.collect().await?.to_bytes();
            bail!("{method} {path}: {status}: {}", String::from_utf8_lossy(&text));
        }
        Ok(body)
    }

    /// Sends a request and reads the whole answer; its size.
    pub async fn ask(&mut self, method: &str, path: &str, body: Option<Bytes>) -> Result<usize> {
        let mut answer = self.begin(method, path, body).await?;
        let mut size = 0;
        while let Some(frame) = answer.frame().await {
            size += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(size)
    }

    /// The `resourceVersion` of a list that starts with it.
    pub async fn version(&mut self, path: &str) -> Result<String> {
        let text = self.begin("GET", path, None).await?.collect().await?.to_bytes();
        let list: serde_json::Value = serde_json::from_slice(&text)?;
        Ok(list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
    }
}
