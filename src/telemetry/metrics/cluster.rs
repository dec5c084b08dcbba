//! The counters of one cluster: one shard a worker, plain atomics, added up at the scrape.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use apimachinery::request_info;

use super::{super::shard::Slots, Writer};

/// What kind of call a request is: Kubernetes' verbs, and what does not fit them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verb {
    /// One object, or a path that is no resource.
    Get,
    /// A collection.
    List,
    /// A stream of changes.
    Watch,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE of one object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
    /// exec, attach, port-forward, proxy, and every other upgrade.
    Connect,
    /// All else.
    #[default]
    Other,
}

impl Verb {
    const ALL: [Self; 10] = [
        Self::Get,
        Self::List,
        Self::Watch,
        Self::Create,
        Self::Update,
        Self::Patch,
        Self::Delete,
        Self::DeleteCollection,
        Self::Connect,
        Self::Other,
    ];

    /// The value of the label `verb`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Connect => "connect",
            Self::Other => "other",
        }
    }
}

impl From<request_info::Verb> for Verb {
    fn from(verb: request_info::Verb) -> Self {
        use request_info::Verb as Asked;
        match verb {
            Asked::Get => Self::Get,
            Asked::List => Self::List,
            Asked::Watch => Self::Watch,
            Asked::Create | Asked::Post => Self::Create,
            Asked::Update | Asked::Put => Self::Update,
            Asked::Patch => Self::Patch,
            Asked::Delete => Self::Delete,
            Asked::DeleteCollection => Self::DeleteCollection,
            Asked::Proxy => Self::Connect,
            Asked::Head | Asked::Options | Asked::None => Self::Other,
        }
    }
}

/// What an open stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// A watch.
    Watch,
    /// An upgraded connection: exec, attach, port-forward.
    Upgrade,
    /// Any other long reply, such as `logs -f`.
    Follow,
}

impl StreamKind {
    const ALL: [Self; 3] = [Self::Watch, Self::Upgrade, Self::Follow];

    /// The value of the label `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Upgrade => "upgrade",
            Self::Follow => "follow",
        }
    }
}

/// What is known of a request when it is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// The kind of call.
    pub verb: Verb,
    /// The HTTP status sent to the client; 499 when the client went away before one was.
    pub code: u16,
    /// From the request's head to the end of the reply.
    pub duration: Duration,
    /// From forwarding to the head of the cluster's reply; `None` when it was not forwarded.
    pub upstream: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the reply's body.
    pub bytes_out: u64,
}

/// Codes that are counted one by one; all others are counted by class.
const CODES: [u16; 30] = [
    101, 200, 201, 202, 204, 301, 302, 304, 307, 400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 415, 422, 429, 431,
    499, 500, 501, 502, 503, 504, 507,
];
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
const CODE_SLOTS: usize = CODES.len() + CLASSES.len();

/// Upper bounds in nanoseconds.
const BOUNDS: [u64; 16] = [
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
];

#[derive(Default)]
struct Distribution {
    buckets: [AtomicU64; BOUNDS.len()],
    over: AtomicU64,
    nanos: AtomicU64,
}

impl Distribution {
    fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanos <= *bound).and_then(|index| self.buckets.get(index));
        bucket.unwrap_or(&self.over).fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum::<u64>() + self.over.load(Relaxed)
    }
}

// Aligned past the adjacent-line prefetcher, so that two workers never share a line.
#[repr(align(128))]
struct Shard {
    requests: [[AtomicU64; CODE_SLOTS]; Verb::ALL.len()],
    durations: [Distribution; Verb::ALL.len()],
    upstream: Distribution,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    in_flight: AtomicI64,
    streams: [AtomicI64; StreamKind::ALL.len()],
    upgrades: AtomicU64,
}

impl Shard {
    fn new() -> Self {
        Self {
            requests: [const { [const { AtomicU64::new(0) }; CODE_SLOTS] }; Verb::ALL.len()],
            durations: Default::default(),
            upstream: Distribution::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            streams: Default::default(),
            upgrades: AtomicU64::new(0),
        }
    }
}

/// The metrics of one cluster. The cluster's entry holds it, so that a request resolves no label.
pub struct ClusterMetrics {
    id: Arc<str>,
    slots: Arc<Slots>,
    // Made at first use: a cluster that nobody calls costs a few words, not kilobytes.
    shards: Box<[OnceLock<Box<Shard>>]>,
}

