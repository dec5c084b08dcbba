//! Sign-in of commands: OAuth 2.0 for one public client, `drover-cli`.
//!
//! Authorization code with PKCE and a loopback redirect (RFC 6749, 7636, 8252), device authorization (RFC 8628), and, for machines
//! without a browser, user name and password (RFC 6749, 4.3). Each gives a refresh token, which is the session, and a token for an
//! hour. Refresh tokens are exchanged at each use (RFC 9700, 4.14).

use std::{sync::Arc, time::Duration};

use askama::Template;
use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, uri::PathAndQuery};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    targets,
};
use crate::{
    identity::owner,
    secret::Secret,
    signin::{
        Denied, SignedIn,
        keys::random_text,
        local,
        sessions::{Issued, SessionError, Wanted, name_of, provider_session_of, session_end, session_of},
        shown,
    },
    world::{TokenHash, input::TokenKind, rows::TokenRow},
};

/// The one client.
pub(super) const CLIENT: &str = "drover-cli";
const CODE: &str = "code";
const REQUEST: &str = "authorize";
/// How long a code may wait to be exchanged.
const CODE_LIFE: Duration = Duration::from_mins(1);
/// How long the person may think.
const CONSENT_LIFE: Duration = Duration::from_mins(10);

/// What a command asks for, sealed while the person thinks.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    redirect_uri: String,
    state: String,
    challenge: String,
}

/// What a code stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Grant {
    id: String,
    user: String,
    /// The name of the token that the person's browser had.
    session: String,
    redirect_uri: String,
    challenge: String,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct Consent<'a> {
    pub client: &'a str,
    pub user: &'a str,
    pub source: String,
    pub here: String,
    pub since: String,
    pub code: String,
    pub action: &'a str,
    pub csrf: &'a str,
    pub request: String,
}

/// An error as RFC 6749, 5.2 has it.
pub(super) fn failed(code: StatusCode, error: &str, description: &str) -> Answer {
    answer::json(code, &json!({"error": error, "error_description": description}))
}

fn bad(error: &str, description: &str) -> Answer {
    failed(StatusCode::BAD_REQUEST, error, description)
}

fn denied(denied: &Denied) -> Answer {
    let told = denied.told();
    match denied {
        Denied::Wait(wait) => failed(StatusCode::TOO_MANY_REQUESTS, "slow_down", &told).retry(wait.0.as_secs().max(1)),
        Denied::MustChange(_) => bad("interaction_required", &told),
        Denied::Password(_) => failed(denied.code(), "invalid_request", &told),
        _ if denied.code() == StatusCode::SERVICE_UNAVAILABLE => {
            failed(denied.code(), "temporarily_unavailable", &told)
        }
        _ => bad("invalid_grant", &told),
    }
}

fn not_taken(error: SessionError) -> Answer {
    tracing::error!(%error, "the management plane does not take a token");
    denied(&Denied::from(error))
}

impl Web {
    /// RFC 8414.
    pub(super) fn metadata(&self) -> Answer {
        let public = &self.public;
        let metadata = json!({
            "issuer": &**public,
            "authorization_endpoint": format!("{public}/oauth2/authorize"),
            "token_endpoint": format!("{public}/oauth2/token"),
            "device_authorization_endpoint": format!("{public}/oauth2/device_authorization"),
            "revocation_endpoint": format!("{public}/oauth2/revoke"),
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "password",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
        });
        answer::json(StatusCode::OK, &metadata)
    }

