//! One rule, its lists turned into what compares fast.

use super::{Decision, Stages};
use crate::telemetry::audit::{Level, ObjectRef, RequestRef, Stage};

/// Strings to be found among; empty means that the rule does not ask.
#[derive(Debug, Default)]
pub(super) struct Set(Box<[Box<str>]>);

impl Set {
    pub(super) fn new(mut strings: Vec<String>) -> Self {
        strings.sort_unstable();
        strings.dedup();
        Self(strings.into_iter().map(String::into_boxed_str).collect())
    }

    fn allows(&self, string: &str) -> bool {
        self.0.is_empty() || self.contains(string)
    }

    fn contains(&self, string: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(string)).is_ok()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug)]
pub(super) enum Resource {
    /// `*`: every resource and subresource.
    All,
    /// `pods`, `pods/log`.
    Exact { resource: Box<str>, subresource: Box<str> },
    /// `pods/*`: the resource and each of its subresources.
    Under(Box<str>),
    /// `*/scale`: this subresource of every resource.
    Subresource(Box<str>),
}

impl Resource {
    pub(super) fn new(text: &str) -> Self {
        match text.split_once('/') {
            None if text == "*" => Self::All,
            None => Self::Exact { resource: text.into(), subresource: "".into() },
            Some(("*", subresource)) => Self::Subresource(subresource.into()),
            Some((resource, "*")) => Self::Under(resource.into()),
            Some((resource, subresource)) => Self::Exact { resource: resource.into(), subresource: subresource.into() },
        }
    }

    fn matches(&self, object: &ObjectRef<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Exact { resource, subresource } => {
                **resource == *object.resource && **subresource == *object.subresource
            }
            Self::Under(resource) => **resource == *object.resource,
            Self::Subresource(subresource) => !subresource.is_empty() && **subresource == *object.subresource,
        }
    }
}

#[derive(Debug)]
pub(super) struct GroupResources {
    /// `*` for every group.
    pub(super) group: Box<str>,
    pub(super) resources: Box<[Resource]>,
    pub(super) names: Set,
}

impl GroupResources {
    fn matches(&self, object: &ObjectRef<'_>) -> bool {
        (&*self.group == "*" || *self.group == *object.group)
            && (self.resources.is_empty()
                || (self.names.allows(object.name) && self.resources.iter().any(|resource| resource.matches(object))))
    }
}

#[derive(Debug)]
pub(super) enum UrlPath {
    Exact(Box<str>),
    Prefix(Box<str>),
}

impl UrlPath {
    pub(super) fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.into()),
            None => Self::Exact(text.into()),
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => path.starts_with(&**prefix),
        }
    }
}

#[derive(Debug)]
pub(super) enum Scope {
    All,
    Resources { namespaces: Set, resources: Box<[GroupResources]> },
    Paths(Box<[UrlPath]>),
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) decision: Decision,
    pub(super) clusters: Set,
    pub(super) users: Set,
    pub(super) groups: Set,
    pub(super) verbs: Set,
    pub(super) scope: Scope,
}

impl Rule {
    /// Whether the rule speaks of `request`; the cheapest questions come first.
    pub(super) fn matches(&self, request: &RequestRef<'_>) -> bool {
        self.scope_matches(request)
            && self.clusters.allows(request.cluster)
            && self.verbs.allows(request.verb)
            && self.users.allows(request.user.name)
            && (self.groups.is_empty() || request.user.groups.any(&mut |group| self.groups.contains(group)))
    }

    fn scope_matches(&self, request: &RequestRef<'_>) -> bool {
        match (&self.scope, &request.object) {
            (Scope::All, _) => true,
            (Scope::Resources { namespaces, resources }, Some(object)) => {
                namespaces.allows(object.namespace)
                    && (resources.is_empty() || resources.iter().any(|resources| resources.matches(object)))
            }
            (Scope::Paths(paths), None) => paths.iter().any(|path| path.matches(request.path)),
            (Scope::Resources { .. }, None) | (Scope::Paths(_), Some(_)) => false,
        }
    }
}

/// The rules of the default policy.
pub(super) fn defaults() -> Vec<Rule> {
    let rule = |level, scope| Rule {
        decision: Decision {
            level,
            omit: Stages::from_iter([Stage::RequestReceived, Stage::ResponseStarted]),
            omit_managed_fields: false,
        },
        clusters: Set::default(),
        users: Set::default(),
        groups: Set::default(),
        verbs: Set::default(),
        scope,
    };
    let health = ["/healthz*", "/livez*", "/readyz*"].map(UrlPath::new);
    vec![rule(Level::None, Scope::Paths(Box::new(health))), rule(Level::Metadata, Scope::All)]
}
