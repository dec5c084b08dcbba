//! The pages of people: sign-in, one's account, the way out.

use std::sync::Arc;

use askama::Template;
use http::StatusCode;
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    caller::{Caller, foreign},
    cookies, targets,
};
use crate::{
    identity::provider::{Known, Method},
    modules::Token,
    secret::Secret,
    signin::{Denied, SignedIn, attempt, local, providers::Entry, sessions::SessionError, shown},
    world::input::TokenKind,
};

/// What a browser proves when it signed in before.
const DEVICE: &str = "device";
/// How long a browser is remembered to have signed in: the wait after failures is shorter for it, nothing else.
const DEVICE_LIFE: u64 = 365 * 24 * 3600;
/// Where people go on who were going nowhere.
const HOME: &str = "/account";

/// A way to sign in.
#[derive(Clone, Debug)]
struct Way {
    name: String,
    display: String,
    password: bool,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    csrf: String,
    next: &'a str,
    error: String,
    browser: Vec<Way>,
    password: Vec<Way>,
    provider: &'a str,
    username: &'a str,
    must_change: bool,
    shortest: usize,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    csrf: &'a str,
    error: &'a str,
    notice: &'a str,
    display: &'a str,
    user: &'a str,
    login: &'a str,
    clusters: Vec<&'a str>,
    identities: Vec<String>,
    linkable: Vec<Way>,
    tokens: Vec<TokenLine>,
    local: bool,
    shortest: usize,
}

struct TokenLine {
    name: String,
    kind: &'static str,
    description: String,
    since: String,
    used: String,
    ends: String,
    current: bool,
}

/// Ways that work, of those that begin so.
fn ways(entries: &[Arc<Entry>], method: Method) -> Vec<Way> {
    let usable = |entry: &&Arc<Entry>| {
        entry.signs_in() && entry.provider.as_ref().is_ok_and(|provider| provider.method() == method)
    };
    let way = |entry: &Arc<Entry>| Way {
        name: entry.name.to_string(),
        display: entry.display_name.clone(),
        password: method == Method::Password,
    };
    entries.iter().filter(usable).map(way).collect()
}

/// Where to go on after sign-in.
fn next(wanted: &str) -> &str {
    targets::path(wanted).unwrap_or(HOME)
}

impl Web {
    pub(super) fn login_page(&self, asked: &Asked) -> Answer {
        if self.in_browser(asked).is_some() && targets::path(asked.query("next")).is_some() {
            return answer::to(next(asked.query("next")));
        }
        self.ask(asked, next(asked.query("next")), String::new(), false)
    }

    /// The sign-in page, after a failure with what the person is told of it.
    fn ask(&self, asked: &Asked, next: &str, error: String, must_change: bool) -> Answer {
        let Some((csrf, cookie)) = self.before_session(asked) else { return answer::broken() };
        let entries = self.signin.providers.all();
        let page = LoginPage {
            csrf,
            next,
            error,
            browser: ways(&entries, Method::Browser),
            password: ways(&entries, Method::Password),
            provider: asked.form("provider"),
            username: asked.form("username"),
            must_change,
            shortest: self.signin.providers.settings().password_length(),
        };
        answer::page(&page).with_cookie(cookie)
    }

    pub(super) async fn login(&self, asked: &Asked) -> Answer {
        if !self.is_own_form(asked) {
            return foreign();
        }
        let next = next(asked.form("next"));
        let new = asked.form("new_password");
        if !new.is_empty() && new != asked.form("again") {
            let answer = self.ask(asked, next, "The two new passwords differ.".to_owned(), true);
            return answer.with_code(StatusCode::UNPROCESSABLE_ENTITY);
        }
        let new = (!new.is_empty()).then(|| Secret::new(new.to_owned()));
        let (provider, user) = (asked.form("provider"), asked.form("username"));
        let password = Secret::new(asked.form("password").to_owned());
        let known = self.is_known_browser(asked, provider, user);
        match self.signin.by_password(provider, user, password, new.as_ref(), asked.source, known).await {
            Ok(signed) => {
                let proof = self.signin.keys.prove(DEVICE, &attempt(provider, user));
                let device = cookies::set(cookies::DEVICE, &proof, Some(DEVICE_LIFE));
                self.welcome(asked, &signed, next).await.with_cookie(device)
            }
            Err(denied) => {
                tracing::info!(provider = shown(provider), source = %asked.source, reason = %denied, "a sign-in was refused");
                let must_change = matches!(denied, Denied::MustChange(_) | Denied::Password(_));
                let answer = self.ask(asked, next, denied.told(), must_change).with_code(denied.code());
                match denied {
                    Denied::Wait(wait) => answer.retry(wait.0.as_secs().max(1)),
                    _ => answer,
                }
            }
        }
    }

