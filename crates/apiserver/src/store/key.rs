//! Names of objects in the store, and ranges of them.

use std::{cmp::Ordering, fmt};

/// What one object is stored under: a prefix, `<group>/<resource>`, a namespace (empty for cluster-scoped kinds) and a name.
///
/// Keys of one prefix stand in the order of `<namespace>/<name>` as bytes, which is the order in which Kubernetes lists: etcd's keys
/// are such paths, so `a-b/x` comes before `a/x`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    prefix: Box<str>,
    path: Box<str>,
    namespace: usize,
}

impl Key {
    /// The key of `name` in `namespace`. Neither may contain a `/`, which Kubernetes allows in no name.
    pub fn new(prefix: &str, namespace: &str, name: &str) -> Self {
        let mut path = String::with_capacity(namespace.len() + 1 + name.len());
        path.push_str(namespace);
        path.push('/');
        path.push_str(name);
        Self { prefix: prefix.into(), path: path.into_boxed_str(), namespace: namespace.len() }
    }

    /// `<group>/<resource>`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The namespace, empty for cluster-scoped kinds.
    pub fn namespace(&self) -> &str {
        self.path.get(..self.namespace).unwrap_or_default()
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.path.get(self.namespace + 1..).unwrap_or_default()
    }

    /// `<namespace>/<name>`: what orders the objects of one prefix.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.path.cmp(&other.path))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.path)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The objects of one kind, of one namespace of it, or one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    prefix: Box<str>,
    scope: Scope,
}

/// Which part of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    All,
    Namespace(Box<str>),
    Object(Box<str>),
}

impl Range {
    /// Every object under `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self { prefix: prefix.into(), scope: Scope::All }
    }

    /// Every object under `prefix` in `namespace`.
    pub fn namespace(prefix: &str, namespace: &str) -> Self {
        Self { prefix: prefix.into(), scope: Scope::Namespace(namespace.into()) }
    }

    /// The object at `key` alone.
    pub fn object(key: &Key) -> Self {
        Self { prefix: key.prefix.clone(), scope: Scope::Object(key.path.clone()) }
    }

    /// `<group>/<resource>`.
    pub fn prefix_name(&self) -> &str {
        &self.prefix
    }

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The first path in this range and the first one behind it, `None` for no such bound.
    pub(super) fn bounds(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match &self.scope {
            Scope::All => (Vec::new(), None),
            // `0` is the character behind `/`.
            Scope::Namespace(namespace) => {
                let bound = |end: u8| [namespace.as_bytes(), &[end]].concat();
                (bound(b'/'), Some(bound(b'0')))
            }
            Scope::Object(path) => (path.as_bytes().to_vec(), Some(behind(path.as_bytes()))),
        }
    }

    /// Whether an object of this prefix at `path` is in the range.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Namespace(namespace) => {
                path.strip_prefix(namespace.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
            }
            Scope::Object(only) => path == only.as_bytes(),
        }
    }
}

/// The smallest path greater than `path`.
pub(super) fn behind(path: &[u8]) -> Vec<u8> {
    [path, &[0]].concat()
}
