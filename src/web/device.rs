//! Devices without a browser: they show a code, and a person with a browser lets them in (RFC 8628).
//!
//! What waits is known to the replica that was asked: several replicas need a load balancer that keeps a source at one of them
//! for some minutes. A device that lost its replica asks anew.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use http::StatusCode;
use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::json;

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    oauth::{CLIENT, Consent, failed},
};
use crate::{
    signin::{
        attempt,
        attempts::network,
        keys::{random, random_text},
    },
    world::TokenHash,
};

/// How long a code waits.
pub(super) const CODE_LIFE: Duration = Duration::from_mins(10);
/// Seconds between two questions of a device.
const INTERVAL: u64 = 5;
/// Devices that wait at once.
const WAITING: u64 = 10_000;
/// Devices that one source may begin in a minute.
const PER_SOURCE: u32 = 20;
/// No vowels, so that no words appear; nothing that reads like something else (RFC 8628, 6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// A form that answers a device.
const REQUEST: &str = "device";

/// What a person has said.
#[derive(Clone, Debug)]
enum Answered {
    Nothing,
    No,
    /// User, and the token of its browser.
    Yes(Arc<str>, Arc<str>),
}

/// A device that waits.
#[derive(Debug)]
struct Waiting {
    source: IpAddr,
    agent: String,
    since: Timestamp,
    /// What was said, and when the device last asked.
    state: Mutex<(Answered, Option<Instant>)>,
}

/// Devices that wait: by the code that they hold, and by the one that they show.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    by_device: Cache<TokenHash, Arc<Waiting>>,
    by_user: Cache<String, TokenHash>,
    begun: Cache<IpAddr, u32>,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            by_device: Cache::builder().max_capacity(WAITING).time_to_live(CODE_LIFE).build(),
            by_user: Cache::builder().max_capacity(WAITING).time_to_live(CODE_LIFE).build(),
            begun: Cache::builder().max_capacity(WAITING).time_to_live(Duration::from_mins(1)).build(),
        }
    }
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage<'a> {
    error: &'a str,
}

/// Eight letters, in two groups.
fn user_code() -> Option<String> {
    let mut code = String::new();
    while code.len() < 8 {
        for byte in random::<16>()? {
            // From 240 on the letters would not be equally likely.
            let letter = ALPHABET.get(usize::from(byte) % 20).filter(|_| byte < 240 && code.len() < 8);
            code.extend(letter.copied().map(char::from));
        }
    }
    code.insert(4, '-');
    Some(code)
}

/// The code as it was typed: case and what divides it do not matter.
fn typed(code: &str) -> String {
    let mut code: String = code.chars().filter(char::is_ascii_alphabetic).take(16).collect();
    code.make_ascii_uppercase();
    if code.len() == 8 {
        code.insert(4, '-');
    }
    code
}

impl Web {
    /// A device asks.
    pub(super) fn device_authorization(&self, asked: &Asked) -> Answer {
        if asked.form("client_id") != CLIENT {
            return failed(StatusCode::UNAUTHORIZED, "invalid_client", "expected `client_id=drover-cli`");
        }
        let source = network(asked.source);
        let before = self.devices.begun.get(&source).unwrap_or(0);
        if before >= PER_SOURCE {
            let text = "too many devices were begun from this address: wait a minute";
            return failed(StatusCode::TOO_MANY_REQUESTS, "slow_down", text).retry(60);
        }
        self.devices.begun.insert(source, before + 1);
        let (Some(device), Some(user)) = (random_text(), user_code()) else { return answer::broken() };
        let waiting = Waiting {
            source: asked.source,
            agent: asked.agent(),
            since: Timestamp::now(),
            state: Mutex::new((Answered::Nothing, None)),
        };
        let hash = TokenHash::of(&device);
        self.devices.by_device.insert(hash, Arc::new(waiting));
        self.devices.by_user.insert(user.clone(), hash);
        let uri = format!("{}/device", self.public);
        let answer = json!({
            "device_code": device,
            "user_code": user,
            "verification_uri": uri,
            "verification_uri_complete": format!("{uri}?user_code={user}"),
            "expires_in": CODE_LIFE.as_secs(),
            "interval": INTERVAL,
        });
        answer::json(StatusCode::OK, &answer)
    }

