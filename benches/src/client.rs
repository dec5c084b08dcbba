//! A blocking HTTP/1.1 client over TLS, for what is asked once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::process::loopback;

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// An answer's head.
#[derive(Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The body's size, if told.
    pub length: Option<usize>,
    /// Whether the body comes in chunks.
    pub chunked: bool,
}

impl Client {
    /// Connects to `port` on loopback.
    pub fn connect(port: u16, config: &Arc<ClientConfig>) -> Result<Self> {
        let socket = TcpStream::connect(loopback(port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let tls = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, StreamOwned::new(tls, socket)) })
    }

    /// Sends a request and reads the answer's head.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Head> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes())?;
        stream.flush()?;
        self.head()
    }

    fn head(&mut self) -> Result<Head> {
        let line = self.line()?;
        let status =
            line.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(|| format!("not HTTP: {line}"))?;
        let mut head = Head { status, length: None, chunked: false };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = true;
            }
        }
        Ok(head)
    }

    /// One line, without its end.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server hung up");
        }
        Ok(line.trim_end().to_owned())
    }

    /// The body behind `head`.
    pub fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if head.chunked {
            loop {
                let size = usize::from_str_radix(self.line()?.split(';').next().unwrap_or_default(), 16)?;
                let at = body.len();
                body.resize(at + size, 0);
                self.stream.read_exact(&mut body[at..])?;
                self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        body.resize(head.length.unwrap_or(0), 0);
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// Asks and reads the whole answer.
    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(u16, Vec<u8>)> {
        let head = self.send(method, target, headers)?;
        let body = self.body(&head)?;
        Ok((head.status, body))
    }

    /// Posts a JSON document.
    pub fn post(&mut self, target: &str, authorization: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let text = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let head = self.head()?;
        let body = self.body(&head)?;
        Ok((head.status, body))
    }
}
