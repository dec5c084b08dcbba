//! HTTP/2 connections: many streams each, counted here, because past the cluster's limit a request would wait unseen.
//!
//! The `h2` crate is used without hyper's client: the caller's own task awaits its stream, so a request costs no task, no channel
//! and one wake-up less. Short calls and watches go on connections of their own, so that no watch's backlog delays a short call.
//!
//! INVARIANT: a connection's window is at least its streams' windows together, so that callers who do not read can never stop the
//! others' answers.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use http_body::Body as _;
use tokio::{sync::watch, time::timeout};

use super::{
    body::RequestBody,
    error::{ConnectError, SendError},
    stats::ClusterStats,
    stream::Stream,
};

/// The largest head of an answer, in bytes (H15).
const HEAD: u32 = 64 * 1024;
/// Streams on one connection, even if the cluster allows more.
const MAX_STREAMS: usize = 100;
/// What is buffered of one request's body.
const SEND_BUFFER: usize = 64 * 1024;
/// How often a connection in use is asked whether it still lives …
const PING_EVERY: Duration = Duration::from_secs(15);
/// … and how long it may take to say so.
const PING_WITHIN: Duration = Duration::from_secs(10);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Calls that end soon, on a connection that the caller's own worker drives.
    Short,
    /// Watches and logs, on any worker's.
    Long,
}

impl Use {
    /// A stream's window in bytes.
    const fn window(self) -> u32 {
        match self {
            Self::Short => 512 * 1024,
            Self::Long => 256 * 1024,
        }
    }
}

/// One connection.
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    worker: usize,
    streams: AtomicUsize,
    /// Streams that the cluster allows on it.
    limit: AtomicUsize,
    gone: AtomicBool,
    /// The sweep after which it was last seen in use.
    used: AtomicU32,
    stats: Arc<ClusterStats>,
}

impl Connection {
    /// Notes how many streams the cluster allows on it now.
    fn learn_limit(&self) {
        self.limit.store(self.send.current_max_send_streams().min(MAX_STREAMS), Ordering::Relaxed);
    }

    fn alive(&self) -> bool {
        !self.gone.load(Ordering::Acquire)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stats.http2_connections.down(1);
    }
}

/// One stream on a connection, counted until dropped.
pub(super) struct Lease(Arc<Connection>);

impl Lease {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.streams.fetch_add(1, Ordering::AcqRel);
        connection.stats.http2_streams.up();
        Self(Arc::clone(connection))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
        self.0.stats.http2_streams.down(1);
    }
}

/// The connections of one cluster under one credential.
pub(super) struct Pool {
    /// One list a worker for short calls; the last list is for long ones, of all workers.
    slots: Box<[Slot]>,
    sweeps: AtomicU32,
    stats: Arc<ClusterStats>,
}

#[derive(Default)]
struct Slot {
    connections: Mutex<Vec<Arc<Connection>>>,
    /// The connection that is being made: whoever needs one waits for it, none makes a second.
    opening: Mutex<Option<watch::Receiver<Opening>>>,
}

type Opening = Option<Result<(), ConnectError>>;

/// What a slot has for a caller.
pub(super) enum Pick {
    /// A stream.
    Stream(Lease),
    /// A stream, and the connection is nearly full: another one should be made.
    Last(Lease),
    /// Nothing: a connection must be made first.
    Nothing,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(workers: usize, stats: Arc<ClusterStats>) -> Self {
        let slots = (0..=workers.max(1)).map(|_| Slot::default()).collect();
        Self { slots, sweeps: AtomicU32::new(0), stats }
    }

    fn slot(&self, worker: usize, what: Use) -> &Slot {
        let long = self.slots.len() - 1;
        let index = match what {
            Use::Short => worker.min(long - 1),
            Use::Long => long,
        };
        #[expect(clippy::indexing_slicing, reason = "below the length by the line above")]
        &self.slots[index]
    }

    /// Short calls under way on the worker's connections.
    pub(super) fn in_use(&self, worker: usize) -> usize {
        let connections = lock(&self.slot(worker, Use::Short).connections);
        connections.iter().map(|connection| connection.streams.load(Ordering::Relaxed)).sum()
    }

    /// A free stream, on the worker's own connection where there is one.
    pub(super) fn pick(&self, worker: usize, what: Use) -> Pick {
        let mut connections = lock(&self.slot(worker, what).connections);
        if connections.iter().any(|connection| !connection.alive()) {
            connections.retain(|connection| connection.alive());
        }
        let mut best: Option<(&Arc<Connection>, bool)> = None;
        for connection in connections.iter() {
            let (streams, limit) =
                (connection.streams.load(Ordering::Acquire), connection.limit.load(Ordering::Relaxed));
            // Four fifths of the limit, then another connection.
            let roomy = streams * 5 < limit * 4;
            if roomy && connection.worker == worker {
                return Pick::Stream(Lease::new(connection));
            }
            if roomy || (streams < limit && best.is_none()) {
                best = Some((connection, roomy));
            }
        }
        match best {
            Some((connection, true)) => Pick::Stream(Lease::new(connection)),
            Some((connection, false)) => Pick::Last(Lease::new(connection)),
            None => Pick::Nothing,
        }
    }

