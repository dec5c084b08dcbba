//! Metrics of the work queues, by the names that Kubernetes' own controllers use.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Seconds, each ten times the one before: those of `k8s.io/component-base/metrics/prometheus/workqueue`.
const BUCKETS: [f64; 10] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// The metrics of all queues; a collector for one registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkQueueMetrics {
    depth: IntGaugeVec,
    adds: IntCounterVec,
    retries: IntCounterVec,
    latency: HistogramVec,
    work: HistogramVec,
}

/// The metrics of one queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: IntGauge,
    adds: IntCounter,
    retries: IntCounter,
    latency: Histogram,
    work: Histogram,
}

impl WorkQueueMetrics {
    /// None counted yet.
    ///
    /// # Errors
    /// Never in practice: names and buckets are constants.
    pub fn new() -> Result<Self, prometheus::Error> {
        let label = &["name"];
        let histogram =
            |name: &str, help: &str| HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), label);
        let latency = "Seconds that an item waits in the queue before it is worked on.";
        let work = "Seconds that work on an item takes.";
        Ok(Self {
            depth: IntGaugeVec::new(Opts::new("workqueue_depth", "Items that wait in the queue."), label)?,
            adds: IntCounterVec::new(Opts::new("workqueue_adds_total", "Items added to the queue."), label)?,
            retries: IntCounterVec::new(
                Opts::new("workqueue_retries_total", "Items added again after a failure."),
                label,
            )?,
            latency: histogram("workqueue_queue_duration_seconds", latency)?,
            work: histogram("workqueue_work_duration_seconds", work)?,
        })
    }

    /// The metrics of the queue `name`, a constant of the code.
    pub fn queue(&self, name: &'static str) -> QueueMetrics {
        let label = &[name];
        QueueMetrics {
            depth: self.depth.with_label_values(label),
            adds: self.adds.with_label_values(label),
            retries: self.retries.with_label_values(label),
            latency: self.latency.with_label_values(label),
            work: self.work.with_label_values(label),
        }
    }

    fn parts(&self) -> [&dyn Collector; 5] {
        [&self.depth, &self.adds, &self.retries, &self.latency, &self.work]
    }
}

impl Collector for WorkQueueMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

impl QueueMetrics {
    pub(super) fn added(&self) {
        self.adds.inc();
    }

    pub(super) fn retried(&self) {
        self.retries.inc();
    }

    pub(super) fn waiting(&self, keys: usize) {
        self.depth.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    pub(super) fn started(&self, left: usize, waited: Duration) {
        self.waiting(left);
        self.latency.observe(waited.as_secs_f64());
    }

    pub(super) fn finished(&self, took: Duration) {
        self.work.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::WorkQueueMetrics;

    #[test]
    fn a_queue_is_seen_under_the_names_of_kubernetes() {
        let (metrics, registry) = (WorkQueueMetrics::new().unwrap(), Registry::new());
        registry.register(Box::new(metrics.clone())).unwrap();
        let queue = metrics.queue("clusters");
        queue.added();
        queue.waiting(1);
        queue.retried();
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            r#"workqueue_adds_total{name="clusters"} 1"#,
            r#"workqueue_depth{name="clusters"} 1"#,
            r#"workqueue_retries_total{name="clusters"} 1"#,
            r#"workqueue_queue_duration_seconds_count{name="clusters"} 0"#,
            r#"workqueue_work_duration_seconds_count{name="clusters"} 0"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
