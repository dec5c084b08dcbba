//! What a run of the load found.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    /// Of a histogram in nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run fit 52 bits")]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1000.0 }
    }
}

/// What a run found in its measured seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The measured time.
    pub seconds: f64,
    /// Requests answered with 200.
    pub good: u64,
    /// Requests answered with 429 or 503.
    pub refused: u64,
    /// Everything else: other codes, broken connections.
    pub failed: u64,
    /// Body bytes received.
    pub bytes: u64,
    /// Connections opened after the first ones.
    pub reconnects: u64,
    /// CPU seconds of the watched process.
    pub cpu: f64,
    /// Of the good ones.
    pub latency: Latency,
    /// Of the refused ones.
    pub refusal: Latency,
}

impl Report {
    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    pub fn throughput(&self) -> f64 {
        self.good as f64 / self.seconds
    }

    /// CPU microseconds of the watched process for each good answer.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    pub fn cpu_per_request(&self) -> f64 {
        self.cpu * 1e6 / self.good as f64
    }

    /// CPU microseconds of the watched process for each 1,000,000 body bytes.
    #[expect(clippy::cast_precision_loss, reason = "a count of bytes")]
    pub fn cpu_per_megabyte(&self) -> f64 {
        self.cpu * 1e6 / (self.bytes as f64 / 1e6)
    }
}
