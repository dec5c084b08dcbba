//! A watch that the test feeds.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::wait;

/// What goes down an open stream.
pub(super) enum Piece {
    Data(Bytes),
    Break,
}

/// A stream of newline-ended JSON events that the test writes. Every request answered with
/// [`super::Reply::watch`] gets what is sent from then on; clones are the same feed.
#[derive(Clone, Default)]
pub struct WatchFeed(Arc<Mutex<Vec<mpsc::UnboundedSender<Piece>>>>);

impl WatchFeed {
    /// A feed that nobody watches yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends one event, such as `{"type": "ADDED", "object": {…}}`, to every open stream; says how many.
    pub fn send(&self, event: &impl Serialize) -> usize {
        let mut line = serde_json::to_vec(event).expect("an event is JSON");
        line.push(b'\n');
        self.send_bytes(line)
    }

    /// Sends bytes as they are: half an event, several events, none.
    pub fn send_bytes(&self, bytes: impl Into<Bytes>) -> usize {
        let bytes = bytes.into();
        let mut streams = self.0.lock().unwrap();
        streams.retain(|s| s.send(Piece::Data(bytes.clone())).is_ok());
        streams.len()
    }

    /// Ends every open stream cleanly.
    pub fn close(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Breaks every open stream off without an end.
    pub fn break_off(&self) {
        for stream in self.0.lock().unwrap().drain(..) {
            let _ = stream.send(Piece::Break);
        }
    }

    /// How many streams are open now.
    pub fn streams(&self) -> usize {
        let mut streams = self.0.lock().unwrap();
        streams.retain(|s| !s.is_closed());
        streams.len()
    }

    /// Waits until exactly `count` streams are open.
    pub async fn wait_for_streams(&self, count: usize) {
        wait::until_true(&format!("{count} open watches"), || self.streams() == count).await;
    }

    pub(super) fn subscribe(&self) -> mpsc::UnboundedReceiver<Piece> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.lock().unwrap().push(sender);
        receiver
    }
}
