//! Input: the payload of an ID token; where it begins with a dot, the rest is a whole token.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drover::{
    identity::{
        provider::Person,
        providers::{
            issuer::{Expected, Unverified},
            jwt::{Rules, person},
            oidc::Names,
        },
    },
    modules::Jwt,
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fn rules(jwt: Value) -> Rules {
    let jwt: Jwt = serde_json::from_value(jwt).unwrap();
    jwt.rules().unwrap()
}

static PLAIN: LazyLock<Rules> = LazyLock::new(|| {
    rules(json!({
        "audiences": ["drover"],
        "claimMappings": {"username": {"claim": "email", "prefix": "m:"}, "groups": {"claim": "groups"}, "uid": {"claim": "sub"}},
    }))
});

static EXPRESSIONS: LazyLock<Rules> = LazyLock::new(|| {
    rules(json!({
        "audiences": ["drover"],
        "claimValidationRules": [{"expression": "claims.?email_verified.orValue(true) == true"}],
        "claimMappings": {
            "username": {"expression": "has(claims.email) ? claims.email : claims.sub"},
            "groups": {"expression": "claims.groups.map(g, g + '@x')"},
            "extra": [{"key": "example.org/a", "valueExpression": "claims.a"}],
        },
        "userValidationRules": [{"expression": "user.groups.all(g, g != 'no') && user.username != ''"}],
    }))
});

static NAMES: LazyLock<Names> =
    LazyLock::new(|| Names { groups: "a.groups".to_owned(), name: "name".to_owned(), email: "email".to_owned() });

fn is_own(person: &Person) {
    let is_clean = |id: &str, prefix: &str| id.starts_with(prefix) && id.len() <= 1024 && !id.contains(char::is_control);
    assert!(is_clean(&person.principal.id, "ci_user://"));
    assert!(person.groups.iter().all(|group| is_clean(&group.id, "ci_group://")));
    let shown = [&person.principal.display_name, &person.principal.login_name];
    assert!(!shown.iter().any(|text| text.contains(char::is_control)));
}

fuzz_target!(|input: &[u8]| {
    let token = match input.split_first() {
        Some((b'.', token)) => String::from_utf8_lossy(token).into_owned(),
        _ => format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(input)),
    };
    let Ok(token) = Unverified::read(&token) else { return };
    let audiences = ["drover".to_owned()];
    let expected = Expected { issuer: "https://idp", audiences: &audiences, leeway: 0 };
    if let Ok(end) = token.check(&expected, Timestamp::UNIX_EPOCH) {
        assert!(end >= Timestamp::UNIX_EPOCH);
    }
    for rules in [&PLAIN, &EXPRESSIONS] {
        if let Ok(mapped) = rules.apply(&token.claims)
            && let Ok(person) = person("ci", &mapped)
        {
            is_own(&person);
        }
    }
    if let Ok(person) = NAMES.person("ci", &token.claims, None).and_then(|person| person.checked("ci")) {
        is_own(&person);
    }
});
