//! From inputs to the next snapshot: only what changed gets a new row.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    TokenHash, Usage,
    input::{BindingInput, ClusterInput, Inputs, Published, Subject, TokenInput, UserInput},
    names,
    rows::{ClusterRow, Grant, Role, SubjectId, TokenRow, UserRow},
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
}

impl Touched {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.tokens.is_empty() && self.clusters.is_empty()
    }
}

/// The publisher's own memory beside the snapshot: what it was fed, and what it gave ids to.
#[derive(Debug, Default)]
pub(super) struct Builder {
    world: World,
    fed: Fed,
    published: HashMap<Arc<str>, Arc<Published>>,
    touched: Touched,
}

#[derive(Debug, Default)]
struct Fed {
    users: BTreeMap<Arc<str>, UserInput>,
    tokens: BTreeMap<TokenHash, TokenInput>,
    clusters: BTreeMap<Arc<str>, ClusterInput>,
    bindings: BTreeMap<Arc<str>, Bindings>,
}

/// Name, template and subject of each binding of a cluster.
type Bindings = BTreeSet<(Arc<str>, Arc<str>, Subject)>;

impl Builder {
    /// Takes `inputs` as the whole truth of its source.
    pub(super) fn replace(&mut self, inputs: Inputs) {
        let users: BTreeMap<_, _> = inputs.users.into_iter().map(|user| (Arc::clone(&user.name), user)).collect();
        let tokens: BTreeMap<_, _> = inputs.tokens.into_iter().map(|token| (token.hash, token)).collect();
        let clusters: BTreeMap<_, _> =
            inputs.clusters.into_iter().map(|cluster| (Arc::clone(&cluster.id), cluster)).collect();
        let bindings = by_cluster(inputs.bindings);

        for name in differing(&self.fed.users, &users) {
            self.put_user(&name, users.get(&name));
        }
        for hash in differing(&self.fed.tokens, &tokens) {
            self.put_token(hash, tokens.get(&hash));
        }
        let mut changed: BTreeSet<_> = differing(&self.fed.clusters, &clusters).into_iter().collect();
        changed.extend(differing(&self.fed.bindings, &bindings));
        self.fed = Fed { users, tokens, clusters, bindings };
        for id in changed {
            self.put_cluster(&id);
        }
    }

    /// Takes what a cluster says of the names it lets the gateway impersonate.
    pub(super) fn publish(&mut self, cluster: &Arc<str>, published: Published) {
        if self.published.get(cluster).is_some_and(|known| **known == published) {
            return;
        }
        self.published.insert(Arc::clone(cluster), Arc::new(published));
        self.put_cluster(cluster);
    }

    /// The next snapshot and what it changed; `None` when nothing did.
    pub(super) fn next(&mut self) -> Option<(World, Touched)> {
        if self.touched.is_empty() {
            return None;
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
        }
        let Some(user) = input else {
            self.world.users.remove_mut(name);
            return;
        };
        let mut subjects = vec![self.intern(Subject::User(Arc::clone(name)))];
        for principal in &user.principal_ids {
            subjects.push(self.intern(Subject::UserPrincipal(Arc::clone(principal))));
            self.world.principals.insert_mut(Arc::clone(principal), Arc::clone(name));
        }
        let usage = self.world.users.get(name).map_or_else(Arc::<Usage>::default, |row| Arc::clone(&row.usage));
        self.world.users.insert_mut(
            Arc::clone(name),
            Arc::new(UserRow {
                name: Arc::clone(name),
                uid: user.uid.clone(),
                username: Arc::clone(&user.username),
                enabled: user.enabled,
                subjects: subjects.into(),
                limits: user.limits,
                usage,
            }),
        );
    }

