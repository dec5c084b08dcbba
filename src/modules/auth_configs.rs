//! Providers: where people are known, and who of them may sign in.

mod fields;
pub mod github;
mod jwt;
pub mod ldap;
pub mod oidc;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use apimachinery::field::FieldError;
use futures_util::future::BoxFuture;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};

pub use self::jwt::{
    ClaimMapping, ClaimMappings, ClaimValidationRule, ExtraMapping, Jwt, PrefixedClaim, UserValidationRule,
};
use super::{Change, Context, Kind, Managed, Module, NAMESPACE, kind};
use crate::{
    config::rules::{self, Flaw},
    world::input::ProviderInput,
};

/// The module of providers.
#[derive(Clone, Copy, Debug)]
pub struct AuthConfigs;

/// A provider of identities.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "AuthConfig",
    no_spec,
    derive = "PartialEq",
    doc = "A provider of identities. Its name begins the principals that it gives: `<name>_user://<id>`.",
    printcolumn = r#"{"name": "Type", "type": "string", "jsonPath": ".type"}"#,
    printcolumn = r#"{"name": "Enabled", "type": "boolean", "jsonPath": ".enabled"}"#,
    printcolumn = r#"{"name": "Access Mode", "type": "string", "jsonPath": ".accessMode"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AuthConfigSpec {
    /// Which kind of provider: `localConfig`, `activeDirectoryConfig`, `openLdapConfig`, `freeIpaConfig`, `githubConfig`,
    /// `genericOIDCConfig`, `keyCloakOIDCConfig`.
    #[serde(rename = "type")]
    pub type_: AuthConfigType,
    /// Whether anybody may sign in with it. Credentials that came from it are refused while it is off.
    #[serde(default)]
    pub enabled: bool,
    /// Its name on the sign-in page. Default: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Who may sign in: `unrestricted` (default), everybody whom the provider knows; `restricted`, whoever is or is in one of
    /// `allowedPrincipalIds`, and everybody who has a binding; `required`, only whoever is or is in one of
    /// `allowedPrincipalIds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// Principals of users and groups of this provider, and of groups of Drover's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kind::set_of_strings")]
    pub allowed_principal_ids: Vec<String>,
    /// PEM of the authorities that its server's certificate must come from. Default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Milliseconds that one call to it may take. Default 5000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_timeout: Option<i64>,

    /// Directories: host names of the servers, tried in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kind::set_of_strings")]
    pub servers: Vec<String>,
    /// Directories: the port. Default 636 with `tls`, else 389.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// Directories: TLS from the first byte (LDAPS). GitHub: `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// Directories: TLS after the StartTLS operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<bool>,
    /// Directories: whether passwords may go over the network in plain text, with neither `tls` nor `starttls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_plaintext: Option<bool>,
    /// OpenLDAP and FreeIPA: DN of the account that searches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_distinguished_name: Option<String>,
    /// Active Directory: name of the account that searches, as `user`, `DOMAIN\user` or `user@domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_username: Option<String>,
    /// Directories: the Secret with its password, as `drover-system:<name>`, under the key `serviceaccountpassword`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_password: Option<String>,
    /// Active Directory: the domain of people who type none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_login_domain: Option<String>,
    /// Directories: DN under which users are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_search_base: Option<String>,
    /// Directories: a filter that users must match beside the others, such as `(employeeType=staff)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_search_filter: Option<String>,
    /// Directories: attributes that a search looks in, divided by `|`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_search_attribute: Option<String>,
    /// Directories: attribute of the login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_login_attribute: Option<String>,
    /// Directories: attribute of the display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name_attribute: Option<String>,
    /// Directories: object class of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_object_class: Option<String>,
    /// Directories: attribute of a user that names its groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_member_attribute: Option<String>,
    /// Directories: attribute that tells whether an account is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_enabled_attribute: Option<String>,
    /// Directories: the bits of it that a disabled account has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_disabled_bit_mask: Option<i64>,
    /// Directories: DN under which groups are. Default: that of users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_search_base: Option<String>,
    /// Directories: a filter that groups must match beside the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_search_filter: Option<String>,
    /// Directories: attributes that a search looks in, divided by `|`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_search_attribute: Option<String>,
    /// Directories: attribute of a group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name_attribute: Option<String>,
    /// Directories: object class of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_object_class: Option<String>,
    /// Directories: attribute of a group that members are matched by.
    #[serde(default, rename = "groupDNAttribute", skip_serializing_if = "Option::is_none")]
    pub group_dn_attribute: Option<String>,
    /// Directories: attribute of a user whose value stands in a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_member_user_attribute: Option<String>,
    /// Directories: attribute of a group that names its members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_member_mapping_attribute: Option<String>,
    /// Directories: whether groups in groups count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested_group_membership_enabled: Option<bool>,

    /// GitHub: the host. Default `github.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// GitHub, OpenID Connect: the client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// GitHub, OpenID Connect: the Secret with the client's secret, as `drover-system:<name>`, under the key `clientsecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,

    /// OpenID Connect: the issuer's URL, as in its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// OpenID Connect: what is asked for beside `openid`, divided by spaces. Default `profile email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// OpenID Connect: instead of the one that discovery names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_endpoint: Option<String>,
    /// OpenID Connect: instead of the one that discovery names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// OpenID Connect: instead of the one that discovery names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// OpenID Connect: instead of the one that discovery names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_info_endpoint: Option<String>,
    /// OpenID Connect: instead of the one that discovery names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// OpenID Connect: claim of the groups. Default `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    /// OpenID Connect: claim of the display name. Default `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_claim: Option<String>,
    /// OpenID Connect: claim of the e-mail address. Default `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_claim: Option<String>,
    /// OpenID Connect: ID tokens of the issuer as bearer credentials. Default: they are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
}

