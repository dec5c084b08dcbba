//! Whether a cluster's own service accounts may come through the gateway.

use apimachinery::field::FieldError;
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};

use crate::{
    config::rules::Flaw,
    modules::{Change, Managed, kind},
    world::{input::ProxyInput, names::LOCAL},
};

/// Whether service accounts of a cluster may come through the gateway, as themselves and to that cluster alone.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "ClusterProxyConfig",
    namespaced,
    no_spec,
    derive = "PartialEq",
    doc = "Whether service accounts of the cluster whose namespace it is in may come through the gateway, as themselves and to that cluster alone.",
    printcolumn = r#"{"name": "Enabled", "type": "boolean", "jsonPath": ".enabled"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterProxyConfigSpec {
    /// Whether their tokens are taken. The gateway's account in the cluster needs `create` on `tokenreviews` and `impersonate` on
    /// `serviceaccounts`: `drover cluster rbac --service-accounts`.
    #[serde(default)]
    pub enabled: bool,
}

impl ClusterProxyConfig {
    /// The object as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<ProxyInput, Vec<Flaw>> {
        let flaws = self.flaws();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let cluster = self.namespace().unwrap_or_default();
        Ok(ProxyInput {
            name: format!("{cluster}/{}", self.name_any()).into(),
            cluster: cluster.into(),
            enabled: self.spec.enabled,
        })
    }

    fn flaws(&self) -> Vec<Flaw> {
        let mut flaws: Vec<Flaw> = kind::name(&self.metadata).into_iter().collect();
        match self.metadata.namespace.as_deref() {
            None | Some("") => flaws.push(Flaw::new("metadata.namespace", "is missing: it is the cluster's id")),
            Some(LOCAL) => {
                let message = format!("`{LOCAL}` takes the tokens of its service accounts by itself");
                flaws.push(Flaw::new("metadata.namespace", message));
            }
            Some(_) => {}
        }
        flaws
    }
}

impl Managed for ClusterProxyConfig {
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        kind::errors(change.new.flaws())
    }
}
