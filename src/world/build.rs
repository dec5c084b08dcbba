//! From inputs to the next snapshot: only what changed gets a new row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    TokenHash, Usage,
    input::{
        AttributeInput, BindingInput, Change, ClusterInput, GroupInput, Inputs, MemberInput, ProviderInput, ProxyInput,
        Published, Subject, TokenInput, UserInput,
    },
    membership::{Graph, Member},
    names,
    rows::{ClusterRow, Grant, LastUsed, Role, SubjectId, TokenRow, UserRow},
    snapshot::World,
};

/// The rows that a publication replaced or removed: whose streams the workers look at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Names of users.
    pub users: HashSet<Arc<str>>,
    /// Hashes of tokens.
    pub tokens: HashSet<TokenHash>,
    /// Ids of clusters: themselves, their bindings, or what they publish.
    pub clusters: HashSet<Arc<str>>,
    /// Somebody is no longer in a group: whom it bears on is found by looking.
    pub members: bool,
    /// A provider is no longer enabled: whom it bears on is found by looking.
    pub providers: bool,
}

impl Touched {
    /// Whether nothing changed that an open stream was decided by.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.tokens.is_empty() && self.clusters.is_empty() && !self.members && !self.providers
    }
}

/// The publisher's own memory beside the snapshot: what it was fed, and what it gave ids to.
#[derive(Debug, Default)]
pub(super) struct Builder {
    world: World,
    fed: Fed,
    published: HashMap<Arc<str>, Arc<Published>>,
    /// Clusters whose rows are made anew before the next publication: once, however many of their bindings changed.
    stale: BTreeSet<Arc<str>>,
    touched: Touched,
    graph: Graph,
    /// Whether a provider came, went or changed.
    providers: bool,
}

#[derive(Debug, Default)]
struct Fed {
    users: BTreeMap<Arc<str>, UserInput>,
    tokens: BTreeMap<TokenHash, TokenInput>,
    clusters: BTreeMap<Arc<str>, ClusterInput>,
    bindings: BTreeMap<Arc<str>, Bindings>,
    attributes: HashMap<Arc<str>, Vec<Arc<str>>>,
    proxies: BTreeMap<Arc<str>, ProxyInput>,
    /// Where an object that changes or goes is found by its name.
    hashes: HashMap<Arc<str>, TokenHash>,
    homes: HashMap<Arc<str>, Arc<str>>,
}

/// The bindings of a cluster, by name: template and subject.
type Bindings = BTreeMap<Arc<str>, (Arc<str>, Subject)>;

impl Builder {
    /// Takes `inputs` as the whole truth of its source.
    pub(super) fn replace(&mut self, inputs: Inputs) {
        self.change(Change::Providers(inputs.providers));
        self.change(Change::Attributes(inputs.attributes));
        self.change(Change::Groups(inputs.groups));
        self.change(Change::Members(inputs.members));
        self.change(Change::Users(inputs.users));
        self.change(Change::Tokens(inputs.tokens));
        self.change(Change::Proxies(inputs.proxies));
        self.change(Change::Clusters(inputs.clusters));
        self.change(Change::Bindings(inputs.bindings));
    }