    /// Waits for the connection that is being made, or makes one by `open` in a task of its own, which lives on when its caller goes.
    pub(super) async fn wait<F>(&self, worker: usize, what: Use, open: impl FnOnce() -> F) -> Result<(), ConnectError>
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let mut result = self.opening(worker, what, open);
        let ended = result.wait_for(Option::is_some).await.map(|made| made.clone());
        match ended {
            Ok(Some(made)) => made,
            _ => Err(ConnectError::Io("the attempt was given up".into())),
        }
    }

    /// As [`Pool::wait`], without waiting.
    pub(super) fn opening<F>(&self, worker: usize, what: Use, open: impl FnOnce() -> F) -> watch::Receiver<Opening>
    where
        F: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let mut opening = lock(&self.slot(worker, what).opening);
        if let Some(result) = &*opening
            && result.has_changed().is_ok()
            && result.borrow().is_none()
        {
            return result.clone();
        }
        let (say, result) = watch::channel(None);
        *opening = Some(result.clone());
        drop(opening);
        let made = open();
        tokio::spawn(async move {
            let made = made.await;
            let _ = say.send(Some(made));
        });
        result
    }

    /// Takes `connection` in; also after the pool was retired, for those who wait for it. They alone keep the pool alive then, and
    /// it goes with the last of them.
    fn add(&self, what: Use, connection: Arc<Connection>) {
        connection.used.store(self.sweeps.load(Ordering::Relaxed), Ordering::Relaxed);
        lock(&self.slot(connection.worker, what).connections).push(connection);
    }

    /// Lets connections go that are closed, or were without a stream for `keep` sweeps.
    pub(super) fn sweep(&self, keep: u32) {
        let now = self.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for slot in &self.slots {
            let mut connections = lock(&slot.connections);
            let closed: Vec<_> = connections
                .extract_if(.., |connection| {
                    connection.learn_limit();
                    if connection.streams.load(Ordering::Acquire) > 0 {
                        connection.used.store(now, Ordering::Relaxed);
                    }
                    !connection.alive() || now.wrapping_sub(connection.used.load(Ordering::Relaxed)) > keep
                })
                .collect();
            drop(connections);
            drop(closed);
        }
    }

    /// Lets go of all connections; each closes with its last stream.
    pub(super) fn retire(&self) {
        for slot in &self.slots {
            drop(std::mem::take(&mut *lock(&slot.connections)));
        }
    }
}

/// Speaks HTTP/2 over `stream` and puts the connection into `pool`; the calling thread's runtime drives it.
///
/// The first ping's answer comes behind the cluster's settings, so that its limit of streams is known before it is used.
pub(super) async fn start(
    stream: Stream,
    pool: &Pool,
    worker: usize,
    what: Use,
    within: Duration,
) -> Result<(), ConnectError> {
    let failed = |error: h2::Error| ConnectError::Http2(error.to_string().into());
    let window = what.window();
    let (send, mut driver) = Builder::new()
        .enable_push(false)
        .initial_window_size(window)
        .initial_connection_window_size(window * u32::try_from(MAX_STREAMS).unwrap_or(100))
        .max_frame_size(64 * 1024)
        .max_header_list_size(HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(failed)?;
    let ping = driver.ping_pong();
    let connection = Arc::new(Connection {
        send,
        worker,
        streams: AtomicUsize::new(0),
        limit: AtomicUsize::new(MAX_STREAMS),
        gone: AtomicBool::new(false),
        used: AtomicU32::new(0),
        stats: Arc::clone(&pool.stats),
    });
    pool.stats.http2_connections.up();
    let mark = Arc::downgrade(&connection);
    let driving = tokio::spawn(async move {
        let mut driver = pin!(driver);
        let ended = poll_fn(|cx| driver.as_mut().poll(cx)).await;
        gone(&mark);
        if let Err(error) = ended {
            tracing::debug!(%error, "an HTTP/2 connection ended");
        }
    });
    let Some(mut ping) = ping else { return Err(ConnectError::Http2("no ping".into())) };
    match timeout(within, ping.ping(h2::Ping::opaque())).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(error)),
        Err(_) => {
            driving.abort();
            return Err(ConnectError::Timeout(within));
        }
    }
    tokio::spawn(keep_alive(Arc::downgrade(&connection), ping, driving.abort_handle()));
    connection.learn_limit();
    if connection.limit.load(Ordering::Relaxed) == 0 {
        return Err(ConnectError::Http2("the cluster allows no stream".into()));
    }
    pool.add(what, connection);
    Ok(())
}

fn gone(connection: &Weak<Connection>) {
    if let Some(connection) = connection.upgrade() {
        connection.gone.store(true, Ordering::Release);
    }
}

