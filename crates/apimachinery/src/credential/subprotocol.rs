//! A token among the WebSocket subprotocols: how a browser, which cannot set headers on a WebSocket, brings one.
//!
//! See `k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go`.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

use super::{CredentialError, LONGEST, Token, plain};

/// What the subprotocol that holds a token begins with.
const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// A token that came among the subprotocols, and the header without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprotocol {
    /// The token.
    pub token: Token<'static>,
    /// The other protocols: what takes the place of `Sec-WebSocket-Protocol` before the request is forwarded.
    pub protocols: HeaderValue,
}

/// Reads the token among the subprotocols; `None` when there is none.
///
/// To be called for every request with such a header, WebSocket or not, so that no token is ever forwarded.
///
/// # Errors
/// Several tokens, a badly encoded or empty one, or no other protocol; see [`CredentialError`].
pub fn read_subprotocol(headers: &HeaderMap) -> Result<Option<Subprotocol>, CredentialError> {
    let mut lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut token = None;
    let mut others = String::new();
    for line in lines {
        let line = std::str::from_utf8(line.as_bytes()).map_err(|_| CredentialError::Form)?;
        for protocol in line.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
            if let Some(encoded) = protocol.strip_prefix(PREFIX) {
                if token.replace(decode(encoded)?).is_some() {
                    return Err(CredentialError::Several);
                }
            } else {
                if !others.is_empty() {
                    others.push_str(", ");
                }
                others.push_str(protocol);
            }
        }
    }
    let Some(token) = token else {
        return Ok(None);
    };
    if others.is_empty() {
        return Err(CredentialError::NoOtherProtocol);
    }
    let protocols = HeaderValue::try_from(others).map_err(|_| CredentialError::Form)?;
    Ok(Some(Subprotocol { token, protocols }))
}

/// Whether a line of subprotocols holds a token, well formed or not.
pub(crate) fn holds_token(line: &HeaderValue) -> bool {
    let begins =
        |protocol: &[u8]| protocol.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX.as_bytes()));
    line.as_bytes().split(|byte| *byte == b',').any(|protocol| begins(protocol.trim_ascii()))
}

fn decode(encoded: &str) -> Result<Token<'static>, CredentialError> {
    if encoded.len() > LONGEST {
        return Err(CredentialError::TooLong);
    }
    let token = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| CredentialError::Encoding)?;
    let token = String::from_utf8(token).map_err(|_| CredentialError::Encoding)?;
    Ok(Token(Cow::Owned(plain(&token)?.to_owned())))
}
