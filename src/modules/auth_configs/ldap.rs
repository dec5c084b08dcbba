//! The fields of Active Directory, OpenLDAP and FreeIPA, with Rancher's defaults of each.

use std::{collections::BTreeMap, time::Duration};

use super::{AuthConfigSpec, AuthConfigType};
use crate::{
    config::rules::Flaw,
    identity::providers::ldap::{Flavor, Groups, Security, Settings, Users, authorities, dn::Dn, filter},
    secret::Secret,
};

/// Servers of one directory.
const MOST_SERVERS: usize = 16;
/// Attributes that one search looks in.
const MOST_ATTRIBUTES: usize = 16;
/// Milliseconds that one call may take where nothing is told.
const TIMEOUT: i64 = 5000;

/// What stands where a field is not set.
struct Defaults {
    users: [&'static str; 4],
    groups: [&'static str; 6],
    member_of: Option<&'static str>,
    enabled: Option<&'static str>,
    disabled_mask: i64,
}

const ACTIVE_DIRECTORY: Defaults = Defaults {
    users: ["person", "sAMAccountName", "name", "sAMAccountName|sn|givenName"],
    groups: ["group", "name", "sAMAccountName", "distinguishedName", "member", "distinguishedName"],
    member_of: Some("memberOf"),
    enabled: Some("userAccountControl"),
    disabled_mask: 2,
};

const OPEN_LDAP: Defaults = Defaults {
    users: ["inetOrgPerson", "uid", "cn", "uid|sn|givenName"],
    groups: ["groupOfNames", "cn", "cn", "entryDN", "member", "entryDN"],
    member_of: Some("memberOf"),
    enabled: None,
    disabled_mask: 0,
};

const FREE_IPA: Defaults = Defaults {
    users: ["inetorgperson", "uid", "cn", "uid|sn|givenName"],
    groups: ["groupofnames", "cn", "cn", "entrydn", "member", "entrydn"],
    member_of: Some("memberOf"),
    enabled: Some("nsAccountLock"),
    disabled_mask: 0,
};

/// What `spec` says of a directory; the password is in `secrets` by the field that names its Secret.
///
/// # Errors
/// What is wrong with it; a Secret that is missing is not.
pub fn settings(
    spec: &AuthConfigSpec,
    secrets: &BTreeMap<&'static str, Secret<String>>,
) -> Result<Settings, Vec<Flaw>> {
    let (flavor, defaults) = match spec.type_ {
        AuthConfigType::ActiveDirectory => (Flavor::ActiveDirectory, ACTIVE_DIRECTORY),
        AuthConfigType::FreeIpa => (Flavor::FreeIpa, FREE_IPA),
        _ => (Flavor::OpenLdap, OPEN_LDAP),
    };
    let mut reader = Reader { flaws: Vec::new() };
    let security = reader.security(spec);
    let settings = Settings {
        flavor,
        servers: reader.servers(&spec.servers),
        port: reader.port(spec.port, security),
        security,
        certificate: reader.certificate(spec.certificate.as_deref()),
        timeout: Duration::from_millis(u64::try_from(spec.connection_timeout.unwrap_or(TIMEOUT)).unwrap_or_default()),
        account: reader.account(spec, flavor),
        password: secrets.get("serviceAccountPassword").cloned(),
        default_domain: spec.default_login_domain.clone().filter(|domain| !domain.is_empty()),
        users: reader.users(spec, &defaults),
        groups: reader.groups(spec, &defaults),
    };
    if reader.flaws.is_empty() { Ok(settings) } else { Err(reader.flaws) }
}

/// Reads fields, and keeps what is wrong with them.
struct Reader {
    flaws: Vec<Flaw>,
}

impl Reader {
    fn flaw(&mut self, field: &str, message: impl Into<String>) {
        self.flaws.push(Flaw::new(field, message));
    }

    /// T6: a password goes over the network in plain text only where somebody wants that.
    fn security(&mut self, spec: &AuthConfigSpec) -> Security {
        match (spec.tls == Some(true), spec.starttls == Some(true)) {
            (true, true) => {
                self.flaw("starttls", "cannot be set with `tls`: a server's port has the one or the other");
                Security::Ldaps
            }
            (true, false) => Security::Ldaps,
            (false, true) => Security::StartTls,
            (false, false) => {
                if spec.allow_plaintext != Some(true) {
                    let message = "is missing, or `starttls`: passwords would go over the network in plain text; \
                                   `allowPlaintext` where they may";
                    self.flaw("tls", message);
                }
                Security::Plaintext
            }
        }
    }

    fn servers(&mut self, servers: &[String]) -> Vec<String> {
        if servers.is_empty() {
            self.flaw("servers", "is missing: host names, in the order in which they are asked");
        } else if servers.len() > MOST_SERVERS {
            self.flaw("servers", format!("expected at most {MOST_SERVERS} host names, found {}", servers.len()));
        }
        for (index, server) in servers.iter().enumerate() {
            // A name or an address that a certificate can be for.
            if rustls_pki_types::ServerName::try_from(server.as_str()).is_err() {
                let message = format!("expected a host name without scheme and port, found `{server}`");
                self.flaw(&format!("servers[{index}]"), message);
            }
        }
        servers.to_vec()
    }

    fn port(&mut self, port: Option<i64>, security: Security) -> u16 {
        let default = if security == Security::Ldaps { 636 } else { 389 };
        match port.map(u16::try_from) {
            None => default,
            Some(Ok(port)) if port != 0 => port,
            Some(_) => {
                self.flaw("port", format!("expected 1 to 65535, found `{}`", port.unwrap_or_default()));
                default
            }
        }
    }

    fn certificate(&mut self, pem: Option<&str>) -> Option<String> {
        let pem = pem.filter(|pem| !pem.trim().is_empty())?;
        if let Err(why) = authorities(pem) {
            self.flaw("certificate", why);
        }
        Some(pem.to_owned())
    }

    fn account(&mut self, spec: &AuthConfigSpec, flavor: Flavor) -> String {
        if flavor == Flavor::ActiveDirectory {
            let name = spec.service_account_username.clone().unwrap_or_default();
            if name.trim().is_empty() {
                self.flaw("serviceAccountUsername", "is missing: the account that searches");
            }
            return name;
        }
        self.dn("serviceAccountDistinguishedName", spec.service_account_distinguished_name.as_deref())
    }

    fn users(&mut self, spec: &AuthConfigSpec, defaults: &Defaults) -> Users {
        let [class, login, name, search] = defaults.users;
        Users {
            base: self.dn("userSearchBase", spec.user_search_base.as_deref()),
            filter: self.filter("userSearchFilter", spec.user_search_filter.as_deref()),
            class: self.name("userObjectClass", spec.user_object_class.as_deref(), class),
            login: self.name("userLoginAttribute", spec.user_login_attribute.as_deref(), login),
            name: self.name("userNameAttribute", spec.user_name_attribute.as_deref(), name),
            search: self.names("userSearchAttribute", spec.user_search_attribute.as_deref(), search),
            member_of: self.optional("userMemberAttribute", spec.user_member_attribute.as_deref(), defaults.member_of),
            enabled: self.optional("userEnabledAttribute", spec.user_enabled_attribute.as_deref(), defaults.enabled),
            disabled_mask: spec.user_disabled_bit_mask.unwrap_or(defaults.disabled_mask),
        }
    }

    fn groups(&mut self, spec: &AuthConfigSpec, defaults: &Defaults) -> Groups {
        let [class, name, search, dn, member, member_value] = defaults.groups;
        let base = match set(spec.group_search_base.as_deref()) {
            Some(base) => self.dn("groupSearchBase", Some(base)),
            None => spec.user_search_base.clone().unwrap_or_default(),
        };
        Groups {
            base,
            filter: self.filter("groupSearchFilter", spec.group_search_filter.as_deref()),
            class: self.name("groupObjectClass", spec.group_object_class.as_deref(), class),
            name: self.name("groupNameAttribute", spec.group_name_attribute.as_deref(), name),
            search: self.names("groupSearchAttribute", spec.group_search_attribute.as_deref(), search),
            dn: self.name("groupDNAttribute", spec.group_dn_attribute.as_deref(), dn),
            member: self.name("groupMemberMappingAttribute", spec.group_member_mapping_attribute.as_deref(), member),
            member_value: self.name(
                "groupMemberUserAttribute",
                spec.group_member_user_attribute.as_deref(),
                member_value,
            ),
            nested: spec.nested_group_membership_enabled.unwrap_or_default(),
        }
    }

    fn dn(&mut self, field: &str, value: Option<&str>) -> String {
        let value = set(value).unwrap_or_default();
        if value.is_empty() {
            self.flaw(field, "is missing: a DN such as `ou=people,dc=example,dc=org`");
        } else if Dn::parse(value).is_none() {
            self.flaw(field, format!("expected a DN (RFC 4514), found `{value}`"));
        }
        value.to_owned()
    }

    fn filter(&mut self, field: &str, value: Option<&str>) -> Option<String> {
        match filter::of_administrator(set(value)?) {
            Ok(filter) => Some(filter),
            Err(why) => {
                self.flaw(field, why);
                None
            }
        }
    }

    fn name(&mut self, field: &str, value: Option<&str>, default: &str) -> String {
        let name = set(value).unwrap_or(default);
        if !filter::is_attribute(name) {
            self.flaw(field, format!("expected a name such as `{default}`, found `{name}`"));
        }
        name.to_owned()
    }

    fn optional(&mut self, field: &str, value: Option<&str>, default: Option<&str>) -> Option<String> {
        let name = set(value).or(default)?;
        Some(self.name(field, Some(name), "memberOf"))
    }

    fn names(&mut self, field: &str, value: Option<&str>, default: &str) -> Vec<String> {
        let names: Vec<String> = set(value)
            .unwrap_or(default)
            .split('|')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let bad = names.iter().find(|name| !filter::is_attribute(name));
        if let Some(bad) = bad {
            self.flaw(field, format!("expected names of attributes divided by `|`, found `{bad}`"));
        } else if names.is_empty() || names.len() > MOST_ATTRIBUTES {
            self.flaw(field, format!("expected 1 to {MOST_ATTRIBUTES} attributes, found {}", names.len()));
        }
        names
    }
}

/// A text that is there: an empty one is none.
fn set(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(type_: AuthConfigType) -> AuthConfigSpec {
        let active_directory = type_ == AuthConfigType::ActiveDirectory;
        AuthConfigSpec {
            type_,
            servers: vec!["dc1.example.org".into()],
            tls: Some(true),
            service_account_username: active_directory.then(|| "drover".into()),
            service_account_distinguished_name: (!active_directory).then(|| "cn=drover,dc=example,dc=org".into()),
            user_search_base: Some("ou=people,dc=example,dc=org".into()),
            ..AuthConfigSpec::default()
        }
    }

    fn fields(spec: &AuthConfigSpec) -> Vec<String> {
        let flaws = settings(spec, &BTreeMap::new()).err().unwrap_or_default();
        flaws.into_iter().map(|flaw| flaw.field).collect()
    }

    #[test]
    fn a_server_an_account_and_a_base_are_enough() {
        for type_ in [AuthConfigType::ActiveDirectory, AuthConfigType::OpenLdap, AuthConfigType::FreeIpa] {
            let settings = settings(&valid(type_), &BTreeMap::new()).unwrap();
            assert_eq!((settings.port, settings.security), (636, Security::Ldaps));
            assert_eq!(settings.groups.base, settings.users.base);
            assert_eq!(settings.timeout, Duration::from_secs(5));
        }
    }

    /// Rancher has an object of each type from the start, with nothing in it and off.
    #[test]
    fn one_that_is_only_incomplete_lacks_fields_and_has_no_other_flaw() {
        for type_ in [AuthConfigType::ActiveDirectory, AuthConfigType::OpenLdap, AuthConfigType::FreeIpa] {
            let empty = AuthConfigSpec { type_, tls: Some(false), ..AuthConfigSpec::default() };
            let flaws = settings(&empty, &BTreeMap::new()).unwrap_err();
            assert_eq!(flaws.len(), 4);
            assert!(flaws.iter().all(|flaw| flaw.message.starts_with(super::super::MISSING)), "{flaws:?}");
        }
    }

    /// T6.
    #[test]
    fn plain_text_is_refused_unless_it_is_wanted() {
        let mut spec = valid(AuthConfigType::OpenLdap);
        spec.tls = None;
        assert_eq!(fields(&spec), ["tls"]);
        spec.allow_plaintext = Some(true);
        let read = settings(&spec, &BTreeMap::new()).unwrap();
        assert_eq!((read.port, read.security), (389, Security::Plaintext));
        spec.starttls = Some(true);
        assert_eq!(settings(&spec, &BTreeMap::new()).unwrap().security, Security::StartTls);
        spec.tls = Some(true);
        assert_eq!(fields(&spec), ["starttls"]);
    }

    #[test]
    fn a_flaw_names_its_field() {
        type Change = fn(&mut AuthConfigSpec);
        let changes: [(&str, Change); 12] = [
            ("servers", |spec| spec.servers.clear()),
            ("servers[0]", |spec| spec.servers = vec!["ldaps://dc1.example.org".into()]),
            ("port", |spec| spec.port = Some(0)),
            ("port", |spec| spec.port = Some(65_536)),
            ("certificate", |spec| spec.certificate = Some("no PEM".into())),
            ("serviceAccountDistinguishedName", |spec| spec.service_account_distinguished_name = None),
            ("userSearchBase", |spec| spec.user_search_base = Some("people".into())),
            ("groupSearchBase", |spec| spec.group_search_base = Some("groups".into())),
            ("userSearchFilter", |spec| spec.user_search_filter = Some("(a=b)(c=d)".into())),
            ("userLoginAttribute", |spec| spec.user_login_attribute = Some("uid=*)(a".into())),
            ("userSearchAttribute", |spec| spec.user_search_attribute = Some("uid|(sn".into())),
            ("groupDNAttribute", |spec| spec.group_dn_attribute = Some("entry DN".into())),
        ];
        for (field, change) in changes {
            let mut spec = valid(AuthConfigType::OpenLdap);
            change(&mut spec);
            assert_eq!(fields(&spec), [field]);
        }
    }
}
