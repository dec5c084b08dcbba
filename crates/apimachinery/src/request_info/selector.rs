//! The one thing that authorization reads in a field selector: the name it requires.
//!
//! See `k8s.io/apimachinery/pkg/fields/selector.go`.

use std::borrow::Cow;

use crate::target::Query;

/// The name that `fieldSelector=metadata.name=<name>` asks for.
///
/// None when the query's options do not parse, as kube-apiserver then takes none of them. It also parses label and
/// shard selectors before it takes the name; with a bad one it refuses the request, so reading them here as well would
/// change no answer.
pub(super) fn required_name(query: Query<'_>) -> Option<Cow<'_, str>> {
    let selector = query.first("fieldSelector")?;
    let whole = |key| query.first(key).is_none_or(|value| value.parse::<i64>().is_ok());
    if !whole("limit") || !whole("timeoutSeconds") {
        return None;
    }
    let name = match selector {
        Cow::Borrowed(text) => exact_match(text, "metadata.name")?,
        Cow::Owned(text) => Cow::Owned(exact_match(&text, "metadata.name")?.into_owned()),
    };
    let fits_a_segment = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '%']);
    fits_a_segment.then_some(name)
}

/// The value that the selector requires `field` to have; None also when any of its terms does not parse.
fn exact_match<'a>(selector: &'a str, field: &str) -> Option<Cow<'a, str>> {
    let mut found: Option<(&str, Cow<'a, str>)> = None;
    for term in terms(selector).filter(|term| !term.is_empty()) {
        let (name, value, equal) = split_term(term)?;
        let value = unescape(value)?;
        // Kubernetes sorts the terms and takes the first.
        if equal && name == field && found.as_ref().is_none_or(|(first, _)| term < *first) {
            found = Some((term, value));
        }
    }
    found.map(|(_, value)| value)
}

/// The terms between commas that no backslash stands before.
fn terms(selector: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    selector.split(move |c: char| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    })
}

/// A term's field, its raw value, and whether the operator is `=` or `==` rather than `!=`.
fn split_term(term: &str) -> Option<(&str, &str, bool)> {
    let unequal = term.find("!=");
    let equal = term.find('=')?;
    if let Some(at) = unequal.filter(|at| at + 1 == equal) {
        return Some((term.get(..at)?, term.get(at + 2..)?, false));
    }
    let value = term.get(equal + 1..)?;
    Some((term.get(..equal)?, value.strip_prefix('=').unwrap_or(value), true))
}

/// The value without its backslashes; None when it is not well formed.
fn unescape(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains(['\\', ',', '=']) {
        return Some(Cow::Borrowed(value));
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next().filter(|next| matches!(next, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            _ => out.push(c),
        }
    }
    Some(Cow::Owned(out))
}
