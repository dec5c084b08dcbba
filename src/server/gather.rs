//! Writes of one turn gathered into one: HTTP/2 answers of several streams, and the frames of a long one, leave in one system
//! call.
//!
//! The h2 crate flushes after every DATA frame. A flush that follows a write is therefore only noted here; the next one, without
//! a write in between, sends everything. h2 ends each turn with such a flush; [`Owed`] tells the connection's driver when
//! one is still owed, so that nothing depends on it.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Bytes of four TLS records, as many as rustls puts into one system call. A DATA frame of a long answer fills one: alone, each would cost
/// a call, which is more than the copy.
const LIMIT: usize = 64 * 1024;

thread_local! {
    /// A buffer for the next turn: a connection that has nothing to send holds none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Whether a flush that was only noted is still owed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed(Arc<AtomicBool>);

impl Owed {
    /// Whether nobody has tried to send since then.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, any: bool) {
        self.0.store(any, Ordering::Relaxed);
    }
}

/// A socket whose small writes wait for the end of the turn.
pub(super) struct Gather<T> {
    inner: T,
    waiting: Vec<u8>,
    /// How much of `waiting` has gone.
    sent: usize,
    /// Whether something was written since the last flush.
    fresh: bool,
    /// Whether the socket took no more: until it does, no more is gathered, so that a reader who has stopped holds little.
    full: bool,
    owed: Owed,
}

impl<T: Write + Unpin> Gather<T> {
    /// Over `inner`; `owed` is for whoever polls the connection.
    pub(super) fn new(inner: T, owed: Owed) -> Self {
        Self { inner, waiting: Vec::new(), sent: 0, fresh: false, full: false, owed }
    }

    /// Sends all that waits. Where the socket is full it wakes the caller, who owes nothing until then.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owed.set(false);
        while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let Poll::Ready(sent) = Pin::new(&mut self.inner).poll_write(cx, rest)? else {
                self.full = true;
                return Poll::Pending;
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.sent = 0;
        self.full = false;
        let mut empty = std::mem::take(&mut self.waiting);
        if empty.capacity() > 0 {
            empty.clear();
            SPARE.set(empty);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.full || self.waiting.len() + length > LIMIT {
            ready!(self.poll_drain(cx))?;
        }
        if length > LIMIT {
            self.fresh = false;
            return Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        }
        if self.waiting.capacity() == 0 {
            self.waiting = SPARE.take();
        }
        for buf in bufs {
            self.waiting.extend_from_slice(buf);
        }
        self.fresh = true;
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.fresh) {
            self.owed.set(true);
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: Read + Unpin> Read for Gather<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, IoSlice},
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use hyper::rt::Write;

    use super::{Gather, LIMIT, Owed};

    /// Remembers each write; takes `room` bytes in all.
    struct Socket {
        writes: Vec<Vec<u8>>,
        flushes: usize,
        room: usize,
    }

    impl Write for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.writes.push(buf[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
            self.poll_write(cx, &all)
        }
    }

    fn gather(room: usize) -> (Gather<Socket>, Owed) {
        let owed = Owed::default();
        (Gather::new(Socket { writes: Vec::new(), flushes: 0, room }, owed.clone()), owed)
    }

    fn write(gather: &mut Gather<Socket>, text: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(gather).poll_write(&mut Context::from_waker(Waker::noop()), text)
    }

    fn flush(gather: &mut Gather<Socket>) -> Poll<io::Result<()>> {
        Pin::new(gather).poll_flush(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn writes_with_a_flush_after_each_leave_together_at_the_flush_that_follows_no_write() {
        let (mut gather, owed) = gather(usize::MAX);
        for text in ["one ", "two ", "three"] {
            assert!(matches!(write(&mut gather, text.as_bytes()), Poll::Ready(Ok(n)) if n == text.len()));
            assert!(flush(&mut gather).is_ready());
        }
        assert!(gather.inner.writes.is_empty());
        assert!(owed.any());
        assert!(flush(&mut gather).is_ready());
        assert_eq!(gather.inner.writes, [b"one two three"]);
        assert_eq!(gather.inner.flushes, 1);
        assert!(!owed.any());
    }

    #[test]
    fn a_write_of_more_than_the_limit_is_not_copied_and_goes_after_what_waits() {
        let (mut gather, _) = gather(usize::MAX);
        assert!(write(&mut gather, b"head").is_ready());
        let large = vec![b'x'; LIMIT + 1];
        assert!(matches!(write(&mut gather, &large), Poll::Ready(Ok(n)) if n == large.len()));
        assert_eq!(gather.inner.writes, [b"head".to_vec(), large]);
    }

    #[test]
    fn a_full_socket_takes_the_rest_later_and_no_more_waits_meanwhile() {
        let (mut gather, owed) = gather(3);
        assert!(write(&mut gather, &[b'a'; 100]).is_ready());
        assert!(flush(&mut gather).is_ready());
        assert!(flush(&mut gather).is_pending());
        assert!(!owed.any());
        assert!(write(&mut gather, b"bc").is_pending());
        gather.inner.room = usize::MAX;
        assert!(write(&mut gather, b"bc").is_ready());
        assert!(flush(&mut gather).is_ready());
        assert!(flush(&mut gather).is_ready());
        let all = gather.inner.writes.concat();
        assert_eq!(all.len(), 102);
        assert!(all.ends_with(b"abc"));
    }
}
