//! What is read when somebody looks: gauges at a scrape, checks by name.

use std::sync::Arc;

use super::workers::Handle;
use crate::{
    gateway::Gateway,
    telemetry::{metrics::Writer, ops::Checks},
};

/// Adds the values that live outside the metrics to each scrape.
pub fn metrics(gateway: &Arc<Gateway>, handles: &Arc<[Handle]>) {
    let handles = Arc::clone(handles);
    // Weak: the metrics belong to the gateway, and must not keep it alive.
    let weak = Arc::downgrade(gateway);
    gateway.metrics.on_scrape(Box::new(move |writer| {
        let Some(gateway) = weak.upgrade() else { return };
        process(writer, &gateway, &handles);
        clusters(writer, &gateway);
        gateway.audit.write_metrics(writer);
    }));
}

#[expect(clippy::cast_precision_loss, reason = "the text form knows only floats")]
fn process(writer: &mut Writer, gateway: &Gateway, handles: &[Handle]) {
    let generation = gateway.watch.peek().generation();
    writer.gauge("drover_world_generation", "Publications of the world so far.", &[], generation as f64);
    for handle in handles {
        let worker = handle.worker.index.to_string();
        writer.gauge("drover_client_connections", "Client connections.", &[("worker", &worker)], handle.open() as f64);
    }
    let short = gateway.limits.in_flight() as f64;
    writer.gauge("drover_in_flight", "Requests under the limit of the process, streams excepted.", &[], short);
    let streams = gateway.limits.streams() as f64;
    writer.gauge("drover_in_flight_streams", "Streams under the limit of the process.", &[], streams);
}

#[expect(clippy::cast_precision_loss, reason = "the text form knows only floats")]
fn clusters(writer: &mut Writer, gateway: &Gateway) {
    for (id, cluster) in gateway.clusters.snapshot().iter() {
        let stats = cluster.stats();
        let id: &str = id;
        let open = f64::from(u8::from(cluster.circuit_is_open()));
        writer.gauge("drover_circuit_open", "1 while the cluster is not tried.", &[("cluster", id)], open);
        for (name, help, value) in [
            ("drover_upstream_connects_total", "Connections made to the cluster.", &stats.connects),
            ("drover_upstream_connect_failures_total", "Connections that failed.", &stats.connect_failures),
            ("drover_upstream_tls_handshakes_total", "TLS handshakes with the cluster.", &stats.tls_handshakes),
            ("drover_upstream_reused_total", "Requests on a connection that was there.", &stats.reused),
            ("drover_upstream_retries_total", "Requests sent again since they were not taken.", &stats.retries),
            ("drover_circuit_refusals_total", "Requests refused by the open circuit.", &stats.circuit_refusals),
            ("drover_credential_changes_total", "Credentials taken into use.", &stats.credential_changes),
            ("drover_credential_failures_total", "Credentials that could not be had.", &stats.credential_failures),
        ] {
            writer.counter(name, help, &[("cluster", id)], value.read());
        }
        for (protocol, state, gauge) in [
            ("http1", "idle", &stats.idle),
            ("http2", "open", &stats.http2_connections),
            ("http2", "streams", &stats.http2_streams),
        ] {
            writer.gauge(
                "drover_upstream_connections",
                "Connections to the cluster by state; for `streams`, streams on them.",
                &[("cluster", id), ("protocol", protocol), ("state", state)],
                gauge.read() as f64,
            );
        }
    }
}

/// Adds the gateway's own health checks.
pub fn checks(checks: &Checks, gateway: &Arc<Gateway>) {
    let weak = Arc::downgrade(gateway);
    checks.add(
        "world",
        Arc::new(move || match weak.upgrade() {
            Some(gateway) if gateway.watch.peek().generation() > 0 => Ok(()),
            _ => Err("nothing is published yet".into()),
        }),
    );
    // A queue that drops events lets the gateway serve on, and the metrics tell; one that blocks holds requests up.
    let weak = Arc::downgrade(gateway);
    checks.add(
        "audit",
        Arc::new(move || match weak.upgrade() {
            Some(gateway) if gateway.audit.blocks() => gateway.audit.health(),
            _ => Ok(()),
        }),
    );
}
