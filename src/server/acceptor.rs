//! One acceptor a listener: hands each socket to the least loaded worker.
//!
//! Not `SO_REUSEPORT`: the kernel spreads by hash, and a few busy HTTP/2 clients could end up on one core.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::sync::watch;

use super::{Phase, Shared, workers::Handle};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// After the system has no descriptor left, new ones are not asked for at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address`.
///
/// # Errors
/// When the address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts, on a thread of its own, until the server closes.
///
/// A blocking thread, so that no runtime registers a socket that belongs to another one.
///
/// # Errors
/// When the system gives no thread.
pub fn start(listener: TcpListener, shared: Arc<Shared>, workers: Arc<[Handle]>) -> io::Result<()> {
    let listener = Arc::new(listener);
    let (accepting, phase) = (Arc::clone(&listener), shared.phase.subscribe());
    thread::Builder::new().name("drover-acceptor".into()).spawn(move || run(&accepting, &shared, &workers))?;
    tokio::spawn(close(listener, phase));
    Ok(())
}

/// Wakes the accepting thread when the server closes: a shut socket accepts no more.
async fn close(listener: Arc<TcpListener>, mut phase: watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Closing).await;
    if let Err(error) = SockRef::from(&*listener).shutdown(Shutdown::Both) {
        tracing::debug!(%error, "the listener was shut already");
    }
}

fn run(listener: &TcpListener, shared: &Shared, workers: &[Handle]) {
    loop {
        match listener.accept() {
            Ok((stream, address)) => hand_over(stream, address, shared, workers),
            Err(_) if *shared.phase.borrow() == Phase::Closing => return,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                thread::sleep(PAUSE);
            }
        }
    }
}

fn hand_over(stream: std::net::TcpStream, address: SocketAddr, shared: &Shared, workers: &[Handle]) {
    // Past the limit the socket is closed unanswered: TLS for a refusal would cost what the limit saves.
    if !shared.arrived(address.ip(), workers.iter().map(Handle::open).sum()) {
        return;
    }
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    let prepared = stream
        .set_nonblocking(true)
        .and_then(|()| stream.set_nodelay(true))
        .and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    match (prepared, workers.iter().min_by_key(|worker| worker.open())) {
        (Ok(()), Some(worker)) => worker.give((stream, address)),
        _ => shared.left(address.ip()),
    }
}

/// Errors that belong to the connection that was to be accepted, not to the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
