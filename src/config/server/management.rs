//! What holds Drover's own objects: `management`.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Period;

/// What holds Drover's own objects: at most one of `embedded`, `kubernetes` and `files`. Default `embedded`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Management {
    /// Drover's own API server in this process.
    pub embedded: Option<EmbeddedPlane>,
    /// An existing Kubernetes cluster.
    pub kubernetes: Option<KubernetesPlane>,
    /// The folder of manifests itself.
    pub files: Option<Files>,
    /// What a gateway does that is cut off from the management plane. Only for `kubernetes`.
    pub staleness: Staleness,
}

/// The chosen management plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Drover's own API server in this process.
    Embedded(EmbeddedPlane),
    /// An existing Kubernetes cluster.
    Kubernetes(KubernetesPlane),
    /// The folder of manifests itself.
    Files,
}

impl Management {
    /// Which plane: of a file that was checked at most one is named.
    pub fn chosen(&self) -> Chosen {
        match (&self.embedded, &self.kubernetes, &self.files) {
            (_, Some(plane), _) => Chosen::Kubernetes(plane.clone()),
            (None, None, Some(Files {})) => Chosen::Files,
            (plane, ..) => Chosen::Embedded(plane.clone().unwrap_or_default()),
        }
    }
}

/// Drover's own API server in this process, over one SQLite file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmbeddedPlane {
    /// Folder of its file `store.db`. Default: `management` in the server's `dataDir`.
    pub data_dir: Option<PathBuf>,
    /// What Secrets are encrypted with in the file and in backups.
    pub encryption: Encryption,
    /// The first administrator.
    pub bootstrap: Bootstrap,
}

/// What Secrets are encrypted with in the file and in backups: a key file or a passphrase. Default: the file `key` beside the data,
/// made at the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Encryption {
    /// A file of 32 random bytes, as they are or in base64: `openssl rand -base64 32` makes one.
    pub key_file: Option<PathBuf>,
    /// A file whose first line is the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The key file before `keyFile` or `passphraseFile` was changed: the data is taken over at the next start.
    pub previous_key_file: Option<PathBuf>,
    /// The same for a passphrase.
    pub previous_passphrase_file: Option<PathBuf>,
}

/// The administrator `admin`, made at the first start where there is no user yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bootstrap {
    /// A file whose first line is the password. Default: the environment variable `DROVER_BOOTSTRAP_PASSWORD`; without it a random
    /// one that is printed once on standard output.
    pub password_file: Option<PathBuf>,
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
    /// Whether the cluster is served as `local` although that account may do everything in it. Default false.
    #[serde(default)]
    pub allow_administrator: bool,
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
