//! `drover cluster`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{ConfigFile, Failure, inputs, print};
use crate::{
    gateway::impersonate::{EXTRA_TOKEN, EXTRA_USERNAME},
    world::{
        World,
        input::{Inputs, Subject, UserInput},
        names,
    },
};

/// The ClusterRole and binding of the gateway's account. The colon keeps it apart from every role template.
const ACCOUNT: &str = "drover:gateway";

/// Speaks of clusters.
#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    Rbac(Rbac),
}

/// Prints what an administrator of a cluster applies there, so that the gateway may act in it.
///
/// The gateway's account may impersonate the users and role groups that bindings name, and nothing else. Each role template in use is
/// bound once, to its role group. Apply it again when users, or templates in use, are added; until then their requests wait.
/// Kubernetes 1.36 and later keep for ten seconds whom an account may impersonate, when it may do so by constrained impersonation.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  drover cluster rbac --cluster c-dev | kubectl --kubeconfig dev-admin.kubeconfig apply -f -")]
pub(super) struct Rbac {
    #[command(flatten)]
    file: ConfigFile,
    /// The cluster's id. Default: the only one.
    #[arg(long)]
    cluster: Option<String>,
    /// The gateway's account in the cluster: a service account, which is printed too.
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "drover-system/gateway", conflicts_with = "user")]
    service_account: String,
    /// The gateway's account in the cluster: a user name, such as the common name of a client certificate.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How the account may impersonate.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Impersonation::Any)]
    impersonation: Impersonation,
    /// Also what a `ClusterProxyConfig` needs that is enabled: the cluster's own service accounts come through the gateway.
    #[arg(long)]
    service_accounts: bool,
}

/// The ways that Kubernetes has to let an account impersonate.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Impersonation {
    /// Both: for every cluster, and fast where it knows constrained impersonation.
    Any,
    /// Constrained impersonation alone (Kubernetes 1.36 and later): the account can be no system identity, nor `system:masters`.
    Constrained,
    /// The verb `impersonate` alone, as in Kubernetes 1.35 and before.
    Plain,
}

impl Impersonation {
    fn plain(self) -> bool {
        !matches!(self, Self::Constrained)
    }

    fn constrained(self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// The verbs of whom the account may be.
    fn verbs(self) -> Vec<&'static str> {
        [("impersonate", self.plain()), ("impersonate:user-info", self.constrained())]
            .into_iter()
            .filter_map(|(verb, held)| held.then_some(verb))
            .collect()
    }

    /// The API groups that users and groups are of, with each way.
    fn groups(self) -> Vec<&'static str> {
        [("", self.plain()), (AUTHENTICATION, self.constrained())]
            .into_iter()
            .filter_map(|(group, held)| held.then_some(group))
            .collect()
    }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
/// What may be asked as somebody else: every verb that Kubernetes reads from a request, of resources and of other paths. What the
/// user may do is the user's own roles' matter.
const REQUESTS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const PATHS: [&str; 7] = ["get", "head", "options", "post", "put", "patch", "delete"];

impl Cluster {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Rbac(command) => command.run(),
        }
    }
}

impl Rbac {
    fn run(self) -> Result<(), Failure> {
        let (_, inputs) = inputs::current(&self.file)?;
        let id = match (&self.cluster, inputs.clusters.as_slice()) {
            (Some(id), clusters) if clusters.iter().any(|cluster| *cluster.id == **id) => id.clone(),
            (Some(id), _) => return Err(Failure(format!("--cluster: no Cluster `{id}`"))),
            (None, [only]) => only.id.to_string(),
            (None, _) => return Err(Failure::new("--cluster: there is more than one, say which")),
        };
        let mut objects = Vec::new();
        let account = if let Some(name) = &self.user {
            json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
        } else {
            let (namespace, name) = self.service_account.split_once('/').ok_or_else(|| {
                Failure(format!("--service-account: expected `namespace/name`, found `{}`", self.service_account))
            })?;
            objects.push(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": namespace, "labels": labels()},
            }));
            objects.push(json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": namespace, "labels": labels()},
            }));
            json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
        };
        objects.extend(rbac(&inputs, &id, &account, self.impersonation));
        if self.service_accounts {
            objects.extend(service_accounts(&account));
        }
        let mut text = String::new();
        for object in objects {
            text.push_str("---\n");
            text.push_str(&serde_saphyr::to_string(&object).map_err(Failure::new)?);
        }
        print(&text)
    }
}

