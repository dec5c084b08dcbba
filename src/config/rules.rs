//! What the fields of Drover's kinds may hold: the same rules and words for the folder of manifests, for admission and for
//! what the world is fed. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::world::{
    TokenHash,
    input::{LOCAL_GROUP, Subject},
    names::{self, LOCAL},
};

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The field's path, such as `principalIds[0]`; empty where the object is meant.
    pub field: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl Flaw {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// `metadata.name` of any kind.
pub fn name(name: &str) -> Option<Flaw> {
    let message = if name.is_empty() {
        "is missing".to_owned()
    } else if names::is_reserved(name) {
        format!("`{name}` is reserved: names that begin with `system:` or `drover:` are never taken")
    } else if !is_subdomain(name) {
        let expected =
            "expected lower case letters, digits, `-` and `.`, at most 253, with a letter or digit at both ends";
        format!("{expected}; found `{name}`")
    } else {
        return None;
    };
    Some(Flaw::new("metadata.name", message))
}

/// `metadata.name` of a Cluster, beyond [`name`].
pub fn cluster_id(id: &str) -> Option<Flaw> {
    (is_subdomain(id) && !is_label(id)).then(|| {
        let expected = "expected an id without dots of at most 63 characters, since it is part of host names";
        Flaw::new("metadata.name", format!("{expected}; found `{id}`"))
    })
}

/// The management plane itself is a cluster of this id, and no other is.
pub fn local_cluster(id: &str, internal: bool) -> Option<Flaw> {
    match (id == LOCAL, internal) {
        (true, false) => Some(Flaw::new("metadata.name", format!("`{LOCAL}` is the management plane itself"))),
        (false, true) => Some(Flaw::new("spec.internal", format!("is the cluster `{LOCAL}` alone"))),
        _ => None,
    }
}

/// `username` of a User.
pub fn login(username: &str) -> Option<Flaw> {
    (username.chars().any(char::is_control) || names::is_reserved(username)).then(|| {
        let expected = "expected a name without control characters that does not begin with `system:` or `drover:`";
        Flaw::new("username", expected)
    })
}

/// `local://<name>`: a principal of every User.
pub fn local_principal(user: &str) -> String {
    format!("local://{user}")
}

/// `principalIds[index]` of the User `user`.
pub fn user_principal(user: &str, index: usize, principal: &str) -> Option<Flaw> {
    let field = || format!("principalIds[{index}]");
    if !is_principal(principal) {
        return Some(Flaw::new(field(), format!("expected `<provider>_user://<id>`, found `{principal}`")));
    }
    let local = local_principal(user);
    (principal.starts_with("local://") && principal != local)
        .then(|| Flaw::new(field(), format!("expected `{local}`, found `{principal}`")))
}

/// All principals of the User `user`, its own first where the object does not name it.
pub fn principals(user: &str, told: &[String]) -> Vec<Arc<str>> {
    let local = local_principal(user);
    let own = (!told.contains(&local)).then_some(&local);
    own.into_iter().chain(told).map(|principal| principal.as_str().into()).collect()
}

/// `groupPrincipals[index]` of a Token.
pub fn group_principal(index: usize, principal: &str) -> Option<Flaw> {
    (!is_principal(principal)).then(|| {
        let message = format!("expected `<provider>_group://<id>`, found `{principal}`");
        Flaw::new(format!("groupPrincipals[{index}]"), message)
    })
}

/// `metadata.name` of an AuthConfig, which begins the principals that the provider gives.
pub fn provider_name(name: &str, local: bool) -> Option<Flaw> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let message = if !name.bytes().all(inner) || name.len() > 40 {
        format!("expected lower case letters and digits, at most 40: it begins principals; found `{name}`")
    } else if ["x509", "system", "drover"].contains(&name) {
        format!("`{name}` is reserved")
    } else if (name == "local") != local {
        "the provider of type `localConfig` is called `local`, and no other is".to_owned()
    } else {
        return None;
    };
    Some(Flaw::new("metadata.name", message))
}

/// The name of a Group, in `field`.
pub fn group_name(field: &str, name: &str) -> Option<Flaw> {
    (!is_subdomain(name) || names::is_reserved(name))
        .then(|| Flaw::new(field, format!("expected the name of a Group, found `{name}`")))
}

/// A principal as a member of a group, in `field`.
pub fn member(field: &str, principal: &str) -> Option<Flaw> {
    if let Some(group) = principal.strip_prefix(LOCAL_GROUP) {
        return group_name(field, group);
    }
    (!is_principal(principal)).then(|| {
        let expected =
            "expected `local://<User>`, `<provider>_user://<id>`, `<provider>_group://<id>` or `local_group://<Group>`";
        Flaw::new(field, format!("{expected}, found `{principal}`"))
    })
}

/// `token` of a Token: `sha256:` and 64 hexadecimal digits.
///
/// # Errors
/// Anything else; the text does not repeat it, since it may be a token.
pub fn token_hash(text: &str) -> Result<TokenHash, Flaw> {
    read_hash(text).ok_or_else(|| {
        let message = "expected `sha256:` and 64 hexadecimal digits; a token in plain text is never taken: \
                       `drover token hash` makes its hash";
        Flaw::new("token", message)
    })
}

fn read_hash(text: &str) -> Option<TokenHash> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64)?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(TokenHash(hash))
}

/// `metadata.creationTimestamp`, `ttl` in milliseconds and `expiresAt` of a Token.
#[derive(Clone, Copy, Debug)]
pub struct Expiry<'a> {
    /// When the object was made.
    pub created: Option<&'a str>,
    /// Milliseconds from then on; 0 is without end.
    pub ttl: Option<i64>,
    /// A moment.
    pub expires_at: Option<&'a str>,
}

