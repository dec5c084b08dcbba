//! The one publisher: batches changes, publishes a snapshot, tells who listens, frees what is old elsewhere.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc as channel, oneshot};

use super::{
    build::{Builder, Touched},
    input::{Change, Inputs, Published},
    snapshot::World,
};

/// Changes that arrive within this time of the first become one snapshot.
const BATCH: Duration = Duration::from_millis(2);

/// What one publication changed.
#[derive(Clone, Debug)]
pub struct Update {
    /// The snapshot, already current.
    pub world: Arc<World>,
    /// The rows that differ from the one before.
    pub touched: Arc<Touched>,
}

/// Reads the current snapshot; cheap to clone.
#[derive(Clone, Debug)]
pub struct Watch {
    current: Arc<ArcSwap<World>>,
}

impl Watch {
    /// The current snapshot.
    pub fn load(&self) -> Arc<World> {
        self.current.load_full()
    }

    /// The current snapshot, borrowed for the length of a call that does not wait.
    pub fn peek(&self) -> arc_swap::Guard<Arc<World>> {
        self.current.load()
    }
}

enum Message {
    Replace(Inputs, oneshot::Sender<u64>),
    Change(Change),
    Settle(oneshot::Sender<u64>),
    Published(Arc<str>, Published),
    Subscribe(channel::UnboundedSender<Update>),
}

/// Hands changes to the publisher; cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed {
    messages: mpsc::Sender<Message>,
}

impl Feed {
    /// Takes `inputs` as the whole truth. The receiver gets the generation in which they are in force.
    pub fn replace(&self, inputs: Inputs) -> oneshot::Receiver<u64> {
        let (done, acknowledged) = oneshot::channel();
        // A publisher that is gone drops the message and with it `done`: the receiver sees that.
        let _ = self.messages.send(Message::Replace(inputs, done));
        acknowledged
    }

    /// Takes one change; those that come within two milliseconds are in force together.
    pub fn change(&self, change: Change) {
        let _ = self.messages.send(Message::Change(change));
    }

    /// The receiver gets the generation in which everything that was fed before is in force.
    pub fn settle(&self) -> oneshot::Receiver<u64> {
        let (done, acknowledged) = oneshot::channel();
        let _ = self.messages.send(Message::Settle(done));
        acknowledged
    }

    /// Takes what `cluster` lets the gateway impersonate.
    pub fn published(&self, cluster: Arc<str>, published: Published) {
        let _ = self.messages.send(Message::Published(cluster, published));
    }

    /// Every later update, beginning with one that touches nothing and holds the snapshot of this moment.
    pub fn subscribe(&self) -> channel::UnboundedReceiver<Update> {
        let (sender, receiver) = channel::unbounded_channel();
        let _ = self.messages.send(Message::Subscribe(sender));
        receiver
    }
}

/// The publisher's thread; it ends when the last [`Feed`] is dropped.
#[derive(Debug)]
pub struct Publisher;

impl Publisher {
    /// Starts the publisher.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> std::io::Result<(Feed, Watch)> {
        let (messages, inbox) = mpsc::channel();
        let current = Arc::new(ArcSwap::from_pointee(World::default()));
        let watch = Watch { current: Arc::clone(&current) };
        let (old, retired) = mpsc::channel::<Arc<World>>();
        // A root may be the last owner of a million nodes: freeing them must not delay the next publication.
        thread::Builder::new().name("drover-reaper".into()).spawn(move || retired.into_iter().for_each(drop))?;
        thread::Builder::new().name("drover-world".into()).spawn(move || run(&inbox, &current, &old))?;
        Ok((Feed { messages }, watch))
    }
}

fn run(inbox: &mpsc::Receiver<Message>, current: &ArcSwap<World>, old: &mpsc::Sender<Arc<World>>) {
    let mut builder = Builder::default();
    let mut listeners: Vec<channel::UnboundedSender<Update>> = Vec::new();
    while let Ok(first) = inbox.recv() {
        let mut acknowledge = Vec::new();
        let mut next = Some(first);
        let deadline = Instant::now() + BATCH;
        while let Some(message) = next {
            match message {
                Message::Replace(inputs, done) => {
                    builder.replace(inputs);
                    acknowledge.push(done);
                }
                Message::Change(change) => builder.change(change),
                Message::Settle(done) => acknowledge.push(done),
                Message::Published(cluster, published) => builder.publish(&cluster, published),
                Message::Subscribe(listener) => {
                    let update = Update { world: current.load_full(), touched: Arc::default() };
                    if listener.send(update).is_ok() {
                        listeners.push(listener);
                    }
                }
            }
            next = inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        }
        if let Some((world, touched)) = builder.next() {
            let update = Update { world: Arc::new(world), touched: Arc::new(touched) };
            let _ = old.send(current.swap(Arc::clone(&update.world)));
            listeners.retain(|listener| listener.send(update.clone()).is_ok());
        }
        let generation = current.load().generation();
        for done in acknowledge {
            let _ = done.send(generation);
        }
    }
}
