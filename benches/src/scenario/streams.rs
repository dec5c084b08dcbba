//! Long streams, many at a time: watches and upgrades, with tokio.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::names;
use crate::pki::Pki;
use crate::process::loopback;

/// Opens streams at one server.
#[derive(Clone)]
pub struct Opener {
    port: u16,
    prefix: String,
    watched: &'static str,
    one: Arc<ClientConfig>,
    two: Arc<ClientConfig>,
}

/// An open watch.
pub enum Watch {
    /// On a connection of its own.
    Own(TlsStream<TcpStream>),
    /// A stream of a shared connection.
    Shared(Incoming),
}

impl Opener {
    /// At `port`; `gateway` puts the cluster's path at the gateway before each target.
    pub fn new(pki: &Pki, port: u16, gateway: bool) -> Result<Self> {
        let prefix = if gateway { names::target("") } else { String::new() };
        Ok(Self { port, prefix, watched: "pods", one: pki.client(&["http/1.1"])?, two: pki.client(&["h2"])? })
    }

    /// Watches this resource of the namespace `default`; pods without.
    pub fn watching(mut self, resource: &'static str) -> Self {
        self.watched = resource;
        self
    }

    async fn connect(&self, config: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(loopback(self.port)).await?;
        socket.set_nodelay(true)?;
        Ok(TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from("localhost")?, socket).await?)
    }

    fn watch_target(&self) -> String {
        // Without a version a kube-apiserver tells at once what there is.
        format!("{}/api/v1/namespaces/default/{}?watch=true", self.prefix, self.watched)
    }

    /// A watch of user `user` on a connection of its own; its first event has arrived.
    pub async fn own_watch(&self, user: usize) -> Result<Watch> {
        let mut stream = self.connect(&self.one).await?;
        let text = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
            self.watch_target(),
            names::token(user)
        );
        stream.write_all(text.as_bytes()).await?;
        let mut seen = Vec::new();
        let mut buffer = [0; 2048];
        while !seen.windows(3).any(|bytes| bytes == b"}}\n") {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                bail!("the watch ended: {}", String::from_utf8_lossy(&seen));
            }
            seen.extend_from_slice(&buffer[..read]);
        }
        Ok(Watch::Own(stream))
    }

    /// A connection that watches can share.
    pub async fn shared(&self) -> Result<SendRequest<Empty<Bytes>>> {
        let stream = self.connect(&self.two).await?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // The streams tell how the connection ends.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// A watch of user `user` on the shared connection; its first event has arrived.
    pub async fn shared_watch(&self, sender: &SendRequest<Empty<Bytes>>, user: usize) -> Result<Watch> {
        let mut sender = sender.clone();
        sender.ready().await?;
        let request = Request::get(format!("https://localhost{}", self.watch_target()))
            .header("authorization", format!("Bearer {}", names::token(user)))
            .body(Empty::new())?;
        let response = sender.send_request(request).await?;
        if response.status() != 200 {
            bail!("a watch was answered {}", response.status());
        }
        let mut body = response.into_body();
        body.frame().await.context("no event")??;
        Ok(Watch::Shared(body))
    }

    /// An upgraded connection of user `user`, as exec makes it.
    pub async fn exec(&self, user: usize) -> Result<TlsStream<TcpStream>> {
        let mut stream = self.connect(&self.one).await?;
        let text = format!(
            "POST {}/api/v1/namespaces/default/pods/web-00000/exec?command=cat&stdin=true&stdout=true HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n",
            self.prefix,
            names::token(user)
        );
        stream.write_all(text.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.context("the server hung up")?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("not upgraded: {}", String::from_utf8_lossy(&head));
        }
        Ok(stream)
    }
}

impl Watch {
    /// Waits for its end; whether that was a clean one.
    pub async fn ended(self) -> bool {
        match self {
            Self::Own(mut stream) => {
                // The connection may live on behind the last chunk.
                let mut rest = Vec::new();
                let mut buffer = [0; 2048];
                while !rest.ends_with(b"0\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return false,
                        Ok(read) => rest.extend_from_slice(&buffer[..read]),
                    }
                }
                true
            }
            Self::Shared(mut body) => loop {
                match body.frame().await {
                    None => return true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return false,
                }
            },
        }
    }
}
