//! Input: a line `METHOD path?query`, decoded already. Reading never panics, is stable, and its parts lie in the path.
#![no_main]

use apimachinery::request_info::{RequestInfo, Verb};
use apimachinery::route;
use apimachinery::target::Query;
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (method, target) = input.split_once(' ').unwrap_or(("GET", input));
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::new(query);
    let _ = route::by_host(path, "k8s.example.com");
    if let Some((id, rest)) = route::split(path) {
        assert!(route::is_cluster_id(id) && rest.starts_with('/'));
    }
    let first = RequestInfo::read(&method, path, query);
    assert_eq!(first, RequestInfo::read(&method, path, query));
    let Ok(info) = first else { return };
    let _ = (info.is_long_running(query), info.is_upgrade_subresource());
    assert!(!info.is_watch() || info.verb == Verb::Watch);
    if !info.is_resource {
        assert!(info.resource.is_empty() && info.namespace.is_empty() && info.name.is_empty());
        return;
    }
    for part in [info.group, info.version, info.namespace, info.resource, info.subresource] {
        assert!(!part.contains('/') && path.contains(part));
    }
    assert!(!info.name.contains('/') && path.contains(info.tail));
});
