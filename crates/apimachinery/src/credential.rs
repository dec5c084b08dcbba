//! The credential that a request brings: a token, as `Bearer`, in `Basic`, or in a WebSocket subprotocol.
//!
//! Whether the token is worth anything is not known here. A request that brings a broken credential is refused as a whole:
//! it is never taken for one that brings none.

mod subprotocol;

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

pub(crate) use subprotocol::holds_token;
pub use subprotocol::{Subprotocol, read_subprotocol};

/// The longest credential that is looked at, in bytes as sent.
pub const LONGEST: usize = 16 * 1024;

/// A token as a client sent it. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token<'a>(Cow<'a, str>);

impl Token<'_> {
    /// The secret itself; for hashing, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a credential is refused; always with 401. No message shows the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// More than one `Authorization` header, or more than one token among the subprotocols.
    #[error("more than one credential was sent")]
    Several,
    /// Another scheme than `Bearer` and `Basic`.
    #[error("the authorization scheme is neither `Bearer` nor `Basic`")]
    Scheme,
    /// No token, or only spaces.
    #[error("the credential is empty")]
    Empty,
    /// Spaces or other bytes inside that no token has.
    #[error("the credential holds characters that no token has")]
    Form,
    /// Not base64, or not UTF-8 below it.
    #[error("the credential is not well encoded")]
    Encoding,
    /// More than [`LONGEST`] bytes.
    #[error("the credential is too long")]
    TooLong,
    /// A token among the subprotocols and no other protocol that the server could choose.
    #[error("a subprotocol besides the one that holds the token is missing")]
    NoOtherProtocol,
}

/// Reads the token of the `Authorization` header; `None` when there is no such header.
///
/// With `Basic` the password is the token and the user name is not looked at, except that with an empty password the user
/// name is the token.
///
/// # Errors
/// Any header that is not exactly one well-formed credential; see [`CredentialError`].
pub fn read_authorization(headers: &HeaderMap) -> Result<Option<Token<'_>>, CredentialError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(CredentialError::Several);
    }
    if line.len() > LONGEST {
        return Err(CredentialError::TooLong);
    }
    let line = line.as_bytes().trim_ascii();
    let line = std::str::from_utf8(line).map_err(|_| CredentialError::Form)?;
    if line.is_empty() {
        return Err(CredentialError::Empty);
    }
    let (scheme, value) = line.split_once(' ').unwrap_or((line, ""));
    let basic = scheme.eq_ignore_ascii_case("basic");
    if !basic && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(CredentialError::Scheme);
    }
    // Clients put one space; servers differ on more.
    let token = plain(value)?;
    if basic { read_basic(token).map(Some) } else { Ok(Some(Token(Cow::Borrowed(token)))) }
}

/// The token in what follows `Basic`.
fn read_basic(encoded: &str) -> Result<Token<'static>, CredentialError> {
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| CredentialError::Encoding)?;
    let decoded = String::from_utf8(decoded).map_err(|_| CredentialError::Encoding)?;
    let (user, password) = decoded.split_once(':').ok_or(CredentialError::Encoding)?;
    let token = plain(if password.is_empty() { user } else { password })?;
    Ok(Token(Cow::Owned(token.to_owned())))
}

/// A token's text: visible ASCII without spaces.
fn plain(text: &str) -> Result<&str, CredentialError> {
    if text.is_empty() {
        Err(CredentialError::Empty)
    } else if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(CredentialError::Form)
    }
}
