//! Requests read as kube-apiserver reads them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use apimachinery::request_info::{RequestInfo, RequestInfoError, Verb};
use apimachinery::target::Query;
use http::Method;
use proptest::prelude::*;

fn read<'a>(method: &Method, target: &'a str) -> RequestInfo<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    RequestInfo::read(method, path, Query::new(query)).unwrap_or_else(|e| panic!("`{target}`: {e}"))
}

/// Method, target; verb, prefix, group, version, namespace, resource, subresource, name, tail.
type Row = (&'static str, &'static str, [&'static str; 9]);

#[rustfmt::skip]
const RESOURCES: &[Row] = &[
    ("GET", "/api/v1/namespaces", ["list", "api", "", "v1", "", "namespaces", "", "", ""]),
    ("GET", "/api/v1/namespaces/other", ["get", "api", "", "v1", "other", "namespaces", "", "other", ""]),
    ("PUT", "/api/v1/namespaces/other/finalize", ["update", "api", "", "v1", "other", "namespaces", "finalize", "other", ""]),
    ("PATCH", "/api/v1/namespaces/other/status", ["patch", "api", "", "v1", "other", "namespaces", "status", "other", ""]),
    ("GET", "/api/v1/namespaces/other/pods", ["list", "api", "", "v1", "other", "pods", "", "", ""]),
    ("GET", "/api/v1/namespaces/other/pods/foo", ["get", "api", "", "v1", "other", "pods", "", "foo", ""]),
    ("HEAD", "/api/v1/namespaces/other/pods/foo", ["get", "api", "", "v1", "other", "pods", "", "foo", ""]),
    ("HEAD", "/api/v1/pods", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods/", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=true", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=1", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=yes", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=0", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=False", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?watch=true&limit=x", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?Watch=true", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/namespaces/d/pods/p?watch=true", ["get", "api", "", "v1", "d", "pods", "", "p", ""]),
    ("GET", "/api/v1/watch/pods", ["watch", "api", "", "v1", "", "pods", "", "", ""]),
    ("POST", "/api/v1/watch/namespaces/other/pods/foo", ["watch", "api", "", "v1", "other", "pods", "", "foo", ""]),
    ("GET", "/api/v1/watch/namespaces", ["watch", "api", "", "v1", "", "namespaces", "", "", ""]),
    ("GET", "/api/v1/proxy/namespaces/other/pods/foo/x/y", ["proxy", "api", "", "v1", "other", "pods", "", "foo", "x/y"]),
    ("GET", "/api/v1/proxy/nodes/n", ["proxy", "api", "", "v1", "", "nodes", "", "n", ""]),
    ("GET", "/api/v1/redirect/nodes/n", ["get", "api", "", "v1", "", "redirect", "n", "nodes", ""]),
    ("GET", "/api/v1/namespaces/d/pods/p/proxy/a//b/", ["get", "api", "", "v1", "d", "pods", "proxy", "p", "a//b"]),
    ("GET", "/api/v1/namespaces/d/pods/p/log?follow=true", ["get", "api", "", "v1", "d", "pods", "log", "p", ""]),
    ("POST", "/api/v1/namespaces/d/pods/p/exec?command=ls", ["create", "api", "", "v1", "d", "pods", "exec", "p", ""]),
    ("GET", "/api/v1/nodes/n/proxy/metrics/cadvisor", ["get", "api", "", "v1", "", "nodes", "proxy", "n", "metrics/cadvisor"]),
    ("POST", "/api/v1/namespaces/other/pods", ["create", "api", "", "v1", "other", "pods", "", "", ""]),
    ("PUT", "/api/v1/namespaces/other/pods/foo", ["update", "api", "", "v1", "other", "pods", "", "foo", ""]),
    ("DELETE", "/api/v1/namespaces/other/pods/foo", ["delete", "api", "", "v1", "other", "pods", "", "foo", ""]),
    ("DELETE", "/api/v1/namespaces/other/pods", ["deletecollection", "api", "", "v1", "other", "pods", "", "", ""]),
    ("DELETE", "/api/v1/pods?fieldSelector=metadata.name%3Dp", ["deletecollection", "api", "", "v1", "", "pods", "", "", ""]),
    ("OPTIONS", "/api/v1/pods", ["", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/apis/apps/v1/deployments", ["list", "apis", "apps", "v1", "", "deployments", "", "", ""]),
    ("PATCH", "/apis/apps/v1/namespaces/d/deployments/x/scale", ["patch", "apis", "apps", "v1", "d", "deployments", "scale", "x", ""]),
    ("GET", "/apis/apps/v1/namespaces/d", ["get", "apis", "apps", "v1", "d", "namespaces", "", "d", ""]),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node", ["get", "apis", "rbac.authorization.k8s.io", "v1", "", "clusterroles", "", "system:node", ""]),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ["create", "apis", "authorization.k8s.io", "v1", "", "selfsubjectaccessreviews", "", "", ""]),
    ("GET", "/apis/apps/v1/watch/namespaces/d/deployments?watch=0", ["watch", "apis", "apps", "v1", "d", "deployments", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp", ["list", "api", "", "v1", "", "pods", "", "p", ""]),
    ("GET", "/api/v1/pods?watch=1&fieldSelector=metadata.name%3D%3Dp", ["watch", "api", "", "v1", "", "pods", "", "p", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name!%3Dp", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn,metadata.name%3Dp", ["list", "api", "", "v1", "", "pods", "", "p", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Db,metadata.name%3Da", ["list", "api", "", "v1", "", "pods", "", "a", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp,nonsense", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Da%5C%2Cb", ["list", "api", "", "v1", "", "pods", "", "a,b", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Da%5Cb", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Da%2Fb", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3D..", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp&limit=x", ["list", "api", "", "v1", "", "pods", "", "", ""]),
    ("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dp&timeoutSeconds=60&limit=5", ["list", "api", "", "v1", "", "pods", "", "p", ""]),
];

#[test]
fn a_resource_request_is_read_as_kube_apiserver_reads_it() {
    for (method, target, expected) in RESOURCES {
        let info = read(&method.parse().unwrap(), target);
        let found = [
            info.verb.as_str(),
            info.api_prefix,
            info.group,
            info.version,
            info.namespace,
            info.resource,
            info.subresource,
            &*info.name,
            info.tail,
        ];
        assert_eq!(&found, expected, "{method} {target}");
        assert!(info.is_resource, "{method} {target}");
    }
}

#[test]
fn a_path_that_is_no_resource_keeps_its_method_as_verb() {
    for path in
        ["/", "/api", "/api/", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/version", "/a/b/c/d"]
    {
        for (method, verb) in [
            ("GET", "get"),
            ("HEAD", "head"),
            ("POST", "post"),
            ("PUT", "put"),
            ("PATCH", "patch"),
            ("DELETE", "delete"),
            ("OPTIONS", "options"),
        ] {
            let info = read(&method.parse().unwrap(), path);
            assert!(!info.is_resource, "{path}");
            assert_eq!((info.verb.as_str(), info.path, info.resource), (verb, path, ""));
        }
    }
}

#[test]
fn a_verb_prefix_with_nothing_after_it_is_an_error() {
    for path in ["/api/v1/watch", "/api/v1/proxy/", "/apis/apps/v1/watch"] {
        let refused = RequestInfo::read(&Method::GET, path, Query::default()).unwrap_err();
        assert!(matches!(refused, RequestInfoError::NothingAfterVerb(_)), "{path}");
    }
}

#[test]
fn selectors_are_kept_for_verbs_on_many_objects_only() {
    let query = "?fieldSelector=a%3Db&labelSelector=app+in+(x)";
    for (method, path, field, label) in [
        ("GET", "/api/v1/pods", "a=b", "app in (x)"),
        ("DELETE", "/api/v1/pods", "a=b", "app in (x)"),
        ("GET", "/api/v1/namespaces/d/pods/p", "", ""),
        ("POST", "/api/v1/namespaces/d/pods", "", ""),
        ("GET", "/api/v1/watch/pods", "", ""),
        ("GET", "/version", "", ""),
    ] {
        let target = format!("{path}{query}");
        let info = read(&method.parse().unwrap(), &target);
        assert_eq!((&*info.field_selector, &*info.label_selector), (field, label), "{method} {path}");
    }
}

#[test]
fn long_running_requests_are_told_apart() {
    for (target, long) in [
        ("/api/v1/pods", false),
        ("/api/v1/pods?watch=1", true),
        ("/api/v1/watch/pods", true),
        ("/api/v1/namespaces/d/pods/p/log", false),
        ("/api/v1/namespaces/d/pods/p/log?follow=false", false),
        ("/api/v1/namespaces/d/pods/p/log?follow=true", true),
        ("/api/v1/namespaces/d/pods/p/exec", true),
        ("/api/v1/namespaces/d/pods/p/attach", true),
        ("/api/v1/namespaces/d/pods/p/portforward", true),
        ("/api/v1/namespaces/d/services/s/proxy", true),
        ("/api/v1/namespaces/d/pods/p/status", false),
        ("/debug/pprof/profile", true),
        ("/version?watch=1", false),
    ] {
        let info = read(&Method::GET, target);
        let query = target.split_once('?').map_or("", |(_, query)| query);
        assert_eq!(info.is_long_running(Query::new(query)), long, "{target}");
    }
    assert!(read(&Method::GET, "/api/v1/pods?watch=1").is_watch());
    assert!(read(&Method::GET, "/api/v1/nodes/n/proxy").is_upgrade_subresource());
    assert!(Verb::Watch.is_read() && !Verb::Create.is_read());
}

fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
}

proptest! {
    #[test]
    fn no_path_makes_the_reader_panic(method in methods(), path in "\\PC{0,60}", query in "\\PC{0,60}") {
        let _ = RequestInfo::read(&method, &path, Query::new(&query));
    }

    /// What was read, joined again, is the path that came.
    #[test]
    fn the_parts_joined_again_are_the_path(
        method in methods(),
        path in "/apis?(/(v1|apps|namespaces|watch|proxy|status|pods|exec|a|b)){2,8}",
    ) {
        let Ok(info) = RequestInfo::read(&method, &path, Query::default()) else { return Ok(()) };
        if !info.is_resource {
            return Ok(());
        }
        let mut parts = vec![info.api_prefix];
        if info.api_prefix == "apis" {
            parts.push(info.group);
        }
        parts.push(info.version);
        let place = parts.len();
        let with_prefix = path.split('/').nth(place + 1).is_some_and(|s| s == "watch" || s == "proxy");
        if with_prefix {
            parts.push(info.verb.as_str());
        }
        // `namespaces/<name>` is the Namespace object itself, and then its own namespace.
        let own = info.resource == "namespaces" && *info.name == *info.namespace;
        let nested = path.matches("/namespaces").count() > 1;
        if !info.namespace.is_empty() && (!own || nested) {
            parts.extend(["namespaces", info.namespace]);
        }
        parts.extend([info.resource, &*info.name, info.subresource, info.tail].into_iter().filter(|p| !p.is_empty()));
        let joined = format!("/{}", parts.join("/"));
        prop_assert!(joined == path || (own && nested), "{} != {}", joined, path);
    }

    #[test]
    fn reading_twice_gives_the_same(method in methods(), path in "(/[a-z:.]{0,8}){0,9}", query in "[a-zA-Z=&%.0-9]{0,40}") {
        let first = RequestInfo::read(&method, &path, Query::new(&query));
        prop_assert_eq!(first, RequestInfo::read(&method, &path, Query::new(&query)));
    }
}