/// The earlier of the two ends that a Token can have, and what is wrong with them.
pub fn expiry(token: Expiry<'_>) -> (Option<Timestamp>, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let told = moment("expiresAt", token.expires_at, &mut flaws);
    let created = moment("metadata.creationTimestamp", token.created, &mut flaws);
    let by_ttl = match token.ttl {
        None | Some(0) => None,
        Some(ttl) if ttl < 0 => {
            flaws.push(Flaw::new("ttl", format!("expected milliseconds, 0 for a token without end; found `{ttl}`")));
            None
        }
        Some(ttl) => {
            let end = created.and_then(|created| created.checked_add(SignedDuration::from_millis(ttl)).ok());
            if token.created.is_none() {
                let message = "counts from `metadata.creationTimestamp`, which is missing; or give `expiresAt`";
                flaws.push(Flaw::new("ttl", message));
            } else if created.is_some() && end.is_none() {
                flaws.push(Flaw::new("ttl", "ends after the year 9999; give 0 for a token without end"));
            }
            end
        }
    };
    let end = match (told, by_ttl) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    (end, flaws)
}

fn moment(field: &str, text: Option<&str>, flaws: &mut Vec<Flaw>) -> Option<Timestamp> {
    let text = text.filter(|text| !text.is_empty())?;
    let moment = text.parse().ok();
    if moment.is_none() {
        flaws.push(Flaw::new(field, format!("expected a moment such as `2030-01-31T12:00:00Z`, found `{text}`")));
    }
    moment
}

/// `metadata.namespace` of a binding: that of its cluster.
pub fn binding_namespace(namespace: Option<&str>, cluster: &str) -> Option<Flaw> {
    namespace.filter(|namespace| *namespace != cluster).map(|namespace| {
        Flaw::new("metadata.namespace", format!("expected the cluster's id `{cluster}`, found `{namespace}`"))
    })
}

/// `roleTemplateName` of a binding.
pub fn template(template: &str) -> Option<Flaw> {
    let message = if template.starts_with("drover:") {
        format!("`{template}` is reserved: `drover:` begins the names of Drover's own roles")
    } else if !is_role_name(template) {
        let expected = "expected letters, digits, `-`, `.`, `_` and `:`, at most 253";
        format!("{expected}; found `{template}`")
    } else {
        return None;
    };
    Some(Flaw::new("roleTemplateName", message))
}

/// The four fields of a binding that name whom it binds.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// `userName`.
    pub user: Option<&'a str>,
    /// `userPrincipalName`.
    pub user_principal: Option<&'a str>,
    /// `groupName`.
    pub group: Option<&'a str>,
    /// `groupPrincipalName`.
    pub group_principal: Option<&'a str>,
}

/// The one subject of a binding, and what is wrong with it. A binding may name someone who is not there: it gives nothing
/// then, and the removal of a User never waits for it.
///
/// # Errors
/// None, or more than one.
pub fn subject(bound: Bound<'_>) -> Result<(Subject, Option<Flaw>), Flaw> {
    let subjects: Vec<(&str, Subject)> = [
        ("userName", bound.user, Subject::User as fn(Arc<str>) -> Subject),
        ("userPrincipalName", bound.user_principal, Subject::UserPrincipal),
        ("groupName", bound.group, Subject::Group),
        ("groupPrincipalName", bound.group_principal, Subject::GroupPrincipal),
    ]
    .into_iter()
    .filter_map(|(field, name, subject)| {
        let name = name.filter(|name| !name.is_empty())?;
        Some((field, subject(name.into())))
    })
    .collect();
    let [(field, subject)] = subjects.as_slice() else {
        let message = "expected exactly one of `userName`, `userPrincipalName`, `groupName` and `groupPrincipalName`";
        return Err(Flaw::new("", message));
    };
    let message = match subject {
        Subject::User(name) | Subject::Group(name) if names::is_reserved(name) => {
            Some(format!("`{name}` is reserved: names that begin with `system:` or `drover:` are never taken"))
        }
        Subject::User(name) if !is_subdomain(name) => Some(format!("expected the name of a User, found `{name}`")),
        Subject::UserPrincipal(name) | Subject::GroupPrincipal(name) if !is_principal(name) => {
            Some(format!("expected a principal such as `<provider>_user://<id>`, found `{name}`"))
        }
        _ => None,
    };
    // A group of Drover's own is one subject, by whichever field it is named.
    let one = match subject {
        Subject::GroupPrincipal(name) if name.starts_with(LOCAL_GROUP) => Subject::of_principal(name),
        other => other.clone(),
    };
    Ok((one, message.map(|message| Flaw::new(*field, message))))
}

/// A DNS label of RFC 1123, as Kubernetes reads it.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63 && text.bytes().all(inner) && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

/// A DNS subdomain of RFC 1123, as Kubernetes reads it: its labels may be longer than 63.
pub fn is_subdomain(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A name that a ClusterRole can have and that stands in a header without escapes.
fn is_role_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    (1..=253).contains(&text.len()) && text.bytes().all(inner) && text != "." && text != ".."
}

/// `<provider>_<user or group>://<id>`, or `local://<name>`.
fn is_principal(text: &str) -> bool {
    text.split_once("://").is_some_and(|(provider, id)| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        !provider.is_empty() && provider.bytes().all(inner) && !id.is_empty() && !id.chars().any(char::is_control)
    })
}
