//! What may and may not pass from a client's headers to a cluster.
//!
//! The order matters: [`impersonation`](read_impersonation) is read first; then [`strip_hop_by_hop`], so that no
//! `Connection` list can name what is set later; then [`remove_identity_headers`]; then the decided identity is set by
//! [`Rendered::apply`]. Nothing here allocates for a request that holds nothing to remove.
//!
//! A name counts by every reading that a server behind could give it: header names carry no case here, and any byte
//! that is no letter or digit counts as `-`, since CGI-like servers read `impersonate_user` as `Impersonate-User`.

mod hop_by_hop;
mod identity;
mod impersonation;
mod names;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, SEC_WEBSOCKET_PROTOCOL};

use crate::credential::holds_token;
pub use hop_by_hop::strip_hop_by_hop;
pub use identity::{Identity, RenderError, Rendered, render_identity};
pub use impersonation::{ImpersonationError, ImpersonationRequest, read_impersonation};

/// What becomes of `Forwarded`, `X-Forwarded-*` and `X-Real-IP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// They come from a proxy that the admin trusts, and pass.
    Keep,
    /// They could be anybody's, and go.
    Drop,
}

/// Removes every header by which some server could take the request for somebody's: credentials, cookies,
/// `Impersonate-*`, `X-Remote-*`, client certificates and users that a proxy reports, `Audit-ID`; and subprotocols as a
/// whole where a token is among them, which the caller sets again without it.
pub fn remove_identity_headers(headers: &mut HeaderMap, forwarded: Forwarded) {
    let mut authorization = false;
    let mut subprotocols = false;
    let mut others = Vec::new();
    for name in headers.keys() {
        if *name == AUTHORIZATION {
            authorization = true;
        } else if *name == SEC_WEBSOCKET_PROTOCOL {
            subprotocols = true;
        } else if names::is_identity(name) || (forwarded == Forwarded::Drop && names::is_forwarded(name)) {
            others.push(name.clone());
        }
    }
    if authorization {
        headers.remove(AUTHORIZATION);
    }
    if subprotocols && headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(holds_token) {
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
    }
    remove_all(headers, &others);
}

/// Whether some server could take a header of this name for a statement about who is asking.
pub fn is_identity_header(name: &HeaderName) -> bool {
    names::is_identity(name)
}

/// Drops from trailers all that must not come late: identity, hop-by-hop, framing, routing.
pub fn sanitise_trailers(trailers: &mut HeaderMap) {
    let refused = |name: &&HeaderName| {
        names::is_identity(name)
            || names::is_forwarded(name)
            || names::is_hop_by_hop(name)
            || names::is_framing_or_routing(name)
    };
    let dropped: Vec<HeaderName> = trailers.keys().filter(refused).cloned().collect();
    strip_hop_by_hop(trailers);
    remove_all(trailers, &dropped);
}

fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
