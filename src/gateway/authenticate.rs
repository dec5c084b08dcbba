//! Who calls? One credential, read strictly; one hash; one look-up. No IO, no write.
//!
//! Nothing but the token's hash is looked up, and by it alone: the work for a token that nobody has is that for one that
//! somebody has, and the user name beside a password is not read at all. Only in the management plane's own cluster is a signed
//! token that nobody has shown to the plane, which may know it for one of its service accounts'.

use std::sync::Arc;

use apimachinery::credential;
use http::{HeaderMap, HeaderValue, Method, Uri, header, uri::Authority};
use jiff::Timestamp;

use super::{Peer, Refusal};
use crate::{
    identity::{
        Accounts, Credential, Identity, Presented, ServiceAccount, Unauthenticated, Verifier, account::is_signed,
        signed::is_verifiable,
    },
    web::cookies,
    world::{TokenHash, World},
};

/// A caller, what proved it, and what must not go on to the cluster.
#[derive(Debug)]
pub struct Authenticated {
    /// The caller.
    pub identity: Identity,
    /// What was presented.
    pub presented: Presented,
    /// Whether it comes from a browser, which holds a session or may come to hold one, whatever was presented.
    pub browser: bool,
    /// `Sec-WebSocket-Protocol` without the credential, where one was in it.
    pub protocols: Option<HeaderValue>,
}

/// Reads the one credential of a request: `Authorization`, a WebSocket subprotocol, or the connection's certificate.
///
/// `accounts` are those of the cluster that is asked for, if it has any.
///
/// # Errors
/// No credential, an unreadable one, more than one, one that proves nothing, or one that a page of another origin uses.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a request that can hold a credential, and what it is judged by"
)]
pub fn authenticate(
    method: &Method,
    headers: &HeaderMap,
    uri: &Uri,
    peer: &Peer,
    upgrade: bool,
    world: &World,
    accounts: Option<&dyn Accounts>,
    verifier: Option<&dyn Verifier>,
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
    let session = if token.is_none() { cookies::read(headers, cookies::SESSION) } else { None };
    let presented = match (&token, session, &peer.certificate) {
        (Some(token), ..) => Presented::Token(TokenHash::of(token.expose())),
        (None, Some(session), _) => Presented::Token(TokenHash::of(session)),
        (None, None, Some(certificate)) => Presented::Certificate(Arc::clone(certificate)),
        (None, None, None) => return Err(Refusal::Anonymous),
    };
    let browser = is_browser(headers);
    if session.is_some() && !is_from_own_page(method, headers, upgrade) {
        return Err(Refusal::ForeignOrigin);
    }
    if headers.contains_key(header::ORIGIN) && is_ambient(token.is_some(), headers) && is_foreign(headers, uri) {
        return Err(Refusal::ForeignOrigin);
    }
    match Identity::of(&presented, world, now) {
        Ok(identity) => {
            if let Credential::Token(token) = &identity.credential {
                token.used.raise(now);
            }
            Ok(Authenticated { identity, presented, browser, protocols })
        }
        // What is no token of Drover's, and nothing that one of them was: a token that ended is not asked about elsewhere.
        Err(Unauthenticated::Unknown) => {
            let token = token.as_ref().map(credential::Token::expose).ok_or(Unauthenticated::Unknown)?;
            if is_signed(token)
                && let Some(account) = accounts.and_then(|accounts| accounts.of_token(token))
            {
                let identity = Identity::of_account(&account);
                return Ok(Authenticated { identity, presented: Presented::Account(account), browser, protocols });
            }
            let verifier = verifier.filter(|_| is_verifiable(token, world)).ok_or(Unauthenticated::Unknown)?;
            let known = verifier.cached(&TokenHash::of(token), now).ok_or(Unauthenticated::NotVerified)?;
            let presented = Presented::IdToken(known);
            let identity = Identity::of(&presented, world, now)?;
            Ok(Authenticated { identity, presented, browser, protocols })
        }
        Err(refused) => Err(refused.into()),
    }
}

