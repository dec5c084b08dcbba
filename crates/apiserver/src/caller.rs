//! Who calls: known before a request reaches the API, and never read from a header.

use std::collections::BTreeMap;

/// Whoever is in this group may do everything.
pub const MASTERS: &str = "system:masters";

/// The caller of a request. It comes as an extension of the request, which only code of this process can set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    /// The user's UID; empty when there is none.
    pub uid: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// What else is known of the user.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Caller {
    /// A user in groups.
    pub fn new(user: &str, groups: &[&str]) -> Self {
        Self {
            user: user.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// A service account, as long as nothing has authenticated it.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let own = format!("system:serviceaccounts:{namespace}");
        Self::new(&format!("system:serviceaccount:{namespace}:{name}"), &["system:serviceaccounts", &own])
    }

    /// The API server itself: what its own controllers act as.
    pub fn server() -> Self {
        Self::new("system:apiserver", &[MASTERS, "system:authenticated"])
    }

    /// Whether nothing is refused to this caller.
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}
