use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Expected, MAX_TOKEN, Unverified};

fn token(header: &str, payload: &str) -> String {
    format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

fn read(header: &str, payload: &str) -> String {
    Unverified::read(&token(header, payload)).map_or_else(|error| error.to_string(), |_| "read".to_owned())
}

fn checked(change: impl FnOnce(&mut Value)) -> Result<i64, String> {
    let mut claims = json!({"iss": "https://idp", "aud": "drover", "exp": 2_000, "iat": 1_000, "sub": "ann"});
    change(&mut claims);
    let token = token(r#"{"alg":"RS256"}"#, &claims.to_string());
    let audiences = ["drover".to_owned(), "ci".to_owned()];
    let expected = Expected { issuer: "https://idp", audiences: &audiences, leeway: 0 };
    let unverified = Unverified::read(&token).map_err(|error| error.to_string())?;
    let checked = unverified.check(&expected, Timestamp::from_second(1_500).unwrap());
    checked.map(Timestamp::as_second).map_err(|error| error.to_string())
}

fn with(name: &str, value: Value) -> String {
    let error = checked(|claims| claims[name] = value).unwrap_err();
    error.trim_start_matches("the answer of the provider is not believed: ").to_owned()
}

/// T7: alg none, HS256 with the public key.
#[test]
fn only_asymmetric_signatures_count() {
    for name in ["none", "None", "", "HS256", "HS384", "HS512", "RSA-OAEP", "ES256K", "rs256"] {
        let error = read(&json!({ "alg": name }).to_string(), "{}");
        assert!(error.ends_with(&format!("`alg` of the token's header is `{name}`")), "{error}");
    }
    assert!(read("{}", "{}").ends_with("`alg` of the token's header is ``"));
    assert_eq!(read(r#"{"alg":"ES256"}"#, "{}"), "read");
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "a", "a.b", "..", "e30.e30.", "e30=.e30.c2ln", "e30.e30.e30.e30", "{}"] {
        assert!(Unverified::read(text).is_err(), "{text}");
    }
    let long = token(r#"{"alg":"RS256"}"#, &json!({"sub": "x".repeat(MAX_TOKEN)}).to_string());
    assert!(Unverified::read(&long).unwrap_err().to_string().ends_with("the token has more than 16384 bytes"));
}

/// T7: duplicate claims; another reader may take the other one.
#[test]
fn a_claim_that_stands_twice_is_refused() {
    let good = r#"{"alg":"RS256"}"#;
    assert!(read(good, r#"{"sub":"ann","sub":"root"}"#).contains("duplicate field"));
    assert!(read(good, r#"{"a":{"sub":"ann","sub":"root"}}"#).contains("duplicate field"));
    assert!(read(r#"{"alg":"RS256","alg":"ES256"}"#, "{}").contains("duplicate field"));
    assert!(read(good, r#"{"sub":"ann","\u0073ub":"root"}"#).contains("duplicate field"));
    assert!(read(good, "[]").ends_with("it is no object"));
    assert!(read(good, &format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000))).contains("cannot be read"));
}

#[test]
fn extensions_that_must_be_understood_and_keys_that_are_no_texts_are_refused() {
    assert!(read(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, "{}").contains("`crit`"));
    assert!(read(r#"{"alg":"RS256","kid":7}"#, "{}").ends_with("`kid` of the token's header is no text"));
}

#[test]
fn a_token_ends_when_it_says() {
    assert_eq!(checked(|_| ()), Ok(2_000));
    assert_eq!(checked(|claims| claims["exp"] = json!(1_500.9)), Ok(1_500));
    assert_eq!(checked(|claims| claims["exp"] = json!(1e300)), Ok(Timestamp::MAX.as_second()));
    assert_eq!(checked(|claims| claims["aud"] = json!(["other", "ci"])), Ok(2_000));
}

/// T7: wrong issuer, audience, expired, not yet valid.
#[test]
fn each_claim_that_is_wrong_is_named() {
    assert_eq!(with("iss", json!("https://idp/")), r#"claim `iss`: expected `https://idp`, found `\"https://idp/\"`"#);
    assert_eq!(with("iss", json!(["https://idp"])).split(':').next(), Some("claim `iss`"));
    assert_eq!(with("aud", json!("x")), r#"claim `aud`: expected one of `drover`, `ci`, found `\"x\"`"#);
    assert_eq!(with("aud", json!(["drover", 7])).split(':').next(), Some("claim `aud`"));
    assert_eq!(with("aud", Value::Null).split(':').next(), Some("claim `aud`"));
    assert_eq!(with("exp", json!(1_500)), "claim `exp`: the token expired 0 s ago");
    assert_eq!(with("exp", json!("2000")), r#"claim `exp`: expected a number, found `\"2000\"`"#);
    assert_eq!(with("exp", Value::Null), "claim `exp`: expected a number, found `null`");
    assert_eq!(with("nbf", json!(1_561)), "claim `nbf`: the token is from 61 s in the future");
    assert_eq!(with("iat", json!(9_000)), "claim `iat`: the token is from 7500 s in the future");
    assert_eq!(checked(|claims| claims["nbf"] = json!(1_559)), Ok(2_000));
    let missing = checked(|claims| drop(claims.as_object_mut().unwrap().remove("exp")));
    assert!(missing.unwrap_err().ends_with("claim `exp`: it is missing"));
}

#[test]
fn a_logout_token_is_told_from_an_id_token() {
    let logout = json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}).to_string();
    for (header, payload) in [(r#"{"alg":"RS256"}"#, &*logout), (r#"{"alg":"RS256","typ":"Logout+JWT"}"#, "{}")] {
        assert!(Unverified::read(&token(header, payload)).unwrap().is_logout());
    }
    assert!(!Unverified::read(&token(r#"{"alg":"RS256","typ":"JWT"}"#, "{}")).unwrap().is_logout());
}