    /// A command asks, through the person's browser.
    pub(super) fn authorize(&self, asked: &Asked) -> Answer {
        let refused = |text| answer::trouble(StatusCode::BAD_REQUEST, text);
        // Nothing is sent to an address that is not known to be the person's own machine.
        if asked.query("client_id") != CLIENT {
            return refused("The program that sent you here is not known.");
        }
        if targets::loopback(asked.query("redirect_uri")).is_none() {
            return refused("The program that sent you here wants the answer somewhere else than on this machine.");
        }
        let challenge = asked.query("code_challenge");
        let is_challenge = BASE64_URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32);
        if asked.query("response_type") != "code" || asked.query("code_challenge_method") != "S256" || !is_challenge {
            return refused(
                "The program that sent you here asks in a way that is not taken: PKCE with S256 is needed.",
            );
        }
        if asked.query("state").len() > 512 {
            return refused("The program that sent you here sends too much.");
        }
        let Some(caller) = self.in_browser(asked) else {
            return answer::sign_in_first(asked.uri.path_and_query().map_or("/", PathAndQuery::as_str));
        };
        let request = Request {
            redirect_uri: asked.query("redirect_uri").to_owned(),
            state: asked.query("state").to_owned(),
            challenge: challenge.to_owned(),
        };
        let now = Timestamp::now();
        let Some(request) = self.signin.keys.seal(REQUEST, request, now, CONSENT_LIFE) else { return answer::broken() };
        let consent = Consent {
            client: "drover on this machine",
            user: &caller.user.username,
            source: asked.source.to_string(),
            here: asked.source.to_string(),
            since: now.strftime("%H:%M:%S UTC").to_string(),
            code: String::new(),
            action: "/oauth2/authorize",
            csrf: &caller.csrf,
            request,
        };
        answer::page(&consent).with_loopback()
    }

    /// The person has answered.
    pub(super) fn authorized(&self, asked: &Asked) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let now = Timestamp::now();
        let Some(request) = self.signin.keys.open::<Request>(REQUEST, asked.form("request"), now) else {
            return answer::trouble(StatusCode::BAD_REQUEST, "That took too long: start again.");
        };
        let back = |name: &str, value: &str| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair(name, value).append_pair("state", &request.state).append_pair("iss", &self.public);
            answer::to(&format!("{}?{}", request.redirect_uri, query.finish()))
        };
        if asked.form("answer") != "yes" {
            return back("error", "access_denied");
        }
        let Some(id) = random_text() else { return answer::broken() };
        let grant = Grant {
            id,
            user: caller.user.name.to_string(),
            session: caller.token.name.to_string(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
        };
        match self.signin.keys.seal(CODE, grant, now, CODE_LIFE) {
            Some(code) => back("code", &code),
            None => answer::broken(),
        }
    }

    /// Gives tokens for a proof.
    pub(super) async fn token(&self, asked: &Asked) -> Answer {
        // It has no secret; it is named all the same, so that a mistake is told.
        if asked.form("client_id") != CLIENT {
            return failed(StatusCode::UNAUTHORIZED, "invalid_client", "expected `client_id=drover-cli`");
        }
        match asked.form("grant_type") {
            "authorization_code" => self.by_code(asked).await,
            "refresh_token" => self.by_refresh(asked).await,
            "password" => self.by_password(asked).await,
            "urn:ietf:params:oauth:grant-type:device_code" => self.by_device(asked).await,
            "" => bad("invalid_request", "`grant_type` is missing"),
            other => bad("unsupported_grant_type", &format!("`grant_type`: `{}` is not taken", shown(other))),
        }
    }

    async fn by_code(&self, asked: &Asked) -> Answer {
        let refused = |why| bad("invalid_grant", why);
        let Some(grant) = self.signin.keys.open::<Grant>(CODE, asked.form("code"), Timestamp::now()) else {
            return refused("the code is not one of this server's, or it is over");
        };
        if grant.redirect_uri != asked.form("redirect_uri") {
            return refused("`redirect_uri` is not the one that the code was sent to");
        }
        let own = digest::digest(&digest::SHA256, asked.form("code_verifier").as_bytes());
        let own = BASE64_URL_SAFE_NO_PAD.encode(own.as_ref());
        if verify_slices_are_equal(own.as_bytes(), grant.challenge.as_bytes()).is_err() {
            return refused("`code_verifier` is not the one that the code was asked for with");
        }
        // Other replicas may have seen it too: the session's name says so.
        let name = name_of(&grant.id);
        if !self.first_use(&name) {
            return self.used_twice(&name).await;
        }
        self.give_to(asked, &grant.user, &grant.session, Some(&name)).await
    }

    /// A code that comes again is in two hands: what it gave ends (RFC 6749, 4.1.2).
    async fn used_twice(&self, session: &str) -> Answer {
        tracing::warn!(token = session, "a code was used again: its session ends");
        let ended = self.signin.sessions.end(session).await;
        ended.map_or_else(not_taken, |()| bad("invalid_grant", "the code was used already"))
    }

    /// Gives tokens to a User whose session in a browser said yes, if that still is: whoever has signed out since has taken it back.
    /// `name` is that of the new session, where there must not be two.
    pub(super) async fn give_to(&self, asked: &Asked, user: &str, session: &str, name: Option<&str>) -> Answer {
        let over = || bad("invalid_grant", "the session that said yes is over");
        let (world, now) = (self.signin.world.load(), Timestamp::now());
        let Some(row) = world.tokens_of(user).find(|token| *token.name == *session) else { return over() };
        let Ok(user) = owner(row, &world, now) else { return over() };
        let object = match self.signin.sessions.get(session).await {
            Ok(Some(object)) => object,
            Ok(None) => return over(),
            Err(error) => return not_taken(error),
        };
        let signed = SignedIn {
            user: Arc::clone(user),
            provider: row.provider.clone().unwrap_or_else(|| local::NAME.into()),
            principal: object.principal().unwrap_or_default().into(),
            provider_session: provider_session_of(&object).map(str::to_owned),
        };
        self.give(asked, &signed, name).await
    }

    async fn by_password(&self, asked: &Asked) -> Answer {
        let provider = Some(asked.form("provider")).filter(|name| !name.is_empty()).unwrap_or(local::NAME);
        let new = Some(asked.form("new_password")).filter(|new| !new.is_empty());
        let new = new.map(|new| Secret::new(new.to_owned()));
        let password = Secret::new(asked.form("password").to_owned());
        let user = asked.form("username");
        match self.signin.by_password(provider, user, password, new.as_ref(), asked.source, false).await {
            Ok(signed) => self.give(asked, &signed, None).await,
            Err(why) => {
                tracing::info!(provider = shown(provider), source = %asked.source, reason = %why, "a sign-in was refused");
                denied(&why)
            }
        }
    }

    /// A new session for a command: its refresh token and its first token.
    async fn give(&self, asked: &Asked, signed: &SignedIn, name: Option<&str>) -> Answer {
        let settings = self.signin.providers.settings();
        let description = format!("{} from {}", asked.agent(), asked.source);
        let issued = self
            .signin
            .issue(signed, name, TokenKind::Refresh, settings.session(), settings.idle(), &description)
            .await;
        let session = match issued {
            Ok(session) => session,
            Err(Denied::Session(SessionError::Twice(name))) => return self.used_twice(&name).await,
            Err(error) => {
                tracing::error!(%error, "a session could not be made");
                return denied(&error);
            }
        };
        tracing::info!(user = %signed.user.name, provider = %signed.provider, source = %asked.source, "signed in");
        let wanted = Wanted {
            user: &signed.user.name,
            provider: &signed.provider,
            principal: &signed.principal,
            provider_session: signed.provider_session.as_deref(),
            session: Some(&session.name),
            ..Wanted::default()
        };
        self.tokens_of_session(wanted, &session).await
    }

    async fn by_refresh(&self, asked: &Asked) -> Answer {
        let refused = || bad("invalid_grant", "the session is over: sign in again");
        let now = Timestamp::now();
        let world = self.signin.world.load();
        let old = world.token(&TokenHash::of(asked.form("refresh_token")));
        let Some(old) = old.filter(|token| token.kind == TokenKind::Refresh) else { return refused() };
        // It was exchanged, and its time to be exchanged again is over: one of two that hold it is a thief (RFC 9700, 4.14.2).
        if old.ends_at().is_some_and(|end| end <= now) {
            tracing::warn!(user = %old.user, token = %old.name, source = %asked.source, "an old refresh token was shown: its session ends");
            return self.end_session_of(&old.name).await.map_or_else(not_taken, |()| refused());
        }
        let provider = old.provider.as_deref().unwrap_or_default();
        let Ok(user) = owner(old, &world, now) else { return refused() };
        let object = match self.signin.sessions.get(&old.name).await {
            Ok(Some(object)) => object,
            Ok(None) => return refused(),
            Err(error) => return not_taken(error),
        };
        old.used.raise(now);
        let root = session_of(&object);
        let wanted = Wanted {
            user: &user.name,
            provider,
            principal: object.principal().unwrap_or_default(),
            provider_session: provider_session_of(&object),
            session: Some(&root),
            cluster: old.cluster.as_deref(),
            description: object.spec.description.as_deref().unwrap_or_default(),
            ..Wanted::default()
        };
        let settings = self.signin.providers.settings();
        // The session ends when it was to end at first, however often it is refreshed, and with whichever of its tokens.
        let left =
            session_end(&object).or(old.expires_at).and_then(|end| Duration::try_from(now.duration_until(end)).ok());
        let next = Wanted { kind: TokenKind::Refresh, ttl: left, idle: settings.idle(), ..wanted };
        let session = match self.signin.sessions.issue(&next, &settings, now).await {
            Ok(session) => session,
            Err(error) => return not_taken(error),
        };
        if let Err(error) = self.signin.sessions.end_soon(old, now).await {
            tracing::warn!(%error, "a refresh token that was exchanged could not be ended");
        }
        let answer = self.tokens_of_session(wanted, &session).await;
        // Whoever ended the session meanwhile has not seen what is new.
        match self.signin.sessions.get(&old.name).await {
            Ok(Some(_)) => answer,
            Ok(None) => self.signin.sessions.end(&root).await.map_or_else(not_taken, |()| refused()),
            Err(error) => not_taken(error),
        }
    }

    async fn tokens_of_session(&self, wanted: Wanted<'_>, session: &Issued) -> Answer {
        let settings = self.signin.providers.settings();
        let now = Timestamp::now();
        let left = session.expires_at.and_then(|end| Duration::try_from(now.duration_until(end)).ok());
        let ttl = left.map_or_else(|| settings.access(), |left| left.min(settings.access()));
        let description = "of drover login";
        let wanted = Wanted { kind: TokenKind::Kubeconfig, ttl: Some(ttl), idle: None, description, ..wanted };
        match self.signin.sessions.issue(&wanted, &settings, now).await {
            Ok(issued) => answer::json(
                StatusCode::OK,
                &json!({
                    "access_token": issued.text.expose(),
                    "token_type": "Bearer",
                    "expires_in": ttl.as_secs(),
                    "refresh_token": session.text.expose(),
                }),
            ),
            Err(error) => not_taken(error),
        }
    }

    /// Ends the session of a token (RFC 7009): whoever holds it may.
    pub(super) async fn revoke(&self, asked: &Asked) -> Answer {
        let world = self.signin.world.load();
        let token = world.token(&TokenHash::of(asked.form("token")));
        let ended = match token {
            Some(token) => self.end_session_of(&token.name).await,
            None => Ok(()),
        };
        match ended {
            Ok(()) => answer::json(StatusCode::OK, &json!({})),
            Err(error) => not_taken(error),
        }
    }

    /// Ends a token of which its owner is tired: with one that makes new ones all of its session.
    pub(super) async fn end_token(&self, token: &TokenRow) -> Result<(), SessionError> {
        match token.kind {
            TokenKind::Refresh => self.end_session_of(&token.name).await,
            _ => self.signin.sessions.end(&token.name).await,
        }
    }

    /// Ends the session that a token came from.
    pub(super) async fn end_session_of(&self, token: &str) -> Result<(), SessionError> {
        match self.signin.sessions.get(token).await? {
            Some(object) => self.signin.sessions.end(&session_of(&object)).await,
            None => Ok(()),
        }
    }
}
