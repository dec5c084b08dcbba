//! One canonical reading of a request target.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use apimachinery::request_info::RequestInfo;
use apimachinery::target::{Routing, Target, TargetError, read};
use http::{Method, StatusCode, Uri, Version};
use proptest::prelude::*;

fn get(uri: &Uri) -> Result<Target<'_>, TargetError> {
    read(Version::HTTP_11, &Method::GET, uri, Routing::Path)
}

fn refusal(target: &str) -> TargetError {
    let uri: Uri = target.parse().unwrap();
    match get(&uri) {
        Ok(read) => panic!("`{target}` was read as `{}`", read.path()),
        Err(refused) => refused,
    }
}

fn path_of(target: &str) -> String {
    let uri: Uri = target.parse().unwrap();
    get(&uri).unwrap_or_else(|e| panic!("`{target}`: {e}")).path().to_owned()
}

#[test]
fn a_path_below_a_cluster_is_split_and_passed_on_as_it_came() {
    let uri: Uri = "/k8s/clusters/c-m-abc12/api/v1/namespaces/dev/pods?limit=500".parse().unwrap();
    let target = get(&uri).unwrap();
    assert_eq!(target.cluster(), Some("c-m-abc12"));
    assert_eq!(target.path(), "/api/v1/namespaces/dev/pods");
    assert_eq!(target.raw_path(), "/api/v1/namespaces/dev/pods");
    let mut out = String::new();
    target.write_path_and_query(&mut out);
    assert_eq!(out, "/api/v1/namespaces/dev/pods?limit=500");
}

#[test]
fn a_cluster_alone_has_the_root_path() {
    let uri: Uri = "/k8s/clusters/local".parse().unwrap();
    let target = get(&uri).unwrap();
    assert_eq!((target.cluster(), target.raw_path()), (Some("local"), "/"));
}

#[test]
fn routed_by_host_a_cluster_path_is_only_a_path() {
    let uri: Uri = "/k8s/clusters/local/api".parse().unwrap();
    let target = read(Version::HTTP_11, &Method::GET, &uri, Routing::Host).unwrap();
    assert_eq!((target.cluster(), target.path()), (None, "/k8s/clusters/local/api"));
}

#[test]
fn a_colon_in_a_name_is_read_alike_plain_and_encoded() {
    let plain = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node";
    assert_eq!(path_of(plain), plain);
    assert_eq!(path_of("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"), plain);
    assert_eq!(path_of("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3anode/"), format!("{plain}/"));
}

#[test]
fn dots_that_are_not_a_segment_are_part_of_a_name() {
    for path in ["/a/..b", "/a/b..", "/a/...", "/a/.hidden", "/a/b.c"] {
        assert_eq!(path_of(path), path);
    }
}

/// H12
#[test]
fn a_path_with_two_readings_is_refused() {
    for (path, why) in [
        ("//api/v1/pods", TargetError::EmptySegment),
        ("/api//v1/pods", TargetError::EmptySegment),
        ("/api/v1/pods//", TargetError::EmptySegment),
        ("/api/./v1", TargetError::DotSegment),
        ("/api/..", TargetError::DotSegment),
        ("/api/../v1", TargetError::DotSegment),
        ("/.", TargetError::DotSegment),
        ("/api/%2e%2e/v1", TargetError::DotSegment),
        ("/api/.%2E/v1", TargetError::DotSegment),
        ("/api/%2e/v1", TargetError::DotSegment),
        ("/api/v1/namespaces/a%2fb/pods", TargetError::Byte("%2F")),
        ("/api/v1/namespaces/a%2Fb/pods", TargetError::Byte("%2F")),
        ("/api/v1/pods/a%5cb", TargetError::Byte("\\")),
        ("/api/v1/pods/a%00", TargetError::Byte("%00")),
        ("/api/v1/pods/a%0d%0aX:y", TargetError::Byte("a control byte")),
        ("/api/v1/pods/a%7F", TargetError::Byte("a control byte")),
        ("/api/v1/pods;x=y/a", TargetError::Byte(";")),
        ("/api/v1/pods/..;/a", TargetError::Byte(";")),
        ("/api/v1/pods/a%3B", TargetError::Byte(";")),
        ("/api/v1/pods/%252e", TargetError::Byte("%25")),
        ("/api/v1/pods/%2", TargetError::PercentEncoding),
        ("/api/v1/pods/%", TargetError::PercentEncoding),
        ("/api/v1/pods/%zz", TargetError::PercentEncoding),
        ("/api/v1/pods/%ff", TargetError::NotUtf8),
        ("/k8s/clusters/c1//api", TargetError::EmptySegment),
        ("/k8s/clusters/c1/../c2/api", TargetError::DotSegment),
    ] {
        let refused = refusal(path);
        assert_eq!(refused, why, "`{path}`");
        assert_eq!(refused.code(), StatusCode::BAD_REQUEST);
    }
}

