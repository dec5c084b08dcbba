//! Calls for programs, in Rancher's wire forms: sign-in by password, one's tokens, principals; and `/v1/self`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use apimachinery::status::Status;
use http::StatusCode;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    caller::Caller,
};
use crate::{
    identity::provider::{Method, PrincipalKind, Query},
    modules::{GROUP, Token},
    secret::Secret,
    signin::{
        Denied,
        providers::Entry,
        sessions::{SessionError, Wanted, is_derived, kind_name},
        shown,
    },
    world::{
        input::{Subject, TokenKind},
        names::LOCAL,
    },
};

/// The role template of those who may do everything in the management plane.
const ADMINISTRATOR: &str = "cluster-admin";
/// Principals that a search finds at each provider.
const FOUND: usize = 50;

/// `POST /v3-public/<kind>Providers/<name>?action=login`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Login {
    username: String,
    password: String,
    new_password: String,
    description: String,
    /// Milliseconds.
    ttl: Option<u64>,
}

/// `POST /v3/tokens`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NewToken {
    description: String,
    /// Milliseconds; 0 and none: as long as is allowed.
    ttl: Option<u64>,
    cluster_id: Option<String>,
    /// `kubeconfig`, or none for an API token.
    kind: Option<String>,
}

/// `POST /v3/principals?action=search`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Search {
    name: String,
    principal_type: Option<String>,
}

/// `POST /v3/users?action=changepassword`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ChangePassword {
    current_password: String,
    new_password: String,
}

fn refused(denied: &Denied) -> Answer {
    let told = denied.told();
    let status = match denied.code() {
        StatusCode::UNAUTHORIZED => Status::unauthorized().with_message(|_| told),
        StatusCode::NOT_FOUND => Status::no_such_path(),
        StatusCode::SERVICE_UNAVAILABLE => Status::unavailable(told),
        StatusCode::UNPROCESSABLE_ENTITY => Status::bad_request(told),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = if let Denied::Wait(wait) = denied { wait.0 } else { Duration::from_secs(1) };
            Status::too_many_requests(told, wait.max(Duration::from_secs(1)))
        }
        _ => Status::forbidden("", "", "", &told),
    };
    answer::status(&status)
}

fn of_session(error: SessionError) -> Answer {
    match error {
        SessionError::TooMany { .. } => forbidden(&error.to_string()),
        SessionError::TooLong(_) => answer::status(&Status::bad_request(error.to_string())),
        error => {
            tracing::error!(%error, "the management plane does not take a token");
            answer::status(&Status::unavailable("the management plane does not answer as it should"))
        }
    }
}

fn forbidden(why: &str) -> Answer {
    answer::status(&Status::forbidden(GROUP, "tokens", "", why))
}

fn done(ended: Result<(), SessionError>) -> Answer {
    match ended {
        Ok(()) => answer::json(StatusCode::OK, &json!({})),
        Err(error) => of_session(error),
    }
}

/// A token as its owner sees it: never its hash.
fn told(token: &Token, caller: &Caller) -> Value {
    let name = token.name_any();
    let row = caller.world.tokens_of(&caller.user.name).find(|row| *row.name == *name);
    json!({
        "type": "token",
        "id": name,
        "name": name,
        "kind": kind_name(token.kind()),
        "userId": token.spec.user_id,
        "authProvider": token.spec.auth_provider,
        "clusterId": token.spec.cluster_name,
        "description": token.spec.description,
        "enabled": token.spec.enabled.unwrap_or(true),
        "created": token.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        "expiresAt": row.and_then(|row| row.ends_at()).map(|end| end.to_string()),
        "lastUsedAt": row.and_then(|row| row.used.get()).map(|used| used.to_string()),
        "current": *caller.token.name == *name,
    })
}

/// Why a token of one cluster does not do this (T4).
const NARROW: &str = "the token that asks works in one cluster alone: it ends itself and nothing else";

