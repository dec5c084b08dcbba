//! From the objects of a folder to inputs: names, references, uniqueness.

mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Found, Objects,
    form::{Binding, LimitsForm, Metadata, SecretForm, Token, User},
};
use crate::{
    config::Problems,
    world::{
        TokenHash,
        input::{BindingInput, Inputs, LimitsInput, Subject, TokenInput, UserInput},
        names,
    },
};

/// The inputs that the objects make, as far as they are right, and the files that they name.
pub(super) fn inputs(objects: &Objects, problems: &mut Problems) -> (Inputs, BTreeSet<PathBuf>) {
    let mut check = Check {
        objects,
        users: objects.users.iter().map(|user| user.object.metadata.name.as_str()).collect(),
        clusters: objects.clusters.iter().map(|cluster| cluster.object.metadata.name.as_str()).collect(),
        secrets: objects.secrets.iter().map(|secret| (place(&secret.object.metadata), secret)).collect(),
        problems,
        files: BTreeSet::new(),
    };
    check.unique("User", &objects.users, |user| key(&user.metadata));
    check.unique("Token", &objects.tokens, |token| key(&token.metadata));
    check.unique("Cluster", &objects.clusters, |cluster| key(&cluster.metadata));
    check.unique("Secret", &objects.secrets, |secret| {
        let (namespace, name) = place(&secret.metadata);
        format!("{namespace}/{name}")
    });
    for secret in &objects.secrets {
        check.metadata(secret, &secret.object.metadata, true);
    }
    check.unique("ClusterRoleTemplateBinding", &objects.bindings, binding_name);
    let inputs = Inputs {
        users: check.users(),
        tokens: objects.tokens.iter().filter_map(|token| check.token(token)).collect(),
        clusters: objects.clusters.iter().filter_map(|cluster| check.cluster(cluster)).collect(),
        bindings: objects.bindings.iter().filter_map(|binding| check.binding(binding)).collect(),
    };
    check.hashes(&inputs.tokens);
    (inputs, check.files)
}

fn key(metadata: &Metadata) -> String {
    match &metadata.namespace {
        Some(namespace) => format!("{namespace}/{}", metadata.name),
        None => metadata.name.clone(),
    }
}

/// Namespace and name of a Secret.
fn place(metadata: &Metadata) -> (&str, &str) {
    (metadata.namespace.as_deref().unwrap_or("default"), &metadata.name)
}

fn binding_name(binding: &Binding) -> String {
    let namespace = binding.metadata.namespace.as_ref().unwrap_or(&binding.cluster_name);
    format!("{namespace}/{}", binding.metadata.name)
}

impl From<LimitsForm> for LimitsInput {
    fn from(form: LimitsForm) -> Self {
        Self { in_flight: form.in_flight, per_second: form.per_second, burst: form.burst }
    }
}

struct Check<'a> {
    objects: &'a Objects,
    users: HashSet<&'a str>,
    clusters: HashSet<&'a str>,
    secrets: HashMap<(&'a str, &'a str), &'a Found<SecretForm>>,
    problems: &'a mut Problems,
    files: BTreeSet<PathBuf>,
}

