//! What a fake apiserver got.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};

use crate::wait;

/// Bytes kept of each request's body; [`Recorded::body_length`] counts all.
const BODY_KEPT: usize = 1 << 20;

/// One request as it came.
#[derive(Clone)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// The target: path and query, with scheme and authority where the client sent them (HTTP/2 does).
    pub uri: Uri,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The header lines. Over HTTP/1.1 as they came: order, duplicates and case kept. Over HTTP/2 lines of one
    /// name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The first MiB of the body.
    pub body: Bytes,
    /// The body's whole length so far.
    pub body_length: u64,
    /// The body was read to its end.
    pub complete: bool,
    /// Trailers of the body.
    pub trailers: Option<HeaderMap>,
    /// The number of the connection it came on, from 0.
    pub connection: u64,
    /// The client's certificate, DER.
    pub client_certificate: Option<Bytes>,
    /// The server name of the TLS handshake.
    pub server_name: Option<String>,
    /// The HTTP/1.1 head as it came, without its empty line.
    pub raw_head: Option<Bytes>,
    /// When its head was read.
    pub at: Instant,
}

impl Recorded {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Every value of this header (any case), in order.
    pub fn header_all(&self, name: &str) -> Vec<String> {
        let of_name = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        of_name.map(|(_, v)| String::from_utf8_lossy(v).into_owned()).collect()
    }

    /// The only value of this header; panics if it came twice.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut all = self.header_all(name);
        assert!(all.len() < 2, "`{name}` came {} times: {all:?}", all.len());
        all.pop()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// `Impersonate-User`.
    pub fn impersonated_user(&self) -> Option<String> {
        self.header("impersonate-user")
    }

    /// `Impersonate-Group`, sorted.
    pub fn impersonated_groups(&self) -> Vec<String> {
        let mut groups = self.header_all("impersonate-group");
        groups.sort();
        groups
    }

    /// Whether it is a review that a gateway asks for itself.
    pub fn is_review(&self) -> bool {
        self.path().starts_with("/apis/authorization.k8s.io/")
    }
}

impl fmt::Debug for Recorded {
    /// As a person reads a request: the head line by line, then what is known of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} {:?} on connection {}", self.method, self.uri, self.version, self.connection)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.escape_ascii())?;
        }
        let body = self.body.get(..self.body.len().min(512)).unwrap_or_default();
        writeln!(f, "({} bytes, complete: {}) {}", self.body_length, self.complete, body.escape_ascii())?;
        self.trailers.as_ref().map_or(Ok(()), |trailers| writeln!(f, "trailers: {trailers:?}"))
    }
}

/// All requests of a server, growing while it runs; clones see the same list.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Recorded>>>);

impl Requests {
    /// A copy of all so far.
    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().unwrap().clone()
    }

    /// Those that are not access reviews.
    pub fn proxied(&self) -> Vec<Recorded> {
        let mut all = self.all();
        all.retain(|r| !r.is_review());
        all
    }

    /// How many so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Waits for a request whose path starts with `prefix` and gives the first.
    pub async fn wait_for(&self, prefix: &str) -> Recorded {
        wait::until(&format!("a request to {prefix}"), || {
            std::future::ready(self.0.lock().unwrap().iter().find(|r| r.path().starts_with(prefix)).cloned())
        })
        .await
    }

    /// Waits until nothing new has come for `quiet`.
    pub async fn settle(&self, quiet: Duration) {
        let (mut seen, mut since) = (self.count(), Instant::now());
        while since.elapsed() < quiet {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.count() != seen {
                (seen, since) = (self.count(), Instant::now());
            }
        }
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(super) fn push(&self, request: Recorded) {
        self.0.lock().unwrap().push(request);
    }
}

/// Writes into one entry of a [`Requests`], found by connection and time.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) requests: Requests,
    pub(super) connection: u64,
    pub(super) at: Instant,
}

impl Entry {
    fn update(&self, change: impl FnOnce(&mut Recorded)) {
        let mut all = self.requests.0.lock().unwrap();
        if let Some(entry) = all.iter_mut().rev().find(|r| r.at == self.at && r.connection == self.connection) {
            change(entry);
        }
    }

    pub(super) fn data(&self, data: &[u8], kept: &mut Vec<u8>) {
        kept.extend_from_slice(&data[..data.len().min(BODY_KEPT.saturating_sub(kept.len()))]);
        self.update(|entry| entry.body_length += data.len() as u64);
    }

    pub(super) fn end(&self, kept: Vec<u8>, trailers: Option<HeaderMap>, complete: bool) {
        self.update(|entry| {
            entry.body = Bytes::from(kept);
            entry.trailers = trailers;
            entry.complete = complete;
        });
    }
}