/// Asks a connection with open streams whether the cluster is still there, and ends it when not.
async fn keep_alive(connection: Weak<Connection>, mut ping: h2::PingPong, driving: tokio::task::AbortHandle) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        match connection.upgrade() {
            None => return,
            Some(connection) if !connection.alive() => return,
            Some(connection) if connection.streams.load(Ordering::Acquire) == 0 => continue,
            Some(_) => {}
        }
        if !matches!(timeout(PING_WITHIN, ping.ping(h2::Ping::opaque())).await, Ok(Ok(_))) {
            gone(&connection);
            // Dropping the connection's driver ends every stream on it with an error.
            driving.abort();
            return;
        }
    }
}

/// What became of a request on a stream.
pub(super) type Sent = Result<Response<h2::RecvStream>, (SendError, Option<Request<RequestBody>>)>;

impl Lease {
    /// Sends `request`, whose target is absolute. It comes back when the cluster has certainly not acted on it and it can be sent
    /// again: the connection was closing, or the stream was refused or lies beyond the last one of a GOAWAY (RFC 9113, 6.8 and 8.7).
    pub(super) async fn send(&self, request: Request<RequestBody>) -> Sent {
        let mut send = self.0.send.clone();
        if let Poll::Ready(Err(error)) = send.poll_ready(&mut Context::from_waker(Waker::noop())) {
            self.0.gone.store(true, Ordering::Release);
            return Err((SendError::Unsent(error.into()), Some(request)));
        }
        let (mut head, body) = request.into_parts();
        head.version = http::Version::HTTP_2;
        set_length(&mut head, &body);
        // What is needed to send it again; a body that streams cannot be.
        let again = match &body {
            RequestBody::Empty => Some((head.clone(), RequestBody::Empty)),
            RequestBody::Full(bytes) => Some((head.clone(), RequestBody::Full(bytes.clone()))),
            RequestBody::Stream(_) => None,
        };
        let ends = body.is_end_stream();
        let failed = |error: h2::Error, again: Option<(http::request::Parts, RequestBody)>| {
            if error.is_go_away() || error.is_io() {
                self.0.gone.store(true, Ordering::Release);
            }
            if not_acted_on(&error) {
                return (SendError::Unsent(error.into()), again.map(|(head, body)| Request::from_parts(head, body)));
            }
            (classify(error), None)
        };
        let (response, mut stream) = match send.send_request(Request::from_parts(head, ()), ends) {
            Ok(pair) => pair,
            Err(error) => return Err(failed(error, again)),
        };
        drop(send);
        match body {
            RequestBody::Full(bytes) if !ends => {
                if let Err(error) = stream.send_data(bytes, true) {
                    return Err((classify(error), None));
                }
            }
            RequestBody::Stream(_) if !ends => {
                tokio::spawn(pump(body, stream));
            }
            _ => {}
        }
        response.await.map_err(|error| failed(error, again))
    }
}

/// Whether the cluster said that it has not looked at the request.
fn not_acted_on(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)))
}

fn classify(error: h2::Error) -> SendError {
    match error.reason() {
        _ if error.is_library() => SendError::Protocol(error.into()),
        None if !error.is_io() => SendError::Request(error.into()),
        _ => SendError::Broken(error.into()),
    }
}

/// Says how long the body is where that is known and the caller has not.
fn set_length(head: &mut http::request::Parts, body: &RequestBody) {
    if let Some(length) = body.size_hint().exact()
        && (length > 0 || matches!(head.method, http::Method::POST | http::Method::PUT | http::Method::PATCH))
    {
        head.headers.entry(http::header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// Sends a body as it comes, no faster than the cluster takes it.
async fn pump(body: RequestBody, mut stream: h2::SendStream<Bytes>) {
    let mut body = pin!(body);
    loop {
        let next = poll_fn(|cx| {
            // The cluster may have enough before the body's end.
            if let Poll::Ready(_reset) = stream.poll_reset(cx) {
                return Poll::Ready(None);
            }
            body.as_mut().poll_frame(cx).map(Some)
        });
        let Some(next) = next.await else { return };
        match next {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let ends = body.is_end_stream();
                    if !deliver(&mut stream, data, ends).await || ends {
                        return;
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = stream.send_trailers(trailers);
                        return;
                    }
                }
            },
            Some(Err(error)) => {
                tracing::debug!(%error, "a request's body broke off");
                stream.send_reset(h2::Reason::CANCEL);
                return;
            }
            None => {
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
        }
    }
}

/// Sends one piece in as many parts as the windows ask for. False when the stream is over.
async fn deliver(stream: &mut h2::SendStream<Bytes>, mut data: Bytes, ends: bool) -> bool {
    if data.is_empty() {
        return !ends || stream.send_data(data, true).is_ok();
    }
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = poll_fn(|cx| {
            if let Poll::Ready(_reset) = stream.poll_reset(cx) {
                return Poll::Ready(None);
            }
            stream.poll_capacity(cx)
        });
        let Some(Ok(capacity)) = capacity.await else { return false };
        if capacity > 0 {
            let part = data.split_to(capacity.min(data.len()));
            if stream.send_data(part, ends && data.is_empty()).is_err() {
                return false;
            }
        }
    }
    true
}
