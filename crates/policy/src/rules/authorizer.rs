//! All roles and bindings of a cluster, compiled: who is asked for first, then the resource.
//!
//! The maps are persistent, so that a clone is a snapshot: a reader keeps one while a writer makes the next. A change touches the
//! entries of the object that changed and no other.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use apimachinery::meta::Meta;
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use serde_json::Value;

use super::index::{Asked, RuleIndex};
use super::object::{self, Binding, Kind, ROLE_GROUP, RoleRef, Subject, SubjectKind};
use super::{Attributes, MASTERS, Rule};
use crate::quoted::quoted;

/// The bindings of one subject in one namespace, by name: a change stays cheap where a group has very many.
type Bound = RedBlackTreeMapSync<Arc<str>, Arc<Binding>>;
/// The bindings of one subject by namespace; those of the whole cluster under the empty one.
type ByNamespace = HashTrieMapSync<Arc<str>, Bound>;
type Key = (Arc<str>, Arc<str>);

/// Decides by RBAC.
#[derive(Clone, Debug, Default)]
pub struct Authorizer {
    cluster_roles: HashTrieMapSync<Arc<str>, Arc<RuleIndex>>,
    roles: HashTrieMapSync<Arc<str>, HashTrieMapSync<Arc<str>, Arc<RuleIndex>>>,
    users: HashTrieMapSync<String, ByNamespace>,
    groups: HashTrieMapSync<String, ByNamespace>,
    /// What each binding last said, to take it back.
    bindings: RedBlackTreeMapSync<Key, Arc<Binding>>,
}

/// Whether something is allowed, and by what.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Whether it is.
    pub allowed: bool,
    why: Why<'a>,
}

#[derive(Clone, Debug)]
enum Why<'a> {
    /// Nothing is said of `system:masters`, as Kubernetes has it.
    Master,
    Granted(Grant<'a>),
    /// The roles that do not exist, met on the way to a no.
    Denied(Vec<&'a RoleRef>),
}

/// The binding that allows, and the first of its subjects that stands for the user.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The subject.
    pub subject: &'a Subject,
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        object::describe(self.binding, self.subject, f)
    }
}

impl<'a> Decision<'a> {
    /// Why, in Kubernetes' words: `RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to User "z"`. Empty for a plain no;
    /// a no that met a role that does not exist names it, behind the name of the authorizer.
    pub fn reason(&self) -> String {
        match &self.why {
            Why::Master => String::new(),
            Why::Granted(grant) => format!("RBAC: allowed by {grant}"),
            Why::Denied(missing) => {
                aggregate(missing, "").map(|text| format!("rbac: RBAC: {text}")).unwrap_or_default()
            }
        }
    }

    /// What allowed it, if RBAC did.
    pub fn grant(&self) -> Option<Grant<'a>> {
        match self.why {
            Why::Granted(grant) => Some(grant),
            _ => None,
        }
    }
}

/// All rules that a user has somewhere.
#[derive(Clone, Debug, Default)]
pub struct Rules<'a> {
    /// The rules, one entry a binding.
    pub rules: Vec<&'a [Rule]>,
    /// Roles that bindings refer to and that do not exist.
    pub missing: Vec<&'a RoleRef>,
}

impl<'a> Rules<'a> {
    /// Each rule.
    pub fn iter(&self) -> impl Iterator<Item = &'a Rule> + Clone + '_ {
        self.rules.iter().flat_map(|rules| rules.iter())
    }

    /// The missing roles as one text; `None` without any. Where Kubernetes asks its storage it names them by the `resource` of the
    /// request, whichever that is; else (empty) by their kind.
    pub fn error(&self, resource: &str) -> Option<String> {
        aggregate(&self.missing, resource)
    }
}

