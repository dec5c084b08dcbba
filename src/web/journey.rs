//! The journey of a browser to a provider and back.
//!
//! What must be known when it comes back is sealed in a cookie of that browser: the state, the nonce, the verifier, where to go on, and
//! for whom an identity is added. Nobody else's answer can be put into it (T7: stolen code, mixed-up provider).

use std::{fmt::Display, sync::Arc, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    cookies, targets,
};
use crate::{
    identity::provider::{Departure, LoginError, Method, Proof, Refused},
    secret::Secret,
    signin::{Denied, keys::random_text, providers::Entry, shown},
};

/// How long it may take.
const LIFE: Duration = Duration::from_mins(10);
const PURPOSE: &str = "journey";

/// What is sealed in the cookie.
#[derive(Serialize, Deserialize)]
struct Journey {
    provider: String,
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    /// The User whom the identity is added to.
    link: Option<String>,
}

impl Web {
    pub(super) async fn depart(&self, asked: &Asked, provider: &str) -> Answer {
        // One that is asked for passwords would say that it fails, and everybody would hear it of its health.
        let leads = |entry: &Arc<Entry>| entry.provider.as_ref().is_ok_and(|it| it.method() == Method::Browser);
        let Some(entry) = self.signin.providers.get(provider).filter(leads) else {
            return answer::trouble(StatusCode::NOT_FOUND, "This way to sign in is not offered.");
        };
        let next = targets::path(asked.query("next")).unwrap_or("/account");
        self.set_out(&entry, next, None, answer::to).await
    }

    fn departure(&self, journey: &Journey) -> Departure {
        Departure {
            redirect_uri: format!("{}/login/{}/callback", self.public, journey.provider),
            state: journey.state.clone(),
            nonce: journey.nonce.clone(),
            verifier: Secret::new(journey.verifier.clone()),
        }
    }

    /// Sends a browser to a provider by what `go` says.
    pub(super) async fn set_out(
        &self,
        entry: &Entry,
        next: &str,
        link: Option<&str>,
        go: fn(&str) -> Answer,
    ) -> Answer {
        let (Some(state), Some(nonce), Some(verifier)) = (random_text(), random_text(), random_text()) else {
            return answer::broken();
        };
        let provider = entry.name.to_string();
        let link = link.map(str::to_owned);
        let journey = Journey { provider, state, nonce, verifier, next: next.to_owned(), link };
        let departure = self.departure(&journey);
        let begun = match &entry.provider {
            Ok(provider) => provider.begin(&departure).await,
            Err(error) => Err(error.clone()),
        };
        self.signin.health.note(&entry.name, begun.as_ref().err());
        let Ok(location) = begun else {
            let text = "This provider does not answer. Try again later, or in another way.";
            return answer::trouble(StatusCode::SERVICE_UNAVAILABLE, text);
        };
        match self.signin.keys.seal(PURPOSE, journey, Timestamp::now(), LIFE) {
            Some(sealed) => go(&location).with_cookie(cookies::set(cookies::JOURNEY, &sealed, Some(LIFE.as_secs()))),
            None => answer::broken(),
        }
    }

    pub(super) async fn arrive(&self, asked: &Asked, provider: &str) -> Answer {
        let answer = match self.back(asked, provider).await {
            Ok(answer) => answer,
            Err(denied) => {
                tracing::info!(provider = shown(provider), source = %asked.source, reason = %denied, "a sign-in was refused");
                answer::trouble(denied.code(), &denied.told())
            }
        };
        answer.with_cookie(cookies::remove(cookies::JOURNEY))
    }

    async fn back(&self, asked: &Asked, provider: &str) -> Result<Answer, Denied> {
        let unbelieved = |why: &str| Denied::from(LoginError::from(Refused::Answer(why.to_owned())));
        let sealed = cookies::read(&asked.headers, cookies::JOURNEY);
        let journey: Option<Journey> =
            sealed.and_then(|sealed| self.signin.keys.open(PURPOSE, sealed, Timestamp::now()));
        let journey = journey.ok_or_else(|| unbelieved("this browser has begun no sign-in, or too long ago"))?;
        if journey.provider != provider {
            return Err(unbelieved("`state` is of another provider"));
        }
        if verify_slices_are_equal(journey.state.as_bytes(), asked.query("state").as_bytes()).is_err() {
            return Err(unbelieved("`state` is not the one that was sent"));
        }
        // Before anything is exchanged: what was answered once is not answered again.
        if !self.first_use(&format!("journey:{}", journey.state)) {
            return Err(unbelieved("the answer was used already"));
        }
        if !asked.query("error").is_empty() {
            let said = |name| asked.query(name).chars().filter(|c| !c.is_control()).take(200).collect::<String>();
            return Err(unbelieved(&format!("the provider says `{}`: {}", said("error"), said("error_description"))));
        }
        if asked.query("code").is_empty() {
            return Err(unbelieved("`code` is missing"));
        }
        let entry = self.signin.providers.get(provider).ok_or_else(|| Denied::NoProvider(shown(provider)))?;
        let proof = Proof::Callback {
            code: Secret::new(asked.query("code").to_owned()),
            issuer: Some(asked.query("iss")).filter(|issuer| !issuer.is_empty()).map(str::to_owned),
            departure: self.departure(&journey),
        };
        let person = self.signin.prove(&entry, proof).await?;
        let Some(user) = journey.link else {
            let signed = self.signin.admitted(&entry, &person).await?;
            let next = targets::path(&journey.next).unwrap_or("/account");
            return Ok(self.welcome(asked, &signed, next).await);
        };
        // Both were proved by this browser: the identity just now, the User by the session that it still has.
        let caller = self.in_browser(asked).filter(|caller| *caller.user.name == *user);
        let caller = caller.ok_or_else(|| unbelieved("the session that the identity was to be added to is over"))?;
        self.signin.people.link(&caller.user.name, &entry, &person, Timestamp::now()).await?;
        Ok(answer::to("/account"))
    }

    /// A provider says that somebody signed out there (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8).
    pub(super) async fn back_channel(&self, asked: &Asked, provider: &str) -> Answer {
        let refused = |why: &dyn Display| {
            tracing::info!(provider = shown(provider), source = %asked.source, reason = %why, "a logout token was refused");
            answer::json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"}))
        };
        let Some(entry) = self.signin.providers.get(provider) else { return refused(&"there is no such provider") };
        let Ok(known) = &entry.provider else { return refused(&"the provider cannot be used") };
        let out = match known.back_channel(Secret::new(asked.form("logout_token").to_owned())).await {
            Ok(out) => out,
            Err(error) => return refused(&error),
        };
        match self.signin.logged_out(provider, &out).await {
            Ok(ended) => {
                tracing::info!(provider, ended, "the provider has ended sessions");
                answer::json(StatusCode::OK, &json!({}))
            }
            Err(error) => {
                tracing::error!(%error, "sessions could not be ended");
                answer::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "server_error"}))
            }
        }
    }
}
