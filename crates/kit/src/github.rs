//! A GitHub Enterprise server as its public documents describe it: OAuth with PKCE, and the few calls of the REST API that are used.
//!
//! Source: <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>,
//! <https://docs.github.com/en/rest/orgs/orgs>, `/rest/teams/teams`, `/rest/users/users`, `/rest/search/search`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::fake::{FakeApiserver, Recorded, Reply};

/// The id of the application that is registered.
pub const CLIENT: &str = "Iv1.0123456789abcdef";
/// Its secret.
pub const SECRET: &str = "github-application-secret";

/// A person there.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its number.
    pub id: u64,
    /// Its login.
    pub login: String,
    /// Whether it may do nothing.
    pub suspended: bool,
    /// Organisations: number and login.
    pub organisations: Vec<(u64, String)>,
    /// Teams: number, name, and the organisation's number and login.
    pub teams: Vec<(u64, String, u64, String)>,
}

#[derive(Default)]
struct State {
    accounts: Vec<Account>,
    /// By code: login, challenge, redirect URI.
    codes: BTreeMap<String, (String, String, String)>,
    /// By token: login.
    tokens: BTreeMap<String, String>,
    issued: u64,
    is_limited: bool,
}

/// A running server.
pub struct Github {
    server: FakeApiserver,
    state: Arc<Mutex<State>>,
}

impl Github {
    /// Starts one with these people; each signs in with its login.
    pub fn start(accounts: Vec<Account>) -> Self {
        let server = FakeApiserver::start();
        let state = Arc::new(Mutex::new(State { accounts, ..State::default() }));
        let shared = Arc::clone(&state);
        server.route("", "/", move |request: &Recorded| shared.lock().unwrap().answer(request));
        Self { server, state }
    }

    /// The server underneath: what it got, and how it misbehaves.
    pub const fn server(&self) -> &FakeApiserver {
        &self.server
    }

    /// Its host with the port.
    pub fn host(&self) -> String {
        self.server.url().trim_start_matches("https://").to_owned()
    }

    /// Makes an account be another one; `None` removes it.
    pub fn change(&self, login: &str, account: Option<Account>) {
        let mut state = self.state.lock().unwrap();
        state.accounts.retain(|account| account.login != login);
        state.accounts.extend(account);
    }

    /// Takes all tokens back.
    pub fn revoke_tokens(&self) {
        self.state.lock().unwrap().tokens.clear();
    }

    /// Whether the limit of calls is reached.
    pub fn limit(&self, is_limited: bool) {
        self.state.lock().unwrap().is_limited = is_limited;
    }
}

impl State {
    fn answer(&mut self, request: &Recorded) -> Reply {
        let query = pairs(request.uri.query().unwrap_or_default().as_bytes());
        let form = pairs(&request.body);
        match (request.method.as_str(), request.path()) {
            ("GET", "/login/oauth/authorize") => {
                let target = request.uri.path_and_query().unwrap().as_str().replace('&', "&amp;");
                Reply::text(format!("<form method=\"post\" action=\"{target}\"><input name=\"login\"></form>"))
                    .header("content-type", "text/html")
            }
            ("POST", "/login/oauth/authorize") => self.authorize(&query, &form),
            ("POST", "/login/oauth/access_token") => self.exchange(&form),
            ("GET", path) => match path.strip_prefix("/api/v3") {
                Some(path) => self.api(path, &query, request),
                None => not_found(),
            },
            _ => not_found(),
        }
    }

    fn authorize(&mut self, query: &BTreeMap<String, String>, form: &BTreeMap<String, String>) -> Reply {
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (redirect, login) = (text("redirect_uri"), form.get("login").cloned().unwrap_or_default());
        if text("client_id") != CLIENT || text("code_challenge_method") != "S256" || text("scope") != "read:org" {
            return not_found();
        }
        if !self.accounts.iter().any(|account| account.login == login) {
            return Reply::redirect(&format!("{redirect}?error=access_denied&state={}", text("state")));
        }
        self.issued += 1;
        let code = format!("code-{}", self.issued);
        self.codes.insert(code.clone(), (login, text("code_challenge"), redirect.clone()));
        Reply::redirect(&format!("{redirect}?code={code}&state={}", text("state")))
    }

