//! Headers that speak about one connection only.

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName};

use super::names;

/// Removes what is meant for this connection: the names that `Connection` lists (in any case, in several lines),
/// `Connection` itself, `Keep-Alive`, `Proxy-*`, `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade`.
///
/// Must run before any header of our own is set: RFC 9110 lets a client list any name (CVE-2022-23652).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let mut found: Vec<HeaderName> = headers.keys().filter(|name| names::is_hop_by_hop(name)).cloned().collect();
    if found.is_empty() {
        return;
    }
    for line in headers.get_all(CONNECTION) {
        let listed = line.as_bytes().split(|byte| *byte == b',');
        found.extend(listed.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
    }
    super::remove_all(headers, &found);
}
