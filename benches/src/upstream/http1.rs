//! HTTP/1.1 by hand: one buffer, one parse, one write.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Counters;
use super::answer::{Answer, Answers, event};

/// Serves one connection until it ends.
pub async fn serve(mut stream: TlsStream<TcpStream>, answers: &Answers, counters: &Counters) -> Result<()> {
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut filled = 0;
    loop {
        let Some(request) = Request::parse(&buffer[..filled])? else {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        };
        let Request { head, body, upgrade, .. } = request;
        if let Some(protocol) = upgrade {
            let answer =
                format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
            stream.write_all(&buffer[head..filled]).await?;
            stream.flush().await?;
            return echo(stream, &mut buffer).await;
        }
        // The body of a request is small (reviews).
        if filled < head + body {
            if head + body > buffer.len() {
                bail!("a body too large");
            }
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            continue;
        }
        counters.requests.fetch_add(1, Ordering::Relaxed);
        match answers.to(request.method, request.target, &buffer[head..head + body]) {
            Answer::Review(document) => {
                counters.reviews.fetch_add(1, Ordering::Relaxed);
                stream.write_all(&document.whole).await?;
            }
            Answer::Now(document) => stream.write_all(&document.whole).await?,
            Answer::Later(wait, document) => {
                tokio::time::sleep(wait).await;
                stream.write_all(&document.whole).await?;
            }
            Answer::Head => {
                let text = &buffer[..head];
                let start =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
                stream.write_all(start.as_bytes()).await?;
                stream.write_all(text).await?;
            }
            Answer::Counters => {
                let text = counters.json();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(answer.as_bytes()).await?;
            }
            Answer::Watch => {
                let event = event();
                let mut answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                    event.len()
                )
                .into_bytes();
                answer.extend_from_slice(&event);
                answer.extend_from_slice(b"\r\n");
                stream.write_all(&answer).await?;
                stream.flush().await?;
                // Five thousand of these are open in one scenario: keep no buffer for them.
                drop(buffer);
                let mut byte = [0_u8; 1];
                let _ = stream.read(&mut byte).await;
                return Ok(());
            }
        }
        stream.flush().await?;
        buffer.copy_within(head + body..filled, 0);
        filled -= head + body;
    }
}

async fn echo(mut stream: TlsStream<TcpStream>, buffer: &mut [u8]) -> Result<()> {
    loop {
        let read = stream.read(buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
        stream.flush().await?;
    }
}

struct Request<'a> {
    method: &'a str,
    target: &'a str,
    /// Bytes of the head.
    head: usize,
    /// Bytes of the body.
    body: usize,
    upgrade: Option<String>,
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(bytes)? else { return Ok(None) };
        let mut body = 0;
        let mut upgrade = None;
        for header in request.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                body = std::str::from_utf8(header.value)?.parse()?;
            } else if header.name.eq_ignore_ascii_case("upgrade") {
                upgrade = Some(String::from_utf8(header.value.to_vec())?);
            }
        }
        let method = request.method.context("no method")?;
        let target = request.path.context("no target")?;
        Ok(Some(Self { method, target, head, body, upgrade }))
    }
}
