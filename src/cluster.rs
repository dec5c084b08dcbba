//! How a cluster is reached: connections, pools, the gateway's own credential, and when not to try.
//!
//! Nothing here knows of clients, users or the gateway's server side. A request comes with its path, headers and body ready; the
//! cluster adds its own `Authorization`, `Host` or `:authority`, and the connection.

mod body;
mod check;
mod circuit;
mod connect;
mod credential;
mod error;
mod generation;
mod http1;
mod http2;
mod in_process;
mod json;
mod probe;
mod proxy;
mod registry;
mod stats;
mod stream;
mod tls;
mod upstream;

use std::time::Duration;

pub use body::{BodyError, RequestBody, UpstreamBody};
pub use check::check;
pub use connect::AddressPolicy;
pub use error::{BoxError, ConnectError, Origin, SendError};
pub use in_process::{AuditAnnotations, Caller, InProcess, InProcessBody};
pub use json::JsonError;
pub use probe::{ProbeError, Prober, Publish, Wanted};
pub use registry::Registry;
pub use stats::{ClusterStats, Counter, Gauge};
pub use upstream::Cluster;

/// The worker index of the control runtime: connections of its own.
pub const CONTROL: usize = usize::MAX;

/// What kind of call a request is: it chooses the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// One object, or few: ends soon.
    Short,
    /// Many objects: a large answer.
    List,
    /// A watch or a log: small pieces for a long time.
    Watch,
    /// `Connection: Upgrade`.
    Upgrade,
}

/// A version of HTTP towards a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A connection for each request under way.
    Http1,
    /// Many requests on a connection; where a cluster has none, HTTP/1.1 is taken.
    Http2,
}

/// Which protocol for which kind of call. An upgrade is always HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// [`Call::Short`].
    pub short: Protocol,
    /// [`Call::List`].
    pub list: Protocol,
    /// [`Call::Watch`].
    pub watch: Protocol,
    /// A short read takes HTTP/1.1 all the same while a worker has fewer short calls than this under way in the cluster.
    pub alone: usize,
}

impl Protocols {
    /// A short read is answered soonest, and costs no more, on a connection of its own; the shared one bounds how many there are.
    /// A megabyte costs less in HTTP/1.1, without frames; thousands of idle watches need shared connections.
    pub const MEASURED: Self =
        Self { short: Protocol::Http2, list: Protocol::Http1, watch: Protocol::Http2, alone: 64 };

    /// The protocol of `call`.
    pub const fn of(self, call: Call) -> Protocol {
        match call {
            Call::Short => self.short,
            Call::List => self.list,
            Call::Watch => self.watch,
            Call::Upgrade => Protocol::Http1,
        }
    }
}

/// What holds for every cluster.
#[derive(Clone)]
pub struct Options {
    /// Worker threads that call [`Cluster::send`], each with an index below this.
    pub workers: usize,
    /// Name, proxy, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Idle HTTP/1.1 connections that a worker keeps for a cluster.
    pub max_idle_per_worker: usize,
    /// How long an HTTP/1.1 connection stays idle.
    pub http1_idle: Duration,
    /// How long an HTTP/2 connection stays without a stream.
    pub http2_idle: Duration,
    /// Which protocol for which call.
    pub protocols: Protocols,
    /// Where the gateway may connect to; `None` is anywhere.
    pub address_policy: Option<AddressPolicy>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            connect_timeout: Duration::from_secs(5),
            max_idle_per_worker: 128,
            http1_idle: Duration::from_secs(30),
            http2_idle: Duration::from_secs(90),
            protocols: Protocols::MEASURED,
            address_policy: None,
        }
    }
}
