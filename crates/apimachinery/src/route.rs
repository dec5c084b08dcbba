//! Which cluster a request is for: by path (`/k8s/clusters/<id>/…`) or by host name (`<id>.<base domain>`).
//!
//! The path form is Rancher's, so that kubeconfigs written for Rancher keep working.

use std::borrow::Cow;

/// What every path for a cluster begins with.
pub const CLUSTER_PREFIX: &str = "/k8s/clusters/";

/// The longest DNS label (RFC 1035).
const LONGEST_LABEL: usize = 63;

/// Whether `id` can name a cluster: a DNS label as RFC 1123 has it, lower case, 1 to 63 bytes.
///
/// `local`, `c-m-abc12` and `c-xxxxx` are such.
pub fn is_cluster_id(id: &str) -> bool {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    id.len() <= LONGEST_LABEL
        && id.bytes().next().is_some_and(|b| b != b'-')
        && id.bytes().next_back().is_some_and(|b| b != b'-')
        && id.as_bytes().iter().all(inner)
}

/// Splits `/k8s/clusters/<id>/rest` into the cluster's id and `/rest`.
///
/// Takes the path as it came, percent-encoded: an id has no byte that needs encoding, so an encoded one is no id.
/// `/k8s/clusters/<id>` alone has the rest `/`. `None` when the path is not of that form.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix(CLUSTER_PREFIX)?;
    let (id, rest) = match below.find('/') {
        Some(at) => below.split_at(at),
        None => (below, "/"),
    };
    is_cluster_id(id).then_some((id, rest))
}

/// The cluster's id when `host` is `<id>.<base domain>`; a port, a final dot and the case of letters do not matter.
///
/// `base_domain` is given without a leading dot. `None` when the host is another one, the base domain itself included.
pub fn by_host<'a>(host: &'a str, base_domain: &str) -> Option<Cow<'a, str>> {
    if base_domain.is_empty() {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) => return None,
        None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let (id, domain) = name.split_once('.')?;
    if !domain.eq_ignore_ascii_case(base_domain) {
        return None;
    }
    let id = if id.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(id.to_ascii_lowercase())
    } else {
        Cow::Borrowed(id)
    };
    is_cluster_id(&id).then_some(id)
}