/// H12
#[test]
fn a_cluster_id_is_a_label_and_nothing_else() {
    for path in [
        "/k8s/clusters/",
        "/k8s/clusters//api",
        "/k8s/clusters/UP/api",
        "/k8s/clusters/c%2d1/api",
        "/k8s/clusters/a%2fb/api",
        "/k8s/clusters/../api",
        "/k8s/clusters/-a/api",
        "/k8s/clusters/a-/api",
        "/k8s/clusters/a.b/api",
        "/k8s/clusters/a_b",
        &format!("/k8s/clusters/{}/api", "a".repeat(64)),
    ] {
        assert_eq!(refusal(path), TargetError::ClusterId, "`{path}`");
    }
    assert_eq!(TargetError::ClusterId.code(), StatusCode::NOT_FOUND);
}

const PROXY: &str = "/api/v1/namespaces/dev/services/https:web:8443/proxy";

#[test]
fn below_a_proxy_the_application_decides_what_a_path_means() {
    for (tail, decoded) in [
        ("//a//b", "//a//b"),
        ("/a;jsessionid=1/b", "/a;jsessionid=1/b"),
        ("/projects/group%2Fname", "/projects/group/name"),
        ("/100%25", "/100%"),
        ("/a%3Bb", "/a;b"),
        ("/%252e%252e/", "/%2e%2e/"),
    ] {
        assert_eq!(path_of(&format!("{PROXY}{tail}")), format!("{PROXY}{decoded}"));
        assert_eq!(path_of(&format!("/api/v1/nodes/n/proxy{tail}")), format!("/api/v1/nodes/n/proxy{decoded}"));
    }
}

/// H12
#[test]
fn below_a_proxy_no_dot_segment_passes_in_any_spelling() {
    for (tail, why) in [
        ("/../exec", TargetError::DotSegment),
        ("//..", TargetError::DotSegment),
        ("/%2e%2e/", TargetError::DotSegment),
        ("/a%2f..%2fb", TargetError::DotSegment),
        ("/a%2F%2e%2E%2Fb", TargetError::DotSegment),
        ("/..;/..;/x", TargetError::DotSegment),
        ("/%2e%2e%3Bx/", TargetError::DotSegment),
        ("/;/./", TargetError::DotSegment),
        ("//a%5cb", TargetError::Byte("\\")),
        ("//a%00", TargetError::Byte("%00")),
        ("//a%0a", TargetError::Byte("a control byte")),
        ("//%f", TargetError::PercentEncoding),
        ("//%ff", TargetError::NotUtf8),
    ] {
        assert_eq!(refusal(&format!("{PROXY}{tail}")), why, "`{tail}`");
    }
}

/// H12
#[test]
fn what_stands_before_a_proxied_path_is_read_strictly() {
    for path in [
        "/api/v1/namespaces/dev/services/a%2fb/proxy//x",
        "/api/v1/namespaces/dev//services/web/proxy/x",
        "/api/v1/namespaces/dev/services/web/%70roxy//x",
        "/api/v1/namespaces/dev/services/web/exec//proxy/x",
        "/api/v1/namespaces/dev/proxy/x//y",
        "/api/v1/proxy/namespaces/dev/pods/x//y",
        "/api/v1/watch/nodes/n/proxy//y",
        "/api/v1/namespaces/dev/status/proxy//x",
        "/other/v1/nodes/n/proxy//x",
    ] {
        let refused = refusal(path);
        assert!(matches!(refused, TargetError::EmptySegment | TargetError::Byte("%2F")), "`{path}`: {refused}");
    }
}

