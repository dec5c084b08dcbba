//! Which header names mean what, by any server's reading.

use http::HeaderName;

/// Names that say who is asking, or that carry a secret which proves it.
pub(super) fn is_identity(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    match name.first() {
        Some(b'a') => reads_as(name, b"authorization") || reads_as(name, b"audit-id"),
        Some(b'c') => reads_as(name, b"cookie") || reads_as(name, b"cookie2"),
        Some(b'i') => is_impersonation(name),
        Some(b'p') => reads_as(name, b"proxy-authorization"),
        Some(b'x') => {
            begins_as(name, b"x-remote-")
                || (begins_as(name, b"x-forwarded-") && FORWARDED_IDENTITY.iter().any(|known| reads_as(name, known)))
        }
        _ => false,
    }
}

/// What proxies report about the user; dropped even from a trusted one, as the gateway has decided who it is.
const FORWARDED_IDENTITY: [&[u8]; 6] = [
    b"x-forwarded-client-cert",
    b"x-forwarded-user",
    b"x-forwarded-email",
    b"x-forwarded-groups",
    b"x-forwarded-preferred-username",
    b"x-forwarded-access-token",
];

/// `impersonate` and `impersonate-…`, by any reading; takes the name in lower case.
pub(super) fn is_impersonation(name: &[u8]) -> bool {
    begins_as(name, b"impersonate-") || name == b"impersonate"
}

/// Names by which a proxy tells where a request came from.
pub(super) fn is_forwarded(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    match name.first() {
        Some(b'f') => reads_as(name, b"forwarded"),
        Some(b'x') => {
            begins_as(name, b"x-forwarded-") || reads_as(name, b"x-forwarded") || reads_as(name, b"x-real-ip")
        }
        _ => false,
    }
}

/// Names that speak about one connection only (RFC 9110, 7.6.1), besides those that `Connection` lists.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    match name.first() {
        Some(b'c') => reads_as(name, b"connection"),
        Some(b'h') => reads_as(name, b"http2-settings"),
        Some(b'k') => reads_as(name, b"keep-alive"),
        Some(b'p') => begins_as(name, b"proxy-"),
        Some(b't') => reads_as(name, b"te") || reads_as(name, b"trailer") || reads_as(name, b"transfer-encoding"),
        Some(b'u') => reads_as(name, b"upgrade"),
        _ => false,
    }
}

/// Names that decide where a message ends or goes, which a trailer must not change.
pub(super) fn is_framing_or_routing(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    [b"content-length".as_slice(), b"content-encoding", b"content-type", b"content-range", b"host", b"expect"]
        .iter()
        .any(|known| reads_as(name, known))
}

/// Whether some server reads `name` as `known`.
fn reads_as(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && begins_as(name, known)
}

/// Whether some server reads the beginning of `name` as `known`.
fn begins_as(name: &[u8], known: &[u8]) -> bool {
    name.len() >= known.len()
        && name
            .iter()
            .zip(known)
            .all(|(byte, wanted)| byte == wanted || (*wanted == b'-' && !byte.is_ascii_alphanumeric()))
}
