//! The wire form of a kubeconfig, `k8s.io/client-go/tools/clientcmd/api/v1`. Unknown fields are refused.

use serde::{Deserialize, de::IgnoredAny};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Kubeconfig {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<IgnoredAny>,
    #[serde(default, rename = "kind")]
    _kind: Option<IgnoredAny>,
    #[serde(default, rename = "preferences")]
    _preferences: Option<IgnoredAny>,
    #[serde(default, rename = "extensions")]
    _extensions: Option<IgnoredAny>,
    pub current_context: Option<String>,
    #[serde(default)]
    pub clusters: Vec<NamedCluster>,
    #[serde(default)]
    pub contexts: Vec<NamedContext>,
    #[serde(default)]
    pub users: Vec<NamedUser>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedCluster {
    pub name: String,
    pub cluster: ClusterForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedContext {
    pub name: String,
    pub context: ContextForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedUser {
    pub name: String,
    #[serde(default)]
    pub user: UserForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextForm {
    pub cluster: String,
    pub user: String,
    #[serde(default, rename = "namespace")]
    _namespace: Option<IgnoredAny>,
    #[serde(default, rename = "extensions")]
    _extensions: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ClusterForm {
    pub server: String,
    pub tls_server_name: Option<String>,
    #[serde(default)]
    pub insecure_skip_tls_verify: bool,
    pub certificate_authority: Option<String>,
    pub certificate_authority_data: Option<String>,
    pub proxy_url: Option<String>,
    #[serde(default, rename = "disable-compression")]
    _disable_compression: Option<IgnoredAny>,
    #[serde(default, rename = "extensions")]
    _extensions: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct UserForm {
    pub client_certificate: Option<String>,
    pub client_certificate_data: Option<String>,
    pub client_key: Option<String>,
    pub client_key_data: Option<String>,
    pub token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub token_file: Option<String>,
    #[serde(rename = "as")]
    pub as_user: Option<IgnoredAny>,
    pub as_uid: Option<IgnoredAny>,
    pub as_groups: Option<IgnoredAny>,
    pub as_user_extra: Option<IgnoredAny>,
    pub username: Option<IgnoredAny>,
    pub password: Option<IgnoredAny>,
    pub auth_provider: Option<IgnoredAny>,
    pub exec: Option<ExecForm>,
    #[serde(default, rename = "extensions")]
    _extensions: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExecForm {
    pub api_version: String,
    pub command: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: Vec<EnvForm>,
    #[serde(default)]
    pub provide_cluster_info: bool,
    pub interactive_mode: Option<String>,
    #[serde(default, rename = "installHint")]
    _install_hint: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvForm {
    pub name: String,
    #[serde(default)]
    pub value: String,
}
