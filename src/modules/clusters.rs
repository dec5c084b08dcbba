//! Clusters under management, and who has what in them.

mod binding;
mod life;
mod proxy_config;

use std::sync::Arc;

use apimachinery::field::FieldError;
use futures_util::future::BoxFuture;
use k8s_openapi::api::{core::v1::Namespace, rbac::v1::PolicyRule};
use kube::{Api, CustomResource, KubeSchema, ResourceExt, runtime::reflector::ObjectRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    binding::{Binding, BindingSpec},
    proxy_config::{ClusterProxyConfig, ClusterProxyConfigSpec},
};
use super::{CONFIG_IDENTITY, Change, Context, GROUP, Kind, Limits, Managed, Module, NAMESPACE, kind, rule};
use crate::{
    config::rules::{self, Flaw},
    controller::{Conditioned, GenericController, StatusCondition, WithLifecycle},
    world::input::{ClusterInput, Connection, Reach},
};

/// The module of clusters.
#[derive(Clone, Copy, Debug)]
pub struct Clusters;

/// A Kubernetes cluster under management; its name is its id in paths and host names.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "Cluster",
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "A Kubernetes cluster under management; its name is its id in paths and host names.",
    printcolumn = r#"{"name": "Display Name", "type": "string", "jsonPath": ".spec.displayName"}"#,
    printcolumn = r#"{"name": "Provisioned", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Provisioned\")].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// For people to read; without it the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is the management plane itself: the cluster `local`, which Drover makes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// How the cluster is reached, unless it is `internal`: Drover's own addition to Rancher's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// How a cluster is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// Where its address and the gateway's credential are.
    pub kubeconfig: Kubeconfig,
    /// Whether a credential that may do everything in the cluster is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_administrator: bool,
    /// Instead of the server's limits for each cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// One of `secretRef` and `file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubeconfig {
    /// A Secret whose kubeconfig holds inline data only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// A file beside the admin's manifests: only a manifest of the config folder may name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The context to use instead of the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its namespace: `drover-system`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key of the kubeconfig. Default `kubeconfig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl SecretRef {
    /// `key`, or its default.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("kubeconfig")
    }
}

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// How far things are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<StatusCondition>,
}

impl Conditioned for Cluster {
    fn conditions(&self) -> &[StatusCondition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn conditions_mut(&mut self) -> &mut Vec<StatusCondition> {
        &mut self.status.get_or_insert_default().conditions
    }
}

/// A Cluster before its kubeconfig is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    name: String,
    spec: ClusterSpec,
}

impl Reached {
    /// The cluster's id.
    pub fn id(&self) -> &str {
        &self.name
    }

    /// Where its kubeconfig is: one of `secretRef` and `file`. Without one it is the management plane itself.
    pub fn kubeconfig(&self) -> Option<&Kubeconfig> {
        self.spec.upstream.as_ref().map(|upstream| &upstream.kubeconfig)
    }

    /// The cluster as requests see it, reached by its own kubeconfig.
    pub fn input(&self, connection: Arc<Connection>) -> ClusterInput {
        let administrator = self.spec.upstream.as_ref().is_some_and(|upstream| upstream.allow_administrator);
        self.reached_by(Reach::Direct(connection), administrator)
    }

    /// The cluster as requests see it.
    pub fn reached_by(&self, reach: Reach, allow_administrator: bool) -> ClusterInput {
        let Self { name, spec } = self;
        let display_name = spec.display_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        ClusterInput {
            id: name.as_str().into(),
            display_name: display_name.into(),
            reach,
            allow_administrator,
            limits: spec.upstream.as_ref().and_then(|upstream| upstream.limits).unwrap_or_default().into(),
        }
    }
}

impl Cluster {
    fn flaws(&self) -> Vec<Flaw> {
        const FIELD: &str = "spec.upstream.kubeconfig";
        let name = self.name_any();
        let source =
            self.spec.upstream.as_ref().map(|Upstream { kubeconfig, .. }| (&kubeconfig.secret_ref, &kubeconfig.file));
        let source = match source {
            None if self.spec.internal => None,
            None => Some(Flaw::new("spec.upstream", "is missing")),
            Some(_) if self.spec.internal => Some(Flaw::new("spec.upstream", "is not for the management plane itself")),
            Some(source) => match source {
                (Some(secret), None) if secret.namespace != NAMESPACE => {
                    let message = format!("expected `{NAMESPACE}`, found `{}`", secret.namespace);
                    Some(Flaw::new(format!("{FIELD}.secretRef.namespace"), message))
                }
                (Some(secret), None) if !rules::is_subdomain(&secret.name) => {
                    let message = format!("expected the name of a Secret, found `{}`", secret.name);
                    Some(Flaw::new(format!("{FIELD}.secretRef.name"), message))
                }
                (Some(_), None) | (None, Some(_)) => None,
                _ => Some(Flaw::new(FIELD, "expected exactly one of `secretRef` and `file`")),
            },
        };
        let id = rules::cluster_id(&name).into_iter().chain(rules::local_cluster(&name, self.spec.internal));
        kind::name(&self.metadata).into_iter().chain(id).chain(source).collect()
    }

    /// The cluster, short of its kubeconfig.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn reached(&self) -> Result<Reached, Vec<Flaw>> {
        let flaws = self.flaws();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        Ok(Reached { name: self.name_any(), spec: self.spec.clone() })
    }
}

impl Managed for Cluster {
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { new, caller, .. } = *change;
        let mut flaws = new.flaws();
        if let Some(file) = new.spec.upstream.as_ref().and_then(|upstream| upstream.kubeconfig.file.as_ref())
            && caller.user != CONFIG_IDENTITY
        {
            let message = format!("`{file}`: only a manifest of the config folder may name a file");
            flaws.push(Flaw::new("spec.upstream.kubeconfig.file", message));
        }
        kind::errors(flaws)
    }
}

impl Module for Clusters {
    fn name(&self) -> &'static str {
        "clusters"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<Cluster>(), Kind::of::<Binding>(), Kind::of::<ClusterProxyConfig>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        vec![
            rule(GROUP, &["clusters"], &["get", "list", "watch", "patch"]),
            rule(GROUP, &["clusters/status"], &["patch"]),
            rule(GROUP, &["clusterroletemplatebindings"], &["list", "deletecollection"]),
            rule("", &["namespaces"], &["get", "list", "watch", "create", "patch", "delete"]),
        ]
    }

    fn controllers(&self, context: &Context) -> Vec<BoxFuture<'static, ()>> {
        let Context { client, metrics, stop } = context.clone();
        // A namespace that somebody deletes is made again.
        let cluster = |namespace: &Namespace| vec![ObjectRef::new(&namespace.name_any())];
        let controller = GenericController::new("clusters", Api::<Cluster>::all(client.clone()), &metrics)
            .watches(Api::<Namespace>::all(client.clone()), cluster);
        let handler = WithLifecycle::new(client.clone(), "clusters", life::ClusterLife::new(client));
        vec![Box::pin(controller.run(handler, stop))]
    }
}