impl Caller {
    /// Whether it is there for one cluster alone.
    fn is_narrow(&self) -> bool {
        self.token.cluster.is_some()
    }

    /// Whether it may do everything in the management plane.
    fn is_administrator(&self) -> bool {
        let Some(local) = self.world.cluster(LOCAL) else { return false };
        if self.token.cluster.as_ref().is_some_and(|scope| **scope != *LOCAL) {
            return false;
        }
        let roles = local.roles_of(self.identity.subjects(&self.world));
        roles.iter().filter_map(|role| local.roles.get(*role as usize)).any(|role| *role.template == *ADMINISTRATOR)
    }
}

impl Web {
    /// Who calls, and what it reaches.
    pub(super) fn myself(&self, asked: &Asked) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        let clusters: Vec<Value> = caller
            .clusters()
            .into_iter()
            .map(|cluster| json!({"id": &*cluster.id, "name": &*cluster.display_name}))
            .collect();
        let subjects: HashSet<_> = caller.identity.subjects(&caller.world).collect();
        let mut groups = caller.world.named(|id| subjects.contains(&id));
        groups.sort();
        let myself = json!({
            "user": {"name": &*caller.user.name, "username": &*caller.user.username},
            "provider": caller.provider(),
            "groups": groups,
            "administrator": caller.is_administrator(),
            "token": {
                "name": &*caller.token.name,
                "kind": kind_name(caller.token.kind),
                "expiresAt": caller.token.ends_at().map(|end| end.to_string()),
                "cluster": caller.token.cluster.as_deref(),
            },
            "clusters": clusters,
        });
        answer::json(StatusCode::OK, &myself)
    }

    /// The ways to sign in, for programs.
    pub(super) fn auth_providers(&self) -> Answer {
        let way = |entry: Arc<Entry>| {
            let provider = entry.provider.as_ref().ok().filter(|_| entry.signs_in())?;
            let browser = provider.method() == Method::Browser;
            Some(json!({
                "id": &*entry.name,
                "type": serde_json::to_value(entry.type_).unwrap_or_default(),
                "displayName": entry.display_name,
                "method": if browser { "browser" } else { "password" },
                "redirectUrl": browser.then(|| format!("{}/login/{}", self.public, entry.name)),
            }))
        };
        let data: Vec<Value> = self.signin.providers.all().into_iter().filter_map(way).collect();
        answer::json(StatusCode::OK, &json!({"type": "collection", "resourceType": "authProvider", "data": data}))
    }

    pub(super) async fn public_login(&self, asked: &Asked, provider: &str) -> Answer {
        if asked.query("action") != "login" {
            return answer::no_such_path();
        }
        let login: Login = match asked.json() {
            Ok(login) => login,
            Err(answer) => return answer,
        };
        let issued: Result<Value, Denied> = async {
            let new = (!login.new_password.is_empty()).then(|| Secret::new(login.new_password));
            let (user, password) = (&login.username, Secret::new(login.password));
            let signed = self.signin.by_password(provider, user, password, new.as_ref(), asked.source, false).await?;
            let settings = self.signin.providers.settings();
            let longest = settings.session();
            let ttl = login.ttl.filter(|ttl| *ttl > 0).map_or(longest, Duration::from_millis).min(longest);
            let description = if login.description.is_empty() { asked.agent() } else { line(&login.description) };
            let issued =
                self.signin.issue(&signed, None, TokenKind::Session, ttl, settings.idle(), &description).await?;
            Ok(json!({
                "type": "token",
                "id": issued.name,
                "name": issued.name,
                "token": issued.text.expose(),
                "userId": &*signed.user.name,
                "authProvider": &*signed.provider,
                "expiresAt": issued.expires_at.map(|end| end.to_string()),
            }))
        }
        .await;
        match issued {
            Ok(token) => answer::json(StatusCode::CREATED, &token),
            Err(denied) => {
                tracing::info!(provider = shown(provider), source = %asked.source, reason = %denied, "a sign-in was refused");
                refused(&denied)
            }
        }
    }

    pub(super) async fn tokens(&self, asked: &Asked) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        match self.signin.sessions.of(&caller.user.name).await {
            Ok(tokens) => {
                let data: Vec<Value> = tokens.iter().map(|token| told(token, &caller)).collect();
                answer::json(StatusCode::OK, &json!({"type": "collection", "resourceType": "token", "data": data}))
            }
            Err(error) => of_session(error),
        }
    }

    pub(super) async fn tokens_post(&self, asked: &Asked) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        match asked.query("action") {
            "" => self.token_create(asked, &caller).await,
            "logout" => done(self.end_session_of(&caller.token.name).await),
            "logoutAll" if caller.is_narrow() => forbidden(NARROW),
            "logoutAll" => done(self.signin.sessions.end_all(&caller.user.name, |_| true).await.map(drop)),
            _ => answer::no_such_path(),
        }
    }

    /// T11: of one's own, no longer-lived and no wider than what it is made with, unless that is a person's session.
    async fn token_create(&self, asked: &Asked, caller: &Caller) -> Answer {
        let wanted: NewToken = match asked.json() {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        let kind = match wanted.kind.as_deref() {
            None | Some("" | "api") => TokenKind::Api,
            Some("kubeconfig") => TokenKind::Kubeconfig,
            Some(_) => return answer::status(&Status::bad_request("kind: expected `api` or `kubeconfig`")),
        };
        let cluster = wanted.cluster_id.filter(|cluster| !cluster.is_empty());
        let scope = caller.token.cluster.as_deref();
        if scope.is_some() && cluster.as_deref() != scope {
            return forbidden("clusterId: the token that asks works in one cluster alone, and so must the new one");
        }
        if let Some(id) = &cluster
            && !caller.clusters().iter().any(|cluster| *cluster.id == **id)
        {
            return forbidden(&format!("clusterId: no binding gives you the cluster `{id}`"));
        }
        let settings = self.signin.providers.settings();
        let mut ttl = wanted.ttl.filter(|ttl| *ttl > 0).map(Duration::from_millis);
        if kind == TokenKind::Kubeconfig {
            let most = settings.kubeconfig();
            ttl = Some(ttl.map_or(most, |ttl| ttl.min(most)));
        }
        let asks = match self.signin.sessions.get(&caller.token.name).await {
            Ok(Some(asks)) => asks,
            Ok(None) => return answer::status(&Status::unauthorized()),
            Err(error) => return of_session(error),
        };
        let is_a_persons = match caller.token.kind {
            TokenKind::Session => true,
            // The one of `drover login` goes with its session; that of a kubeconfig is a program's.
            TokenKind::Kubeconfig => is_derived(&asks),
            TokenKind::Api | TokenKind::Refresh => false,
        };
        if !is_a_persons && let Some(end) = caller.token.ends_at() {
            let left = Duration::try_from(Timestamp::now().duration_until(end)).unwrap_or_default();
            if ttl.is_some_and(|ttl| ttl > left) {
                return forbidden("ttl: a token made with one that is no session's cannot outlive it");
            }
            // Its end was rounded to a second: what is left may be more than is allowed by a part of one.
            ttl = ttl.or(Some(settings.longest().map_or(left, |longest| left.min(longest))));
        }
        let description = line(&wanted.description);
        let wanted = Wanted {
            user: &caller.user.name,
            kind,
            ttl,
            cluster: cluster.as_deref(),
            description: &description,
            provider: caller.provider(),
            principal: asks.principal().unwrap_or_default(),
            ..Wanted::default()
        };
        match self.signin.sessions.issue(&wanted, &settings, Timestamp::now()).await {
            Ok(issued) => {
                let token = json!({
                    "type": "token",
                    "id": issued.name,
                    "name": issued.name,
                    "token": issued.text.expose(),
                    "kind": kind_name(kind),
                    "userId": &*caller.user.name,
                    "clusterId": cluster,
                    "expiresAt": issued.expires_at.map(|end| end.to_string()),
                });
                answer::json(StatusCode::CREATED, &token)
            }
            Err(error) => of_session(error),
        }
    }

    pub(super) async fn token_delete(&self, asked: &Asked, name: &str) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        // Another's token and one that is not there look the same.
        let own = caller.world.tokens_of(&caller.user.name).find(|token| *token.name == *name);
        let Some(token) = own else { return answer::status(&Status::not_found(GROUP, "tokens", name)) };
        if caller.is_narrow() && token.name != caller.token.name {
            return forbidden(NARROW);
        }
        done(self.end_token(token).await)
    }

    /// Principals of all providers that begin with a term.
    pub(super) async fn search(&self, asked: &Asked) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        if asked.query("action") != "search" {
            return answer::no_such_path();
        }
        if caller.is_narrow() {
            return forbidden(NARROW);
        }
        let search: Search = match asked.json() {
            Ok(search) => search,
            Err(answer) => return answer,
        };
        let term = search.name.trim();
        if term.is_empty() || term.len() > 256 {
            return answer::status(&Status::bad_request("name: expected 1 to 256 bytes"));
        }
        let kind = match search.principal_type.as_deref() {
            None | Some("") => None,
            Some("user") => Some(PrincipalKind::User),
            Some("group") => Some(PrincipalKind::Group),
            Some(_) => return answer::status(&Status::bad_request("principalType: expected `user` or `group`")),
        };
        let query = Query { term: term.to_owned(), kind, limit: FOUND };
        let entries = self.signin.providers.all();
        let asks = entries.iter().filter_map(|entry| {
            let found = entry.provider.as_ref().ok()?.search(query.clone());
            Some(async move { (&entry.name, found.await) })
        });
        let mut data = Vec::new();
        for (name, found) in futures_util::future::join_all(asks).await {
            self.signin.health.note(name, found.as_ref().err());
            for one in found.unwrap_or_default().into_iter().take(FOUND) {
                let subject = caller.world.subject(&Subject::UserPrincipal(Arc::clone(&one.id)));
                data.push(json!({
                    "type": "principal",
                    "id": &*one.id,
                    "name": one.display_name,
                    "loginName": one.login_name,
                    "principalType": if one.kind == PrincipalKind::User { "user" } else { "group" },
                    "provider": &**name,
                    "me": subject.is_some_and(|subject| caller.user.subjects.contains(&subject)),
                }));
            }
        }
        answer::json(StatusCode::OK, &json!({"type": "collection", "resourceType": "principal", "data": data}))
    }

    pub(super) async fn users_post(&self, asked: &Asked) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        if asked.query("action") != "changepassword" {
            return answer::no_such_path();
        }
        let change: ChangePassword = match asked.json() {
            Ok(change) => change,
            Err(answer) => return answer,
        };
        let (old, new) = (Secret::new(change.current_password), Secret::new(change.new_password));
        match self.change(&caller, asked, &old, &new).await {
            Ok(()) => answer::json(StatusCode::OK, &json!({})),
            Err(denied) => refused(&denied),
        }
    }

    /// Asks the providers about a User now: about oneself, or as an administrator about anybody.
    pub(super) async fn user_post(&self, asked: &Asked, name: &str) -> Answer {
        let caller = match self.in_call(asked) {
            Ok(caller) => caller,
            Err(answer) => return answer,
        };
        if asked.query("action") != "refreshauthprovideraccess" {
            return answer::no_such_path();
        }
        if *caller.user.name != *name && !caller.is_administrator() {
            return answer::status(&Status::not_found(GROUP, "users", name));
        }
        match self.signin.refresh(name).await {
            Ok(()) => answer::json(StatusCode::OK, &json!({})),
            Err(error) => {
                tracing::warn!(user = name, %error, "a user could not be refreshed");
                answer::status(&Status::unavailable("a provider does not answer: nothing was changed"))
            }
        }
    }
}

/// A text for people, in one line.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}
