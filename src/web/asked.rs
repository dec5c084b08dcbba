//! A request for one of Drover's own pages, read whole: they are small.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use apimachinery::status::Status;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::answer::{self, Answer};
use crate::gateway::{Peer, authenticate::is_foreign};

/// Bytes of a form or a question.
const LARGEST: usize = 64 * 1024;
/// How long its body may take.
const BODY: Duration = Duration::from_secs(10);

/// What was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub path: String,
    pub headers: HeaderMap,
    pub source: IpAddr,
    query: HashMap<String, String>,
    form: HashMap<String, String>,
    body: Bytes,
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// A body that is too large or too slow; a field that is given twice.
    pub(super) async fn read(peer: &Peer, request: Request<Incoming>) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let collected = tokio::time::timeout(BODY, Limited::new(body, LARGEST).collect()).await;
        let body = match collected {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(answer::status(&Status::too_large("the request's body is larger than 64 KiB"))),
            Err(_) => {
                return Err(answer::status(&Status::request_timeout("the request's body did not arrive in time")));
            }
        };
        let twice = || answer::status(&Status::bad_request("a field is given more than once"));
        let query = fields(parts.uri.query().unwrap_or_default().as_bytes()).ok_or_else(twice)?;
        let is_form = is_of_type(&parts.headers, "application/x-www-form-urlencoded");
        let form = if is_form { fields(&body).ok_or_else(twice)? } else { HashMap::new() };
        Ok(Self {
            source: peer.source(&parts.headers),
            path: parts.uri.path().to_owned(),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            query,
            form,
            body,
        })
    }

    /// A field of the query; empty where it is not there.
    pub(super) fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// A field of the form; empty where it is not there.
    pub(super) fn form(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; of no bytes the default.
    pub(super) fn json<T: DeserializeOwned + Default>(&self) -> Result<T, Answer> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        if !is_of_type(&self.headers, "application/json") {
            return Err(answer::status(&Status::unsupported_media_type("expected `application/json`")));
        }
        // The failure's own text shows what stands there, which may be a password (T1).
        let wrong = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            let what = if error.is_data() { "has a field of another form than is expected" } else { "is no JSON" };
            answer::status(&Status::bad_request(format!("the request's body {what}: line {line}, column {column}")))
        };
        serde_json::from_slice(&self.body).map_err(wrong)
    }

    /// What the client calls itself, in short.
    pub(super) fn agent(&self) -> String {
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("a client");
        agent.chars().filter(|c| !c.is_control()).take(120).collect()
    }

    /// Whether the page that asks is one of this host: a browser says so in everything that is not a plain `GET`.
    pub(super) fn is_own_page(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(|site| site == "same-origin");
        if self.headers.contains_key(header::ORIGIN) {
            return !is_foreign(&self.headers, &self.uri) && site.unwrap_or(true);
        }
        site.unwrap_or(false)
    }
}

/// Whether the body is of a media type.
fn is_of_type(headers: &HeaderMap, media: &str) -> bool {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    told.split(';').next().is_some_and(|told| told.trim().eq_ignore_ascii_case(media))
}

/// The fields of a query or a form, if none stands twice.
fn fields(text: &[u8]) -> Option<HashMap<String, String>> {
    let mut fields = HashMap::new();
    for (name, value) in form_urlencoded::parse(text) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}