/// Which kind of provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
pub enum AuthConfigType {
    /// Passwords that Drover keeps.
    #[default]
    #[serde(rename = "localConfig")]
    Local,
    /// Active Directory.
    #[serde(rename = "activeDirectoryConfig")]
    ActiveDirectory,
    /// OpenLDAP, and whatever is like it.
    #[serde(rename = "openLdapConfig")]
    OpenLdap,
    /// FreeIPA.
    #[serde(rename = "freeIpaConfig")]
    FreeIpa,
    /// GitHub.
    #[serde(rename = "githubConfig")]
    Github,
    /// OpenID Connect.
    #[serde(rename = "genericOIDCConfig")]
    GenericOidc,
    /// OpenID Connect, as Keycloak has it.
    #[serde(rename = "keyCloakOIDCConfig")]
    KeycloakOidc,
}

/// Who may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccessMode {
    /// Everybody whom the provider knows.
    #[default]
    Unrestricted,
    /// Whoever is allowed, and everybody who has a binding.
    Restricted,
    /// Only whoever is allowed.
    Required,
}

impl AuthConfig {
    /// The Secrets that it names, by field: `(field, name)`; they are in [`NAMESPACE`].
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("serviceAccountPassword", self.spec.service_account_password.as_deref()),
            ("clientSecret", self.spec.client_secret.as_deref()),
        ];
        fields.into_iter().filter_map(|(field, value)| Some((field, secret(value?)?)))
    }

    /// The provider as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<ProviderInput, Vec<Flaw>> {
        let flaws = self.flaws();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        Ok(ProviderInput { name: Arc::from(self.name_any()), enabled: self.spec.enabled })
    }

    fn flaws(&self) -> Vec<Flaw> {
        let spec = &self.spec;
        let name = self.name_any();
        let mut flaws: Vec<Flaw> = kind::name(&self.metadata).into_iter().collect();
        flaws.extend(rules::provider_name(&name, spec.type_ == AuthConfigType::Local));
        for (index, principal) in spec.allowed_principal_ids.iter().enumerate() {
            flaws.extend(rules::member(&format!("allowedPrincipalIds[{index}]"), principal));
        }
        let secrets = [
            ("serviceAccountPassword", spec.service_account_password.as_deref()),
            ("clientSecret", spec.client_secret.as_deref()),
        ];
        for (field, value) in secrets {
            if value.is_some_and(|value| secret(value).is_none()) {
                // Never with the value: it is what somebody took for the place of the secret itself.
                let expected =
                    format!("expected the name of a Secret, as `{NAMESPACE}:<name>`, never the secret itself");
                flaws.push(Flaw::new(field, expected));
            }
        }
        if let Some(time) = spec.connection_timeout.filter(|time| !(100..=60_000).contains(time)) {
            flaws.push(Flaw::new("connectionTimeout", format!("expected 100 to 60000 milliseconds, found `{time}`")));
        }
        flaws.extend(fields::foreign(spec));
        let mut own = match spec.type_ {
            AuthConfigType::ActiveDirectory | AuthConfigType::OpenLdap | AuthConfigType::FreeIpa => {
                ldap::settings(spec, &BTreeMap::new()).err().unwrap_or_default()
            }
            AuthConfigType::GenericOidc | AuthConfigType::KeycloakOidc => {
                oidc::settings(spec, &BTreeMap::new()).err().unwrap_or_default()
            }
            AuthConfigType::Github => github::settings(spec, &BTreeMap::new()).err().unwrap_or_default(),
            AuthConfigType::Local => Vec::new(),
        };
        // One that is off may be incomplete.
        own.retain(|flaw| spec.enabled || !flaw.message.starts_with(MISSING));
        flaws.extend(own);
        flaws
    }
}

/// What is said of a field that must be there.
const MISSING: &str = "is missing";

/// The value of a field that must be there.
fn required<'a>(field: &str, value: Option<&'a str>, flaws: &mut Vec<Flaw>) -> &'a str {
    let value = value.unwrap_or_default();
    if value.is_empty() {
        flaws.push(Flaw::new(field, MISSING));
    }
    value
}

/// What one call to a provider may take.
fn connection_timeout(spec: &AuthConfigSpec) -> Duration {
    let time = spec.connection_timeout.and_then(|time| u64::try_from(time).ok());
    Duration::from_millis(time.unwrap_or(5_000))
}

/// The name of a Secret in `drover-system:<name>`.
fn secret(value: &str) -> Option<&str> {
    let (namespace, name) = value.split_once(':')?;
    (namespace == NAMESPACE && rules::is_subdomain(name)).then_some(name)
}

impl Managed for AuthConfig {
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, .. } = *change;
        let mut flaws = new.flaws();
        flaws.extend(kind::immutable("type", old.map(|old| &old.spec.type_), &new.spec.type_));
        kind::errors(flaws)
    }
}

impl Module for AuthConfigs {
    fn name(&self) -> &'static str {
        "authconfigs"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<AuthConfig>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        Vec::new()
    }

    fn controllers(&self, _: &Context) -> Vec<BoxFuture<'static, ()>> {
        Vec::new()
    }
}
