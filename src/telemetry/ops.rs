//! Health checks by name, and the listener for those who run Drover: metrics and health with their details.
//!
//! The listener is plain HTTP without sign-in, on loopback unless the admin says otherwise (H21). The public listener answers the
//! same health paths with no more than yes or no.

use std::{
    convert::Infallible,
    fmt::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::metrics::Metrics;

/// A scraper that does not send its request in this time is let go.
const HEAD: Duration = Duration::from_secs(10);

/// A check: well, or why not.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A check by its name.
#[derive(Clone)]
struct Named {
    name: String,
    check: Check,
    /// What it says is told, and the server is ready all the same.
    advisory: bool,
}

/// What a check said.
struct Said {
    name: String,
    result: Result<(), String>,
    advisory: bool,
}

/// Health checks by name.
#[derive(Default)]
pub struct Checks {
    checks: Mutex<Vec<Named>>,
    draining: AtomicBool,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("draining", &self.draining).finish_non_exhaustive()
    }
}

impl Checks {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check of readiness.
    pub fn add(&self, name: &str, check: Check) {
        self.put(name, check, false);
    }

    /// Adds a check that is told among those of readiness, and fails only where it is asked for by its name: without what it looks at
    /// the server still does its main work, and must not be taken out of service.
    pub fn add_advisory(&self, name: &str, check: Check) {
        self.put(name, check, true);
    }

    fn put(&self, name: &str, check: Check, advisory: bool) {
        let named = Named { name: name.to_owned(), check, advisory };
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(named);
    }

    /// From here on the process is not ready, and says that it is going.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Answers `/healthz`, `/livez`, `/readyz` and single checks below them, as kube-apiserver does; `None` for other paths.
    ///
    /// Only `verbose` tells the reason of a failure.
    pub fn answer(&self, path: &str, verbose: bool) -> Option<(StatusCode, String)> {
        self.answer_without(path, verbose, &[])
    }

    fn answer_without(&self, path: &str, verbose: bool, excluded: &[&str]) -> Option<(StatusCode, String)> {
        let (kind, name) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.strip_prefix('/')?, ""));
        let ready = match kind {
            "readyz" => true,
            "healthz" | "livez" => false,
            _ => return None,
        };
        let results = self.run(ready);
        let known = |said: &&Said| name.is_empty() || said.name == name;
        let asked: Vec<_> =
            results.iter().filter(known).filter(|said| !excluded.contains(&said.name.as_str())).collect();
        if asked.is_empty() && !name.is_empty() {
            return Some((StatusCode::NOT_FOUND, "no such check\n".into()));
        }
        let fails = |said: &&Said| said.result.is_err() && (!said.advisory || !name.is_empty());
        let failed = asked.iter().any(fails);
        let code = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        if !verbose {
            return Some((code, if failed { "failed" } else { "ok" }.into()));
        }
        let mut text = String::new();
        for said in asked {
            let name = &said.name;
            // Writing to a String cannot fail.
            let _ = match &said.result {
                Ok(()) => writeln!(text, "[+]{name} ok"),
                Err(why) if fails(&said) => writeln!(text, "[-]{name} failed: {why}"),
                Err(why) => writeln!(text, "[!]{name}: {why}"),
            };
        }
        let _ = writeln!(text, "{kind} check {}", if failed { "failed" } else { "passed" });
        Some((code, text))
    }

    fn run(&self, ready: bool) -> Vec<Said> {
        let own = |name: &str, result| Said { name: name.to_owned(), result, advisory: false };
        let mut results = vec![own("ping", Ok(()))];
        if ready {
            let draining = self.draining.load(Ordering::Relaxed);
            results.push(own("draining", if draining { Err("the server is going".into()) } else { Ok(()) }));
            let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let said = |Named { name, check, advisory }: Named| Said { name, result: check(), advisory };
            results.extend(checks.into_iter().map(said));
        }
        results
    }
}

/// Serves metrics and health until the process ends.
pub async fn serve(listener: TcpListener, checks: Arc<Checks>, metrics: Arc<Metrics>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (checks, metrics) = (Arc::clone(&checks), Arc::clone(&metrics));
        let service = service_fn(move |request| {
            let response = answer(&request, &checks, &metrics);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(request: &Request<Incoming>, checks: &Checks, metrics: &Metrics) -> Response<Full<Bytes>> {
    let text = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return reply(StatusCode::METHOD_NOT_ALLOWED, text, "only GET is served here\n".into());
    }
    let path = request.uri().path();
    if path == "/metrics" {
        return reply(StatusCode::OK, "text/plain; version=0.0.4", metrics.render());
    }
    let query = request.uri().query().unwrap_or_default();
    let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let verbose = pairs().any(|(key, _)| key == "verbose");
    let excluded: Vec<&str> = pairs().filter(|(key, _)| *key == "exclude").map(|(_, name)| name).collect();
    match checks.answer_without(path, verbose, &excluded) {
        Some((code, body)) => reply(code, text, body),
        None => reply(StatusCode::NOT_FOUND, text, "paths: /metrics /healthz /livez /readyz\n".into()),
    }
}

fn reply(code: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::Checks;

    #[test]
    fn a_draining_server_lives_but_is_not_ready() {
        let checks = Checks::new();
        assert_eq!(checks.answer("/readyz", false).unwrap().0, StatusCode::OK);
        checks.drain();
        assert_eq!(checks.answer("/readyz", false).unwrap(), (StatusCode::INTERNAL_SERVER_ERROR, "failed".into()));
        assert_eq!(checks.answer("/livez", false).unwrap().0, StatusCode::OK);
    }

    #[test]
    fn a_check_is_asked_by_name_and_its_reason_told_only_when_verbose() {
        let checks = Checks::new();
        checks.add("world", Arc::new(|| Err("nothing is published yet".into())));
        assert_eq!(checks.answer("/readyz/ping", false).unwrap().0, StatusCode::OK);
        assert_eq!(checks.answer("/readyz/none", false).unwrap().0, StatusCode::NOT_FOUND);
        let (code, text) = checks.answer("/readyz", true).unwrap();
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("[-]world failed: nothing is published yet\n"), "{text}");
        assert!(text.contains("[+]ping ok\n"), "{text}");
        assert!(!checks.answer("/readyz/world", false).unwrap().1.contains("published"));
        assert_eq!(checks.answer("/k8s", false), None);
    }
}