    /// Takes one change of a source.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::User(name, user) => self.user(&name, user),
            Change::Token(name, token) => self.token(&name, token),
            Change::Cluster(id, cluster) => self.cluster(&id, cluster),
            Change::Binding(name, binding) => self.binding(&name, binding),
            Change::Group(name, group) => self.group(&name, group.as_ref()),
            Change::Member(name, member) => self.member(&name, member),
            Change::Attribute(name, attribute) => self.attribute(&name, attribute),
            Change::Provider(name, provider) => self.provider(&name, provider.as_ref()),
            Change::Providers(providers) => self.providers(&providers),
            Change::Proxy(name, proxy) => self.proxy(name, proxy),
            Change::Proxies(proxies) => {
                let names: Vec<Arc<str>> = self.fed.proxies.keys().cloned().collect();
                for name in names.into_iter().filter(|name| !proxies.iter().any(|proxy| proxy.name == *name)) {
                    self.proxy(name, None);
                }
                for proxy in proxies {
                    self.proxy(Arc::clone(&proxy.name), Some(proxy));
                }
            }
            Change::Groups(groups) => self.groups(&groups),
            Change::Members(members) => self.members(members),
            Change::Attributes(attributes) => self.attributes(attributes),
            Change::Users(users) => {
                let users: BTreeMap<_, _> = users.into_iter().map(|user| (Arc::clone(&user.name), user)).collect();
                for name in differing(&self.fed.users, &users, UserInput::eq) {
                    self.put_user(&name, users.get(&name));
                }
                self.fed.users = users;
            }
            Change::Tokens(tokens) => {
                let tokens: BTreeMap<_, _> = tokens.into_iter().map(|token| (token.hash, token)).collect();
                for hash in differing(&self.fed.tokens, &tokens, TokenInput::is_alike) {
                    self.put_token(hash, tokens.get(&hash));
                }
                self.fed.hashes = tokens.values().map(|token| (Arc::clone(&token.name), token.hash)).collect();
                self.fed.tokens = tokens;
            }
            Change::Clusters(clusters) => {
                let clusters: BTreeMap<_, _> =
                    clusters.into_iter().map(|cluster| (Arc::clone(&cluster.id), cluster)).collect();
                self.stale.extend(differing(&self.fed.clusters, &clusters, ClusterInput::eq));
                self.fed.clusters = clusters;
            }
            Change::Bindings(bindings) => {
                let home = |binding: &BindingInput| (Arc::clone(&binding.name), Arc::clone(&binding.cluster));
                self.fed.homes = bindings.iter().map(home).collect();
                let bindings = by_cluster(bindings);
                self.stale.extend(differing(&self.fed.bindings, &bindings, Bindings::eq));
                self.fed.bindings = bindings;
            }
        }
    }

    fn user(&mut self, name: &Arc<str>, user: Option<UserInput>) {
        if self.fed.users.get(name) == user.as_ref() {
            return;
        }
        self.put_user(name, user.as_ref());
        match user {
            Some(user) => self.fed.users.insert(Arc::clone(name), user),
            None => self.fed.users.remove(name),
        };
    }

    fn token(&mut self, name: &Arc<str>, token: Option<TokenInput>) {
        let old = self.fed.hashes.get(name).copied();
        if let (Some(old), Some(token)) = (old.and_then(|hash| self.fed.tokens.get_mut(&hash)), &token)
            && old.is_alike(token)
        {
            old.last_used = token.last_used;
            if let (Some(row), Some(used)) = (self.world.tokens.get(&token.hash), token.last_used) {
                row.used.raise(used);
            }
            return;
        }
        // A hash that another object has by now is that object's.
        if let Some(hash) = old.filter(|hash| self.fed.tokens.get(hash).is_some_and(|known| known.name == *name)) {
            self.put_token(hash, None);
            self.fed.tokens.remove(&hash);
        }
        self.fed.hashes.remove(name);
        let Some(token) = token else { return };
        // Of two objects with one hash the first stays: a second one must not take its sign-ins over.
        if !self.fed.tokens.contains_key(&token.hash) {
            self.put_token(token.hash, Some(&token));
            self.fed.hashes.insert(Arc::clone(name), token.hash);
            self.fed.tokens.insert(token.hash, token);
        }
    }

    fn cluster(&mut self, id: &Arc<str>, cluster: Option<ClusterInput>) {
        if self.fed.clusters.get(id) == cluster.as_ref() {
            return;
        }
        self.stale.insert(Arc::clone(id));
        match cluster {
            Some(cluster) => self.fed.clusters.insert(Arc::clone(id), cluster),
            None => self.fed.clusters.remove(id),
        };
    }

    fn binding(&mut self, name: &Arc<str>, binding: Option<BindingInput>) {
        if let Some(home) = self.fed.homes.remove(name)
            && let Some(bindings) = self.fed.bindings.get_mut(&home)
        {
            let same = binding.as_ref().is_some_and(|binding| {
                binding.cluster == home
                    && bindings
                        .get(name)
                        .is_some_and(|(template, subject)| *template == binding.template && *subject == binding.subject)
            });
            if same {
                self.fed.homes.insert(Arc::clone(name), home);
                return;
            }
            bindings.remove(name);
            if bindings.is_empty() {
                self.fed.bindings.remove(&home);
            }
            self.stale.insert(home);
        }
        let Some(BindingInput { cluster, template, subject, .. }) = binding else { return };
        self.fed.homes.insert(Arc::clone(name), Arc::clone(&cluster));
        self.stale.insert(Arc::clone(&cluster));
        self.fed.bindings.entry(cluster).or_default().insert(Arc::clone(name), (template, subject));
    }

    fn group(&mut self, name: &Arc<str>, group: Option<&GroupInput>) {
        let id = self.intern(Subject::Group(Arc::clone(name)));
        let members = group.map(|group| group.members.iter().map(|member| self.member_of(member)).collect());
        self.graph.group(id, members);
    }

    fn groups(&mut self, groups: &[GroupInput]) {
        let mut gone: HashSet<SubjectId> = self.graph.known().collect();
        for group in groups {
            gone.remove(&self.intern(Subject::Group(Arc::clone(&group.name))));
            self.group(&group.name, Some(group));
        }
        for group in gone {
            self.graph.group(group, None);
        }
    }

    fn member(&mut self, name: &Arc<str>, member: Option<MemberInput>) {
        let edge = member.map(|MemberInput { group, member, .. }| {
            let member = self.member_of(&member);
            (self.intern(Subject::Group(group)), member)
        });
        self.graph.object(name, edge);
    }

    fn members(&mut self, members: Vec<MemberInput>) {
        let mut gone: HashSet<Arc<str>> = self.graph.objects().cloned().collect();
        for member in members {
            gone.remove(&member.name);
            self.member(&Arc::clone(&member.name), Some(member));
        }
        for name in &gone {
            self.graph.object(name, None);
        }
    }

    fn provider(&mut self, name: &Arc<str>, provider: Option<&ProviderInput>) {
        let enabled = provider.map(|provider| provider.enabled);
        let was = self.world.provider_is_enabled(name);
        if self.world.providers.get(name).copied() == enabled {
            return;
        }
        match enabled {
            Some(enabled) => self.world.providers.insert_mut(Arc::clone(name), enabled),
            None => {
                self.world.providers.remove_mut(name);
            }
        }
        self.providers = true;
        self.touched.providers |= was && !self.world.provider_is_enabled(name);
    }

    fn proxy(&mut self, name: Arc<str>, proxy: Option<ProxyInput>) {
        if self.fed.proxies.get(&name) == proxy.as_ref() {
            return;
        }
        let cluster = proxy.as_ref().map(|proxy| Arc::clone(&proxy.cluster));
        let old = match proxy {
            Some(proxy) => self.fed.proxies.insert(name, proxy),
            None => self.fed.proxies.remove(&name),
        };
        self.stale.extend(old.map(|old| old.cluster).into_iter().chain(cluster));
    }

    fn providers(&mut self, providers: &[ProviderInput]) {
        let mut gone: HashSet<Arc<str>> = self.world.providers.keys().cloned().collect();
        for provider in providers {
            gone.remove(&provider.name);
            self.provider(&provider.name, Some(provider));
        }
        for name in &gone {
            self.provider(name, None);
        }
    }

    fn member_of(&mut self, subject: &Subject) -> Member {
        Member { subject: self.intern(subject.clone()), group: matches!(subject, Subject::Group(_)) }
    }

    fn attribute(&mut self, user: &Arc<str>, attribute: Option<AttributeInput>) {
        let groups = attribute.map(|attribute| attribute.group_principals).filter(|groups| !groups.is_empty());
        if self.fed.attributes.get(user) == groups.as_ref() {
            return;
        }
        match groups {
            Some(groups) => self.fed.attributes.insert(Arc::clone(user), groups),
            None => self.fed.attributes.remove(user),
        };
        if let Some(input) = self.fed.users.get(user).cloned() {
            self.put_user(user, Some(&input));
        }
    }

    fn attributes(&mut self, attributes: Vec<AttributeInput>) {
        let mut gone: HashSet<Arc<str>> = self.fed.attributes.keys().cloned().collect();
        for attribute in attributes {
            gone.remove(&attribute.user);
            self.attribute(&Arc::clone(&attribute.user), Some(attribute));
        }
        for user in &gone {
            self.attribute(user, None);
        }
    }

    /// Takes what a cluster says of the names it lets the gateway impersonate.
    pub(super) fn publish(&mut self, cluster: &Arc<str>, published: Published) {
        if self.published.get(cluster).is_some_and(|known| **known == published) {
            return;
        }
        self.published.insert(Arc::clone(cluster), Arc::new(published));
        self.stale.insert(Arc::clone(cluster));
    }

    /// The next snapshot and what it changed; `None` when nothing did.
    pub(super) fn next(&mut self) -> Option<(World, Touched)> {
        for id in std::mem::take(&mut self.stale) {
            self.put_cluster(&id);
        }
        let (changed, shrunk) = self.graph.settle();
        self.touched.members = shrunk;
        if self.touched.is_empty() && !changed && !std::mem::take(&mut self.providers) {
            return None;
        }
        if changed {
            self.world.membership = self.graph.current().clone();
        }
        self.world.generation += 1;
        Some((self.world.clone(), std::mem::take(&mut self.touched)))
    }

    fn put_user(&mut self, name: &Arc<str>, input: Option<&UserInput>) {
        self.touched.users.insert(Arc::clone(name));
        if let Some(old) = self.fed.users.get(name) {
            for principal in &old.principal_ids {
                // Another user may have taken it over in this very batch.
                if self.world.principals.get(principal) == Some(name) {
                    self.world.principals.remove_mut(principal);
                }
            }
            if self.world.logins.get(&old.username) == Some(name) {
                self.world.logins.remove_mut(&old.username);
            }
        }
        let Some(user) = input else {
            self.world.users.remove_mut(name);
            return;
        };
        self.world.logins.insert_mut(Arc::clone(&user.username), Arc::clone(name));
        let mut subjects = vec![self.intern(Subject::User(Arc::clone(name)))];
        for principal in &user.principal_ids {
            subjects.push(self.intern(Subject::UserPrincipal(Arc::clone(principal))));
            self.world.principals.insert_mut(Arc::clone(principal), Arc::clone(name));
        }
        let principals = self.fed.attributes.get(name).cloned().unwrap_or_default();
        // What a provider once said of somebody who is not known to it any more says nothing.
        let providers: Vec<&str> = user.principal_ids.iter().filter_map(|principal| provider_of(principal)).collect();
        let own = principals.iter().filter(|group| provider_of(group).is_some_and(|name| providers.contains(&name)));
        let groups = own.map(|group| self.intern(Subject::GroupPrincipal(Arc::clone(group)))).collect();
        let usage = self.world.users.get(name).map_or_else(Arc::<Usage>::default, |row| Arc::clone(&row.usage));
        self.world.users.insert_mut(
            Arc::clone(name),
            Arc::new(UserRow {
                name: Arc::clone(name),
                uid: user.uid.clone(),
                username: Arc::clone(&user.username),
                enabled: user.enabled,
                subjects: subjects.into(),
                groups,
                limits: user.limits,
                usage,
            }),
        );
    }

    fn put_token(&mut self, hash: TokenHash, input: Option<&TokenInput>) {
        self.touched.tokens.insert(hash);
        let old = self.world.tokens.get(&hash).map(|row| Arc::clone(&row.user));
        if let Some(user) = old.filter(|user| input.is_none_or(|token| token.user != *user)) {
            self.file_token(&user, |hashes| hashes.retain(|known| *known != hash));
        }
        let Some(token) = input else {
            self.world.tokens.remove_mut(&hash);
            return;
        };
        self.file_token(&token.user, |hashes| {
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        });
        let used = self.world.tokens.get(&hash).filter(|row| row.name == token.name);
        let used = used.map_or_else(Arc::<LastUsed>::default, |row| Arc::clone(&row.used));
        if let Some(last) = token.last_used {
            used.raise(last);
        }
        let groups = token
            .group_principals
            .iter()
            .map(|group| self.intern(Subject::GroupPrincipal(Arc::clone(group))))
            .collect();
        let principal = token.principal.as_ref().map(|one| self.intern(Subject::UserPrincipal(Arc::clone(one))));
        self.world.tokens.insert_mut(
            hash,
            Arc::new(TokenRow {
                name: Arc::clone(&token.name),
                hash,
                user: Arc::clone(&token.user),
                cluster: token.cluster.clone(),
                groups,
                enabled: token.enabled,
                expires_at: token.expires_at,
                provider: token.provider.clone(),
                principal,
                salted: token.salted.clone(),
                kind: token.kind,
                idle: token.idle,
                used,
            }),
        );
    }

    /// Changes which tokens are a user's.
    fn file_token(&mut self, user: &Arc<str>, change: impl FnOnce(&mut Vec<TokenHash>)) {
        let mut hashes = self.world.tokens_of.get(user).map(|hashes| hashes.to_vec()).unwrap_or_default();
        change(&mut hashes);
        if hashes.is_empty() {
            self.world.tokens_of.remove_mut(user);
        } else {
            self.world.tokens_of.insert_mut(Arc::clone(user), hashes.into());
        }
    }

    fn put_cluster(&mut self, id: &Arc<str>) {
        let Some(cluster) = self.fed.clusters.get(id).cloned() else {
            if self.world.clusters.remove_mut(id) {
                self.touched.clusters.insert(Arc::clone(id));
            }
            self.published.remove(id);
            return;
        };
        self.touched.clusters.insert(Arc::clone(id));
        let old = self.world.clusters.get(id);
        let usage = old.map_or_else(Arc::<Usage>::default, |row| Arc::clone(&row.usage));
        // Another address may be another cluster: what the old one published says nothing about it. Another credential for
        // the same one is asked for its names at once; until it has answered, open streams and new calls go on.
        if old.is_some_and(|row| !row.reach.leads_where(&cluster.reach)) {
            self.published.remove(id);
        }
        let published = self.published.get(id).cloned();
        let bindings = self.fed.bindings.get(id).cloned().unwrap_or_default();
        let templates: BTreeSet<Arc<str>> = bindings.values().map(|(template, _)| Arc::clone(template)).collect();
        let places: HashMap<Arc<str>, u32> = templates.iter().cloned().zip(0..).collect();
        let roles = templates
            .into_iter()
            .map(|template| {
                let group = names::cluster_role_group(id, &template);
                let published = published.as_ref().is_some_and(|published| published.groups.contains(&group));
                Role { template, group, published }
            })
            .collect();
        let mut grants: Vec<Grant> = bindings
            .into_values()
            .filter_map(|(template, subject)| {
                let role = *places.get(&template)?;
                Some(Grant { subject: self.intern(subject), role })
            })
            .collect();
        grants.sort_unstable();
        grants.dedup();
        self.world.clusters.insert_mut(
            Arc::clone(id),
            Arc::new(ClusterRow {
                id: Arc::clone(id),
                display_name: cluster.display_name,
                reach: cluster.reach,
                allow_administrator: cluster.allow_administrator,
                accounts: self.fed.proxies.values().any(|proxy| proxy.enabled && proxy.cluster == *id),
                limits: cluster.limits,
                usage,
                grants: grants.into(),
                roles,
                published,
            }),
        );
    }

    fn intern(&mut self, subject: Subject) -> SubjectId {
        if let Some(id) = self.world.subjects.get(&subject) {
            return *id;
        }
        // INVARIANT: ids are given once and never taken back, so the count is the next free one.
        let id = SubjectId(u32::try_from(self.world.subjects.size()).unwrap_or(u32::MAX));
        if let Subject::GroupPrincipal(group) = &subject {
            self.world.provider_groups.insert_mut(id, Arc::clone(group));
        }
        self.world.subjects.insert_mut(subject, id);
        id
    }
}

/// The provider that a principal is of: Drover's own have none.
fn provider_of(principal: &str) -> Option<&str> {
    let (scheme, _) = principal.split_once("://")?;
    Some(scheme.split_once('_')?.0)
}

fn by_cluster(bindings: Vec<BindingInput>) -> BTreeMap<Arc<str>, Bindings> {
    let mut by_cluster: BTreeMap<_, Bindings> = BTreeMap::new();
    for binding in bindings {
        by_cluster.entry(binding.cluster).or_default().insert(binding.name, (binding.template, binding.subject));
    }
    by_cluster
}

/// The keys whose values differ between two maps, or that only one of them has.
fn differing<K: Ord + Clone, V>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>, alike: fn(&V, &V) -> bool) -> Vec<K> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let changed =
        new.iter().filter(|(key, value)| !old.get(*key).is_some_and(|old| alike(old, value))).map(|(key, _)| key);
    gone.chain(changed).cloned().collect()
}

#[cfg(test)]
mod tests;