/// A service account of a cluster that vouched for it, as the caller of that cluster.
pub fn of_account(account: Arc<ServiceAccount>, headers: &HeaderMap, upgrade: bool) -> Authenticated {
    let websocket = if upgrade { credential::read_subprotocol(headers).ok().flatten() } else { None };
    Authenticated {
        identity: Identity::of_account(&account),
        presented: Presented::Account(account),
        browser: is_browser(headers),
        protocols: websocket.map(|websocket| websocket.protocols),
    }
}

/// The token of a request of which [`authenticate`] said that it is not verified yet.
pub fn unverified(headers: &HeaderMap, upgrade: bool) -> Option<String> {
    let token = match credential::read_authorization(headers).ok()? {
        Some(token) => token,
        None if upgrade => credential::read_subprotocol(headers).ok()??.token,
        None => return None,
    };
    Some(token.expose().to_owned())
}

/// Whether it comes from a browser: it says so, or it has the session's cookie.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-mode") || cookies::is_there(headers, cookies::SESSION)
}

/// Whether a browser adds this credential by itself, whichever page asks: a client certificate, a password it remembers.
fn is_ambient(token: bool, headers: &HeaderMap) -> bool {
    !token || is_basic(headers)
}

/// Whether it is a password that a browser may remember.
pub fn is_basic(headers: &HeaderMap) -> bool {
    let basic = |value: &HeaderValue| value.as_bytes().get(..5).is_some_and(|it| it.eq_ignore_ascii_case(b"basic"));
    headers.get(header::AUTHORIZATION).is_some_and(basic)
}

/// Whether a browser says that it uses its session for a page of this host, or for the person itself (H14). What changes
/// anything, and every upgrade, must say so by its origin; whether that is this host is looked at for every credential alike.
fn is_from_own_page(method: &Method, headers: &HeaderMap, upgrade: bool) -> bool {
    let site = headers.get("sec-fetch-site");
    let reads = method.is_safe() && !upgrade;
    let own = site.is_none_or(|site| site == "same-origin" || (site == "none" && reads));
    own && (reads || headers.contains_key(header::ORIGIN))
}

/// Whether the page that asks, as its browser says, is not one of the host that is asked (H14).
pub fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    let header = |name| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
    };
    let host = uri.authority().map(Authority::as_str).or_else(|| header(header::HOST));
    let origin = header(header::ORIGIN).and_then(|origin| origin.strip_prefix("https://"));
    let plain = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    origin.is_none() || origin.map(plain) != host.map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    /// H14.
    #[test]
    fn an_origin_is_foreign_unless_it_is_the_very_host_that_is_asked() {
        let http1 = Uri::from_static("/version");
        let http2 = Uri::from_static("https://drover.example.org:8443/version");
        for (host, origin, foreign) in [
            ("drover.example.org", "https://drover.example.org", false),
            ("drover.example.org", "https://Drover.Example.org:443", false),
            ("drover.example.org:443", "https://drover.example.org", false),
            ("drover.example.org:8443", "https://drover.example.org", true),
            ("drover.example.org", "http://drover.example.org", true),
            ("drover.example.org", "https://drover.example.org.evil.example", true),
            ("drover.example.org", "null", true),
            ("drover.example.org", "", true),
        ] {
            let headers = headers(&[(header::HOST, host), (header::ORIGIN, origin)]);
            assert_eq!(is_foreign(&headers, &http1), foreign, "{host} {origin}");
        }
        let own = headers(&[(header::ORIGIN, "https://drover.example.org:8443")]);
        assert!(!is_foreign(&own, &http2));
        let twice = [(header::ORIGIN, "https://drover.example.org:8443"), (header::ORIGIN, "https://evil.example")];
        assert!(is_foreign(&headers(&twice), &http2));
    }

    /// T5: after this nothing of the user name exists that later work could depend on.
    #[test]
    fn a_password_is_looked_up_by_its_hash_whoever_it_is_said_to_be_of() {
        let presented = |user: &str| {
            let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{user}:drover_guess"));
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, format!("Basic {basic}").parse().unwrap());
            let token = credential::read_authorization(&headers).unwrap().unwrap();
            TokenHash::of(token.expose())
        };
        assert!(presented("u-ann") == presented("u-nobody") && presented("u-ann") == presented(&"x".repeat(5000)));
    }
}
