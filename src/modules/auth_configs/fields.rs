//! Which fields of an [`AuthConfig`](super::AuthConfig) belong to which type: one that does nothing would be believed to do something.

use serde_json::Value;

use super::{AuthConfigSpec, AuthConfigType};
use crate::config::rules::Flaw;

const ALL: &[&str] = &["type", "enabled", "displayName", "accessMode", "allowedPrincipalIds"];
const REMOTE: &[&str] = &["certificate", "connectionTimeout"];
const DIRECTORY: &[&str] = &[
    "servers",
    "port",
    "tls",
    "starttls",
    "allowPlaintext",
    "serviceAccountPassword",
    "userSearchBase",
    "userSearchFilter",
    "userSearchAttribute",
    "userLoginAttribute",
    "userNameAttribute",
    "userObjectClass",
    "userMemberAttribute",
    "userEnabledAttribute",
    "userDisabledBitMask",
    "groupSearchBase",
    "groupSearchFilter",
    "groupSearchAttribute",
    "groupNameAttribute",
    "groupObjectClass",
    "groupDNAttribute",
    "groupMemberUserAttribute",
    "groupMemberMappingAttribute",
    "nestedGroupMembershipEnabled",
];
const ACTIVE_DIRECTORY: &[&str] = &["serviceAccountUsername", "defaultLoginDomain"];
const OTHER_DIRECTORY: &[&str] = &["serviceAccountDistinguishedName"];
const GITHUB: &[&str] = &["hostname", "tls", "clientId", "clientSecret"];
const OIDC: &[&str] = &[
    "clientId",
    "clientSecret",
    "issuer",
    "scope",
    "authEndpoint",
    "tokenEndpoint",
    "jwksUrl",
    "userInfoEndpoint",
    "endSessionEndpoint",
    "groupsClaim",
    "nameClaim",
    "emailClaim",
    "jwt",
];

/// The fields that are set and belong to other types.
pub(super) fn foreign(spec: &AuthConfigSpec) -> Vec<Flaw> {
    let Ok(Value::Object(set)) = serde_json::to_value(spec) else { return Vec::new() };
    let own: &[&[&str]] = match spec.type_ {
        AuthConfigType::Local => &[],
        AuthConfigType::ActiveDirectory => &[REMOTE, DIRECTORY, ACTIVE_DIRECTORY],
        AuthConfigType::OpenLdap | AuthConfigType::FreeIpa => &[REMOTE, DIRECTORY, OTHER_DIRECTORY],
        AuthConfigType::Github => &[REMOTE, GITHUB],
        AuthConfigType::GenericOidc | AuthConfigType::KeycloakOidc => &[REMOTE, OIDC],
    };
    let belongs = |field: &str| ALL.contains(&field) || own.iter().any(|fields| fields.contains(&field));
    set.keys().filter(|field| !belongs(field)).map(|field| Flaw::new(field, "is not a field of this type")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ALL, DIRECTORY, GITHUB, OIDC, REMOTE, foreign};
    use crate::modules::AuthConfig;

    fn flaws(fields: &Value) -> Vec<String> {
        let mut object =
            json!({"apiVersion": "management.cattle.io/v3", "kind": "AuthConfig", "metadata": {"name": "corp"}});
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let config: AuthConfig = serde_json::from_value(object).unwrap();
        foreign(&config.spec).into_iter().map(|flaw| flaw.field).collect()
    }

    #[test]
    fn a_field_of_another_type_is_a_flaw() {
        let github = json!({"type": "githubConfig", "clientId": "x", "issuer": "https://idp", "servers": ["dc"]});
        assert_eq!(flaws(&github), ["issuer", "servers"]);
        assert_eq!(flaws(&json!({"type": "localConfig", "certificate": "x"})), ["certificate"]);
        let directory = json!({"type": "openLdapConfig", "serviceAccountUsername": "drover", "userSearchBase": "dc=x"});
        assert_eq!(flaws(&directory), ["serviceAccountUsername"]);
        let oidc = json!({"type": "keyCloakOIDCConfig", "issuer": "https://idp", "jwt": {"audiences": ["x"]}});
        assert_eq!(flaws(&oidc), Vec::<String>::new());
    }

    /// A field that is new in the kind has to be told here too.
    #[test]
    fn every_field_belongs_to_a_type() {
        let schema = serde_json::to_value(schemars::schema_for!(crate::modules::AuthConfigSpec)).unwrap();
        for field in schema["properties"].as_object().unwrap().keys() {
            let known = [ALL, REMOTE, DIRECTORY, GITHUB, OIDC, super::ACTIVE_DIRECTORY, super::OTHER_DIRECTORY];
            assert!(known.iter().any(|fields| fields.contains(&field.as_str())), "{field}");
        }
    }
}
