//! HTTP/2 by hand: frames and header blocks that no well-behaved library writes.

use std::time::Duration;

use kit::client::Endpoint;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of any kind.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block: each line a literal that is neither indexed nor compressed, its bytes unchecked.
pub(crate) fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in lines {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// HPACK's integer with a prefix of 7 bits.
fn integer(bytes: &mut Vec<u8>, value: usize) {
    if value < 127 {
        bytes.push(u8::try_from(value).unwrap());
        return;
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
}

/// A connection with the preface and empty settings sent.
pub(crate) async fn open(endpoint: &Endpoint) -> TlsStream<TcpStream> {
    let mut stream = endpoint.raw_http2().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// Kind, flags, stream and payload of the frames that came until a stream ended, the peer closed or was silent for a
/// moment; and whether it closed.
pub(crate) async fn read(stream: &mut TlsStream<TcpStream>) -> (Vec<(u8, u8, u32, Vec<u8>)>, bool) {
    let mut frames = Vec::new();
    loop {
        let mut head = [0; 9];
        match tokio::time::timeout(Duration::from_millis(500), stream.read_exact(&mut head)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return (frames, true),
            Err(_) => return (frames, false),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return (frames, true);
        }
        let over =
            matches!(head[3], RST_STREAM | GOAWAY) || matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0;
        frames.push((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload));
        if over {
            return (frames, false);
        }
    }
}
