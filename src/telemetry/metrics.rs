//! Prometheus metrics: counters that cost a few nanoseconds on the request path, and their text form.
//!
//! Labels are bounded: cluster ids come from the configuration, verbs and codes from fixed lists, causes from
//! constants in the code. Nothing that a client sends becomes a label.

mod cluster;
mod process;
mod writer;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus::{Encoder as _, IntCounterVec, Opts, Registry, TextEncoder};

pub use self::{
    cluster::{ClusterMetrics, InFlight, Observation, OpenStream, StreamKind, Verb},
    writer::Writer,
};
use super::shard::{self, Slots};

/// Whose limit turned a request away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The limit of one user.
    User,
    /// The limit of one cluster.
    Cluster,
    /// The limit of the process.
    Total,
    /// The limit of one unauthenticated source.
    Source,
}

impl Scope {
    const ALL: [Self; 4] = [Self::User, Self::Cluster, Self::Total, Self::Source];

    /// The value of the label `scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Cluster => "cluster",
            Self::Total => "total",
            Self::Source => "source",
        }
    }
}

/// On which side an error began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The caller's fault, or the caller went away.
    Client,
    /// The cluster's fault, or it could not be reached.
    Upstream,
    /// Our own.
    Gateway,
}

impl Source {
    /// The value of the label `source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

type Callback = Box<dyn Fn(&mut Writer) + Send + Sync>;

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    slots: Arc<Slots>,
    shards: usize,
    // Weak: a cluster that is gone from the configuration and has no request left takes its series along.
    clusters: Mutex<BTreeMap<Arc<str>, Weak<ClusterMetrics>>>,
    unrouted: Arc<ClusterMetrics>,
    limited: [AtomicU64; Scope::ALL.len()],
    errors: IntCounterVec,
    reloads: [AtomicU64; 2],
    reloaded_at: AtomicU64,
    callbacks: Mutex<Vec<Callback>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics for a process with `workers` threads that serve requests.
    ///
    /// # Errors
    /// Never in practice: the names of the metrics are constants of this module, and the registry checks them.
    pub fn new(workers: usize) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let errors = IntCounterVec::new(
            Opts::new("drover_errors_total", "Requests that ended in an error, by cause and by the side it began on."),
            &["cause", "source"],
        )?;
        registry.register(Box::new(errors.clone()))?;
        let slots = Arc::new(Slots::default());
        let shards = shard::count(workers);
        Ok(Self {
            registry,
            unrouted: Arc::new(ClusterMetrics::new(Arc::from(""), Arc::clone(&slots), shards)),
            slots,
            shards,
            clusters: Mutex::default(),
            limited: [const { AtomicU64::new(0) }; 4],
            errors,
            reloads: [const { AtomicU64::new(0) }; 2],
            reloaded_at: AtomicU64::new(0),
            callbacks: Mutex::default(),
        })
    }

    /// Adds another collector to each scrape.
    ///
    /// # Errors
    /// A name that is taken already.
    pub fn register(&self, collector: Box<dyn prometheus::core::Collector>) -> Result<(), prometheus::Error> {
        self.registry.register(collector)
    }

    /// The handle of one configured cluster: kept by the cluster's entry, so that a request looks nothing up.
    ///
    /// The same handle comes back as long as somebody holds it. Never call it with an id that a client sent.
    pub fn cluster(&self, id: &str) -> Arc<ClusterMetrics> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clusters.get(id).and_then(Weak::upgrade) {
            return known;
        }
        let id: Arc<str> = Arc::from(id);
        let new = Arc::new(ClusterMetrics::new(Arc::clone(&id), Arc::clone(&self.slots), self.shards));
        clusters.insert(id, Arc::downgrade(&new));
        new
    }

    /// The handle for requests that reached no cluster: refused before routing, or for an unknown cluster.
    pub const fn unrouted(&self) -> &Arc<ClusterMetrics> {
        &self.unrouted
    }

    /// Counts a request that a limit turned away.
    pub fn limited(&self, scope: Scope) {
        let [user, cluster, total, source] = &self.limited;
        let counter = match scope {
            Scope::User => user,
            Scope::Cluster => cluster,
            Scope::Total => total,
            Scope::Source => source,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an error; `cause` is a constant such as `connect_timeout`.
    pub fn error(&self, cause: &'static str, source: Source) {
        self.errors.with_label_values(&[cause, source.as_str()]).inc();
    }

    /// Counts a reload of the configuration that ended at `unix_seconds`.
    pub fn reloaded(&self, accepted: bool, unix_seconds: u64) {
        let [rejected, taken] = &self.reloads;
        if accepted {
            taken.fetch_add(1, Ordering::Relaxed);
            self.reloaded_at.store(unix_seconds, Ordering::Relaxed);
        } else {
            rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds values that live elsewhere (pools, the world's generation, the audit queue): `read` runs at each scrape.
    pub fn on_scrape(&self, read: Box<dyn Fn(&mut Writer) + Send + Sync>) {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    /// All metrics in Prometheus' text form 0.0.4.
    pub fn render(&self) -> String {
        let mut writer = Writer::default();
        self.write(&mut writer);
        process::write(&mut writer);
        for read in self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            read(&mut writer);
        }
        let mut families = self.registry.gather();
        families.extend(writer.into_families());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write(&self, writer: &mut Writer) {
        writer.gauge("drover_build_info", "Always 1.", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        for (scope, counter) in Scope::ALL.iter().zip(&self.limited) {
            writer.counter(
                "drover_limited_total",
                "Requests turned away by a limit.",
                &[("scope", scope.as_str())],
                counter.load(Ordering::Relaxed),
            );
        }
        for (result, counter) in ["rejected", "accepted"].iter().zip(&self.reloads) {
            writer.counter(
                "drover_config_reloads_total",
                "Reloads of the configuration by result; after a rejected one the last good state stays in force.",
                &[("result", result)],
                counter.load(Ordering::Relaxed),
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        writer.gauge(
            "drover_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was loaded; 0 before the first reload.",
            &[],
            self.reloaded_at.load(Ordering::Relaxed) as f64,
        );
        let clusters: Vec<_> = {
            let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
            clusters.retain(|_, cluster| cluster.strong_count() > 0);
            clusters.values().filter_map(Weak::upgrade).collect()
        };
        self.unrouted.write(writer);
        for cluster in clusters {
            cluster.write(writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Metrics, Observation, Scope, Source, Verb};

    #[test]
    fn a_request_is_counted_under_its_cluster_verb_and_code() {
        let metrics = Metrics::new(2).unwrap();
        let cluster = metrics.cluster("c-1");
        let one = Observation {
            verb: Verb::List,
            code: 200,
            duration: Duration::from_millis(3),
            upstream: Some(Duration::from_millis(2)),
            bytes_in: 10,
            bytes_out: 2000,
        };
        cluster.observe(&one);
        std::thread::scope(|scope| scope.spawn(|| cluster.observe(&one)).join().unwrap());
        let text = metrics.render();
        for line in [
            "drover_requests_total{cluster=\"c-1\",code=\"200\",verb=\"list\"} 2",
            "drover_request_duration_seconds_bucket{cluster=\"c-1\",verb=\"list\",le=\"0.0025\"} 0",
            "drover_request_duration_seconds_bucket{cluster=\"c-1\",verb=\"list\",le=\"0.005\"} 2",
            "drover_request_duration_seconds_bucket{cluster=\"c-1\",verb=\"list\",le=\"+Inf\"} 2",
            "drover_request_duration_seconds_count{cluster=\"c-1\",verb=\"list\"} 2",
            "drover_request_duration_seconds_sum{cluster=\"c-1\",verb=\"list\"} 0.006",
            "drover_upstream_duration_seconds_sum{cluster=\"c-1\"} 0.004",
            "drover_bytes_total{cluster=\"c-1\",direction=\"in\"} 20",
            "drover_bytes_total{cluster=\"c-1\",direction=\"out\"} 4000",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }

    #[test]
    fn an_odd_code_is_counted_by_its_class() {
        let metrics = Metrics::new(1).unwrap();
        let cluster = metrics.cluster("c-1");
        for code in [299, 418, 599, 7, 60_000] {
            cluster.observe(&Observation { code, ..Observation::default() });
        }
        let text = metrics.render();
        for (code, count) in [("2xx", 1), ("4xx", 1), ("5xx", 1), ("other", 2)] {
            let line = format!("drover_requests_total{{cluster=\"c-1\",code=\"{code}\",verb=\"other\"}} {count}");
            assert!(text.contains(&line), "`{line}` is missing in\n{text}");
        }
    }

    #[test]
    fn requests_in_flight_go_down_on_whatever_thread_they_end() {
        let metrics = Metrics::new(1).unwrap();
        let cluster = metrics.cluster("c-1");
        let guard = cluster.enter();
        assert!(metrics.render().contains("drover_requests_in_flight{cluster=\"c-1\"} 1"));
        std::thread::scope(|scope| scope.spawn(|| drop(guard)).join().unwrap());
        assert!(metrics.render().contains("drover_requests_in_flight{cluster=\"c-1\"} 0"));
    }

    #[test]
    fn the_handle_of_a_cluster_is_one_until_nobody_holds_it() {
        let metrics = Metrics::new(1).unwrap();
        let first = metrics.cluster("c-1");
        first.observe(&Observation::default());
        assert!(std::sync::Arc::ptr_eq(&first, &metrics.cluster("c-1")));
        drop(first);
        assert!(!metrics.render().contains("cluster=\"c-1\""));
    }

    #[test]
    fn errors_limits_and_reloads_are_counted() {
        let metrics = Metrics::new(1).unwrap();
        metrics.limited(Scope::Source);
        metrics.error("connect_timeout", Source::Upstream);
        metrics.reloaded(false, 5);
        metrics.reloaded(true, 1_700_000_000);
        metrics.on_scrape(Box::new(|writer| writer.gauge("drover_world_generation", "The world's.", &[], 7.0)));
        let text = metrics.render();
        for line in [
            "drover_limited_total{scope=\"source\"} 1",
            "drover_limited_total{scope=\"user\"} 0",
            "drover_errors_total{cause=\"connect_timeout\",source=\"upstream\"} 1",
            "drover_config_reloads_total{result=\"rejected\"} 1",
            "drover_config_last_reload_success_timestamp_seconds 1700000000",
            "drover_world_generation 7",
            "process_open_fds ",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }
}
