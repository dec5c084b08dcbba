//! The client's side of HTTP/2, as small as the load allows (RFC 9113, RFC 7541).
//!
//! What a user asks is the same each time but for the token, so header blocks are written by hand:
//! the first on a connection fills the dynamic table, the others point into it. Of an answer only
//! the first field is read, which is `:status`.

use anyhow::{Result, bail};
use std::sync::Arc;

use super::{Done, Received};

const STREAM_WINDOW: u32 = 4 << 20;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// The header blocks of all users.
#[derive(Debug)]
pub struct Blocks {
    /// Fields that go into the dynamic table, for the first request of a connection.
    first: Vec<u8>,
    /// The same fields, as indexes.
    next: Vec<u8>,
    authorization: Vec<Vec<u8>>,
}

/// The header blocks that ask for `target`.
pub fn blocks(target: &str, tokens: &[String]) -> Arc<Blocks> {
    // :method GET and :scheme https are in the static table.
    let mut first = vec![0x82, 0x87];
    for (index, value) in
        [(1, "localhost"), (4, target), (58, "kubectl/v1.37.2 (linux/amd64)"), (19, "application/json")]
    {
        first.push(0x40 | index);
        string(value.as_bytes(), &mut first);
    }
    // The last one added is 62.
    let next = vec![0x82, 0x87, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62];
    let authorization = tokens
        .iter()
        .map(|token| {
            // Literal without indexing, name 23: more tokens take turns than a table would hold.
            let mut field = vec![0x0f, 23 - 15];
            string(format!("Bearer {token}").as_bytes(), &mut field);
            field
        })
        .collect();
    Arc::new(Blocks { first, next, authorization })
}

fn string(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value.len();
    if rest < 127 {
        out.push(u8::try_from(rest).unwrap_or(0));
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap_or(0) | 0x80);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap_or(0));
    }
    out.extend_from_slice(value);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.push(kind);
    out.push(flags);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[derive(Debug)]
struct Stream {
    id: u32,
    intended: u64,
    status: u16,
    /// Bytes received that no window update told of yet.
    taken: u32,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    blocks: Arc<Blocks>,
    next: u32,
    streams: Vec<Stream>,
    /// Bytes received on the connection that no window update told of yet.
    taken: u32,
    /// A frame's head, and its payload unless it is DATA.
    partial: Vec<u8>,
    /// Bytes of a DATA frame to come: stream, count, whether it ends the stream.
    data: Option<(u32, u32, bool)>,
    /// The peer said GOAWAY: no new stream.
    pub closing: bool,
}

impl Client {
    /// A new connection, its preface written to `out`.
    pub fn new(blocks: Arc<Blocks>, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut settings = Vec::new();
        // No push; the stream window of Go's client.
        for (id, value) in [(2_u16, 0_u32), (4, STREAM_WINDOW)] {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame(SETTINGS, 0, 0, &settings, out);
        frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes(), out);
        Self { blocks, next: 1, streams: Vec::new(), taken: 0, partial: Vec::new(), data: None, closing: false }
    }

    /// Asks as user `user`.
    pub fn start(&mut self, user: usize, intended: u64, out: &mut Vec<u8>) {
        let mut block = if self.next == 1 { self.blocks.first.clone() } else { self.blocks.next.clone() };
        block.extend_from_slice(&self.blocks.authorization[user]);
        // END_STREAM and END_HEADERS.
        frame(HEADERS, 0x5, self.next, &block, out);
        self.streams.push(Stream { id: self.next, intended, status: 0, taken: 0 });
        self.next += 2;
    }

    /// The requests that a broken connection leaves unanswered.
    pub fn broken(&mut self) -> Vec<Done> {
        self.streams.drain(..).map(|stream| Done { intended: stream.intended, status: 0 }).collect()
    }

    /// Takes received bytes; what must be said in return goes to `out`.
    pub fn receive(&mut self, mut bytes: &[u8], received: &mut Received, out: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() {
            if let Some((id, left, end)) = self.data {
                let count = left.min(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                bytes = &bytes[count as usize..];
                self.took(id, count, out);
                received.body += u64::from(count);
                self.data = (left > count).then_some((id, left - count, end));
                if left == count && end {
                    self.finish(id, None, received);
                }
                continue;
            }
            let want = match self.partial.get(..9) {
                None => 9,
                Some(head) if head[3] == DATA => 9,
                Some(head) => 9 + length(head),
            };
            let count = (want - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            let Some(head) = self.partial.get(..9) else { continue };
            let (size, kind, flags) = (length(head), head[3], head[4]);
            let id = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            if kind == DATA {
                self.partial.clear();
                let end = flags & END_STREAM != 0;
                if size > 0 {
                    self.data = Some((id, u32::try_from(size)?, end));
                } else if end {
                    self.finish(id, None, received);
                }
            } else if self.partial.len() == 9 + size {
                let payload = self.partial.split_off(9);
                self.partial.clear();
                self.control(kind, flags, id, &payload, received, out)?;
            }
        }
        Ok(())
    }

    fn control(
        &mut self,
        kind: u8,
        flags: u8,
        id: u32,
        payload: &[u8],
        received: &mut Received,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match kind {
            HEADERS => {
                if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id)
                    && stream.status == 0
                {
                    // Padding and priority are not used by any of the peers.
                    stream.status = status(payload);
                }
                if flags & END_STREAM != 0 {
                    self.finish(id, None, received);
                }
            }
            RST_STREAM => self.finish(id, Some(0), received),
            SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[], out),
            PING if flags & ACK == 0 => frame(PING, ACK, 0, payload, out),
            GOAWAY => {
                self.closing = true;
                if payload.get(4..8) != Some(&[0; 4]) {
                    bail!("the server says GOAWAY: {:?}", String::from_utf8_lossy(payload));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn took(&mut self, id: u32, count: u32, out: &mut Vec<u8>) {
        self.taken += count;
        if self.taken >= 1 << 20 {
            frame(WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes(), out);
            self.taken = 0;
        }
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.taken += count;
            if stream.taken >= STREAM_WINDOW / 2 {
                frame(WINDOW_UPDATE, 0, id, &stream.taken.to_be_bytes(), out);
                stream.taken = 0;
            }
        }
    }

    fn finish(&mut self, id: u32, status: Option<u16>, received: &mut Received) {
        if let Some(at) = self.streams.iter().position(|stream| stream.id == id) {
            let stream = self.streams.swap_remove(at);
            received.done.push(Done { intended: stream.intended, status: status.unwrap_or(stream.status) });
        }
    }
}

fn length(head: &[u8]) -> usize {
    usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])
}

/// The status at the head of a block: 200, or 1 for any other.
fn status(mut block: &[u8]) -> u16 {
    // A change of the dynamic table's size may stand before it.
    while let Some(first) = block.first().filter(|b| *b & 0xe0 == 0x20) {
        let mut skip = 1;
        if first & 0x1f == 0x1f {
            while block.get(skip).is_some_and(|b| b & 0x80 != 0) {
                skip += 1;
            }
            skip += 1;
        }
        block = block.get(skip..).unwrap_or_default();
    }
    if block.first() == Some(&0x88) { 200 } else { 1 }
}