/// The right to ask whose a token of a service account is, and to be that account.
fn service_accounts(account: &Value) -> [Value; 2] {
    let name = format!("{ACCOUNT}:service-accounts");
    let metadata = json!({"name": name, "labels": labels()});
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata,
            "rules": [
                {"apiGroups": [AUTHENTICATION], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [account],
        }),
    ]
}

fn labels() -> Value {
    json!({"app.kubernetes.io/managed-by": "drover"})
}

fn rbac(inputs: &Inputs, cluster: &str, account: &Value, impersonation: Impersonation) -> Vec<Value> {
    let bindings: Vec<_> = inputs.bindings.iter().filter(|binding| *binding.cluster == *cluster).collect();
    let templates: BTreeSet<&str> = bindings.iter().map(|binding| &*binding.template).collect();
    let world = World::of(inputs.clone());
    // A certificate's groups are in no manifest: whoever may come with one may be in any of them.
    let by_certificate = bindings.iter().any(
        |binding| matches!(&binding.subject, Subject::GroupPrincipal(group) if group.starts_with("x509_group://")),
    );
    let certified = |user: &UserInput| user.principal_ids.iter().any(|principal| principal.starts_with("x509_user://"));
    let bound = |user: &&UserInput| {
        (by_certificate && certified(user))
            || world
                .user(&user.name)
                .zip(world.cluster(cluster))
                .is_some_and(|(row, cluster)| cluster.binds(inputs::subjects(&world, inputs, row).into_iter()))
    };
    let users: Vec<&UserInput> = inputs.users.iter().filter(bound).collect();
    let names: BTreeSet<&str> = users.iter().map(|user| &*user.name).collect();
    let groups: Vec<_> = templates.iter().map(|template| names::cluster_role_group(cluster, template)).collect();

    let (verbs, api_groups) = (impersonation.verbs(), impersonation.groups());
    let core = |resource: &str, names: Value| json!({"apiGroups": api_groups, "resources": [resource], "verbs": verbs, "resourceNames": names});
    let mut rules = Vec::new();
    // A rule without names would allow every name: where there is none there is no rule.
    if !names.is_empty() {
        rules.push(core("users", json!(names)));
    }
    if !groups.is_empty() {
        rules.push(core("groups", json!(groups)));
    }
    // No rule of RBAC reads a uid or an extra: they need no list of values, which would have to be published first.
    rules.push(json!({
        "apiGroups": [AUTHENTICATION],
        "resources": ["uids".to_owned(), format!("userextras/{EXTRA_USERNAME}"), format!("userextras/{EXTRA_TOKEN}")],
        "verbs": verbs,
    }));
    if impersonation.constrained() {
        let on =
            |verbs: &[&str]| verbs.iter().map(|verb| format!("impersonate-on:user-info:{verb}")).collect::<Vec<_>>();
        rules.push(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": on(&REQUESTS)}));
        rules.push(json!({"nonResourceURLs": ["*"], "verbs": on(&PATHS)}));
    }
    let binding = |name: &str, role: &str, subject: &Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": name, "labels": labels()},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [subject],
        })
    };
    let mut objects = vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT, "labels": labels()},
            "rules": rules,
        }),
        binding(ACCOUNT, ACCOUNT, account),
    ];
    objects.extend(templates.iter().zip(&groups).map(|(template, group)| {
        let subject = json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group});
        binding(group, template, &subject)
    }));
    objects
}
