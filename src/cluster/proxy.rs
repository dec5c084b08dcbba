//! `proxy-url`: HTTP CONNECT over plain or TLS, and SOCKS5 (RFC 1928, RFC 1929).
//!
//! The proxy resolves the cluster's name. Only an admin's own file can name a proxy.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::{connect, error::ConnectError, stream::Stream, tls};
use crate::secret::Secret;

/// The longest head of an answer to CONNECT.
const HEAD: usize = 16 * 1024;

/// Where a proxy is and how it is spoken to.
pub(super) struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    user: Option<(String, Secret<String>)>,
}

enum Kind {
    Http,
    Https(TlsConnector),
    Socks5,
}

fn failed(what: impl std::fmt::Display) -> ConnectError {
    ConnectError::Proxy(what.to_string().into())
}

impl Proxy {
    /// Reads `http://`, `https://` or `socks5://` with optional `user:password@`.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let bad = |why: &str| ConnectError::Setup(format!("proxy-url: {why}").into());
        let uri: http::Uri = url.parse().map_err(|_| bad("not a URL"))?;
        let (kind, standard_port) = match uri.scheme_str() {
            Some("http") => (Kind::Http, 80),
            Some("https") => (Kind::Https(tls::to_proxy()?), 443),
            Some("socks5" | "socks5h") => (Kind::Socks5, 1080),
            _ => return Err(bad("only `http`, `https` and `socks5` are known")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decode(name), Secret::new(decode(password)))
        });
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { kind, host, port: authority.port_u16().unwrap_or(standard_port), user })
    }

    /// Connects to `host:port` through the proxy.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<Stream, ConnectError> {
        let mut stream = connect::tcp(&self.host, self.port, None).await?;
        match &self.kind {
            Kind::Http => {
                self.http_connect(&mut stream, host, port).await?;
                Ok(Stream::Tcp(stream))
            }
            Kind::Https(connector) => {
                let name = ServerName::try_from(self.host.clone()).map_err(failed)?;
                let mut stream = connector.connect(name, stream).await.map_err(failed)?;
                self.http_connect(&mut stream, host, port).await?;
                Ok(Stream::Tls(Box::new(stream)))
            }
            Kind::Socks5 => {
                self.socks5(&mut stream, host, port).await?;
                Ok(Stream::Tcp(stream))
            }
        }
    }

    async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), ConnectError> {
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some((name, password)) = &self.user {
            head.push_str("Proxy-Authorization: Basic ");
            head.push_str(&STANDARD.encode(format!("{name}:{}", password.expose())));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        // Byte by byte, so that nothing of what follows the head is taken; a proxied connection is made rarely.
        let mut answer = Vec::with_capacity(256);
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == HEAD {
                return Err(failed("its answer is too long"));
            }
            answer.push(stream.read_u8().await.map_err(failed)?);
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if line.starts_with(b"HTTP/1.") && status.len() == 3 && status.starts_with(b"2") {
            Ok(())
        } else {
            Err(failed(format_args!(
                "it answered `{}`",
                String::from_utf8_lossy(line).chars().take(80).collect::<String>()
            )))
        }
    }

    async fn socks5<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), ConnectError> {
        let method: u8 = if self.user.is_some() { 2 } else { 0 };
        stream.write_all(&[5, 1, method]).await.map_err(failed)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        if answer != [5, method] {
            return Err(failed("it refuses the way of signing in"));
        }
        if let Some((name, password)) = &self.user {
            let mut message = vec![1];
            for part in [name.as_str(), password.expose()] {
                message.push(
                    u8::try_from(part.len()).map_err(|_| failed("user name or password is longer than 255 bytes"))?,
                );
                message.extend_from_slice(part.as_bytes());
            }
            stream.write_all(&message).await.map_err(failed)?;
            stream.read_exact(&mut answer).await.map_err(failed)?;
            if answer != [1, 0] {
                return Err(failed("it refuses the user name or password"));
            }
        }
        let mut message = vec![5, 1, 0];
        match host.parse() {
            Ok(std::net::IpAddr::V4(address)) => {
                message.push(1);
                message.extend_from_slice(&address.octets());
            }
            Ok(std::net::IpAddr::V6(address)) => {
                message.push(4);
                message.extend_from_slice(&address.octets());
            }
            Err(_) => {
                message.push(3);
                message.push(u8::try_from(host.len()).map_err(|_| failed("the host name is longer than 255 bytes"))?);
                message.extend_from_slice(host.as_bytes());
            }
        }
        message.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&message).await.map_err(failed)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(failed)?;
        let [version, reply, _, kind] = head;
        if version != 5 || reply != 0 {
            return Err(failed(format_args!("SOCKS reply {reply}")));
        }
        let bound = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(failed)?),
            _ => return Err(failed("its answer is not SOCKS5")),
        };
        let mut rest = vec![0; bound + 2];
        stream.read_exact(&mut rest).await.map_err(failed)?;
        Ok(())
    }
}
