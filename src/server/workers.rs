//! The workers: N threads, each with a runtime of its own that owns the connections handed to it.
//!
//! All request code is `Send`, so the other shape, one runtime over all threads, is the same code; see [`Shape`].

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{runtime, sync::mpsc};

use super::{
    Shared,
    connection::{self, Pulse},
};
use crate::{gateway::Worker, world::Update};

/// How often idle connections and expired credentials are looked for.
const TICK: Duration = Duration::from_millis(250);

/// How the workers' threads are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One current-thread runtime a worker.
    PerCore,
    /// One multi-thread runtime for all.
    MultiThread,
}

/// A socket that was accepted, not yet registered with any runtime.
pub type Accepted = (std::net::TcpStream, SocketAddr);

/// One worker as the acceptor sees it.
#[derive(Debug)]
pub struct Handle {
    /// The worker.
    pub worker: Arc<Worker>,
    sockets: mpsc::UnboundedSender<Accepted>,
    open: Arc<AtomicUsize>,
}

impl Handle {
    /// Connections that it has.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Gives it a connection.
    pub fn give(&self, accepted: Accepted) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if self.sockets.send(accepted).is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Starts the workers.
///
/// # Errors
/// When the system gives no thread.
pub fn start(shared: &Arc<Shared>, workers: Vec<Arc<Worker>>, shape: Shape) -> io::Result<Vec<Handle>> {
    let common = match shape {
        Shape::PerCore => None,
        Shape::MultiThread => {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(workers.len())
                .thread_name("drover-worker")
                .enable_all()
                .build()?;
            let handle = runtime.handle().clone();
            thread::Builder::new().name("drover-workers".into()).spawn(move || {
                runtime.block_on(std::future::pending::<()>());
            })?;
            Some(handle)
        }
    };
    workers
        .into_iter()
        .map(|worker| {
            let (sockets, accepted) = mpsc::unbounded_channel();
            let open = Arc::<AtomicUsize>::default();
            let updates = shared.feed.subscribe();
            let life = live(Arc::clone(shared), Arc::clone(&worker), accepted, updates, Arc::clone(&open));
            if let Some(common) = &common {
                common.spawn(life);
            } else {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                let name = format!("drover-worker-{}", worker.index);
                thread::Builder::new().name(name).spawn(move || runtime.block_on(life))?;
            }
            Ok(Handle { worker, sockets, open })
        })
        .collect()
}

async fn live(
    shared: Arc<Shared>,
    worker: Arc<Worker>,
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    mut updates: mpsc::UnboundedReceiver<Update>,
    open: Arc<AtomicUsize>,
) {
    let pulses: Arc<Mutex<Vec<Weak<Pulse>>>> = Arc::default();
    let streams = Arc::clone(&worker.streams);
    // Beside the sockets: a review of thousands of streams must not keep connections waiting.
    tokio::spawn(async move {
        while let Some(update) = updates.recv().await {
            streams.review(&update.world, &update.touched).await;
        }
    });
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0_u32;
    loop {
        tokio::select! {
            next = accepted.recv() => {
                let Some((stream, address)) = next else { return };
                let Ok(stream) = tokio::net::TcpStream::from_std(stream) else {
                    open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                };
                let (shared, worker) = (Arc::clone(&shared), Arc::clone(&worker));
                let (pulses, open) = (Arc::clone(&pulses), Arc::clone(&open));
                tokio::spawn(async move {
                    let register = |pulse| lock(&pulses).push(pulse);
                    connection::serve(Arc::clone(&shared), worker, stream, address, register).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                    shared.left(address.ip());
                });
            }
            _ = tick.tick() => {
                worker.streams.expire(Timestamp::now());
                worker.streams.review_signed().await;
                ticks = ticks.wrapping_add(1);
                if ticks.is_multiple_of(4) {
                    sweep(&shared, &pulses);
                }
            }
        }
    }
}

fn sweep(shared: &Shared, pulses: &Mutex<Vec<Weak<Pulse>>>) {
    lock(pulses).retain(|pulse| {
        pulse.upgrade().is_some_and(|pulse| {
            pulse.sweep(shared.limits.idle, shared.limits.head);
            true
        })
    });
}

fn lock(pulses: &Mutex<Vec<Weak<Pulse>>>) -> std::sync::MutexGuard<'_, Vec<Weak<Pulse>>> {
    pulses.lock().unwrap_or_else(PoisonError::into_inner)
}
