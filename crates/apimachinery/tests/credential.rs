//! The credential that a request brings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use apimachinery::credential::{CredentialError, LONGEST, read_authorization, read_subprotocol};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

fn with(name: &HeaderName, lines: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        map.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    map
}

fn authorization(line: &str) -> Result<Option<String>, CredentialError> {
    let map = with(&AUTHORIZATION, &[line]);
    Ok(read_authorization(&map)?.map(|token| token.expose().to_owned()))
}

fn basic(text: &str) -> Result<Option<String>, CredentialError> {
    authorization(&format!("Basic {}", BASE64_STANDARD.encode(text)))
}

fn subprotocols(lines: &[&str]) -> Result<Option<(String, HeaderValue)>, CredentialError> {
    let found = read_subprotocol(&with(&SEC_WEBSOCKET_PROTOCOL, lines))?;
    Ok(found.map(|found| (found.token.expose().to_owned(), found.protocols)))
}

fn bearer(token: impl AsRef<[u8]>) -> String {
    format!("base64url.bearer.authorization.k8s.io.{}", BASE64_URL_SAFE_NO_PAD.encode(token))
}

#[test]
fn a_bearer_token_is_read_in_any_case_of_the_scheme() {
    for line in ["Bearer abc:d", "bearer abc:d", "BEARER abc:d", "Bearer abc:d "] {
        assert_eq!(authorization(line), Ok(Some("abc:d".to_owned())), "{line}");
    }
    assert_eq!(read_authorization(&HeaderMap::new()), Ok(None));
}

#[test]
fn the_password_of_basic_is_the_token() {
    assert_eq!(basic("jo:abc:d"), Ok(Some("abc:d".to_owned())));
    assert_eq!(basic(":abc"), Ok(Some("abc".to_owned())));
    assert_eq!(basic("abc:"), Ok(Some("abc".to_owned())));
}

/// H5
#[test]
fn a_broken_credential_is_never_taken_for_none() {
    for (line, why) in [
        ("", CredentialError::Empty),
        ("   ", CredentialError::Empty),
        ("Bearer", CredentialError::Empty),
        ("Bearer ", CredentialError::Empty),
        ("Bearer    ", CredentialError::Empty),
        ("Bearer  abc", CredentialError::Form),
        ("Bearer a b", CredentialError::Form),
        ("Bearer a\tb", CredentialError::Form),
        ("Bearer é", CredentialError::Form),
        ("Bearer\tabc", CredentialError::Scheme),
        ("abc", CredentialError::Scheme),
        ("Negotiate abc", CredentialError::Scheme),
        ("Basic", CredentialError::Empty),
        ("Basic !!", CredentialError::Encoding),
        ("Basic am86YWJj=", CredentialError::Encoding),
        ("Basic am86YQ", CredentialError::Encoding),
        ("Basic am86YR==", CredentialError::Encoding),
        ("Basic /w==", CredentialError::Encoding),
    ] {
        assert_eq!(authorization(line), Err(why), "`{line}`");
    }
    assert_eq!(basic("no colon"), Err(CredentialError::Encoding));
    assert_eq!(basic(":"), Err(CredentialError::Empty));
    assert_eq!(basic("jo:a b"), Err(CredentialError::Form));
    assert_eq!(basic("jo:   "), Err(CredentialError::Form));
    assert_eq!(authorization(&format!("Bearer {}", "a".repeat(1 << 20))), Err(CredentialError::TooLong));
    assert_eq!(authorization(&format!("Bearer {}", "a".repeat(LONGEST - 7))).map(|t| t.is_some()), Ok(true));
    let two = with(&AUTHORIZATION, &["Bearer a", "Bearer a"]);
    assert_eq!(read_authorization(&two), Err(CredentialError::Several));
    let not_utf8 = HeaderValue::from_bytes(b"Bearer \xff").unwrap();
    let map = HeaderMap::from_iter([(AUTHORIZATION, not_utf8)]);
    assert_eq!(read_authorization(&map), Err(CredentialError::Form));
}

/// H6
#[test]
fn a_token_among_the_subprotocols_is_read_and_taken_out() {
    let token = bearer("abc");
    for lines in [
        vec![format!("v5.channel.k8s.io,{token}, v4.channel.k8s.io")],
        vec![format!("{token},v5.channel.k8s.io"), "v4.channel.k8s.io".to_owned()],
        vec!["v5.channel.k8s.io, ,v4.channel.k8s.io".to_owned(), token.clone()],
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (found, protocols) = subprotocols(&lines).unwrap().unwrap();
        assert_eq!((found.as_str(), protocols.to_str().unwrap()), ("abc", "v5.channel.k8s.io, v4.channel.k8s.io"));
    }
    assert_eq!(subprotocols(&["v5.channel.k8s.io"]), Ok(None));
    assert_eq!(subprotocols(&[]), Ok(None));
}

/// H6
#[test]
fn a_subprotocol_token_must_be_one_and_not_alone() {
    let token = bearer("abc");
    let long = bearer("a".repeat(LONGEST));
    for (lines, why) in [
        (vec![&*token], CredentialError::NoOtherProtocol),
        (vec![&*token, ","], CredentialError::NoOtherProtocol),
        (vec!["v4", &*token, &*token], CredentialError::Several),
        (vec!["v4", "base64url.bearer.authorization.k8s.io."], CredentialError::Empty),
        (vec!["v4", "base64url.bearer.authorization.k8s.io.YWJj=="], CredentialError::Encoding),
        (vec!["v4", "base64url.bearer.authorization.k8s.io.a+/b"], CredentialError::Encoding),
        (vec!["v4", &*bearer([0xff])], CredentialError::Encoding),
        (vec!["v4", &*bearer("a b")], CredentialError::Form),
        (vec!["v4", &*long], CredentialError::TooLong),
    ] {
        assert_eq!(subprotocols(&lines), Err(why), "{lines:.100?}");
    }
}

/// T1
#[test]
fn a_token_is_not_shown_by_debug() {
    let map = with(&AUTHORIZATION, &["Bearer secret"]);
    assert!(!format!("{:?}", read_authorization(&map)).contains("secret"));
    let map = with(&SEC_WEBSOCKET_PROTOCOL, &["v4", &bearer("secret")]);
    assert!(!format!("{:?}", read_subprotocol(&map)).contains("secret"));
}

proptest! {
    #[test]
    fn any_token_comes_back_however_it_was_sent(token in "[!-~]{1,60}", user in "[a-z]{0,9}") {
        prop_assert_eq!(authorization(&format!("Bearer {token}")), Ok(Some(token.clone())));
        prop_assert_eq!(basic(&format!("{user}:{token}")), Ok(Some(token.clone())));
        let (found, protocols) = subprotocols(&["v4", &bearer(&token)]).unwrap().unwrap();
        prop_assert_eq!((found, protocols), (token, HeaderValue::from_static("v4")));
    }
}
