//! The options of a list or watch that authorization reads, and the name that a field selector requires.
//!
//! See `ListOptions` of `meta/v1`, and `k8s.io/apimachinery/pkg/fields/selector.go`.

use std::borrow::Cow;

use crate::target::{Query, is_true};

/// What authorization reads of a query; of each key the first value.
#[derive(Debug, Default)]
pub(super) struct ListOptions<'a> {
    /// Whether changes are to be followed.
    pub(super) watch: bool,
    /// `fieldSelector`.
    pub(super) field_selector: Option<Cow<'a, str>>,
    /// `labelSelector`.
    pub(super) label_selector: Option<Cow<'a, str>>,
    limit: Option<Cow<'a, str>>,
    timeout: Option<Cow<'a, str>>,
}

impl<'a> ListOptions<'a> {
    pub(super) fn read(query: Query<'a>) -> Self {
        let mut options = Self::default();
        let mut watch = None;
        for (key, value) in query.pairs() {
            let slot = match &*key {
                "watch" => &mut watch,
                "fieldSelector" => &mut options.field_selector,
                "labelSelector" => &mut options.label_selector,
                "limit" => &mut options.limit,
                "timeoutSeconds" => &mut options.timeout,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        options.watch = watch.is_some_and(|value| is_true(&value));
        options
    }

    /// The name that `fieldSelector=metadata.name=<name>` asks for.
    ///
    /// None when the options do not parse, as kube-apiserver then takes none of them. It also parses label and shard
    /// selectors before it takes the name; with a bad one it refuses the request, so reading them here as well would
    /// change no answer.
    pub(super) fn required_name(&self) -> Option<Cow<'a, str>> {
        let selector = self.field_selector.as_ref()?;
        let whole = |value: &Option<Cow<'_, str>>| value.as_ref().is_none_or(|value| value.parse::<i64>().is_ok());
        if !whole(&self.limit) || !whole(&self.timeout) {
            return None;
        }
        let name = match selector {
            Cow::Borrowed(text) => exact_match(text, "metadata.name")?,
            Cow::Owned(text) => Cow::Owned(exact_match(text, "metadata.name")?.into_owned()),
        };
        let fits_a_segment = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '%']);
        fits_a_segment.then_some(name)
    }
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
