//! Operations on one connection: bind and search, each with an end in time and size.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ldap3::{
    LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
    controls::{Control, ControlType, PagedResults},
};
use tokio::time::{Instant, timeout_at};

use super::{connect::Connection, entry::Entry};

/// Entries of one page: what Active Directory gives at most.
const PAGE: i32 = 1000;
/// Bytes of all entries of one search.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Why an operation fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is of no use any more.
    Broken(String),
    /// What is searched under is not there.
    NoSuchObject(String),
    /// The server says no.
    Refused(String),
}

/// What a server says to a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// They belong together.
    Accepted,
    /// They do not.
    Credentials(String),
    /// They may, but whoever it is must not sign in.
    Disabled(String),
    /// It does not say.
    Failed(String),
}

/// A search.
#[derive(Clone, Debug)]
pub(super) struct Search<'a> {
    /// The DN that it begins at.
    pub(super) base: &'a str,
    /// How deep it goes.
    pub(super) scope: Scope,
    /// What is searched.
    pub(super) filter: String,
    /// What is read of what is found.
    pub(super) attributes: Vec<&'a str>,
    /// So many entries at most.
    pub(super) most: usize,
    /// Whether entries are only counted.
    pub(super) count: bool,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The entries, unless they were only counted.
    pub(super) entries: Vec<Entry>,
    /// How many.
    pub(super) count: usize,
    /// Whether there are more than were asked for.
    pub(super) more: bool,
}

impl<'a> Search<'a> {
    /// The entry `dn` itself, if it matches.
    pub(super) fn entry(dn: &'a str, filter: String, attributes: Vec<&'a str>) -> Self {
        Self { base: dn, scope: Scope::Base, filter, attributes, most: 1, count: false }
    }

    /// Whatever matches under `base`.
    pub(super) fn under(base: &'a str, filter: String, attributes: Vec<&'a str>, most: usize) -> Self {
        Self { base, scope: Scope::Subtree, filter, attributes, most, count: false }
    }
}

impl Connection {
    /// Says who is there. Neither name nor password is empty: with either the server would take it for nobody (RFC 4513, 5.1).
    pub(super) async fn bind(&mut self, name: &str, password: &str, limit: Duration) -> Result<Bound, Fault> {
        if name.is_empty() || password.is_empty() || password.contains('\0') {
            return Ok(Bound::Credentials("an empty name or password proves nothing".to_owned()));
        }
        let answer = timeout_at(Instant::now() + limit, self.ldap.simple_bind(name, password)).await;
        let result = match answer {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => return Err(self.broken(&error)),
            Err(_) => return Err(Fault::Broken(format!("it does not answer a bind within {limit:.1?}"))),
        };
        Ok(bound(&result))
    }

    /// Searches page by page until `deadline`; every page is counted in `queries`.
    pub(super) async fn search(
        &mut self,
        search: &Search<'_>,
        deadline: Instant,
        queries: &AtomicU64,
    ) -> Result<Found, Fault> {
        match timeout_at(deadline, self.pages(search, queries)).await {
            Ok(found) => found,
            Err(_) => Err(Fault::Broken(format!("it does not answer a search under `{}` in time", search.base))),
        }
    }

    async fn pages(&mut self, search: &Search<'_>, queries: &AtomicU64) -> Result<Found, Fault> {
        let mut found = Found::default();
        let mut bytes = 0;
        let mut cookie = Vec::new();
        loop {
            queries.fetch_add(1, Ordering::Relaxed);
            let whole = search.scope == Scope::Base;
            // One more than is wanted tells whether there are more.
            let wanted = i32::try_from(search.most).unwrap_or(PAGE).saturating_add(1).min(PAGE);
            let page = PagedResults { size: wanted, cookie: std::mem::take(&mut cookie) };
            self.ldap.with_search_options(SearchOptions::new());
            if !whole {
                self.ldap.with_controls(vec![page.into()]);
            }
            let opened =
                self.ldap.streaming_search(search.base, search.scope, &search.filter, &search.attributes).await;
            let mut stream = opened.map_err(|error| self.broken(&error))?;
            loop {
                let entry = match stream.next().await {
                    Ok(Some(entry)) => entry,
                    Ok(None) => break,
                    Err(error) => return Err(self.broken(&error)),
                };
                // A reference to another server is not followed (T6).
                if entry.is_ref() || entry.is_intermediate() {
                    bytes += 1024;
                } else {
                    let entry = Entry::from(SearchEntry::construct(entry));
                    bytes += entry.size();
                    found.count += 1;
                    found.more = found.count > search.most;
                    if !search.count && !found.more {
                        found.entries.push(entry);
                    }
                }
                if bytes > MOST_BYTES {
                    return Err(Fault::Broken(format!("its answer to a search under `{}` has no end", search.base)));
                }
            }
            let result = stream.finish().await;
            drop(stream);
            cookie = next_page(&result);
            let enough = found.count >= search.most;
            match result.rc {
                0 if cookie.is_empty() && !found.more => return Ok(found),
                // Success, or more than the server gives.
                0 | 4 if enough => {
                    found.more = true;
                    found.count = search.most;
                    return Ok(found);
                }
                0 => {}
                4 if search.count => {
                    found.more = true;
                    return Ok(found);
                }
                _ => return Err(refused(search, &result)),
            }
        }
    }

