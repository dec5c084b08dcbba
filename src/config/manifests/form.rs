//! The wire forms of the manifests' kinds. Unknown fields are errors; those that a server writes are passed over.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// `metadata`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    #[serde(default)]
    pub name: String,
    pub namespace: Option<String>,
    pub uid: Option<String>,
    pub creation_timestamp: Option<String>,
    pub generate_name: Option<String>,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
    #[serde(default, rename = "finalizers")]
    _finalizers: Option<IgnoredAny>,
    #[serde(default, rename = "ownerReferences")]
    _owner_references: Option<IgnoredAny>,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: Option<IgnoredAny>,
    #[serde(default, rename = "generation")]
    _generation: Option<IgnoredAny>,
    #[serde(default, rename = "managedFields")]
    _managed_fields: Option<IgnoredAny>,
    #[serde(default, rename = "selfLink")]
    _self_link: Option<IgnoredAny>,
}

/// Limits of a user or a cluster: Drover's own addition.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LimitsForm {
    pub in_flight: Option<u32>,
    pub per_second: Option<u32>,
    pub burst: Option<u32>,
}

/// `User`; `limits` is Drover's own addition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct User {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    pub username: Option<String>,
    pub display_name: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    pub enabled: Option<bool>,
    #[serde(default)]
    pub principal_ids: Vec<String>,
    #[serde(default)]
    pub limits: LimitsForm,
    #[serde(default, rename = "mustChangePassword")]
    _must_change_password: Option<IgnoredAny>,
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

/// `Group`; `members` is Drover's own addition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Group {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    #[serde(default, rename = "displayName")]
    _display_name: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    pub members: Vec<String>,
}

/// `GroupMember`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GroupMember {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    pub group_name: String,
    pub principal_id: String,
}

/// `Token`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Token {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    #[serde(rename = "token")]
    pub hash: String,
    pub user_id: String,
    pub cluster_name: Option<String>,
    pub ttl: Option<i64>,
    pub idle_ttl: Option<i64>,
    pub expires_at: Option<String>,
    pub enabled: Option<bool>,
    #[serde(default)]
    pub group_principals: Vec<Principal>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    pub auth_provider: Option<String>,
    #[serde(default, rename = "userPrincipal")]
    _user_principal: Option<IgnoredAny>,
    #[serde(default, rename = "providerInfo")]
    _provider_info: Option<IgnoredAny>,
    #[serde(default, rename = "lastUsedAt")]
    _last_used_at: Option<IgnoredAny>,
    #[serde(default, rename = "isDerived")]
    _is_derived: Option<IgnoredAny>,
    #[serde(default, rename = "expired")]
    _expired: Option<IgnoredAny>,
    #[serde(default, rename = "current")]
    _current: Option<IgnoredAny>,
}

/// `ClusterProxyConfig`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClusterProxyConfig {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    #[serde(default)]
    pub enabled: bool,
}

/// `AuthConfig`: what the folder itself looks at. The management plane reads the rest, which depends on the type.
pub(super) struct AuthConfig {
    pub metadata: Metadata,
    pub type_: String,
    pub enabled: bool,
}

impl<'de> Deserialize<'de> for AuthConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = AuthConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AuthConfig")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AuthConfig, A::Error> {
                let (mut metadata, mut type_, mut enabled) = (None, None, false);
                while let Some(field) = map.next_key::<String>()? {
                    match field.as_str() {
                        "metadata" => metadata = Some(map.next_value()?),
                        "type" => type_ = Some(map.next_value()?),
                        "enabled" => enabled = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let missing = de::Error::missing_field;
                Ok(AuthConfig {
                    metadata: metadata.ok_or_else(|| missing("metadata"))?,
                    type_: type_.ok_or_else(|| missing("type"))?,
                    enabled,
                })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A principal: its name, or an object of Rancher's `Principal` whose `metadata.name` it is.
pub(super) struct Principal(pub String);

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Name,
        }

        #[derive(Deserialize)]
        struct Name {
            name: String,
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Principal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a principal, or a Principal object with `metadata.name`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Principal, E> {
                Ok(Principal(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Principal, A::Error> {
                let object = Object::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Principal(object.metadata.name))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// `Cluster`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cluster {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    pub spec: ClusterSpec,
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

/// `spec` of a Cluster; `upstream` is Drover's own addition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClusterSpec {
    pub display_name: Option<String>,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    pub upstream: Upstream,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Upstream {
    pub kubeconfig: Kubeconfig,
    #[serde(default)]
    pub allow_administrator: bool,
    #[serde(default)]
    pub limits: LimitsForm,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Kubeconfig {
    pub secret_ref: Option<SecretRef>,
    pub file: Option<String>,
    pub context: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretRef {
    pub namespace: String,
    pub name: String,
    #[serde(default = "kubeconfig")]
    pub key: String,
}

fn kubeconfig() -> String {
    "kubeconfig".to_owned()
}

/// `Secret` of `v1`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretForm {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    #[serde(default)]
    pub string_data: BTreeMap<String, String>,
    #[serde(default, rename = "type")]
    _type: Option<String>,
    #[serde(default, rename = "immutable")]
    _immutable: Option<bool>,
}

/// `ClusterRoleTemplateBinding`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Binding {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub metadata: Metadata,
    pub cluster_name: String,
    pub role_template_name: String,
    pub user_name: Option<String>,
    pub user_principal_name: Option<String>,
    pub group_name: Option<String>,
    pub group_principal_name: Option<String>,
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}