/// One text of several errors: Go's `utilerrors.Aggregate`.
fn aggregate(missing: &[&RoleRef], resource: &str) -> Option<String> {
    let mut distinct: Vec<String> = Vec::new();
    for role in missing {
        let text = not_found(role, resource);
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    match distinct.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

fn not_found(role: &RoleRef, resource: &str) -> String {
    let kind = match role.kind.as_str() {
        "ClusterRole" => "clusterrole",
        "Role" => "role",
        other => return format!("unsupported role reference kind: {}", quoted(other)),
    };
    let named = if resource.is_empty() { kind } else { resource };
    format!("{named}.{ROLE_GROUP} {} not found", quoted(&role.name))
}

impl Authorizer {
    /// Takes in an object, in the place of what it said before. One that cannot be read gives nothing from then on.
    ///
    /// # Errors
    /// The object is not of the form of its kind.
    pub fn put(&mut self, kind: Kind, object: &Value) -> Result<(), serde_json::Error> {
        let meta = Meta::of(object);
        let (namespace, name) = (if kind.is_namespaced() { meta.namespace() } else { "" }, meta.name());
        match kind {
            Kind::Role | Kind::ClusterRole => match object::rules_of(object) {
                Ok(rules) => self.put_role(namespace, name, Arc::new(RuleIndex::new(rules))),
                Err(error) => {
                    self.remove(kind, namespace, name);
                    return Err(error);
                }
            },
            Kind::RoleBinding | Kind::ClusterRoleBinding => {
                self.remove(kind, namespace, name);
                let mut binding = Binding::read(object)?;
                binding.namespace = namespace.into();
                self.bind(Arc::new(binding));
            }
        }
        Ok(())
    }

    /// Forgets an object.
    pub fn remove(&mut self, kind: Kind, namespace: &str, name: &str) {
        match kind {
            Kind::ClusterRole => {
                self.cluster_roles.remove_mut(name);
            }
            Kind::Role => {
                let Some(mut roles) = self.roles.get(namespace).cloned() else { return };
                roles.remove_mut(name);
                if roles.is_empty() {
                    self.roles.remove_mut(namespace);
                } else {
                    self.roles.insert_mut(namespace.into(), roles);
                }
            }
            Kind::RoleBinding => self.unbind(namespace, name),
            Kind::ClusterRoleBinding => self.unbind("", name),
        }
    }

    fn put_role(&mut self, namespace: &str, name: &str, rules: Arc<RuleIndex>) {
        if namespace.is_empty() {
            self.cluster_roles.insert_mut(name.into(), rules);
        } else {
            let mut own = self.roles.get(namespace).cloned().unwrap_or_default();
            own.insert_mut(name.into(), rules);
            self.roles.insert_mut(namespace.into(), own);
        }
    }

    fn bind(&mut self, binding: Arc<Binding>) {
        for subject in distinct_subjects(&binding) {
            let (map, name) = self.map_of(subject);
            let mut places = map.get(&name).cloned().unwrap_or_default();
            let mut all = places.get(&binding.namespace).cloned().unwrap_or_default();
            all.insert_mut(Arc::clone(&binding.name), Arc::clone(&binding));
            places.insert_mut(Arc::clone(&binding.namespace), all);
            map.insert_mut(name, places);
        }
        self.bindings.insert_mut((Arc::clone(&binding.namespace), Arc::clone(&binding.name)), binding);
    }

    fn unbind(&mut self, namespace: &str, name: &str) {
        let key: Key = (namespace.into(), name.into());
        let Some(binding) = self.bindings.get(&key).cloned() else { return };
        self.bindings.remove_mut(&key);
        for subject in distinct_subjects(&binding) {
            let (map, name) = self.map_of(subject);
            let Some(mut places) = map.get(&name).cloned() else { continue };
            let mut rest = places.get(&binding.namespace).cloned().unwrap_or_default();
            rest.remove_mut(&binding.name);
            if rest.is_empty() {
                places.remove_mut(&binding.namespace);
            } else {
                places.insert_mut(Arc::clone(&binding.namespace), rest);
            }
            if places.is_empty() {
                map.remove_mut(&name);
            } else {
                map.insert_mut(name, places);
            }
        }
    }

    fn map_of(&mut self, subject: SubjectKind) -> (&mut HashTrieMapSync<String, ByNamespace>, String) {
        match subject {
            SubjectKind::User(name) => (&mut self.users, name),
            SubjectKind::Group(name) => (&mut self.groups, name),
        }
    }

    /// Whether it is allowed.
    pub fn allows(&self, asked: &Attributes<'_>) -> Decision<'_> {
        if asked.groups.iter().any(|group| group == MASTERS) {
            return Decision { allowed: true, why: Why::Master };
        }
        let with_names = Asked::new(asked);
        let mut missing = Vec::new();
        for bound in self.bound(asked.user, asked.groups, asked.namespace) {
            for binding in bound.values() {
                match self.role(&binding.role, &binding.namespace) {
                    Some(role) if role.allows(&with_names) => {
                        // INVARIANT: the binding was found under one of its subjects.
                        if let Some(subject) = binding.subject_for(asked.user, asked.groups) {
                            return Decision { allowed: true, why: Why::Granted(Grant { binding, subject }) };
                        }
                    }
                    Some(_) => {}
                    None => missing.push(&binding.role),
                }
            }
        }
        Decision { allowed: false, why: Why::Denied(missing) }
    }

    /// The bindings that apply, of the whole cluster first; one that has the user and a group of theirs comes twice.
    fn bound<'s, 'q>(
        &'s self,
        user: &str,
        groups: &[String],
        namespace: &'q str,
    ) -> impl Iterator<Item = &'s Bound> + use<'s, 'q> {
        let subjects: Vec<&ByNamespace> =
            self.users.get(user).into_iter().chain(groups.iter().filter_map(|group| self.groups.get(group))).collect();
        let own = (!namespace.is_empty()).then_some(namespace);
        std::iter::once("")
            .chain(own)
            .flat_map(move |namespace| subjects.clone().into_iter().filter_map(move |places| places.get(namespace)))
    }

    fn role(&self, role: &RoleRef, namespace: &str) -> Option<&Arc<RuleIndex>> {
        match role.kind.as_str() {
            "ClusterRole" => self.cluster_roles.get(role.name.as_str()),
            "Role" => self.roles.get(namespace)?.get(role.name.as_str()),
            _ => None,
        }
    }

    /// The rules of the role that a binding of `namespace` (empty for a ClusterRoleBinding) refers to; `None` if there is no such
    /// role.
    pub fn rules_of(&self, role: &RoleRef, namespace: &str) -> Option<&[Rule]> {
        self.role(role, namespace).map(|role| role.rules())
    }

    /// All rules that a user has in `namespace` and in the whole cluster. `system:masters` is nothing special here, as in
    /// Kubernetes: its rights come from the binding to cluster-admin.
    pub fn rules_for(&self, user: &str, groups: &[String], namespace: &str) -> Rules<'_> {
        let mut seen = BTreeSet::new();
        let mut out = Rules::default();
        for binding in self.bound(user, groups, namespace).flat_map(RedBlackTreeMapSync::values) {
            if !seen.insert((&binding.namespace, &binding.name)) {
                continue;
            }
            match self.role(&binding.role, &binding.namespace) {
                Some(role) => out.rules.push(role.rules()),
                None => out.missing.push(&binding.role),
            }
        }
        out
    }
}

/// Whom a binding stands for, each once.
fn distinct_subjects(binding: &Binding) -> Vec<SubjectKind> {
    let mut subjects: Vec<SubjectKind> = Vec::with_capacity(binding.subjects.len());
    for subject in binding.subjects.iter().filter_map(|subject| subject.stands_for(&binding.namespace)) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    subjects
}
