//! The thread that writes what the workers recorded.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    file::{FileSink, Unwritten},
    queue::{Batch, Queue, outcome},
    webhook::Webhook,
};

/// How long an event waits at most.
const ROUND: Duration = Duration::from_millis(100);

/// Where events go.
#[derive(Debug)]
pub struct Sinks {
    pub file: Option<FileSink>,
    pub webhook: Option<Webhook>,
}

/// The running thread.
#[derive(Debug)]
pub struct Writer {
    closing: Arc<AtomicBool>,
    done: Mutex<Option<oneshot::Receiver<Option<Webhook>>>>,
}

impl Writer {
    pub fn start(queue: &Arc<Queue>, mut sinks: Sinks) -> io::Result<Self> {
        let closing = Arc::new(AtomicBool::new(false));
        let (sender, done) = oneshot::channel();
        let thread = {
            let (queue, closing) = (Arc::clone(queue), Arc::clone(&closing));
            thread::Builder::new().name("audit".to_owned()).spawn(move || {
                loop {
                    // Read before the drain: what was recorded before `close` was called is in it.
                    let last = closing.load(Relaxed);
                    queue.drain(|batch| write(&queue, &mut sinks, batch, &closing));
                    if last {
                        break;
                    }
                    thread::park_timeout(ROUND);
                }
                if let Some(file) = &mut sinks.file {
                    file.finish();
                }
                // Nobody waits where the deadline of `close` has passed.
                let _ = sender.send(sinks.webhook.take());
            })?
        };
        queue.set_writer(thread.thread().clone());
        Ok(Self { closing, done: Mutex::new(Some(done)) })
    }

    /// Says whether everything was written within `deadline`.
    pub async fn close(&self, queue: &Queue, deadline: Duration) -> bool {
        self.closing.store(true, Relaxed);
        queue.wake_writer();
        let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() else { return true };
        let all = async {
            match done.await {
                Ok(Some(webhook)) => webhook.finish().await,
                Ok(None) => true,
                Err(_) => false,
            }
        };
        tokio::time::timeout(deadline, all).await.unwrap_or(false)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.closing.store(true, Relaxed);
    }
}

/// Gives back a buffer to reuse.
fn write(queue: &Queue, sinks: &mut Sinks, batch: Batch, closing: &AtomicBool) -> Vec<u8> {
    if let Some(file) = &mut sinks.file {
        to_file(queue, file, &batch.lines, closing);
    }
    match &sinks.webhook {
        Some(webhook) => {
            webhook.push(batch, closing);
            Vec::new()
        }
        None => batch.lines,
    }
}

fn to_file(queue: &Queue, file: &mut FileSink, mut lines: &[u8], closing: &AtomicBool) {
    let stats = &queue.stats;
    loop {
        let Err(Unwritten { rest, error }) = file.append(lines) else {
            if outcome(&stats.file_error, None) {
                tracing::info!(file = %file.path().display(), "the audit log can be written again");
            }
            return;
        };
        if outcome(&stats.file_error, Some(format!("audit log `{}`: {error}", file.path().display()))) {
            tracing::error!(file = %file.path().display(), %error, "the audit log cannot be written");
        }
        if !queue.blocks() || closing.load(Relaxed) {
            let lost = rest.split_inclusive(|byte| *byte == b'\n').count();
            stats.lost_file.fetch_add(lost as u64, Relaxed);
            return;
        }
        lines = rest;
        thread::park_timeout(ROUND);
    }
}