impl Check<'_> {
    fn unique<T>(&mut self, kind: &str, objects: &[Found<T>], key: impl Fn(&T) -> String) {
        let mut seen: HashMap<String, &Found<T>> = HashMap::new();
        for found in objects {
            let key = key(&found.object);
            if let Some(first) = seen.get(&key) {
                let message = format!("there is a {kind} `{key}` already, at {}", first.place());
                self.problems.push(found.problem("metadata.name", message));
            } else {
                seen.insert(key, found);
            }
        }
    }

    /// Name and namespace of an object; whether it may have a namespace.
    fn metadata<T>(&mut self, found: &Found<T>, metadata: &Metadata, namespaced: bool) {
        if metadata.generate_name.is_some() {
            let message = "not taken: nothing generates names in a folder; give `name`";
            self.problems.push(found.problem("metadata.generateName", message));
        }
        let name = &metadata.name;
        let message = if name.is_empty() {
            Some("is missing".to_owned())
        } else if names::is_reserved(name) {
            Some(format!("`{name}` is reserved: names that begin with `system:` or `drover:` are never taken"))
        } else if !is_subdomain(name) {
            let expected =
                "expected lower case letters, digits, `-` and `.`, at most 253, with a letter or digit at both ends";
            Some(format!("{expected}; found `{name}`"))
        } else {
            None
        };
        if let Some(message) = message {
            self.problems.push(found.problem("metadata.name", message));
        }
        match &metadata.namespace {
            Some(namespace) if namespaced && !is_label(namespace) => {
                let message = format!("expected the name of a namespace, found `{namespace}`");
                self.problems.push(found.problem("metadata.namespace", message));
            }
            Some(_) if !namespaced => {
                self.problems.push(found.problem("metadata.namespace", "not taken: this kind has no namespaces"));
            }
            _ => {}
        }
    }

    fn users(&mut self) -> Vec<UserInput> {
        let mut owners: HashMap<String, String> = HashMap::new();
        let mut logins: HashMap<String, String> = HashMap::new();
        let mut users = Vec::new();
        for found in &self.objects.users {
            let User { metadata, username, display_name, enabled, principal_ids, limits, .. } = &found.object;
            self.metadata(found, metadata, false);
            let name = &metadata.name;
            let username = username.as_ref().filter(|username| !username.is_empty()).unwrap_or(name);
            if let Some(other) = logins.insert(username.clone(), name.clone()).filter(|other| other != name) {
                let message = format!("the login name `{username}` is that of User `{other}` already");
                self.problems.push(found.problem("username", message));
            }
            if username.chars().any(char::is_control) || names::is_reserved(username) {
                let message =
                    "expected a name without control characters that does not begin with `system:` or `drover:`";
                self.problems.push(found.problem("username", message));
            }
            let local = format!("local://{name}");
            let mut principals: Vec<String> = principal_ids.clone();
            for (index, principal) in principal_ids.iter().enumerate() {
                let field = format!("principalIds[{index}]");
                if !is_principal(principal) {
                    let message = format!("expected `<provider>_user://<id>`, found `{principal}`");
                    self.problems.push(found.problem(&field, message));
                } else if principal.starts_with("local://") && *principal != local {
                    let message = format!("expected `{local}`, found `{principal}`");
                    self.problems.push(found.problem(&field, message));
                }
                if let Some(other) = owners.insert(principal.clone(), name.clone()).filter(|other| other != name) {
                    let message = format!("the principal `{principal}` is that of User `{other}` already");
                    self.problems.push(found.problem(&field, message));
                }
            }
            if !principals.contains(&local) {
                principals.insert(0, local);
            }
            users.push(UserInput {
                name: name.as_str().into(),
                uid: metadata.uid.as_deref().filter(|uid| !uid.is_empty()).map(Arc::from),
                username: username.as_str().into(),
                display_name: display_name.as_deref().unwrap_or_default().into(),
                enabled: enabled.unwrap_or(true),
                principal_ids: principals.into_iter().map(Arc::from).collect(),
                limits: (*limits).into(),
            });
        }
        users
    }

    fn token(&mut self, found: &Found<Token>) -> Option<TokenInput> {
        let token = &found.object;
        self.metadata(found, &token.metadata, false);
        let hash = token_hash(&token.hash);
        if hash.is_none() {
            let message = "expected `sha256:` and 64 hexadecimal digits; a token in plain text is never taken: \
                           `drover token hash` makes its hash";
            self.problems.push(found.problem("token", message));
        }
        if !self.users.contains(token.user_id.as_str()) {
            self.problems.push(found.problem("userId", format!("there is no User `{}`", token.user_id)));
        }
        let cluster = token.cluster_name.as_ref().filter(|cluster| !cluster.is_empty());
        if let Some(cluster) = cluster {
            self.cluster_exists(found, cluster);
        }
        for (index, principal) in token.group_principals.iter().enumerate() {
            if !is_principal(&principal.0) {
                let message = format!("expected `<provider>_group://<id>`, found `{}`", principal.0);
                self.problems.push(found.problem(format!("groupPrincipals[{index}]"), message));
            }
        }
        let expires_at = self.expiry(found);
        Some(TokenInput {
            name: token.metadata.name.as_str().into(),
            hash: hash?,
            user: token.user_id.as_str().into(),
            cluster: cluster.map(|cluster| cluster.as_str().into()),
            group_principals: token.group_principals.iter().map(|principal| principal.0.as_str().into()).collect(),
            enabled: token.enabled.unwrap_or(true),
            expires_at,
        })
    }

    /// The earlier of `expiresAt` and `metadata.creationTimestamp` + `ttl`.
    fn expiry(&mut self, found: &Found<Token>) -> Option<Timestamp> {
        let token = &found.object;
        let told = self.moment(found, "expiresAt", token.expires_at.as_deref());
        let created = self.moment(found, "metadata.creationTimestamp", token.metadata.creation_timestamp.as_deref());
        let by_ttl = match token.ttl {
            None | Some(0) => None,
            Some(ttl) if ttl < 0 => {
                let message = format!("expected milliseconds, 0 for a token without end; found `{ttl}`");
                self.problems.push(found.problem("ttl", message));
                None
            }
            Some(ttl) => {
                let end = created.and_then(|created| created.checked_add(SignedDuration::from_millis(ttl)).ok());
                if token.metadata.creation_timestamp.is_none() {
                    let message = "counts from `metadata.creationTimestamp`, which is missing; or give `expiresAt`";
                    self.problems.push(found.problem("ttl", message));
                } else if created.is_some() && end.is_none() {
                    self.problems
                        .push(found.problem("ttl", "ends after the year 9999; give 0 for a token without end"));
                }
                end
            }
        };
        match (told, by_ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn moment<T>(&mut self, found: &Found<T>, field: &str, text: Option<&str>) -> Option<Timestamp> {
        let text = text.filter(|text| !text.is_empty())?;
        let moment = text.parse().ok();
        if moment.is_none() {
            let message = format!("expected a moment such as `2030-01-31T12:00:00Z`, found `{text}`");
            self.problems.push(found.problem(field, message));
        }
        moment
    }

    fn cluster_exists<T>(&mut self, found: &Found<T>, id: &str) {
        if !self.clusters.contains(id) {
            self.problems.push(found.problem("clusterName", format!("there is no Cluster `{id}`")));
        }
    }

    fn hashes(&mut self, tokens: &[TokenInput]) {
        let mut owners: BTreeMap<TokenHash, &str> = BTreeMap::new();
        for token in tokens {
            let Some(first) = owners.insert(token.hash, &token.name) else { continue };
            let found = self.objects.tokens.iter().rev().find(|found| found.object.metadata.name == *token.name);
            if let Some(found) = found.filter(|_| first != &*token.name) {
                self.problems.push(found.problem("token", format!("is the hash of Token `{first}` already")));
            }
        }
    }

    fn binding(&mut self, found: &Found<Binding>) -> Option<BindingInput> {
        let binding = &found.object;
        self.metadata(found, &binding.metadata, true);
        self.cluster_exists(found, &binding.cluster_name);
        if let Some(namespace) =
            binding.metadata.namespace.as_ref().filter(|namespace| **namespace != binding.cluster_name)
        {
            let message = format!("expected the cluster's id `{}`, found `{namespace}`", binding.cluster_name);
            self.problems.push(found.problem("metadata.namespace", message));
        }
        let template = &binding.role_template_name;
        let message = if template.starts_with("drover:") {
            Some(format!("`{template}` is reserved: `drover:` begins the names of Drover's own roles"))
        } else if !is_role_name(template) {
            let expected = "expected letters, digits, `-`, `.`, `_` and `:`, at most 253";
            Some(format!("{expected}; found `{template}`"))
        } else {
            None
        };
        if let Some(message) = message {
            self.problems.push(found.problem("roleTemplateName", message));
        }
        let subjects: Vec<(&str, Subject)> = [
            ("userName", &binding.user_name, Subject::User as fn(Arc<str>) -> Subject),
            ("userPrincipalName", &binding.user_principal_name, Subject::UserPrincipal),
            ("groupName", &binding.group_name, Subject::Group),
            ("groupPrincipalName", &binding.group_principal_name, Subject::GroupPrincipal),
        ]
        .into_iter()
        .filter_map(|(field, name, subject)| {
            let name = name.as_deref().filter(|name| !name.is_empty())?;
            Some((field, subject(name.into())))
        })
        .collect();
        let [(field, subject)] = subjects.as_slice() else {
            let message =
                "expected exactly one of `userName`, `userPrincipalName`, `groupName` and `groupPrincipalName`";
            self.problems.push(found.problem("", message));
            return None;
        };
        self.subject(found, field, subject);
        Some(BindingInput {
            name: binding_name(binding).into(),
            cluster: binding.cluster_name.as_str().into(),
            template: template.as_str().into(),
            subject: subject.clone(),
        })
    }

    /// A binding may name someone who is not there: it gives nothing then, and the removal of a User never waits for it.
    fn subject(&mut self, found: &Found<Binding>, field: &str, subject: &Subject) {
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
        if let Some(message) = message {
            self.problems.push(found.problem(field, message));
        }
    }
}

/// `sha256:` and 64 hexadecimal digits.
fn token_hash(text: &str) -> Option<TokenHash> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64)?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(TokenHash(hash))
}

/// A DNS label of RFC 1123, as Kubernetes reads it.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 63 && text.bytes().all(inner) && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

/// A DNS subdomain of RFC 1123, as Kubernetes reads it: its labels may be longer than 63.
fn is_subdomain(text: &str) -> bool {
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
