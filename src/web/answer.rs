//! Answers of the pages: every one with the headers that keep it from being framed, sniffed or kept.

use apimachinery::status::Status;
use askama::Template;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::gateway::{Body, reply};

/// No script, no frame, no base, no foreign form.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// The page that sends a code to a command on the person's own machine: a browser asks the policy about redirects of forms too.
const POLICY_LOOPBACK: &str = "default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:* http://[::1]:*; \
                               frame-ancestors 'none'; base-uri 'none'";

/// An answer.
#[derive(Debug)]
pub(super) struct Answer(Box<Response<Body>>);

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        *answer.0
    }
}

impl Answer {
    fn new(code: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Body::full(bytes.into()));
        *response.status_mut() = code;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_FRAME_OPTIONS, "DENY"),
            // The address of a page may hold a code: it goes nowhere else. With `no-referrer` browsers would send forms of these very
            // pages with `Origin: null` (Fetch, 3.2).
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        Self(Box::new(response))
    }

    /// Sets, or takes away, a cookie.
    pub(super) fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.0.headers_mut().append(header::SET_COOKIE, cookie);
        }
        self
    }

    /// With another code.
    pub(super) fn with_code(mut self, code: StatusCode) -> Self {
        *self.0.status_mut() = code;
        self
    }

    /// A form of it may lead to a command on the person's own machine.
    pub(super) fn with_loopback(mut self) -> Self {
        self.0.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY_LOOPBACK));
        self
    }

    /// Says when to come back.
    pub(super) fn retry(mut self, seconds: u64) -> Self {
        self.0.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        self
    }
}

/// A page.
pub(super) fn page(template: &impl Template) -> Answer {
    match template.render() {
        Ok(text) => Answer::new(StatusCode::OK, "text/html; charset=utf-8", text),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            broken()
        }
    }
}

/// JSON.
pub(super) fn json(code: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => Answer::new(code, "application/json", bytes),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            broken()
        }
    }
}

/// A Kubernetes `Status`.
pub(super) fn status(status: &Status) -> Answer {
    let mut response = reply::status(status);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Answer(Box::new(response))
}

/// Something went wrong that is nobody's fault.
pub(super) fn broken() -> Answer {
    status(&Status::internal_error("the page cannot be shown"))
}

/// Nothing is there.
pub(super) fn no_such_path() -> Answer {
    status(&Status::no_such_path())
}

/// Go there, with a GET.
pub(super) fn to(location: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    match HeaderValue::try_from(location) {
        Ok(location) => {
            answer.0.headers_mut().insert(header::LOCATION, location);
            answer
        }
        Err(_) => broken(),
    }
}

/// Sign in first, and come back.
pub(super) fn sign_in_first(here: &str) -> Answer {
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    to(&format!("/login?next={next}"))
}

/// The style of all pages.
pub(super) fn style() -> Answer {
    let mut answer = Answer::new(StatusCode::OK, "text/css; charset=utf-8", include_str!("../../assets/drover.css"));
    answer.0.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
    href: &'a str,
    link: &'a str,
    bad: bool,
}

/// Sends a browser that has sent a form to another site. A redirect would be stopped by the policy about forms, which holds for
/// wherever they lead.
pub(super) fn onward(location: &str) -> Answer {
    page(&Onward { location })
}

/// A page that goes on by itself.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'a> {
    location: &'a str,
}

/// A page that says what went wrong.
pub(super) fn trouble(code: StatusCode, text: &str) -> Answer {
    let message = Message { title: "That did not work", text, href: "/login", link: "To the sign-in page", bad: true };
    page(&message).with_code(code)
}

/// A page that says what was done.
pub(super) fn message(title: &str, text: &str, href: &str, link: &str) -> Answer {
    page(&Message { title, text, href, link, bad: false })
}
