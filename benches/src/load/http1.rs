//! The client's side of HTTP/1.1: one request at a time.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::{Done, Received};

/// The requests of all users, as bytes.
pub fn requests(target: &str, tokens: &[String]) -> Arc<[Vec<u8>]> {
    tokens
        .iter()
        .map(|token| {
            format!(
                "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kubectl/v1.37.2 (linux/amd64)\r\n\
                 Accept: application/json\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
            .into_bytes()
        })
        .collect()
}

#[derive(Debug)]
enum State {
    Idle,
    Head,
    /// This many bytes of the body are to come.
    Sized(u64),
    /// The line with the next chunk's size.
    ChunkSize,
    /// This many bytes of the chunk and its line end are to come; the last chunk or not.
    Chunk(u64),
    /// Lines behind the last chunk.
    Trailer,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    requests: Arc<[Vec<u8>]>,
    state: State,
    /// A head or line that is not whole yet.
    partial: Vec<u8>,
    intended: u64,
    status: u16,
}

impl Client {
    /// A connection on which nothing was asked yet.
    pub fn new(requests: Arc<[Vec<u8>]>) -> Self {
        Self { requests, state: State::Idle, partial: Vec::new(), intended: 0, status: 0 }
    }

    /// Asks as user `user`.
    pub fn start(&mut self, user: usize, intended: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.requests[user]);
        self.intended = intended;
        self.status = 0;
        self.state = State::Head;
    }

    /// The request that a broken connection leaves unanswered.
    pub fn broken(&mut self) -> Vec<Done> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Vec::new(),
            _ => vec![Done { intended: self.intended, status: 0 }],
        }
    }

    /// Takes received bytes.
    pub fn receive(&mut self, mut bytes: &[u8], received: &mut Received) -> Result<()> {
        while !bytes.is_empty() {
            match self.state {
                State::Idle => bail!("an answer to nothing"),
                State::Head => {
                    let before = self.partial.len();
                    let whole: &[u8] = if before == 0 {
                        bytes
                    } else {
                        self.partial.extend_from_slice(bytes);
                        &self.partial
                    };
                    let mut headers = [httparse::EMPTY_HEADER; 64];
                    let mut response = httparse::Response::new(&mut headers);
                    let httparse::Status::Complete(head) = response.parse(whole)? else {
                        if before == 0 {
                            self.partial.extend_from_slice(bytes);
                        }
                        return Ok(());
                    };
                    let mut state = State::Sized(0);
                    for header in response.headers.iter() {
                        if header.name.eq_ignore_ascii_case("content-length") {
                            state = State::Sized(std::str::from_utf8(header.value)?.parse()?);
                        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                            state = State::ChunkSize;
                        }
                    }
                    self.status = response.code.unwrap_or(0);
                    bytes = &bytes[head - before..];
                    self.partial.clear();
                    self.state = state;
                    if matches!(self.state, State::Sized(0)) {
                        self.finish(received);
                    }
                }
                State::Sized(left) => {
                    let count = left.min(bytes.len() as u64);
                    received.body += count;
                    bytes = &bytes[usize::try_from(count)?..];
                    self.state = State::Sized(left - count);
                    if left == count {
                        self.finish(received);
                    }
                }
                State::ChunkSize | State::Trailer => {
                    let Some(at) = bytes.iter().position(|b| *b == b'\n') else {
                        self.partial.extend_from_slice(bytes);
                        return Ok(());
                    };
                    self.partial.extend_from_slice(&bytes[..at]);
                    bytes = &bytes[at + 1..];
                    let line = std::str::from_utf8(&self.partial)?.trim().to_owned();
                    self.partial.clear();
                    if matches!(self.state, State::Trailer) {
                        if line.is_empty() {
                            self.finish(received);
                        }
                        continue;
                    }
                    let size = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16)?;
                    received.body += size;
                    self.state = if size == 0 { State::Trailer } else { State::Chunk(size + 2) };
                }
                State::Chunk(left) => {
                    let count = left.min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(count)?..];
                    self.state = if left == count { State::ChunkSize } else { State::Chunk(left - count) };
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, received: &mut Received) {
        self.state = State::Idle;
        received.done.push(Done { intended: self.intended, status: self.status });
    }
}
