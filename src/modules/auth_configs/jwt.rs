//! ID tokens as bearer credentials: the fields of a `JWTAuthenticator` of Kubernetes' `AuthenticationConfiguration`
//! (apiserver.config.k8s.io/v1), less the issuer, which the provider has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How ID tokens of the issuer are taken as bearer credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jwt {
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// What a token must say beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// From claims to who it is.
    #[serde(default)]
    pub claim_mappings: ClaimMappings,
    /// What must hold of who it is then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_validation_rules: Vec<UserValidationRule>,
    /// Whether somebody who is no User yet becomes one at the first token. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_users: Option<bool>,
}

/// What a token must say: a claim with a value, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimValidationRule {
    /// A claim of type string.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// The value that it must have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub required_value: String,
    /// CEL over `claims` that must be true.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
    /// What is told when it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// From claims to who it is. Without `username` it is `sub`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMappings {
    /// The id in the principal, `<provider>_user://<prefix><value>`.
    #[serde(default)]
    pub username: PrefixedClaim,
    /// The ids in the principals of groups.
    #[serde(default)]
    pub groups: PrefixedClaim,
    /// Not shown to clusters; user validation rules may look at it.
    #[serde(default)]
    pub uid: ClaimMapping,
    /// Not shown to clusters; user validation rules may look at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<ExtraMapping>,
}

/// A claim with something before its value, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrefixedClaim {
    /// The claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// What is put before its value. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// CEL over `claims`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// A claim, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMapping {
    /// The claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// CEL over `claims`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// A key and an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtraMapping {
    /// A path with a domain, such as `example.org/team`.
    pub key: String,
    /// CEL over `claims`.
    pub value_expression: String,
}

/// What must hold of who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserValidationRule {
    /// CEL over `user` that must be true.
    pub expression: String,
    /// What is told when it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
