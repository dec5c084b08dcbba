//! The composition root: it makes the world, the clusters, the gateway and its workers, opens the listeners, and ends
//! them in order.

pub mod acceptor;
pub mod addresses;
pub mod admin;
pub mod check;
pub mod clusters;
pub mod connection;
mod gather;
pub mod local;
pub mod observe;
pub mod plane;
pub mod reload;
pub mod run;
pub mod tls;
pub mod trust;
pub mod webhook;
pub mod workers;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use run::{ServeError, run};

use self::{tls::Tls, trust::Trust};
use crate::{config::units::Cidr, world::Feed};

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves, and says that it will not for long.
    Draining,
    /// It takes no connection and no request beyond those it has.
    Closing,
}

/// What connections are bound by.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections at once; 0 is no limit.
    pub connections: usize,
    /// Connections of one source at once; 0 is no limit.
    pub per_source: usize,
    /// Time for the TLS handshake.
    pub tls_handshake: Duration,
    /// Time for a request's head.
    pub head: Duration,
    /// Time without any request.
    pub idle: Duration,
    /// Bytes of a request's head.
    pub header_bytes: u32,
    /// Lines of a request's head.
    pub headers: usize,
    /// HTTP/2 streams at once on one connection.
    pub streams_per_connection: u32,
    /// Bytes that wait for a slow reader on one HTTP/2 stream.
    pub send_buffer: usize,
}

/// What connections and workers share.
#[derive(Debug)]
pub struct Shared {
    /// The current TLS configuration.
    pub tls: ArcSwap<rustls::ServerConfig>,
    /// Who vouches for client certificates.
    pub trust: Trust,
    /// Limits of connections.
    pub limits: ConnectionLimits,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Where the server is in its life.
    pub phase: watch::Sender<Phase>,
    /// The world's publisher.
    pub feed: Feed,
    sources: Mutex<HashMap<IpAddr, usize>>,
}

impl Shared {
    fn new(tls: Tls, limits: ConnectionLimits, trusted_proxies: Vec<Cidr>, feed: Feed) -> Self {
        Self {
            tls: ArcSwap::new(tls.config),
            trust: Trust::new(tls.clients),
            limits,
            trusted_proxies,
            phase: watch::Sender::new(Phase::Serving),
            feed,
            sources: Mutex::default(),
        }
    }

    /// Counts a connection from `source`, unless there are too many; `open` is how many there are in all.
    fn arrived(&self, source: IpAddr, open: usize) -> bool {
        if self.limits.connections > 0 && open >= self.limits.connections {
            return false;
        }
        if self.limits.per_source == 0 {
            return true;
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let open = sources.entry(source.to_canonical()).or_default();
        let room = *open < self.limits.per_source;
        *open += usize::from(room);
        room
    }

    /// Counts a connection from `source` as closed.
    fn left(&self, source: IpAddr) {
        if self.limits.per_source == 0 {
            return;
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = sources.get_mut(&source.to_canonical()) {
            *open -= 1;
            if *open == 0 {
                sources.remove(&source.to_canonical());
            }
        }
    }
}
