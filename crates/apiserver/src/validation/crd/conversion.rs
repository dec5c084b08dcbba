//! How versions are converted: not at all, or by a webhook. See also `k8s.io/apiserver/pkg/util/webhook/validation.go`.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::names;
use serde_json::Value;

use super::{Leniency, one_of};
use crate::validation::{given, text, texts};

/// The review versions that this server speaks.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];

pub(super) fn check(conversion: &Value, leniency: Leniency<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let strategy = text(conversion, "strategy");
    one_of(strategy, &path.child("strategy"), &["None", "Webhook"], errors);
    let webhook = given(conversion, "webhook").unwrap_or(&Value::Null);
    let config = given(webhook, "clientConfig");
    let at = path.child("webhookClientConfig");
    let versions = texts(webhook, "conversionReviewVersions");
    let versions_at = path.child("conversionReviewVersions");
    if strategy != "Webhook" {
        let words = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.push(FieldError::forbidden(&at, words));
        }
        if !versions.is_empty() {
            errors.push(FieldError::forbidden(&versions_at, words));
        }
        return;
    }
    match config {
        None => errors.push(FieldError::required(&at, "required when strategy is set to Webhook")),
        Some(config) => match (given(config, "url").and_then(Value::as_str), given(config, "service")) {
            (Some(url), None) => check_url(url, &at.child("url"), errors),
            (None, Some(service)) => check_service(service, &at.child("service"), errors),
            _ => errors.push(FieldError::required(&at, "exactly one of url or service is required")),
        },
    }
    let old = leniency.old.and_then(|old| old.pointer("/spec/conversion/webhook"));
    let old = old.map(|webhook| texts(webhook, "conversionReviewVersions")).unwrap_or_default();
    let must_know = old.is_empty() || old.iter().any(|version| REVIEWS.contains(version));
    check_versions(&versions, must_know, &versions_at, errors);
}

fn check_versions(versions: &[&str], must_know: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if versions.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        let at = path.index(index);
        if versions.iter().take(index).any(|before| before == version) {
            errors.push(FieldError::invalid(&at, *version, "duplicate version"));
            continue;
        }
        errors.extend(names::dns1035_label(version).into_iter().map(|words| FieldError::invalid(&at, *version, words)));
    }
    if must_know && !versions.iter().any(|version| REVIEWS.contains(version)) {
        let words = format!("must include at least one of {}", REVIEWS.join(", "));
        errors.push(FieldError::invalid(path, versions.to_vec(), words));
    }
}

/// The parts of a URL that matter here.
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    user: Option<&'a str>,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Url<'a> {
    /// Reads `scheme://[user@]host/path?query#fragment`.
    pub(super) fn parse(url: &'a str) -> Result<Self, String> {
        if url.bytes().any(|c| c < 0x20 || c == 0x7f) {
            return Err(format!("parse {url:?}: net/url: invalid control character in URL"));
        }
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = match rest.split_once(':') {
            Some(("", _)) => return Err(format!("parse {url:?}: missing protocol scheme")),
            Some((scheme, rest))
                if scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.')) =>
            {
                (scheme, rest)
            }
            _ => ("", rest),
        };
        let authority = rest.strip_prefix("//").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        Ok(Self { scheme, host, user, query, fragment })
    }
}

fn check_url(url: &str, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    const FORM: &str = "; desired format: https://host[/path]";
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(why) => {
            errors.push(FieldError::required(at, format!("url must be a valid URL: {why}{FORM}")));
            return;
        }
    };
    if url.scheme != "https" {
        errors.push(FieldError::invalid(at, url.scheme, format!("'https' is the only allowed URL scheme{FORM}")));
    }
    if url.host.is_empty() {
        errors.push(FieldError::invalid(at, url.host, format!("host must be specified{FORM}")));
    }
    if let Some(user) = url.user {
        errors.push(FieldError::invalid(at, user, "user information is not permitted in the URL"));
    }
    if !url.fragment.is_empty() {
        errors.push(FieldError::invalid(at, url.fragment, "fragments are not permitted in the URL"));
    }
    if !url.query.is_empty() {
        errors.push(FieldError::invalid(at, url.query, "query parameters are not permitted in the URL"));
    }
}

fn check_service(service: &Value, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    // Kubernetes passes the two in the wrong order, and says that the other one is missing.
    if text(service, "namespace").is_empty() {
        errors.push(FieldError::required(&at.child("name"), ""));
    }
    if text(service, "name").is_empty() {
        errors.push(FieldError::required(&at.child("namespace"), ""));
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let words = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(&at.child("port"), port, words));
    }
    let Some(path) = given(service, "path").and_then(Value::as_str) else { return };
    let at = at.child("path");
    if path.is_empty() || path == "/" {
        return;
    }
    if path == "//" {
        errors.push(FieldError::invalid(&at, path, "segment[0] may not be empty"));
        return;
    }
    if !path.starts_with('/') {
        errors.push(FieldError::invalid(&at, path, "must start with a '/'"));
    }
    let mut characters = path.chars();
    characters.next();
    let rest = characters.as_str();
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.push(FieldError::invalid(&at, path, format!("segment[{index}] may not be empty")));
            continue;
        }
        let wrong = names::dns1123_subdomain(step);
        errors.extend(
            wrong.into_iter().map(|words| FieldError::invalid(&at, path, format!("segment[{index}]: {words}"))),
        );
    }
}