    /// The page on which a person types the code, and then sees who asks and from where.
    pub(super) fn device_page(&self, asked: &Asked) -> Answer {
        let code = typed(asked.query("user_code"));
        let Some(caller) = self.in_browser(asked) else {
            let here = if code.is_empty() { "/device".to_owned() } else { format!("/device?user_code={code}") };
            return answer::sign_in_first(&here);
        };
        if code.is_empty() {
            return answer::page(&DevicePage { error: "" });
        }
        // Guessing codes is as slow as guessing passwords.
        let name = attempt("device", &caller.user.name);
        if let Err(wait) = self.signin.attempts.admit(&name, asked.source, true, Instant::now()) {
            return answer::page(&DevicePage { error: "Too many codes that are none. Wait a little." })
                .with_code(StatusCode::TOO_MANY_REQUESTS)
                .retry(wait.0.as_secs().max(1));
        }
        let Some(waiting) = self.waiting(&code) else {
            self.signin.attempts.failed(&name, asked.source, true, Instant::now());
            return answer::page(&DevicePage { error: "No device shows this code, or it is too old." })
                .with_code(StatusCode::NOT_FOUND);
        };
        let Some(request) = self.signin.keys.seal(REQUEST, &code, Timestamp::now(), CODE_LIFE) else {
            return answer::broken();
        };
        let consent = Consent {
            client: &waiting.agent,
            user: &caller.user.username,
            source: waiting.source.to_string(),
            here: asked.source.to_string(),
            since: waiting.since.strftime("%H:%M:%S UTC").to_string(),
            code,
            action: "/device",
            csrf: &caller.csrf,
            request,
        };
        answer::page(&consent)
    }

    fn waiting(&self, code: &str) -> Option<Arc<Waiting>> {
        self.devices.by_device.get(&self.devices.by_user.get(code)?)
    }

    /// The person has answered.
    pub(super) fn device_answer(&self, asked: &Asked) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let code = self.signin.keys.open::<String>(REQUEST, asked.form("request"), Timestamp::now());
        let code = code.unwrap_or_default();
        let Some(waiting) = self.waiting(&code) else {
            return answer::trouble(StatusCode::BAD_REQUEST, "That took too long: start again on the device.");
        };
        self.devices.by_user.invalidate(&code);
        let yes = asked.form("answer") == "yes";
        {
            let mut state = waiting.state.lock().unwrap_or_else(PoisonError::into_inner);
            // The first answer stands.
            if !matches!(state.0, Answered::Nothing) {
                return answer::trouble(StatusCode::CONFLICT, "The device was answered already.");
            }
            let (user, session) = (Arc::clone(&caller.user.name), Arc::clone(&caller.token.name));
            state.0 = if yes { Answered::Yes(user, session) } else { Answered::No };
        }
        if yes {
            answer::message("The device is signed in", "You can go back to it.", "/account", "Your account")
        } else {
            answer::message("The device was refused", "It gets nothing.", "/account", "Your account")
        }
    }

    /// A device asks whether it was let in.
    pub(super) async fn by_device(&self, asked: &Asked) -> Answer {
        let bad = |error, text| failed(StatusCode::BAD_REQUEST, error, text);
        let hash = TokenHash::of(asked.form("device_code"));
        let Some(waiting) = self.devices.by_device.get(&hash) else {
            return bad("expired_token", "the code is not known, or it is over");
        };
        let answered = {
            let mut state = waiting.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let soon = state.1.is_some_and(|last| now - last < Duration::from_secs(INTERVAL - 1));
            state.1 = Some(now);
            if soon {
                return bad("slow_down", "asked too soon");
            }
            state.0.clone()
        };
        match answered {
            Answered::Nothing => bad("authorization_pending", "nobody has answered yet"),
            Answered::No => {
                self.devices.by_device.invalidate(&hash);
                bad("access_denied", "the person said no")
            }
            // Once: whoever asks second gets nothing.
            Answered::Yes(..) if self.devices.by_device.remove(&hash).is_none() => {
                bad("expired_token", "the code was used already")
            }
            Answered::Yes(user, session) => self.give_to(asked, &user, &session, None).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{typed, user_code};

    #[test]
    fn a_code_is_eight_letters_however_they_are_typed() {
        let code = user_code().unwrap();
        assert_eq!(code.len(), 9);
        assert_eq!(typed(&code), code);
        assert_eq!(typed(&code.to_lowercase().replace('-', " ")), code);
        assert_ne!(code, user_code().unwrap());
        assert_eq!(typed("'; drop"), "DROP");
    }
}