impl fmt::Debug for ClusterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMetrics").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ClusterMetrics {
    pub(super) fn new(id: Arc<str>, slots: Arc<Slots>, shards: usize) -> Self {
        Self { id, slots, shards: (0..shards.max(1)).map(|_| OnceLock::new()).collect() }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is at least one shard, and the index is taken modulo their number"
    )]
    fn shard(&self) -> &Shard {
        self.shards[self.slots.current() % self.shards.len()].get_or_init(|| Box::new(Shard::new()))
    }

    /// Counts a request that is over.
    pub fn observe(&self, observation: &Observation) {
        let shard = self.shard();
        let verb = observation.verb as usize;
        if let Some(counter) = shard.requests.get(verb).and_then(|codes| codes.get(code_slot(observation.code))) {
            counter.fetch_add(1, Relaxed);
        }
        if let Some(durations) = shard.durations.get(verb) {
            durations.observe(observation.duration);
        }
        if let Some(upstream) = observation.upstream {
            shard.upstream.observe(upstream);
        }
        if observation.bytes_in != 0 {
            shard.bytes_in.fetch_add(observation.bytes_in, Relaxed);
        }
        if observation.bytes_out != 0 {
            shard.bytes_out.fetch_add(observation.bytes_out, Relaxed);
        }
    }

    /// Counts a request as in flight until the guard goes.
    #[must_use = "the request counts as in flight for as long as this lives"]
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.shard().in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Counts a stream as open until the guard goes; an upgrade is counted in `drover_upgrades_total` too.
    #[must_use = "the stream counts as open for as long as this lives"]
    pub fn open(self: &Arc<Self>, kind: StreamKind) -> OpenStream {
        let shard = self.shard();
        if kind == StreamKind::Upgrade {
            shard.upgrades.fetch_add(1, Relaxed);
        }
        self.stream(kind, 1);
        OpenStream(Arc::clone(self), kind)
    }

    /// Adds bytes that move on an open stream, so that long streams show before they end.
    pub fn moved(&self, bytes_in: u64, bytes_out: u64) {
        let shard = self.shard();
        shard.bytes_in.fetch_add(bytes_in, Relaxed);
        shard.bytes_out.fetch_add(bytes_out, Relaxed);
    }

    fn stream(&self, kind: StreamKind, change: i64) {
        if let Some(gauge) = self.shard().streams.get(kind as usize) {
            gauge.fetch_add(change, Relaxed);
        }
    }

    fn live(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter_map(|shard| shard.get().map(|shard| &**shard))
    }

    fn sum(&self, read: impl Fn(&Shard) -> u64) -> u64 {
        self.live().map(read).sum()
    }

    /// Adds this cluster's series to a scrape.
    #[expect(clippy::cast_precision_loss, reason = "the text form knows only floats")]
    pub(super) fn write(&self, writer: &mut Writer) {
        let id = &*self.id;
        for (index, verb) in Verb::ALL.iter().enumerate() {
            for slot in 0..CODE_SLOTS {
                let read = |shard: &Shard| {
                    shard.requests.get(index).and_then(|codes| codes.get(slot)).map_or(0, |count| count.load(Relaxed))
                };
                let count = self.sum(read);
                if count > 0 {
                    writer.counter(
                        "drover_requests_total",
                        "Requests that are over.",
                        &[("cluster", id), ("code", &code_label(slot)), ("verb", verb.as_str())],
                        count,
                    );
                }
            }
            self.distribution(
                writer,
                ("drover_request_duration_seconds", "From the request's head to the end of the reply."),
                &[("cluster", id), ("verb", verb.as_str())],
                |shard| shard.durations.get(index),
            );
        }
        self.distribution(
            writer,
            ("drover_upstream_duration_seconds", "From forwarding to the head of the cluster's reply."),
            &[("cluster", id)],
            |shard| Some(&shard.upstream),
        );
        for (direction, bytes) in [
            ("in", self.sum(|shard| shard.bytes_in.load(Relaxed))),
            ("out", self.sum(|shard| shard.bytes_out.load(Relaxed))),
        ] {
            let labels = [("cluster", id), ("direction", direction)];
            writer.counter("drover_bytes_total", "Bytes of bodies and upgraded streams.", &labels, bytes);
        }
        let in_flight: i64 = self.live().map(|shard| shard.in_flight.load(Relaxed)).sum();
        writer.gauge(
            "drover_requests_in_flight",
            "Requests that are not over, open streams included.",
            &[("cluster", id)],
            in_flight as f64,
        );
        for (index, kind) in StreamKind::ALL.iter().enumerate() {
            let open: i64 =
                self.live().filter_map(|shard| shard.streams.get(index)).map(|gauge| gauge.load(Relaxed)).sum();
            writer.gauge("drover_streams", "Open streams.", &[("cluster", id), ("kind", kind.as_str())], open as f64);
        }
        writer.counter(
            "drover_upgrades_total",
            "Connections upgraded for exec, attach, port-forward and the like.",
            &[("cluster", id)],
            self.sum(|shard| shard.upgrades.load(Relaxed)),
        );
    }

    #[expect(clippy::cast_precision_loss, reason = "the text form knows only floats")]
    fn distribution(
        &self,
        writer: &mut Writer,
        (name, help): (&str, &str),
        labels: &[(&str, &str)],
        pick: impl Fn(&Shard) -> Option<&Distribution>,
    ) {
        let parts: Vec<&Distribution> = self.live().filter_map(pick).collect();
        if parts.iter().all(|part| part.count() == 0) {
            return;
        }
        let buckets = BOUNDS.iter().enumerate().map(|(index, bound)| {
            let samples = parts.iter().filter_map(|part| part.buckets.get(index)).map(|bucket| bucket.load(Relaxed));
            (*bound as f64 / 1e9, samples.sum())
        });
        let over = parts.iter().map(|part| part.over.load(Relaxed)).sum();
        let nanos: u64 = parts.iter().map(|part| part.nanos.load(Relaxed)).sum();
        writer.histogram(name, help, labels, buckets, over, nanos as f64 / 1e9);
    }
}

fn code_slot(code: u16) -> usize {
    CODES.binary_search(&code).unwrap_or_else(|_| {
        let class = usize::from(code / 100);
        CODES.len() + if (1..=5).contains(&class) { class } else { 0 }
    })
}

fn code_label(slot: usize) -> String {
    match CODES.get(slot) {
        Some(code) => code.to_string(),
        None => CLASSES.get(slot - CODES.len()).copied().unwrap_or("other").to_owned(),
    }
}

/// A request in flight; made by [`ClusterMetrics::enter`].
#[derive(Debug)]
pub struct InFlight(Arc<ClusterMetrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.shard().in_flight.fetch_sub(1, Relaxed);
    }
}

/// An open stream; made by [`ClusterMetrics::open`].
#[derive(Debug)]
pub struct OpenStream(Arc<ClusterMetrics>, StreamKind);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.stream(self.1, -1);
    }
}
