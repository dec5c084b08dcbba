//! From the objects of a folder to inputs: names, references, uniqueness.

mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    Found, Objects,
    form::{
        AuthConfig, Binding, ClusterProxyConfig, Group, GroupMember, LimitsForm, Metadata, SecretForm, Token, User,
    },
};
use crate::{
    config::{
        Problems,
        rules::{self, Flaw},
    },
    world::{
        MAX_DEPTH, TokenHash,
        input::{
            BindingInput, GroupInput, Inputs, LOCAL_GROUP, LimitsInput, MemberInput, ProviderInput, ProxyInput,
            Subject, TokenInput, TokenKind, UserInput,
        },
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
    check.unique("Group", &objects.groups, |group| key(&group.metadata));
    check.unique("GroupMember", &objects.members, |member| key(&member.metadata));
    check.unique("AuthConfig", &objects.providers, |provider| key(&provider.metadata));
    check.nesting();
    let inputs = Inputs {
        users: check.users(),
        groups: objects.groups.iter().map(|group| check.group(group)).collect(),
        members: objects.members.iter().map(|member| check.member(member)).collect(),
        attributes: Vec::new(),
        proxies: objects.proxies.iter().map(|proxy| check.proxy(proxy)).collect(),
        providers: objects.providers.iter().map(|provider| check.provider(provider)).collect(),
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
    fn flaw<T>(&mut self, found: &Found<T>, flaws: impl IntoIterator<Item = Flaw>) {
        for Flaw { field, message } in flaws {
            self.problems.push(found.problem(field, message));
        }
    }

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
        self.flaw(found, rules::name(&metadata.name));
        match &metadata.namespace {
            Some(namespace) if namespaced && !rules::is_label(namespace) => {
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
            self.flaw(found, rules::login(username));
            for (index, principal) in principal_ids.iter().enumerate() {
                self.flaw(found, rules::user_principal(name, index, principal));
                if let Some(other) = owners.insert(principal.clone(), name.clone()).filter(|other| other != name) {
                    let message = format!("the principal `{principal}` is that of User `{other}` already");
                    self.problems.push(found.problem(format!("principalIds[{index}]"), message));
                }
            }
            users.push(UserInput {
                name: name.as_str().into(),
                uid: metadata.uid.as_deref().filter(|uid| !uid.is_empty()).map(Arc::from),
                username: username.as_str().into(),
                display_name: display_name.as_deref().unwrap_or_default().into(),
                enabled: enabled.unwrap_or(true),
                principal_ids: rules::principals(name, principal_ids),
                limits: (*limits).into(),
            });
        }
        users
    }

    fn group(&mut self, found: &Found<Group>) -> GroupInput {
        let Group { metadata, members, .. } = &found.object;
        self.metadata(found, metadata, false);
        for (index, member) in members.iter().enumerate() {
            let field = format!("members[{index}]");
            self.flaw(found, rules::member(&field, member));
        }
        let members = members.iter().map(|member| Subject::of_principal(member)).collect();
        GroupInput { name: metadata.name.as_str().into(), members }
    }

    fn member(&mut self, found: &Found<GroupMember>) -> MemberInput {
        let GroupMember { metadata, group_name, principal_id, .. } = &found.object;
        self.metadata(found, metadata, false);
        self.flaw(found, rules::group_name("groupName", group_name));
        self.flaw(found, rules::member("principalId", principal_id));
        let member = Subject::of_principal(principal_id);
        MemberInput { name: metadata.name.as_str().into(), group: group_name.as_str().into(), member }
    }

    fn proxy(&mut self, found: &Found<ClusterProxyConfig>) -> ProxyInput {
        let ClusterProxyConfig { metadata, enabled, .. } = &found.object;
        self.metadata(found, metadata, true);
        let cluster = metadata.namespace.as_deref().unwrap_or_default();
        if cluster.is_empty() || cluster == names::LOCAL || !self.clusters.contains(cluster) {
            let message = format!("expected the id of a Cluster, found `{cluster}`");
            self.problems.push(found.problem("metadata.namespace", message));
        }
        ProxyInput { name: format!("{cluster}/{}", metadata.name).into(), cluster: cluster.into(), enabled: *enabled }
    }

    fn provider(&mut self, found: &Found<AuthConfig>) -> ProviderInput {
        let AuthConfig { metadata, type_, enabled } = &found.object;
        self.metadata(found, metadata, false);
        self.flaw(found, rules::provider_name(&metadata.name, type_ == "localConfig"));
        ProviderInput { name: metadata.name.as_str().into(), enabled: *enabled }
    }

    /// No group is in itself, and none is nested deeper than memberships reach.
    fn nesting(&mut self) {
        let own = self.objects.groups.iter().flat_map(|found| {
            let name = found.object.metadata.name.as_str();
            found.object.members.iter().map(move |member| (name, member.as_str()))
        });
        let told = self.objects.members.iter().map(|found| &found.object);
        let edges = own.chain(told.map(|member| (member.group_name.as_str(), member.principal_id.as_str())));
        let mut inner: HashMap<&str, Vec<&str>> = HashMap::new();
        for (group, member) in edges {
            inner.entry(group).or_default().extend(member.strip_prefix(LOCAL_GROUP));
        }
        for found in &self.objects.groups {
            let name = found.object.metadata.name.as_str();
            let (mut seen, mut level, mut depth) = (HashSet::new(), vec![name], 0);
            while !level.is_empty() && depth <= MAX_DEPTH {
                let below = level.iter().filter_map(|group| inner.get(group)).flatten().copied();
                level = below.filter(|group| seen.insert(*group)).collect();
                depth += usize::from(!level.is_empty());
            }
            if seen.contains(name) {
                self.problems.push(found.problem("members", format!("the group `{name}` is a member of itself")));
            } else if depth > MAX_DEPTH {
                let message = format!("groups are nested more than {MAX_DEPTH} deep in `{name}`");
                self.problems.push(found.problem("members", message));
            }
        }
    }

    fn token(&mut self, found: &Found<Token>) -> Option<TokenInput> {
        let token = &found.object;
        self.metadata(found, &token.metadata, false);
        let hash = rules::token_hash(&token.hash).map_err(|flaw| self.flaw(found, [flaw])).ok();
        if !self.users.contains(token.user_id.as_str()) {
            self.problems.push(found.problem("userId", format!("there is no User `{}`", token.user_id)));
        }
        let cluster = token.cluster_name.as_ref().filter(|cluster| !cluster.is_empty());
        if let Some(cluster) = cluster {
            self.cluster_exists(found, cluster);
        }
        for (index, principal) in token.group_principals.iter().enumerate() {
            self.flaw(found, rules::group_principal(index, &principal.0));
        }
        let (expires_at, flaws) = rules::expiry(rules::Expiry {
            created: token.metadata.creation_timestamp.as_deref(),
            ttl: token.ttl,
            expires_at: token.expires_at.as_deref(),
        });
        self.flaw(found, flaws);
        let idle = token.idle_ttl.unwrap_or(0);
        if idle < 0 {
            let message = format!("expected milliseconds, 0 for no end; found `{idle}`");
            self.problems.push(found.problem("idleTtl", message));
        }
        let idle = u64::try_from(idle).ok().filter(|idle| *idle > 0).map(Duration::from_millis);
        Some(TokenInput {
            name: token.metadata.name.as_str().into(),
            hash: hash?,
            user: token.user_id.as_str().into(),
            cluster: cluster.map(|cluster| cluster.as_str().into()),
            group_principals: token.group_principals.iter().map(|principal| principal.0.as_str().into()).collect(),
            enabled: token.enabled.unwrap_or(true),
            expires_at,
            provider: token.auth_provider.as_deref().filter(|provider| !provider.is_empty()).map(Into::into),
            principal: None,
            salted: None,
            kind: TokenKind::Api,
            idle,
            last_used: None,
        })
    }

    fn cluster_exists<T>(&mut self, found: &Found<T>, id: &str) {
        if id != names::LOCAL && !self.clusters.contains(id) {
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
        self.flaw(found, rules::binding_namespace(binding.metadata.namespace.as_deref(), &binding.cluster_name));
        let template = &binding.role_template_name;
        self.flaw(found, rules::template(template));
        let subject = rules::subject(rules::Bound {
            user: binding.user_name.as_deref(),
            user_principal: binding.user_principal_name.as_deref(),
            group: binding.group_name.as_deref(),
            group_principal: binding.group_principal_name.as_deref(),
        });
        let (subject, flaw) = subject.map_err(|flaw| self.flaw(found, [flaw])).ok()?;
        self.flaw(found, flaw);
        Some(BindingInput {
            name: binding_name(binding).into(),
            cluster: binding.cluster_name.as_str().into(),
            template: template.as_str().into(),
            subject,
        })
    }
}
