//! Who calls? One credential, read strictly; one hash; one look-up. No IO, no write.

use apimachinery::credential;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::{Peer, Refusal};
use crate::{
    identity::{Identity, Presented},
    world::{TokenHash, World},
};

/// A caller, what proved it, and what must not go on to the cluster.
#[derive(Debug)]
pub struct Authenticated {
    /// The caller.
    pub identity: Identity,
    /// What was presented.
    pub presented: Presented,
    /// `Sec-WebSocket-Protocol` without the credential, where one was in it.
    pub protocols: Option<HeaderValue>,
}

/// Reads the one credential of a request: `Authorization`, a WebSocket subprotocol, or the connection's certificate.
///
/// # Errors
/// No credential, an unreadable one, more than one, or one that proves nothing.
pub fn authenticate(
    headers: &HeaderMap,
    peer: &Peer,
    upgrade: bool,
    world: &World,
    now: Timestamp,
) -> Result<Authenticated, Refusal> {
    let bearer = credential::read_authorization(headers)?;
    let websocket = if upgrade && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        credential::read_subprotocol(headers)?
    } else {
        None
    };
    let (token, protocols) = match (bearer, websocket) {
        (Some(token), None) => (Some(token), None),
        (None, Some(websocket)) => (Some(websocket.token), Some(websocket.protocols)),
        (None, None) => (None, None),
        // Two credentials are two answers to who calls.
        (Some(_), Some(_)) => return Err(Refusal::Credential(credential::CredentialError::Several)),
    };
    let presented = match (&token, &peer.certificate) {
        (Some(token), _) => Presented::Token(TokenHash::of(token.expose())),
        (None, Some(certificate)) => Presented::Certificate(std::sync::Arc::clone(certificate)),
        (None, None) => return Err(Refusal::Anonymous),
    };
    let identity = Identity::of(&presented, world, now)?;
    Ok(Authenticated { identity, presented, protocols })
}