/// H13
#[test]
fn a_method_that_kubernetes_does_not_serve_is_not_allowed() {
    let uri: Uri = "/api".parse().unwrap();
    for method in ["CONNECT", "TRACE", "get", "PROPFIND", "WATCH"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let refused = read(Version::HTTP_11, &method, &uri, Routing::Path).unwrap_err();
        assert_eq!(refused.code(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

/// H11
#[test]
fn only_a_target_in_origin_form_is_read() {
    for target in ["http://other/api", "other:443", "*"] {
        assert_eq!(refusal(target), TargetError::Form, "`{target}`");
    }
    let uri: Uri = "https://drover/api".parse().unwrap();
    let target = read(Version::HTTP_2, &Method::GET, &uri, Routing::Path).unwrap();
    assert_eq!(target.path(), "/api");
}

/// H13
#[test]
fn a_query_key_that_decides_the_verb_comes_once() {
    for (query, key) in [
        ("watch=true&watch=false", "watch"),
        ("watch&watch", "watch"),
        ("watch=true&w%61tch=false", "watch"),
        ("fieldSelector=a%3Db&limit=1&fieldSelector=c%3Dd", "fieldSelector"),
        ("labelSelector=a&labelSelector=b", "labelSelector"),
        ("dryRun=All&dryRun=", "dryRun"),
        ("follow=1&follow=0", "follow"),
        ("container=a&container=b", "container"),
    ] {
        assert_eq!(refusal(&format!("/api/v1/pods?{query}")), TargetError::RepeatedKey(key), "`{query}`");
    }
    for query in ["a;watch=true", "watch=true;b"] {
        assert_eq!(refusal(&format!("/api/v1/pods?{query}")), TargetError::QuerySemicolon);
    }
    assert_eq!(refusal("/api/v1/pods?watch=%zz"), TargetError::PercentEncoding);
    assert_eq!(refusal("/api/v1/pods?a%=1"), TargetError::PercentEncoding);
    assert_eq!(refusal("/api/v1/pods?fieldSelector=%ff"), TargetError::NotUtf8);
}

#[test]
fn the_words_of_a_command_may_repeat() {
    let uri: Uri =
        "/api/v1/namespaces/d/pods/p/exec?command=ls&command=-l&command=%ff&stdin=true&tty=true".parse().unwrap();
    let target = get(&uri).unwrap();
    let words: Vec<_> = target.query().pairs().filter(|(k, _)| k == "command").map(|(_, v)| v.into_owned()).collect();
    assert_eq!(words, ["ls", "-l", "\u{fffd}"]);
}

#[test]
fn below_a_proxy_the_query_is_the_applications() {
    let uri: Uri = format!("{PROXY}/x?watch=1&watch=2;a&b=%").parse().unwrap();
    assert!(get(&uri).is_ok());
}

#[test]
fn a_query_is_decoded_as_forms_are() {
    let uri: Uri = "/a?labelSelector=app+in+%28a%2Cb%29&&flag&x=1=2".parse().unwrap();
    let query = get(&uri).unwrap().query();
    let pairs: Vec<_> = query.pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let expected = [("labelSelector", "app in (a,b)"), ("flag", ""), ("x", "1=2")];
    assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(query.flag("flag"));
    assert!(!query.flag("absent"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(path in "/[ -~]{0,60}", host in any::<bool>()) {
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let routing = if host { Routing::Host } else { Routing::Path };
        let _ = read(Version::HTTP_11, &Method::GET, &uri, routing);
    }

    /// H12: the decoded path, split at its slashes, is what any server makes of the raw one.
    #[test]
    fn what_is_read_is_what_is_forwarded(
        path in "(/(k8s|clusters|api|apis|v1|namespaces|pods|proxy|watch|\\.|\\.\\.|%2e|%2f|%70|;|a|c1|%25|%5c|%00)?){0,12}",
    ) {
        prop_assume!(path.starts_with('/'));
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let Ok(target) = get(&uri) else { return Ok(()) };
        let prefix = target.cluster().map(|id| format!("/k8s/clusters/{id}")).unwrap_or_default();
        let joined = format!("{prefix}{}", target.raw_path());
        let whole = joined == uri.path() || joined.strip_suffix('/') == Some(uri.path());
        prop_assert!(whole, "{} from {}", joined, uri.path());
        let decoded = percent_encoding::percent_decode_str(target.raw_path()).decode_utf8().unwrap();
        prop_assert_eq!(&*decoded, target.path());
        prop_assert!(!target.path().split('/').any(|s| s == "." || s == ".."));
        let segments = |text: &str| text.trim_matches('/').split('/').count();
        if segments(target.raw_path()) != segments(target.path()) || target.path().contains("//") || target.path().contains(';') {
            let info = RequestInfo::of(&Method::GET, &target).unwrap();
            prop_assert_eq!(info.subresource, "proxy");
        }
    }
}
