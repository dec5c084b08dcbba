//! A company in OpenLDAP, and the provider that knows it.

use std::{collections::BTreeMap, sync::Arc};

use drover::{
    config::address::Check,
    identity::{
        provider::{Known, LoginError, Person, Principal, Proof, Provider, Refused, Standing},
        providers::ldap::Ldap,
    },
    modules::{AuthConfigSpec, AuthConfigType, auth_configs::ldap},
    secret::Secret,
};
use kit::slapd::{self, Slapd};

pub const PASSWORD: &str = "correct horse";
pub const ACCOUNT: &str = "cn=drover,ou=services,dc=example,dc=org";
pub const ACCOUNT_PASSWORD: &str = "of the service account";

/// Ann in `staff`, which is in `everybody`, which is in `circle`, which is in `staff`; Dora, whose account is disabled by a bit.
pub const COMPANY: &str = "\
dn: ou=services,dc=example,dc=org
objectClass: organizationalUnit
ou: services

dn: cn=drover,ou=services,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: drover
userPassword: of the service account

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann Example
sn: Example
mail: ann@example.org
employeeType: staff
userPassword: correct horse

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob Example
sn: Example
userPassword: battery staple

dn: uid=dora,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: dora
cn: Dora Example
sn: Example
employeeNumber: 514
userPassword: correct horse

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=ann,ou=people,dc=example,dc=org
member: cn=circle,ou=groups,dc=example,dc=org

dn: cn=everybody,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: everybody
member: cn=staff,ou=groups,dc=example,dc=org

dn: cn=circle,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: circle
member: cn=everybody,ou=groups,dc=example,dc=org

dn: cn=strangers,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: strangers
member: uid=bob,ou=people,dc=example,dc=org
";

/// The company's directory.
pub async fn company() -> Slapd {
    Slapd::builder().ldif(COMPANY).start().await
}

/// How an administrator connects it, over LDAPS.
pub fn spec(slapd: &Slapd) -> AuthConfigSpec {
    AuthConfigSpec {
        type_: AuthConfigType::OpenLdap,
        servers: vec![slapd.host()],
        port: Some(slapd::LDAPS.into()),
        tls: Some(true),
        certificate: Some(slapd.ca()),
        service_account_distinguished_name: Some(ACCOUNT.to_owned()),
        service_account_password: Some("drover-system:corp".to_owned()),
        user_search_base: Some("ou=people,dc=example,dc=org".to_owned()),
        user_enabled_attribute: Some("employeeNumber".to_owned()),
        user_disabled_bit_mask: Some(2),
        group_search_base: Some("ou=groups,dc=example,dc=org".to_owned()),
        nested_group_membership_enabled: Some(true),
        ..AuthConfigSpec::default()
    }
}

/// The provider of `spec`.
pub fn provider(spec: &AuthConfigSpec) -> Ldap {
    provider_of(spec, ACCOUNT_PASSWORD, Arc::new(|_, _, _| Ok(())))
}

/// The provider of `spec` with this password and policy of addresses.
pub fn provider_of(spec: &AuthConfigSpec, password: &str, addresses: Check) -> Ldap {
    let secrets = BTreeMap::from([("serviceAccountPassword", Secret::new(password.to_owned()))]);
    let settings = ldap::settings(spec, &secrets).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    Ldap::new("corp", settings, addresses).unwrap()
}

pub async fn login(provider: &Ldap, user: &str, password: &str) -> Result<Person, LoginError> {
    let password = Secret::new(password.to_owned());
    provider.login(Proof::Password { user: user.to_owned(), password }).await
}

/// The words of the error with which the provider itself fails.
pub async fn failure(provider: &Ldap) -> String {
    match login(provider, "ann", PASSWORD).await {
        Err(LoginError::Provider(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

pub fn refused() -> Result<Person, LoginError> {
    Err(Refused::Credentials.into())
}

/// The names of groups, in order.
pub fn names(groups: &[Principal]) -> Vec<&str> {
    let mut names: Vec<&str> = groups.iter().map(|group| group.display_name.as_str()).collect();
    names.sort_unstable();
    names
}

/// What is kept of somebody who signed in.
pub fn known(person: &Person) -> Known {
    Known {
        principal: Arc::clone(&person.principal.id),
        login_name: person.principal.login_name.clone(),
        unique_id: person.unique_id.clone(),
        grant: None,
    }
}

pub async fn standing(provider: &Ldap, person: &Person) -> Standing {
    provider.refresh(known(person)).await.unwrap()
}
