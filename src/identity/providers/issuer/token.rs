//! Reading a signed token (RFC 7515, RFC 7519), and what its claims must say. Pure.

use apimachinery::json::{ContentType, decode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use crate::identity::provider::Refused;

/// The longest token that is read, in bytes: a request's head has no room for more.
pub const MAX_TOKEN: usize = 16 * 1024;
/// Seconds that a token may be from the future, since clocks differ.
const AHEAD: f64 = 60.0;
/// The event of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.4).
pub(crate) const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a token says.
pub type Claims = Map<String, Value>;

/// A token that was read: nothing in it is proved.
#[derive(Debug)]
pub struct Unverified<'a> {
    /// By which it says that it is signed; never a symmetric one.
    pub algorithm: Algorithm,
    /// The key that it names.
    pub key_id: Option<String>,
    /// `typ` of its header.
    pub kind: Option<String>,
    /// What it says.
    pub claims: Claims,
    signed: &'a str,
    signature: &'a str,
}

/// What a token must say to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who issued it.
    pub issuer: &'a str,
    /// For one of these it must be.
    pub audiences: &'a [String],
    /// Seconds after its end in which it is still good.
    pub leeway: u32,
}

impl<'a> Unverified<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// It is none, or signed in a way that proves nothing.
    pub fn read(token: &'a str) -> Result<Self, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(refused(format_args!("the token has more than {MAX_TOKEN} bytes")));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| refused("it is no signed token"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| refused("it is no signed token"))?;
        let header = object("header", header)?;
        let algorithm = algorithm(header.get("alg").and_then(Value::as_str).unwrap_or_default())?;
        // Whoever made it demands that what we do not know is understood (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err(refused("`crit` of the token's header names extensions, and none is known"));
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refused(format_args!("`{name}` of the token's header is no text"))),
        };
        let (key_id, kind) = (text("kid")?, text("typ")?);
        Ok(Self { algorithm, key_id, kind, claims: object("payload", payload)?, signed, signature })
    }

    /// Who it says issued it.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    pub(super) fn is_signed_with(&self, key: &DecodingKey) -> bool {
        crypto::verify(self.signature, self.signed.as_bytes(), key, self.algorithm).unwrap_or(false)
    }

    /// Checks issuer, audience and times, which every token has; gives its end.
    ///
    /// # Errors
    /// The claim that is wrong.
    pub fn check(&self, expected: &Expected<'_>, now: Timestamp) -> Result<Timestamp, Refused> {
        let claims = &self.claims;
        if self.issuer() != Some(expected.issuer) {
            let found = shown(claims.get("iss"));
            return Err(refused(format_args!("claim `iss`: expected `{}`, found {found}", expected.issuer)));
        }
        let audiences = strings(claims.get("aud")).unwrap_or_default();
        if !audiences.iter().any(|audience| expected.audiences.iter().any(|ours| ours == audience)) {
            let (ours, found) = (expected.audiences.join("`, `"), shown(claims.get("aud")));
            return Err(refused(format_args!("claim `aud`: expected one of `{ours}`, found {found}")));
        }
        let end = numeric_date(claims, "exp")?.ok_or_else(|| refused("claim `exp`: it is missing"))?;
        let present = seconds(now);
        if end + f64::from(expected.leeway) <= present {
            return Err(refused(format_args!("claim `exp`: the token expired {:.0} s ago", present - end)));
        }
        for name in ["nbf", "iat"] {
            let start = numeric_date(claims, name)?;
            if let Some(start) = start.filter(|start| present + AHEAD < *start) {
                let ahead = start - present;
                return Err(refused(format_args!("claim `{name}`: the token is from {ahead:.0} s in the future")));
            }
        }
        // A year that no timestamp has is as good as no end.
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds; what does not fit saturates")]
        Ok(Timestamp::from_second(end as i64).unwrap_or(Timestamp::MAX))
    }

    /// Whether it is a logout token: those look much like ID tokens.
    pub fn is_logout(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.to_ascii_lowercase().ends_with("logout+jwt"))
            || self.claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some()
    }
}

/// Asymmetric algorithms alone: never `none`, nor an HMAC, whose key could be a published one.
fn algorithm(name: &str) -> Result<Algorithm, Refused> {
    Ok(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        other => return Err(refused(format_args!("`alg` of the token's header is `{}`", cut(other)))),
    })
}

/// One part of a token: an object in which no key stands twice, since readers differ in which of the two holds.
fn object(part: &str, text: &str) -> Result<Map<String, Value>, Refused> {
    let wrong = |why: &dyn std::fmt::Display| refused(format_args!("the token's {part} cannot be read: {why}"));
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| wrong(&error))?;
    std::str::from_utf8(&bytes).map_err(|error| wrong(&error))?;
    let decoded = decode(&bytes, ContentType::Json).map_err(|error| wrong(&error))?;
    if let Some(duplicate) = decoded.duplicates.first() {
        return Err(wrong(&cut(duplicate)));
    }
    match decoded.value {
        Value::Object(object) => Ok(object),
        _ => Err(wrong(&"it is no object")),
    }
}

/// Seconds since 1970 in a claim (RFC 7519, 2), which may have a fraction.
///
/// # Errors
/// It is no number.
pub fn numeric_date(claims: &Claims, name: &str) -> Result<Option<f64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64().filter(|date| date.is_finite())),
        Some(other) => Err(refused(format_args!("claim `{name}`: expected a number, found {}", shown(Some(other))))),
    }
}

/// The texts of a claim that is a text or a list of texts; `None` for anything else.
pub fn strings(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this era have 31 bits")]
fn seconds(now: Timestamp) -> f64 {
    now.as_second() as f64
}

/// A claim's value as an administrator's log may show it: what a stranger wrote, cut, in one line.
pub(crate) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("`{}`", cut(&value.to_string())))
}

fn cut(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

fn refused(why: impl std::fmt::Display) -> Refused {
    Refused::Answer(why.to_string())
}

#[cfg(test)]
mod tests;