    /// What goes wrong is told with 200.
    fn exchange(&mut self, form: &BTreeMap<String, String>) -> Reply {
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if text("client_id") != CLIENT || text("client_secret") != SECRET {
            let why = "The client_id and/or client_secret passed are incorrect.";
            return Reply::json(&json!({"error": "incorrect_client_credentials", "error_description": why}));
        }
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, text("code_verifier").as_bytes()));
        match self.codes.remove(text("code")) {
            Some((login, own, redirect)) if own == challenge && redirect == text("redirect_uri") => {
                self.issued += 1;
                let token = format!("gho_{}", self.issued);
                self.tokens.insert(token.clone(), login);
                Reply::json(&json!({"access_token": token, "token_type": "bearer", "scope": "read:org"}))
            }
            _ => {
                let why = "The code passed is incorrect or expired.";
                Reply::json(&json!({"error": "bad_verification_code", "error_description": why}))
            }
        }
    }

    fn api(&self, path: &str, query: &BTreeMap<String, String>, request: &Recorded) -> Reply {
        if self.is_limited {
            return told(403, "API rate limit exceeded")
                .header("x-ratelimit-remaining", "0")
                .header("x-ratelimit-reset", "1900000000");
        }
        let credential = request.header("authorization").unwrap_or_default();
        let is_application = credential == format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        let person = credential.strip_prefix("Bearer ").and_then(|token| self.tokens.get(token));
        let person = person.and_then(|login| self.accounts.iter().find(|account| account.login == *login));
        if person.is_none() && !is_application {
            return told(401, "Bad credentials");
        }
        if person.is_some_and(|person| person.suspended) {
            return told(403, "Sorry. Your account was suspended.");
        }
        let one = |account: Option<&Account>| account.map_or_else(not_found, |account| Reply::json(&user(account)));
        match (path, person) {
            ("/user", Some(person)) => one(Some(person)),
            ("/user/orgs", Some(person)) => {
                let organisation = |(id, login): &(u64, String)| json!({"id": id, "login": login});
                page(path, &person.organisations.iter().map(organisation).collect::<Vec<_>>(), query)
            }
            ("/user/teams", Some(person)) => {
                let team = |(id, name, organisation, login): &(u64, String, u64, String)| json!({"id": id, "name": name, "slug": name, "organization": {"id": organisation, "login": login}});
                page(path, &person.teams.iter().map(team).collect::<Vec<_>>(), query)
            }
            ("/rate_limit", _) => Reply::json(&json!({"resources": {}})),
            ("/search/users", _) => {
                let q = query.get("q").cloned().unwrap_or_default();
                let term = q.split(' ').next().unwrap_or_default().to_owned();
                let people = self.accounts.iter().filter(|account| account.login.contains(&term)).map(user);
                let organisations = self.accounts.iter().flat_map(|account| &account.organisations);
                let organisations = organisations.filter(|(_, login)| login.contains(&term));
                let organisations =
                    organisations.map(|(id, login)| json!({"id": id, "login": login, "type": "Organization"}));
                let wanted = |item: &Value| {
                    let kind = &item["type"];
                    !(q.contains("type:user") && kind == "Organization" || q.contains("type:org") && kind == "User")
                };
                let mut items: Vec<Value> = people.chain(organisations).filter(wanted).collect();
                items.dedup();
                Reply::json(&json!({"total_count": items.len(), "incomplete_results": false, "items": items}))
            }
            (path, _) => match (path.strip_prefix("/user/"), path.strip_prefix("/users/")) {
                (Some(id), _) => one(self.accounts.iter().find(|account| account.id.to_string() == id)),
                (_, Some(login)) => one(self.accounts.iter().find(|account| account.login == login)),
                _ => not_found(),
            },
        }
    }
}

fn user(account: &Account) -> Value {
    let suspended_at = account.suspended.then_some("2026-01-01T00:00:00Z");
    json!({"id": account.id, "login": account.login, "name": null, "email": null, "type": "User", "suspended_at": suspended_at})
}

fn page(path: &str, items: &[Value], query: &BTreeMap<String, String>) -> Reply {
    let number = |name: &str, default: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (size, page) = (number("per_page", 30), number("page", 1));
    let shown: Vec<Value> = items.iter().skip((page - 1) * size).take(size).cloned().collect();
    let reply = Reply::json(&shown);
    if page * size < items.len() {
        // Some other host: whoever follows it goes astray.
        let next = format!("<https://evil.example.org{path}?page={}>; rel=\"next\"", page + 1);
        return reply.header("link", &next);
    }
    reply
}

fn not_found() -> Reply {
    told(404, "Not Found")
}

fn told(status: u16, message: &str) -> Reply {
    Reply::json(&json!({"message": message, "documentation_url": "https://docs.github.com/rest"})).status(status)
}

fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}
