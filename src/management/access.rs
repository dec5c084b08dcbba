//! Who may do what in the management plane: the identities of Drover's own parts, each with no more than it needs.

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{GRANTS, passwords};
use crate::{
    modules::{self, CONFIG_IDENTITY, GROUP, Kind, Module, NAMESPACE, rule},
    signin,
};

/// Reads what the world is fed with.
pub const DIRECTORY: &str = "drover:directory";
/// What the commands of this machine's administrator act as: `drover token`, `drover kubeconfig`, `drover admin`.
pub const OPERATOR: &str = "drover:operator";
/// Holds the lease of the leader.
pub(super) const LEADER: &str = "drover:leader";

const RBAC: &str = "rbac.authorization.k8s.io";

/// Roles and bindings of one identity: over the plane, and in Drover's namespaces.
#[derive(Debug)]
pub(super) struct Access {
    pub name: String,
    everywhere: Vec<PolicyRule>,
    /// By namespace.
    inside: Vec<(&'static str, PolicyRule)>,
}

/// The identities of Drover's parts, with the modules that are on.
pub(super) fn all(modules: &[&dyn Module]) -> Vec<Access> {
    let kinds: Vec<Kind> = modules.iter().flat_map(|module| module.kinds()).collect();
    let plurals: Vec<String> = kinds.iter().map(Kind::plural).collect();
    let plurals: Vec<&str> = plurals.iter().map(String::as_str).collect();
    let read = ["get", "list", "watch"];
    let write = ["get", "list", "create", "patch", "delete"];
    let among = |wanted: &[&'static str]| -> Vec<&'static str> {
        wanted.iter().copied().filter(|plural| plurals.contains(plural)).collect()
    };
    let mut all = vec![
        Access {
            name: DIRECTORY.to_owned(),
            everywhere: vec![rule(GROUP, &plurals, &read)],
            inside: vec![(NAMESPACE, rule("", &["secrets"], &read))],
        },
        Access {
            name: CONFIG_IDENTITY.to_owned(),
            everywhere: vec![rule(GROUP, &plurals, &write), rule("", &["namespaces"], &["get", "create"])],
            inside: vec![(NAMESPACE, rule("", &["secrets"], &write))],
        },
        Access {
            name: OPERATOR.to_owned(),
            everywhere: vec![rule(GROUP, &plurals, &write), rule("", &["namespaces"], &["get", "create"])],
            inside: vec![
                (passwords::NAMESPACE, rule("", &["secrets"], &["get", "create", "patch"])),
                // To try a provider before people do.
                (NAMESPACE, rule("", &["secrets"], &["get"])),
            ],
        },
        Access {
            name: signin::IDENTITY.to_owned(),
            everywhere: vec![
                rule(GROUP, &among(&["users", "userattributes"]), &["get", "list", "create", "update", "patch"]),
                rule(GROUP, &among(&["tokens"]), &["get", "list", "create", "patch", "delete"]),
                rule(GROUP, &among(&["authconfigs", "settings"]), &read),
            ],
            inside: vec![
                (passwords::NAMESPACE, rule("", &["secrets"], &["get", "create", "update", "patch"])),
                (GRANTS, rule("", &["secrets"], &["get", "create", "patch"])),
                (NAMESPACE, rule("", &["secrets"], &["get", "list", "watch", "create"])),
            ],
        },
        Access {
            name: LEADER.to_owned(),
            everywhere: Vec::new(),
            inside: vec![(NAMESPACE, rule("coordination.k8s.io", &["leases"], &["get", "create", "update"]))],
        },
    ];
    all.extend(modules.iter().map(|module| Access {
        name: modules::identity(*module),
        everywhere: module.rules(),
        inside: Vec::new(),
    }));
    all
}

impl Access {
    fn metadata(&self, namespace: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            namespace: namespace.map(str::to_owned),
            labels: Some(super::install::labels()),
            ..ObjectMeta::default()
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject {
            kind: "User".to_owned(),
            name: self.name.clone(),
            api_group: Some(RBAC.to_owned()),
            namespace: None,
        }]
    }

    fn role_ref(&self, kind: &str) -> RoleRef {
        RoleRef { api_group: Some(RBAC.to_owned()), kind: kind.to_owned(), name: self.name.clone() }
    }

    /// What it may do in the whole plane; none where that is nothing.
    pub(super) fn cluster_role(&self) -> Option<(ClusterRole, ClusterRoleBinding)> {
        if self.everywhere.is_empty() {
            return None;
        }
        let metadata = self.metadata(None);
        let rules = Some(self.everywhere.clone());
        let role = ClusterRole { metadata: metadata.clone(), rules, ..ClusterRole::default() };
        Some((
            role,
            ClusterRoleBinding { metadata, role_ref: self.role_ref("ClusterRole"), subjects: Some(self.subjects()) },
        ))
    }

    /// What it may do in each of Drover's namespaces.
    pub(super) fn roles(&self) -> impl Iterator<Item = (Role, RoleBinding)> {
        self.inside.iter().map(|(namespace, rule)| {
            let metadata = self.metadata(Some(namespace));
            let role = Role { metadata: metadata.clone(), rules: Some(vec![rule.clone()]) };
            (role, RoleBinding { metadata, role_ref: self.role_ref("Role"), subjects: Some(self.subjects()) })
        })
    }
}
