//! What holds Drover's own objects: `management`.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Period;

/// What holds Drover's own objects: at most one of `files` and `kubernetes`. Default `files`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Management {
    /// The folder of manifests itself.
    pub files: Option<Files>,
    /// An existing Kubernetes cluster.
    pub kubernetes: Option<KubernetesPlane>,
    /// What a gateway does that is cut off from the management plane. Says nothing for `files`.
    pub staleness: Staleness,
}

/// The folder of manifests is all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {}

/// An existing Kubernetes cluster as the management plane.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesPlane {
    /// The kubeconfig of an account that may install Drover there: definitions of kinds, roles and their bindings, and
    /// impersonation of the users `drover:…` that these are for.
    pub kubeconfig: PathBuf,
    /// What to do where Rancher's own definitions of the kinds are found. Default `refuse`.
    #[serde(default)]
    pub rancher: RancherMode,
    /// Where the cluster asks about each write of Drover's kinds. Without it only their schemas are checked there.
    pub webhook: Option<Webhook>,
}

/// What to do where Rancher's own definitions of the kinds are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RancherMode {
    /// Start only without them.
    #[default]
    Refuse,
    /// Use them as they are.
    Alongside,
}

/// Where kube-apiserver asks about each write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// Address to listen on, with TLS.
    pub address: SocketAddr,
    /// The URL under which kube-apiserver reaches it, such as `https://drover.example.org:8445`.
    pub url: String,
    /// Authorities of the certificate that kube-apiserver shows, as its `--admission-control-config-file` says. Nobody else is
    /// answered.
    pub client_ca_file: PathBuf,
}

/// What a gateway does that is cut off from the management plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Staleness {
    /// From then on it is not ready. Default 60s.
    pub not_ready: Period,
    /// From then on it answers 503 and ends all streams: it may lack what was revoked since. Default 5m.
    pub refuse: Period,
}

impl Default for Staleness {
    fn default() -> Self {
        Self { not_ready: Period::secs(60), refuse: Period::secs(300) }
    }
}
