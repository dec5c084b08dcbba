//! One client connection on its worker: TLS, the protocol it chose, its requests, its end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use http::HeaderValue;
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Phase, Shared,
    gather::{Gather, Owed},
};
use crate::{
    gateway::{Peer, Worker, stack},
    identity::PeerCertificate,
};

/// Why a connection is closed from this side.
const RUNNING: u32 = 0;
const IDLE: u32 = 1;
const SLOW: u32 = 2;

/// What the sweep reads of a connection.
#[derive(Debug)]
pub struct Pulse {
    started: Instant,
    peer: Arc<Peer>,
    /// Milliseconds after `started` of the last byte either way.
    last: AtomicU64,
    /// Milliseconds after `started` of the first byte that no request has answered for yet; 0 for none.
    partial: AtomicU64,
    close: AtomicU32,
    waker: AtomicWaker,
}

impl Pulse {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn read(&self) {
        let now = self.now();
        self.last.store(now, Ordering::Relaxed);
        if self.peer.open.load(Ordering::Relaxed) == 0 {
            let _ = self.partial.compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Asks the connection to close when it has been idle, or sending one head, for too long.
    pub fn sweep(&self, idle: Duration, head: Duration) {
        if self.peer.open.load(Ordering::Relaxed) > 0 {
            return;
        }
        let now = self.now();
        let since = |at: u64| Duration::from_millis(now.saturating_sub(at));
        let partial = self.partial.load(Ordering::Relaxed);
        let close = if partial > 0 && since(partial) > head {
            SLOW
        } else if since(self.last.load(Ordering::Relaxed)) > idle {
            IDLE
        } else {
            return;
        };
        self.close.store(close, Ordering::Release);
        self.waker.wake();
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> u32 {
        self.waker.register(cx.waker());
        self.close.load(Ordering::Acquire)
    }
}

/// A socket that keeps its [`Pulse`].
struct Felt<T> {
    inner: T,
    pulse: Arc<Pulse>,
}

impl<T: Read + Unpin> Read for Felt<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.pulse.read();
        }
        polled
    }
}

impl<T: Write + Unpin> Write for Felt<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}

/// Serves one connection until it ends.
pub async fn serve(
    shared: Arc<Shared>,
    worker: Arc<Worker>,
    stream: TcpStream,
    address: SocketAddr,
    register: impl FnOnce(Weak<Pulse>) + Send,
) {
    // Before the configuration is read: a change in between is noticed when the certificate is filed.
    let turn = shared.trust.turn();
    let acceptor = TlsAcceptor::from(shared.tls.load_full());
    let handshake = tokio::time::timeout(shared.limits.tls_handshake, acceptor.accept(stream)).await;
    // A handshake that fails is the client's to notice: scanners and health checks do it all day.
    let Ok(Ok(stream)) = handshake else { return };
    let (peer, http2) = describe(&shared, &stream, address, turn);
    let pulse = Arc::new(Pulse {
        started: Instant::now(),
        peer: Arc::clone(&peer),
        last: AtomicU64::new(0),
        partial: AtomicU64::new(0),
        close: AtomicU32::new(RUNNING),
        waker: AtomicWaker::new(),
    });
    register(Arc::downgrade(&pulse));
    let io = Felt { inner: TokioIo::new(stream), pulse: Arc::clone(&pulse) };
    let felt = Arc::clone(&pulse);
    let service = service_fn(move |request| {
        // A whole head is here: what comes next is another one.
        felt.partial.store(0, Ordering::Relaxed);
        let (worker, peer) = (Arc::clone(&worker), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(stack::serve(worker, peer, request).await) }
    });
    let phase = shared.phase.subscribe();
    let limits = &shared.limits;
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_per_connection)
            .max_header_list_size(limits.header_bytes)
            .max_send_buf_size(limits.send_buffer)
            .max_pending_accept_reset_streams(32)
            .max_local_error_reset_streams(64)
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .enable_connect_protocol();
        let owed = Owed::default();
        let connection = pin!(builder.serve_connection(Gather::new(io, owed.clone()), service));
        drive(connection, http2::Connection::graceful_shutdown, &pulse, phase, &owed).await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .max_headers(limits.headers)
            .max_header_size(limits.header_bytes as usize)
            .max_buf_size((limits.header_bytes as usize + 16 * 1024).max(64 * 1024))
            .header_read_timeout(None);
        let connection = pin!(builder.serve_connection(io, service).with_upgrades());
        drive(connection, http1::UpgradeableConnection::graceful_shutdown, &pulse, phase, &Owed::default()).await;
    }
}

fn describe(shared: &Shared, stream: &TlsStream<TcpStream>, address: SocketAddr, turn: u64) -> (Arc<Peer>, bool) {
    let (_, session) = stream.get_ref();
    let http2 = session.alpn_protocol() == Some(b"h2");
    let certificate = session.peer_certificates().and_then(|chain| {
        let certificate = Arc::new(PeerCertificate::read(chain.first()?)?);
        shared.trust.file(&certificate, chain, turn);
        Some(certificate)
    });
    let ip = address.ip().to_canonical();
    let forwarded_for = HeaderValue::try_from(ip.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    let trusted = shared.trusted_proxies.iter().any(|network| network.contains(ip));
    (Arc::new(Peer { address: ip, forwarded_for, trusted, certificate, open: AtomicU32::new(0) }), http2)
}

/// Polls a connection to its end, and begins that end when the server drains or the sweep says so.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    shut_down: fn(Pin<&mut C>),
    pulse: &Pulse,
    mut phase: watch::Receiver<Phase>,
    owed: &Owed,
) {
    let mut closing = false;
    loop {
        let close = std::future::poll_fn(|cx| match pulse.poll_close(cx) {
            RUNNING => Poll::Pending,
            close => Poll::Ready(close),
        });
        let running = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx).map(|_| ());
            if polled.is_pending() && owed.any() {
                cx.waker().wake_by_ref();
            }
            polled
        });
        tokio::select! {
            biased;
            () = running => return,
            // A head that takes too long is not answered: nothing of it can be believed.
            close = close, if !closing => {
                if close == SLOW {
                    return;
                }
                closing = true;
                shut_down(connection.as_mut());
            }
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !closing => {
                closing = true;
                shut_down(connection.as_mut());
            }
        }
    }
}
