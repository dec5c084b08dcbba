//! The few calls of GitHub's REST API that are used. Pages are counted, not followed: a `Link` leads nowhere else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, LINK, RETRY_AFTER},
};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use crate::identity::{
    provider::{MAX_GROUPS, ProviderError},
    providers::http::HttpClient,
};

/// Items of one page, the most that there can be.
const PAGE: usize = 100;

/// Why a call gives nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The credential is not good.
    Revoked,
    /// The account may do nothing.
    Suspended,
    /// Anything else.
    Other(ProviderError),
}

/// A user or an organisation.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) login: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) suspended_at: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// A team of an organisation.
#[derive(Debug, Deserialize)]
pub(super) struct Team {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) organization: Account,
}

#[derive(Deserialize)]
struct Found {
    items: Vec<Account>,
}

#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    message: String,
}

/// The API with one credential.
pub(super) struct Api<'a> {
    provider: &'a str,
    http: &'a HttpClient,
    base: &'a str,
    authorization: String,
}

impl Account {
    pub(super) fn is_organisation(&self) -> bool {
        self.kind.as_deref() == Some("Organization")
    }
}

/// The credential of an application.
pub(super) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

impl<'a> Api<'a> {
    pub(super) const fn new(provider: &'a str, http: &'a HttpClient, base: &'a str, authorization: String) -> Self {
        Self { provider, http, base, authorization }
    }

    /// Whose the token is.
    pub(super) async fn user(&self) -> Result<Account, Failure> {
        self.get("/user").await?.0.ok_or_else(|| self.other("`/user` answered 404"))
    }

    /// The organisations that the person is in.
    pub(super) async fn organisations(&self) -> Result<Vec<Account>, Failure> {
        self.pages("/user/orgs").await
    }

    /// The teams that the person is in.
    pub(super) async fn teams(&self) -> Result<Vec<Team>, Failure> {
        self.pages("/user/teams").await
    }

    /// A user by its number; `None` where there is none.
    pub(super) async fn user_by_id(&self, id: u64) -> Result<Option<Account>, Failure> {
        Ok(self.get(&format!("/user/{id}")).await?.0)
    }

    /// A user by its login; `None` where there is none.
    pub(super) async fn user_by_login(&self, login: &str) -> Result<Option<Account>, Failure> {
        if login.is_empty() || !login.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Ok(None);
        }
        Ok(self.get(&format!("/users/{login}")).await?.0)
    }

    /// Users and organisations.
    pub(super) async fn search(&self, query: &str, limit: usize) -> Result<Vec<Account>, Failure> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let found = self.get::<Found>(&format!("/search/users?q={query}&per_page={}", limit.clamp(1, PAGE))).await?;
        Ok(found.0.map(|found| found.items).unwrap_or_default())
    }

    /// Whether the API takes the credential.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        // It does not count against the limit of calls.
        self.get::<serde_json::Value>("/rate_limit").await.map(drop)
    }

    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        for page in 1.. {
            let (items, more) = self.get::<Vec<T>>(&format!("{path}?per_page={PAGE}&page={page}")).await?;
            all.extend(items.ok_or_else(|| self.other(format_args!("`{path}` answered 404")))?);
            if !more || all.len() >= MAX_GROUPS {
                break;
            }
        }
        Ok(all)
    }

    /// What a path has, and whether there is a next page.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(Option<T>, bool), Failure> {
        let url = format!("{}{path}", self.base);
        let mut credential =
            HeaderValue::from_str(&self.authorization).map_err(|_| self.other("the credential cannot be sent"))?;
        credential.set_sensitive(true);
        let request = Request::get(url)
            .header(AUTHORIZATION, credential)
            .header(ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .body(Vec::new())
            .map_err(|error| self.other(error))?;
        let answer = self.http.send(request).await.map_err(|error| self.other(error))?;
        let path = path.split('?').next().unwrap_or_default();
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok((None, false)),
            StatusCode::UNAUTHORIZED => return Err(Failure::Revoked),
            _ => return Err(self.refusal(path, &answer)),
        }
        let more = has_next(answer.headers());
        let read = serde_json::from_slice(answer.body());
        Ok((Some(read.map_err(|error| self.other(format_args!("`{path}`: {error}")))?), more))
    }

    fn refusal(&self, path: &str, answer: &Response<Vec<u8>>) -> Failure {
        let Told { message } = serde_json::from_slice(answer.body()).unwrap_or_default();
        let message: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
        let status = answer.status();
        if status == StatusCode::FORBIDDEN && message.contains("account was suspended") {
            return Failure::Suspended;
        }
        let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            if let Some(seconds) = text(RETRY_AFTER.as_str()) {
                return self.other(format_args!("the rate limit is reached; it may be asked again in {seconds} s"));
            }
            if text("x-ratelimit-remaining") == Some("0") {
                let reset =
                    text("x-ratelimit-reset").and_then(|reset| Timestamp::from_second(reset.parse().ok()?).ok());
                let until = reset.map_or_else(|| "a later time".to_owned(), |reset| reset.to_string());
                return self.other(format_args!("the rate limit is reached until {until}"));
            }
        }
        self.other(format_args!("`{path}` answered {status}: {message}"))
    }

    fn other(&self, message: impl std::fmt::Display) -> Failure {
        Failure::Other(ProviderError::new(self.provider, message))
    }
}

/// Whether a `Link` names a next page (RFC 8288).
fn has_next(headers: &HeaderMap) -> bool {
    headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok()).any(|link| link.contains(r#"rel="next""#))
}