    /// A session for somebody who signed in, always a new one (session fixation), and the way on.
    pub(super) async fn welcome(&self, asked: &Asked, signed: &SignedIn, next: &str) -> Answer {
        let description = format!("{} from {}", asked.agent(), asked.source);
        let issued = match self.signin.session(signed, &description).await {
            Ok(issued) => issued,
            Err(denied) => {
                tracing::error!(error = %denied, "a session could not be made");
                return answer::trouble(denied.code(), &denied.told());
            }
        };
        tracing::info!(user = %signed.user.name, provider = %signed.provider, source = %asked.source, "signed in");
        if let Some(old) = self.in_browser(asked)
            && let Err(error) = self.signin.sessions.end(&old.token.name).await
        {
            tracing::warn!(%error, "the session before could not be ended");
        }
        let seconds = self.signin.providers.settings().session().as_secs();
        answer::to(next)
            .with_cookie(cookies::set(cookies::SESSION, issued.text.expose(), Some(seconds)))
            .with_cookie(cookies::remove(cookies::FORM))
    }

    fn is_known_browser(&self, asked: &Asked, provider: &str, user: &str) -> bool {
        let proof = cookies::read(&asked.headers, cookies::DEVICE);
        proof.is_some_and(|proof| self.signin.keys.is_proof(DEVICE, &attempt(provider, user), proof))
    }

    pub(super) async fn account(&self, asked: &Asked, error: &str, notice: &str) -> Answer {
        let Some(caller) = self.in_browser(asked) else { return answer::sign_in_first(HOME) };
        let name = &caller.user.name;
        let (tokens, known) = tokio::join!(self.signin.sessions.of(name), self.signin.people.known(name));
        let (Ok(tokens), Ok(known)) = (tokens, known) else {
            return answer::trouble(StatusCode::SERVICE_UNAVAILABLE, "The account cannot be shown at this moment.");
        };
        let has = |way: &Way| way.name == local::NAME || known.iter().any(|(provider, _)| **provider == *way.name);
        let entries = self.signin.providers.all();
        let linkable = ways(&entries, Method::Browser).into_iter().chain(ways(&entries, Method::Password));
        let own = std::iter::once(format!("local://{name}"));
        let page = AccountPage {
            csrf: &caller.csrf,
            error,
            notice,
            display: &caller.user.username,
            user: name,
            login: &caller.user.username,
            clusters: caller.clusters().into_iter().map(|cluster| &*cluster.id).collect(),
            identities: own.chain(known.iter().map(|(_, Known { principal, .. })| principal.to_string())).collect(),
            linkable: linkable.filter(|way| !has(way)).collect(),
            tokens: tokens.iter().map(|token| line(token, &caller)).collect(),
            local: caller.provider() == local::NAME,
            shortest: self.signin.providers.settings().password_length(),
        };
        answer::page(&page)
    }

