//! Which cluster, and what of it: by path `/k8s/clusters/<id>/…` or by host `<id>.<base domain>`.

use apimachinery::{
    route,
    target::{self, Routing, Target},
};
use http::{HeaderMap, Method, Uri, Version, header};

use super::Refusal;

/// Where a request goes.
#[derive(Debug)]
pub struct Route<'a> {
    /// What is asked for.
    pub target: Target<'a>,
    /// The cluster that the host names.
    by_host: Option<Box<str>>,
}

impl Route<'_> {
    /// The cluster; `None` for a page of Drover itself.
    pub fn cluster(&self) -> Option<&str> {
        self.by_host.as_deref().or_else(|| self.target.cluster())
    }

    /// Whether the cluster was named by path, so that links in its answers need the prefix.
    pub const fn is_prefixed(&self) -> bool {
        self.by_host.is_none()
    }
}

/// Reads host and target. For an extended CONNECT, `method` is the GET that it stands for.
///
/// # Errors
/// A host or target that could be read in two ways.
pub fn route<'a>(
    version: Version,
    method: &Method,
    uri: &'a Uri,
    headers: &HeaderMap,
    base_domain: Option<&str>,
) -> Result<Route<'a>, Refusal> {
    let host = host(uri, headers)?;
    let by_host = base_domain.and_then(|domain| route::by_host(host, domain)).map(|id| Box::from(&*id));
    let routing = if by_host.is_some() { Routing::Host } else { Routing::Path };
    let target = target::read(version, method, uri, routing)?;
    Ok(Route { target, by_host })
}

/// The one host that a request names.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
    let mut lines = headers.get_all(header::HOST).iter();
    let header = lines.next().map(|value| value.to_str().map_err(|_| Refusal::Host)).transpose()?;
    if lines.next().is_some() {
        return Err(Refusal::Host);
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    match (authority, header) {
        (Some(authority), Some(header)) if !authority.eq_ignore_ascii_case(header) => Err(Refusal::Host),
        (Some(host), _) | (None, Some(host)) if !host.is_empty() && !host.contains('@') => Ok(host),
        _ => Err(Refusal::Host),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

    use super::{Refusal, route};

    fn hosts(hosts: &[&'static str]) -> HeaderMap {
        hosts.iter().map(|host| (header::HOST, HeaderValue::from_static(host))).collect()
    }

    #[test]
    fn a_cluster_is_named_by_path_or_by_host() {
        let read = |uri: &'static str, host, domain| {
            let uri = Uri::from_static(uri);
            let route = route(Version::HTTP_11, &Method::GET, &uri, &hosts(&[host]), domain).unwrap();
            (route.cluster().map(str::to_owned), route.target.path().to_owned(), route.is_prefixed())
        };
        let by_path = (Some("c-1".to_owned()), "/api/v1/pods".to_owned(), true);
        assert_eq!(read("/k8s/clusters/c-1/api/v1/pods", "drover.example.org", None), by_path);
        assert_eq!(read("/k8s/clusters/c-1/api/v1/pods", "k8s.example.org", Some("k8s.example.org")), by_path);
        let by_host = (Some("c-2".to_owned()), "/api/v1/pods".to_owned(), false);
        assert_eq!(read("/api/v1/pods", "c-2.k8s.example.org:8443", Some("k8s.example.org")), by_host);
    }

    /// H11: `Host` ≠ `:authority`, two hosts, none.
    #[test]
    fn a_request_with_two_hosts_or_none_is_refused() {
        let uri = Uri::from_static("/k8s/clusters/c-1/version");
        for names in [&["a", "b"][..], &[], &[""], &["u@a"]] {
            let read = route(Version::HTTP_11, &Method::GET, &uri, &hosts(names), None);
            assert!(matches!(read, Err(Refusal::Host)), "{names:?}");
        }
        let uri = Uri::from_static("https://a/k8s/clusters/c-1/version");
        assert!(matches!(route(Version::HTTP_2, &Method::GET, &uri, &hosts(&["b"]), None), Err(Refusal::Host)));
        assert!(route(Version::HTTP_2, &Method::GET, &uri, &hosts(&[]), None).is_ok());
    }
}
