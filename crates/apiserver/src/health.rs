//! `/healthz`, `/livez` and `/readyz`, and single checks below them: `k8s.io/apiserver/pkg/server/healthz`.
//!
//! A store that refuses writes still answers reads: it is not ready, and a restart would not help it.

use std::fmt::Write as _;

use apimachinery::target::Query;
use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{answer, body::Body, store::Store};

/// A check by its name, and what is wrong if something is.
type Checked = (&'static str, Result<(), String>);

/// Answers a request for the health; `None` for a path that is no check.
pub(crate) fn answer(store: &Store, path: &str, query: Query<'_>) -> Option<Response<Body>> {
    let path = path.strip_prefix('/').filter(|path| !path.ends_with('/'))?;
    let (kind, name) = path.split_once('/').unwrap_or((path, ""));
    let mut checks: Vec<Checked> = vec![("ping", Ok(()))];
    match kind {
        "readyz" => checks.push(("store", check(store))),
        "healthz" | "livez" => {}
        _ => return None,
    }
    if name.is_empty() {
        return Some(all(kind, &checks, query));
    }
    // Who may ask for one check is told the reason; the page of all is everybody's.
    let (_, checked) = checks.iter().find(|(check, _)| *check == name)?;
    Some(match checked {
        Ok(()) => text(StatusCode::OK, "ok".to_owned()),
        Err(why) => answer::nosniff(text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n"))),
    })
}

/// Whether the store takes writes.
fn check(store: &Store) -> Result<(), String> {
    match store.refusing() {
        None => Ok(()),
        Some(why) => Err(format!("writes are refused: {why}")),
    }
}

fn all(kind: &str, checks: &[Checked], query: Query<'_>) -> Response<Body> {
    let mut excluded: Vec<_> = query.pairs().filter(|(key, _)| key == "exclude").map(|(_, name)| name).collect();
    excluded.sort();
    excluded.dedup();
    let (mut told, mut failed) = (String::new(), false);
    for (name, checked) in checks {
        let before = excluded.len();
        excluded.retain(|other| other != name);
        // Writing to a String cannot fail.
        let _ = match checked {
            _ if excluded.len() < before => writeln!(told, "[+]{name} excluded: ok"),
            Ok(()) => writeln!(told, "[+]{name} ok"),
            Err(_) => {
                failed = true;
                writeln!(told, "[-]{name} failed: reason withheld")
            }
        };
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| apimachinery::json::go_quote(name)).collect();
        let names = names.join(",");
        let _ = writeln!(told, "warn: some health checks cannot be excluded: no matches for {names}");
    }
    if failed {
        return answer::nosniff(text(StatusCode::INTERNAL_SERVER_ERROR, format!("{told}{kind} check failed\n")));
    }
    let told = if query.first("verbose").is_none() { "ok".to_owned() } else { format!("{told}{kind} check passed\n") };
    answer::nosniff(text(StatusCode::OK, told))
}

fn text(code: StatusCode, body: String) -> Response<Body> {
    answer::bytes(code, "text/plain; charset=utf-8", Bytes::from(body))
}