    pub(super) async fn end(&self, asked: &Asked) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let name = asked.form("name");
        let own = caller.world.tokens_of(&caller.user.name).find(|token| *token.name == *name);
        let Some(token) = own else {
            return self.account(asked, "There is no such session.", "").await.with_code(StatusCode::NOT_FOUND);
        };
        match self.end_token(token).await {
            Ok(()) if *caller.token.name == *name => gone(),
            Ok(()) => answer::to(HOME),
            Err(error) => self.not_now(asked, &error).await,
        }
    }

    async fn not_now(&self, asked: &Asked, error: &SessionError) -> Answer {
        tracing::error!(%error, "a session could not be ended");
        let answer = self.account(asked, "It could not be ended at this moment: try again.", "").await;
        answer.with_code(StatusCode::SERVICE_UNAVAILABLE)
    }

    pub(super) async fn change_password(&self, asked: &Asked) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let new = Secret::new(asked.form("new_password").to_owned());
        if new.expose() != asked.form("again") {
            let answer = self.account(asked, "The two new passwords differ.", "").await;
            return answer.with_code(StatusCode::UNPROCESSABLE_ENTITY);
        }
        let old = Secret::new(asked.form("password").to_owned());
        match self.change(&caller, asked, &old, &new).await {
            Ok(()) => self.account(asked, "", "The password was changed, and all other sessions ended.").await,
            Err(denied) => self.account(asked, &denied.told(), "").await.with_code(denied.code()),
        }
    }

    /// Changes the caller's password, which it proves; whatever else it has ends.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        asked: &Asked,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<(), Denied> {
        let login = &caller.user.username;
        let entry = self.signin.providers.get(local::NAME).ok_or_else(|| Denied::NoProvider(local::NAME.to_owned()))?;
        let known = self.is_known_browser(asked, local::NAME, login);
        self.signin.try_password(&entry, login, old.clone(), asked.source, known).await?;
        self.signin.set_password(&caller.user, old, new).await?;
        let own = &caller.token.name;
        self.signin.sessions.end_all(&caller.user.name, |token| token.name != *own).await?;
        Ok(())
    }

    /// Adds an identity: at once with a password, else by a journey.
    pub(super) async fn link(&self, asked: &Asked) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let name = asked.form("provider");
        let Some(entry) = self.signin.providers.get(name).filter(|entry| *entry.name != *local::NAME) else {
            return self.account(asked, "This provider is not offered.", "").await.with_code(StatusCode::NOT_FOUND);
        };
        if entry.provider.as_ref().is_ok_and(|provider| provider.method() == Method::Browser) {
            return self.set_out(&entry, HOME, Some(&caller.user.name), answer::onward).await;
        }
        let password = Secret::new(asked.form("password").to_owned());
        let linked: Result<(), Denied> = async {
            let user = asked.form("username");
            let person = self.signin.try_password(&entry, user, password, asked.source, false).await?;
            Ok(self.signin.people.link(&caller.user.name, &entry, &person, Timestamp::now()).await?)
        }
        .await;
        match linked {
            Ok(()) => answer::to(HOME),
            Err(denied) => {
                tracing::info!(user = %caller.user.name, reason = %denied, "an identity was not added");
                self.account(asked, &denied.told(), "").await.with_code(denied.code())
            }
        }
    }

    /// T9: the session itself ends, not only the cookie.
    pub(super) async fn logout(&self, asked: &Asked, everywhere: bool) -> Answer {
        let caller = match self.in_form(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        // Asked before anything ends: what is known of the person is needed for it.
        let farewell = self.farewell(&caller).await;
        let ended = if everywhere {
            self.signin.sessions.end_all(&caller.user.name, |_| true).await.map(drop)
        } else {
            self.signin.sessions.end(&caller.token.name).await
        };
        match (ended, farewell) {
            (Err(error), _) => self.not_now(asked, &error).await,
            (Ok(()), Some(location)) => answer::onward(&location).with_cookie(cookies::remove(cookies::SESSION)),
            (Ok(()), None) => gone(),
        }
    }

    /// Where the session at the provider is ended too, where there is such a place.
    async fn farewell(&self, caller: &Caller) -> Option<String> {
        let entry = self.signin.providers.get(caller.provider())?;
        let known = self.signin.people.known(&caller.user.name).await.ok()?;
        let (_, known) = known.into_iter().find(|(name, _)| *name == entry.name)?;
        entry.provider.as_ref().ok()?.farewell(&known, &format!("{}/logout", self.public))
    }
}

fn gone() -> Answer {
    answer::to("/logout").with_cookie(cookies::remove(cookies::SESSION))
}

pub(super) fn signed_out() -> Answer {
    answer::message("You are signed out", "This session is over.", "/login", "Sign in again")
}

fn line(token: &Token, caller: &Caller) -> TokenLine {
    let name = token.name_any();
    let minute = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let row = caller.world.tokens_of(&caller.user.name).find(|row| *row.name == *name);
    TokenLine {
        kind: match token.kind() {
            TokenKind::Refresh => "drover login",
            TokenKind::Session => "Browser",
            TokenKind::Kubeconfig => "Kubeconfig",
            TokenKind::Api => "API token",
        },
        description: token.spec.description.clone().unwrap_or_default(),
        since: token.metadata.creation_timestamp.as_ref().map(|time| minute(time.0)).unwrap_or_default(),
        used: row.and_then(|row| row.used.get()).map(minute).unwrap_or_default(),
        ends: row.and_then(|row| row.ends_at()).map_or_else(|| "never".to_owned(), minute),
        current: *caller.token.name == *name,
        name,
    }
}
