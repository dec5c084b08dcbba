//! Envoy's file (JSON, which is YAML too).

use anyhow::Result;
use serde_json::{Value, json};

use super::{Kind, PROXY_CORE, Place};
use crate::names;
use crate::process::Process;

pub(super) fn start(place: &Place, port: u16, upstream: u16) -> Result<Process> {
    let address = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let any = |kind: &str, mut value: Value| {
        value["@type"] = format!("type.googleapis.com/{kind}").into();
        value
    };
    let tls13 = json!({"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"});
    let set = |name: &str, value: &str| json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    let mut add = vec![set("Authorization", &format!("Bearer {}", names::CREDENTIAL))];
    add.extend(names::IDENTITY.iter().map(|(name, value)| set(name, value)));
    let remove: Vec<&str> =
        names::REMOVED.iter().filter(|name| !names::IDENTITY.iter().any(|(set, _)| set == *name)).copied().collect();
    let access =
        any("envoy.extensions.access_loggers.file.v3.FileAccessLog", json!({"path": place.file("envoy.access.log")}));
    let router = any("envoy.extensions.filters.http.router.v3.Router", json!({"suppress_envoy_headers": true}));
    let manager = any(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "gateway", "codec_type": "AUTO", "generate_request_id": false,
            "stream_idle_timeout": "0s", "request_timeout": "0s",
            "access_log": [{"name": "file", "typed_config": access}],
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
                "request_headers_to_add": add, "request_headers_to_remove": remove,
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "cluster", "timeout": "0s"}}]}]}
        }),
    );
    let server_tls = any(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({"common_tls_context": {"alpn_protocols": ["h2", "http/1.1"], "tls_params": tls13,
            "tls_certificates": [{"certificate_chain": {"filename": place.pki.certificate}, "private_key": {"filename": place.pki.key}}]}}),
    );
    let client_tls = any(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        json!({"sni": "localhost", "common_tls_context": {"tls_params": tls13, "alpn_protocols": ["http/1.1"],
            "validation_context": {"trusted_ca": {"filename": place.pki.ca},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}]}}}),
    );
    let config = json!({"static_resources": {
        "listeners": [{"name": "gateway", "address": address(port), "filter_chains": [{
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": server_tls},
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [{"name": "cluster", "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": "cluster", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]},
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": client_tls}}]
    }});
    let file = place.file("envoy.json");
    std::fs::write(&file, config.to_string())?;
    let args = ["-c", &file.display().to_string(), "--concurrency", "1", "--disable-hot-restart", "-l", "warn"];
    let log = place.file(&format!("{}.out", Kind::Envoy.name()));
    Process::start("envoy", Some(PROXY_CORE), &place.envoy, &args, &log)
}
