//! A browser without a window for one site: it keeps cookies, sends forms as a page of the site does, and goes where it is sent only when
//! it is told to.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, StatusCode,
    header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE},
};
use http_body_util::{BodyExt as _, Full};

use crate::client::{Body, Endpoint, empty};

/// The browser.
#[derive(Clone, Debug)]
pub struct Forms {
    endpoint: Endpoint,
    cookies: BTreeMap<String, String>,
}

/// What a site answered.
#[derive(Clone, Debug)]
pub struct Page {
    /// The code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Forms {
    /// A browser that has never been anywhere.
    pub const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, cookies: BTreeMap::new() }
    }

    /// The site.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The origin of the site's pages.
    pub fn origin(&self) -> String {
        format!("https://{}", self.endpoint.host())
    }

    /// A cookie that it keeps.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Keeps a cookie, as if the site had set it.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// A request with its cookies, to add to.
    pub fn request(&self, method: &str, path: &str, body: Body) -> Request<Body> {
        let mut request = self.endpoint.request(method, path, "", body);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(COOKIE, cookies.join("; ").parse().unwrap());
        }
        request
    }

    /// A form as a page of the site sends it, to change.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> Request<Body> {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
        let mut request = self.request("POST", path, body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ORIGIN, self.origin().parse().unwrap());
        headers.insert(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("same-origin"));
        request
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn send(&mut self, request: Request<Body>) -> Page {
        let response = self.endpoint.send(request).await;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (parts, body) = response.into_parts();
        Page { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Page {
        let request = self.request("GET", path, empty());
        self.send(request).await
    }

    /// Sends a form.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.form(path, fields);
        self.send(request).await
    }

    /// Goes where an answer of the site sends it, on the same site.
    pub async fn follow(&mut self, page: Page) -> Page {
        let to = page.location().unwrap_or_else(|| panic!("it leads nowhere: {page:?}")).to_owned();
        let path = to.strip_prefix(&self.origin()).unwrap_or(&to).to_owned();
        assert!(path.starts_with('/') && !path.starts_with("//"), "`{to}` is another site");
        self.get(&path).await
    }
}

impl Page {
    /// Where it leads.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the first field of this name in its forms.
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split_once('"')?.0.replace("&#38;", "&").replace("&amp;", "&"))
    }

    /// What its forms are proved by.
    pub fn csrf(&self) -> String {
        self.field("csrf").unwrap_or_else(|| panic!("no form that is proved: {self:?}"))
    }

    /// What it says went wrong; empty where nothing did.
    pub fn alert(&self) -> &str {
        let alert = self.text.split_once("role=\"alert\"").and_then(|(_, rest)| rest.split_once('>'));
        alert.and_then(|(_, rest)| rest.split_once('<')).map_or("", |(text, _)| text)
    }
}
