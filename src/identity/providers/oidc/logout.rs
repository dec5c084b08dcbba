//! Logout tokens: OpenID Connect Back-Channel Logout 1.0, 2.6.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::identity::{
    provider::{LoggedOut, Refused},
    providers::issuer::{Expected, LOGOUT_EVENT, Unverified, numeric_date},
};

/// Seconds after which a logout token is too old: it is sent at once when it is made.
const OLDEST: f64 = 300.0;
/// Logout tokens whose id is remembered, for as long as one is not too old.
const REMEMBERED: u64 = 100_000;

/// The ids of the logout tokens that were taken.
#[derive(Debug)]
pub(super) struct Replays(moka::sync::Cache<String, ()>);

impl Replays {
    pub(super) fn new() -> Self {
        let kept = Duration::from_mins(10);
        Self(moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(kept).build())
    }
}

/// Whom a logout token is about; its signature was checked.
pub(super) fn read(
    provider: &str,
    token: &Unverified<'_>,
    expected: &Expected<'_>,
    replays: &Replays,
    now: Timestamp,
) -> Result<LoggedOut, Refused> {
    let refused = |why: &str| Refused::Answer(format!("logout token: {why}"));
    token.check(expected, now)?;
    let kind = token.kind.as_deref().map(str::to_ascii_lowercase);
    if !matches!(kind.as_deref(), None | Some("jwt" | "logout+jwt" | "application/logout+jwt")) {
        return Err(refused("`typ` of its header is of another kind of token"));
    }
    let claims = &token.claims;
    if !claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object) {
        return Err(refused("claim `events`: it is not about a sign-out"));
    }
    // So that no ID token can be taken for one.
    if claims.contains_key("nonce") {
        return Err(refused("claim `nonce`: a logout token has none"));
    }
    let made = numeric_date(claims, "iat")?.ok_or_else(|| refused("claim `iat`: it is missing"))?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era have 31 bits")]
    if now.as_second() as f64 - made > OLDEST {
        return Err(refused("claim `iat`: it is older than 300 s"));
    }
    let text = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 1024 => Ok(Some(text.clone())),
        Some(_) => Err(refused(&format!("claim `{name}`: it is no text of 1 to 1024 bytes"))),
    };
    let (subject, session) = (text("sub")?, text("sid")?);
    if subject.is_none() && session.is_none() {
        return Err(refused("it has neither `sub` nor `sid`"));
    }
    let id = text("jti")?.ok_or_else(|| refused("claim `jti`: it is missing"))?;
    if !replays.0.entry(id).or_insert(()).is_fresh() {
        return Err(refused("claim `jti`: it was used before"));
    }
    let principal = subject.map(|subject| format!("{provider}_user://{subject}").into());
    Ok(LoggedOut { principal, session })
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::{Expected, LoggedOut, Replays, Unverified, read};

    fn told(replays: &Replays, kind: Option<&str>, change: impl FnOnce(&mut Value)) -> Result<LoggedOut, String> {
        let mut claims = json!({
            "iss": "https://idp", "aud": "drover", "exp": 2_000, "iat": 1_000, "sub": "ann", "sid": "s1", "jti": "1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        change(&mut claims);
        let header = match kind {
            Some(kind) => json!({"alg": "RS256", "typ": kind}),
            None => json!({"alg": "RS256"}),
        };
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{header}.{claims}.c2ln");
        let audiences = ["drover".to_owned()];
        let expected = Expected { issuer: "https://idp", audiences: &audiences, leeway: 0 };
        let now = Timestamp::from_second(1_100).unwrap();
        read("corp", &Unverified::read(&token).unwrap(), &expected, replays, now).map_err(|error| error.to_string())
    }

    #[test]
    fn it_says_who_is_out_once() {
        let replays = Replays::new();
        let out = told(&replays, Some("logout+jwt"), |_| ()).unwrap();
        assert_eq!(out, LoggedOut { principal: Some("corp_user://ann".into()), session: Some("s1".to_owned()) });
        assert!(told(&replays, None, |_| ()).unwrap_err().ends_with("claim `jti`: it was used before"));
    }

    #[test]
    fn whatever_could_be_another_token_is_refused() {
        let refused = |kind: Option<&str>, change: fn(&mut Value)| {
            told(&Replays::new(), kind, change).unwrap_err().rsplit("logout token: ").next().unwrap().to_owned()
        };
        assert_eq!(refused(Some("at+jwt"), |_| ()), "`typ` of its header is of another kind of token");
        assert_eq!(refused(None, |claims| claims["nonce"] = json!("n")), "claim `nonce`: a logout token has none");
        assert_eq!(refused(None, |claims| claims["events"] = json!({})), "claim `events`: it is not about a sign-out");
        assert_eq!(refused(None, |claims| claims["iat"] = json!(700)), "claim `iat`: it is older than 300 s");
        let no = |claims: &mut Value, names: &[&str]| {
            for name in names {
                claims.as_object_mut().unwrap().remove(*name);
            }
        };
        let without = |names: &'static [&'static str]| {
            let error = told(&Replays::new(), None, |claims| no(claims, names)).unwrap_err();
            error.rsplit("logout token: ").next().unwrap().to_owned()
        };
        assert_eq!(without(&["sub", "sid"]), "it has neither `sub` nor `sid`");
        assert_eq!(without(&["jti"]), "claim `jti`: it is missing");
        assert_eq!(without(&["iat"]), "claim `iat`: it is missing");
        assert!(told(&Replays::new(), None, |claims| claims["aud"] = json!("other")).unwrap_err().contains("`aud`"));
    }
}
