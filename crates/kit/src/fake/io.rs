//! A connection's socket, shared between hyper and replies that take it over.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A connected byte stream, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes the next close a reset (RST) rather than an orderly end.
    fn close_by_reset(&self);
}

/// Some [`Stream`].
pub type BoxedStream = Box<dyn Stream>;

impl Stream for TcpStream {
    fn close_by_reset(&self) {
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Stream for TlsStream<TcpStream> {
    fn close_by_reset(&self) {
        self.get_ref().0.close_by_reset();
    }
}

/// The bytes kept of what a client sent, so that the head of a request can be shown as it came.
const KEPT: usize = 1 << 20;

struct Inner {
    stream: BoxedStream,
    /// What was read lately; `None` where nobody will ask.
    seen: Option<Vec<u8>>,
}

/// A handle on a connection's stream; all clones are the same stream.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    pub(super) fn new(stream: BoxedStream, keep: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner { stream, seen: keep.then(Vec::new) })))
    }

    pub(super) fn close_by_reset(&self) {
        self.0.lock().unwrap().stream.close_by_reset();
    }

    /// Takes the bytes of the request head that starts with `line` out of what was read.
    pub(super) fn take_head(&self, line: &[u8]) -> Option<Vec<u8>> {
        let mut inner = self.0.lock().unwrap();
        let seen = inner.seen.as_mut()?;
        let start = find(seen, line)?;
        let end = start + find(&seen[start..], b"\r\n\r\n").or_else(|| find(&seen[start..], b"\n\n"))?;
        let head = seen[start..end].to_vec();
        seen.drain(..end);
        Some(head)
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut guard = self.0.lock().unwrap();
        let inner = &mut *guard;
        let before = buf.filled().len();
        let result = Pin::new(&mut inner.stream).poll_read(cx, buf);
        if let Some(seen) = &mut inner.seen {
            seen.extend_from_slice(&buf.filled()[before..]);
            if seen.len() > 2 * KEPT {
                let excess = seen.len() - KEPT;
                seen.drain(..excess);
            }
        }
        result
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.lock().unwrap().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.lock().unwrap().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().unwrap().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().unwrap().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().unwrap().stream).poll_shutdown(cx)
    }
}

impl Stream for Shared {
    fn close_by_reset(&self) {
        Self::close_by_reset(self);
    }
}