    fn broken(&self, error: &LdapError) -> Fault {
        Fault::Broken(match self.ending.get() {
            Some(why) => why.clone(),
            None => plain(&error.to_string()),
        })
    }

    /// Whether another operation may run on it.
    pub(super) fn is_usable(&mut self) -> bool {
        self.ending.get().is_none() && !self.ldap.is_closed()
    }
}

/// Where the next page begins; empty after the last.
fn next_page(result: &LdapResult) -> Vec<u8> {
    let page = result.ctrls.iter().find_map(|control| match control {
        Control(Some(ControlType::PagedResults), raw) if raw.val.is_some() => Some(raw.parse::<PagedResults>().cookie),
        _ => None,
    });
    page.unwrap_or_default()
}

fn refused(search: &Search<'_>, result: &LdapResult) -> Fault {
    let what = format!("search under `{}`", search.base);
    match result.rc {
        32 => Fault::NoSuchObject(format!("`{}` is not there", search.base)),
        10 => {
            let to = result.refs.first().map(|to| plain(to)).unwrap_or_default();
            Fault::Refused(format!("{what}: the server refers to another one (`{to}`), which is not followed"))
        }
        // Busy, unavailable: another server may do it.
        51 | 52 => Fault::Broken(format!("{what}: {}", said(result))),
        4 => {
            let hint = "raise the server's limit for the service account";
            Fault::Refused(format!("{what}: {}: {hint}", said(result)))
        }
        _ => Fault::Refused(format!("{what}: {}", said(result))),
    }
}

fn bound(result: &LdapResult) -> Bound {
    let said = said(result);
    match result.rc {
        0 => Bound::Accepted,
        49 => match sub_code(&result.text) {
            Some("530" | "531") => Bound::Disabled(format!("not at this time or from here: {said}")),
            Some("532" | "773") => Bound::Disabled(format!("the password has expired: {said}")),
            Some("533") => Bound::Disabled(format!("disabled: {said}")),
            Some("701") => Bound::Disabled(format!("the account has expired: {said}")),
            Some("775") => Bound::Disabled(format!("locked: {said}")),
            _ => Bound::Credentials(said),
        },
        // No such object, inappropriate authentication (it has no password).
        32 | 48 => Bound::Credentials(said),
        // Constraint violation, insufficient access, unwilling to perform: 389 Directory Server and FreeIPA of locked accounts.
        19 | 50 | 53 => Bound::Disabled(said),
        8 | 13 => Bound::Failed(format!("the server wants TLS: {said}")),
        10 => Bound::Failed("the server refers to another one, which is not followed".to_owned()),
        _ => Bound::Failed(said),
    }
}

/// The `data` of Active Directory's answer to a bind.
fn sub_code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(", data ")?;
    rest.split([',', ' ']).next()
}

/// What a server says, for people.
fn said(result: &LdapResult) -> String {
    let name = match result.rc {
        1 => "operations error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        8 => "stronger authentication required",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        19 => "constraint violation",
        32 => "no such object",
        34 => "invalid DN",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        _ => "refused",
    };
    match plain(&result.text) {
        text if text.is_empty() => format!("{name} ({})", result.rc),
        text => format!("{name} ({}): {text}", result.rc),
    }
}

/// A text of a server's in one line of bounded length.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn active_directory_says_in_a_number_why_a_bind_fails() {
        let text = |data: &str| {
            format!("80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data {data}, v4563")
        };
        for data in ["525", "52e", "57"] {
            assert!(matches!(bound(&result(49, &text(data))), Bound::Credentials(_)), "{data}");
        }
        for data in ["530", "531", "532", "533", "701", "773", "775"] {
            assert!(matches!(bound(&result(49, &text(data))), Bound::Disabled(_)), "{data}");
        }
        assert!(matches!(bound(&result(49, "")), Bound::Credentials(_)));
    }

    #[test]
    fn what_a_server_says_comes_in_one_line() {
        assert_eq!(said(&result(53, "a\r\nb\0")), "unwilling to perform (53): ab");
        assert_eq!(plain(&"x".repeat(5_000)).len(), 300);
    }
}
