//! A server that takes events: batches of them as `EventList`, by POST.

mod target;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

pub use self::target::WebhookError;
use super::queue::{Batch, Queue, outcome};
use crate::{config::server::AuditWebhook, telemetry::poster::Poster};

const HEAD: &[u8] = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#;

/// A list is not made longer than this, even where it has room for more events.
const MAX_LIST: usize = 1 << 20;

/// The pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The running sender.
#[derive(Debug)]
pub struct Webhook {
    sender: UnboundedSender<Batch>,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

/// Whether `settings` name a server that can be sent to, as far as files tell.
///
/// # Errors
/// A file that is missing or broken, a URL that is none.
pub fn check(settings: &AuditWebhook) -> Result<(), WebhookError> {
    target::poster(settings).map(drop)
}

impl Webhook {
    pub fn start(settings: &AuditWebhook, queue: Arc<Queue>, control: &Handle) -> Result<Self, WebhookError> {
        let (sender, batches) = unbounded_channel();
        let task = Sender {
            poster: target::poster(settings)?,
            batches,
            waiting: VecDeque::new(),
            queue: Arc::clone(&queue),
            max_events: settings.batch_events.max(1),
            wait: settings.batch_wait.0,
            attempts: settings.attempts.max(1),
        };
        Ok(Self { sender, queue, task: control.spawn(task.run()) })
    }

    /// Takes a batch from the writer's thread. Where too much waits already it is lost, or the thread waits, as the
    /// queue is set.
    pub fn push(&self, batch: Batch, closing: &AtomicBool) {
        let (stats, size, events) = (&self.queue.stats, batch.lines.len(), batch.events);
        // One batch is always let in, however large. Only this thread adds to what waits.
        let full = || {
            let waiting = stats.webhook_bytes.load(Relaxed);
            waiting > 0 && waiting + size > self.queue.webhook_room()
        };
        while self.queue.blocks() && full() && !closing.load(Relaxed) {
            thread::park_timeout(Duration::from_millis(20));
        }
        if !self.queue.blocks() && full() {
            stats.lost_webhook.fetch_add(events, Relaxed);
            return;
        }
        stats.webhook_bytes.fetch_add(size, Relaxed);
        if self.sender.send(batch).is_err() {
            stats.webhook_bytes.fetch_sub(size, Relaxed);
            stats.lost_webhook.fetch_add(events, Relaxed);
        }
    }

    /// Sends what waits; says whether the sender came to its end.
    pub async fn finish(self) -> bool {
        drop(self.sender);
        self.task.await.is_ok()
    }
}

struct Sender {
    poster: Poster,
    batches: UnboundedReceiver<Batch>,
    waiting: VecDeque<Bytes>,
    queue: Arc<Queue>,
    max_events: u32,
    wait: Duration,
    attempts: u32,
}

/// An `EventList` in the making.
struct List {
    text: Vec<u8>,
    events: u32,
    // Bytes of the lines in it, as they are counted in the queue.
    size: usize,
}

impl Sender {
    async fn run(mut self) {
        while let Some(list) = self.next().await {
            let (size, events) = (list.size, u64::from(list.events));
            let lost = !self.send(list).await;
            let stats = &self.queue.stats;
            stats.webhook_bytes.fetch_sub(size, Relaxed);
            if lost {
                stats.lost_webhook.fetch_add(events, Relaxed);
            }
        }
    }

    /// The next list: full, or as much as came in time.
    async fn next(&mut self) -> Option<List> {
        if self.waiting.is_empty() {
            let batch = self.batches.recv().await?;
            self.waiting.push_back(batch.lines.into());
        }
        let until = Instant::now() + self.wait;
        let mut list = List { text: HEAD.to_vec(), events: 0, size: 0 };
        loop {
            while let Some(lines) = self.waiting.front_mut() {
                let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
                let full = list.events >= self.max_events || list.size + end > MAX_LIST;
                if full && list.events > 0 {
                    list.text.extend_from_slice(b"]}");
                    return Some(list);
                }
                let line = lines.split_to(end);
                if lines.is_empty() {
                    self.waiting.pop_front();
                }
                if list.events > 0 {
                    list.text.push(b',');
                }
                list.text.extend_from_slice(line.trim_ascii_end());
                list.events += 1;
                list.size += line.len();
            }
            // In time, and the queue not closed.
            let Ok(Some(batch)) = timeout_at(until, self.batches.recv()).await else {
                list.text.extend_from_slice(b"]}");
                return Some(list);
            };
            self.waiting.push_back(batch.lines.into());
        }
    }

    /// Says whether the list was taken. A queue that blocks tries for ever.
    async fn send(&mut self, list: List) -> bool {
        let body = Bytes::from(list.text);
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let (error, hopeless) = match self.poster.post("application/json", body.clone()).await {
                Ok(status) if status.is_success() => {
                    if outcome(&self.queue.stats.webhook_error, None) {
                        tracing::info!("the audit webhook takes events again");
                    }
                    return true;
                }
                Ok(status) => (format!("audit webhook: it answered {status}"), !is_passing(status)),
                Err(error) => (format!("audit webhook: {error}"), false),
            };
            if outcome(&self.queue.stats.webhook_error, Some(error.clone())) {
                tracing::error!(%error, "the audit webhook does not take events");
            }
            if hopeless || (attempt >= self.attempts && !self.queue.blocks()) {
                return false;
            }
            attempt = attempt.saturating_add(1);
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether the same list may be taken later.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}
