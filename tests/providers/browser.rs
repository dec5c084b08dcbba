//! A browser without a window: it keeps cookies, follows redirects within one site and fills in forms.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use drover::{
    config::address,
    identity::{
        provider::{Departure, Proof},
        providers::http::HttpClient,
    },
    secret::Secret,
};
use http::{
    Request, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
};
use kit::oidc::{CLIENT, SECRET};

/// Where the providers of these tests send browsers back to.
pub const REDIRECT: &str = "https://drover.example.org/v1/login/callback";

/// Every address may be dialled.
pub fn anywhere() -> address::Check {
    Arc::new(|_, _, _| Ok(()))
}

/// A departure that no other one is like.
pub fn departure(label: &str) -> Departure {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    Departure {
        redirect_uri: REDIRECT.to_owned(),
        state: format!("state-{label}-{now}"),
        nonce: format!("nonce-{label}-{now}"),
        verifier: Secret::new(format!("verifier-{label}-{now}-{}", "x".repeat(43))),
    }
}

/// What a browser brought back.
#[derive(Debug)]
pub struct Arrival(pub BTreeMap<String, String>);

impl Arrival {
    /// The proof for whoever sent it out with `departure`; the state is checked as the gateway does.
    pub fn proof(&self, departure: &Departure) -> Proof {
        assert_eq!(self.0.get("state"), Some(&departure.state));
        self.unchecked(departure)
    }

    /// The proof, whatever the state is.
    pub fn unchecked(&self, departure: &Departure) -> Proof {
        Proof::Callback {
            code: Secret::new(self.0.get("code").unwrap_or_else(|| panic!("no code in {self:?}")).clone()),
            issuer: self.0.get("iss").cloned(),
            departure: departure.clone(),
        }
    }
}

/// The browser.
pub struct Browser {
    site: String,
    http: HttpClient,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser that trusts `ca_pem` and knows the way around `site`, such as `https://localhost:1`.
    pub fn new(site: &str, ca_pem: &str) -> Self {
        let http = HttpClient::new(Some(ca_pem), Duration::from_secs(10), anywhere()).unwrap();
        Self { site: site.to_owned(), http, cookies: BTreeMap::new() }
    }

    /// Goes to `url` and through all forms, as this user, until the site sends it elsewhere.
    pub async fn sign_in(&mut self, url: &str, user: &str) -> Arrival {
        let mut answer = self.go(url, None).await;
        for _ in 0..5 {
            let (at, response) = match answer {
                Place::Elsewhere(arrival) => return arrival,
                Place::Page(at, response) => (at, response),
            };
            let html = String::from_utf8_lossy(response.body()).into_owned();
            assert_eq!(response.status(), 200, "{at}: {html}");
            let action = between(&html, "action=\"", "\"").unwrap_or_else(|| panic!("{at} has no form: {html}"));
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("login", user).append_pair("password", user);
            if let Some(token) = between(&html, "name=\"xsrf\" value=\"", "\"") {
                form.append_pair("xsrf", token).append_pair("logout", "yes");
            }
            let action = action.replace("&amp;", "&");
            let url = if action.starts_with('/') { format!("{}{action}", self.site) } else { action };
            answer = self.go(&url, Some(form.finish())).await;
        }
        panic!("five forms and no end");
    }

    /// Exchanges what was brought back for an ID token, as the client itself.
    pub async fn exchange(&self, arrival: &Arrival, departure: &Departure) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", &arrival.0["code"])
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("code_verifier", departure.verifier.expose());
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encoded(CLIENT), encoded(SECRET)));
        let request = Request::post(format!("{}/token", self.site))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Basic {basic}"));
        let answer = self.http.send(request.body(form.finish().into_bytes()).unwrap()).await.unwrap();
        let tokens: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        tokens["id_token"].as_str().unwrap_or_else(|| panic!("no ID token in {tokens}")).to_owned()
    }

    async fn go(&mut self, url: &str, form: Option<String>) -> Place {
        let (mut url, mut form) = (url.to_owned(), form);
        for _ in 0..10 {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request = Request::get(&url).header(COOKIE, cookies.join("; "));
            if form.is_some() {
                request = request.method("POST").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            }
            let request = request.body(form.take().unwrap_or_default().into_bytes()).unwrap();
            let response = self.http.send(request).await.unwrap();
            for cookie in response.headers().get_all(SET_COOKIE) {
                let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            let Some(next) = response.headers().get(LOCATION) else { return Place::Page(url, response) };
            let next = next.to_str().unwrap();
            url = if next.starts_with('/') { format!("{}{next}", self.site) } else { next.to_owned() };
            if !url.starts_with(&self.site) {
                let (at, query) = url.split_once('?').unwrap_or((&url, ""));
                assert_eq!(at, REDIRECT);
                let answer = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                return Place::Elsewhere(Arrival(answer));
            }
        }
        panic!("ten redirects and no end, at {url}");
    }
}

enum Place {
    Page(String, Response<Vec<u8>>),
    Elsewhere(Arrival),
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}