    fn put_token(&mut self, hash: TokenHash, input: Option<&TokenInput>) {
        self.touched.tokens.insert(hash);
        let Some(token) = input else {
            self.world.tokens.remove_mut(&hash);
            return;
        };
        let groups = token
            .group_principals
            .iter()
            .map(|group| self.intern(Subject::GroupPrincipal(Arc::clone(group))))
            .collect();
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
            }),
        );
    }

    fn put_cluster(&mut self, id: &Arc<str>) {
        self.touched.clusters.insert(Arc::clone(id));
        let Some(cluster) = self.fed.clusters.get(id).cloned() else {
            self.world.clusters.remove_mut(id);
            self.published.remove(id);
            return;
        };
        let old = self.world.clusters.get(id);
        let usage = old.map_or_else(Arc::<Usage>::default, |row| Arc::clone(&row.usage));
        // Another address may be another cluster: what the old one published says nothing about it. Another credential for
        // the same one is asked for its names at once; until it has answered, open streams and new calls go on.
        if old.is_some_and(|row| !row.connection.leads_where(&cluster.connection)) {
            self.published.remove(id);
        }
        let published = self.published.get(id).cloned();
        let bindings = self.fed.bindings.get(id).cloned().unwrap_or_default();
        let templates: BTreeSet<Arc<str>> = bindings.iter().map(|(_, template, _)| Arc::clone(template)).collect();
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
            .into_iter()
            .filter_map(|(_, template, subject)| {
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
                connection: cluster.connection,
                allow_administrator: cluster.allow_administrator,
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
        self.world.subjects.insert_mut(subject, id);
        id
    }
}

fn by_cluster(bindings: Vec<BindingInput>) -> BTreeMap<Arc<str>, Bindings> {
    let mut by_cluster: BTreeMap<_, Bindings> = BTreeMap::new();
    for binding in bindings {
        by_cluster.entry(binding.cluster).or_default().insert((binding.name, binding.template, binding.subject));
    }
    by_cluster
}

/// The keys whose values differ between two maps, or that only one of them has.
fn differing<K: Ord + Clone, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Vec<K> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(*value)).map(|(key, _)| key);
    gone.chain(changed).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Builder, Touched};
    use crate::{
        secret::Secret,
        world::input::{
            Auth, DataOrFile, Inputs, Names, Published,
            testing::{binding, cluster, token, user},
        },
    };

    fn inputs() -> Inputs {
        Inputs {
            users: vec![user("u-a"), user("u-b")],
            tokens: vec![token("t-a", "u-a")],
            clusters: vec![cluster("c-1", "one"), cluster("c-2", "two")],
            bindings: vec![binding("c-1", "view", "u-a"), binding("c-1", "edit", "u-a"), binding("c-2", "view", "u-b")],
        }
    }

    #[test]
    fn the_same_inputs_again_publish_nothing() {
        let mut builder = Builder::default();
        builder.replace(inputs());
        assert!(builder.next().is_some());
        builder.replace(inputs());
        assert!(builder.next().is_none());
    }

    #[test]
    fn a_removed_binding_touches_its_cluster_alone_and_keeps_other_rows() {
        let mut builder = Builder::default();
        builder.replace(inputs());
        let (before, _) = builder.next().unwrap();
        let mut changed = inputs();
        changed.bindings.remove(0);
        builder.replace(changed);
        let (after, touched) = builder.next().unwrap();
        assert_eq!(touched, Touched { clusters: [Arc::from("c-1")].into(), ..Touched::default() });
        assert!(Arc::ptr_eq(before.user("u-a").unwrap(), after.user("u-a").unwrap()));
        assert!(Arc::ptr_eq(before.cluster("c-2").unwrap(), after.cluster("c-2").unwrap()));
        let row = after.cluster("c-1").unwrap();
        let roles = row.roles_of(after.user("u-a").unwrap().subjects.iter().copied());
        assert_eq!(roles.iter().map(|&role| &*row.roles[role as usize].template).collect::<Vec<_>>(), ["edit"]);
    }

    #[test]
    fn what_an_old_address_published_is_forgotten_with_it() {
        let mut builder = Builder::default();
        builder.replace(inputs());
        builder.publish(&"c-1".into(), Published { groups: Names::Any, users: Names::Any, ..Published::default() });
        let (world, _) = builder.next().unwrap();
        assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| role.published));
        let mut moved = inputs();
        moved.clusters[0] = cluster("c-1", "elsewhere");
        builder.replace(moved);
        let (world, _) = builder.next().unwrap();
        assert!(world.cluster("c-1").unwrap().published.is_none());
        assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| !role.published));
    }

    #[test]
    fn what_a_cluster_published_outlives_a_change_of_the_credential() {
        let mut builder = Builder::default();
        builder.replace(inputs());
        builder.publish(&"c-1".into(), Published { groups: Names::Any, users: Names::Any, ..Published::default() });
        builder.next().unwrap();
        let mut rotated = inputs();
        let mut connection = (*rotated.clusters[0].connection).clone();
        connection.auth = Auth::Token(DataOrFile::Data(Secret::new(Arc::from(&b"another"[..]))));
        rotated.clusters[0].connection = Arc::new(connection);
        builder.replace(rotated);
        let (world, touched) = builder.next().unwrap();
        assert!(touched.clusters.contains("c-1"));
        assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| role.published));
    }

    #[test]
    fn a_principal_that_moves_to_another_user_is_found_there() {
        let mut builder = Builder::default();
        let mut first = inputs();
        first.users[1].principal_ids.push("x509_user://robot".into());
        builder.replace(first);
        builder.next().unwrap();
        let mut second = inputs();
        second.users[0].principal_ids.push("x509_user://robot".into());
        builder.replace(second);
        let (world, _) = builder.next().unwrap();
        assert_eq!(&*world.user_by_principal("x509_user://robot").unwrap().name, "u-a");
    }

    #[test]
    fn usage_outlives_a_change_of_its_row() {
        let mut builder = Builder::default();
        builder.replace(inputs());
        let (world, _) = builder.next().unwrap();
        assert!(world.user("u-a").unwrap().usage.enter(1));
        let mut changed = inputs();
        changed.users[0].enabled = false;
        builder.replace(changed);
        let (world, _) = builder.next().unwrap();
        assert_eq!(world.user("u-a").unwrap().usage.in_flight(), 1);
    }
}
