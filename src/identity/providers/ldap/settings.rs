//! How a directory is configured.

use std::time::Duration;

use crate::secret::Secret;

/// What kind of directory it is: where it differs from others in what it stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Active Directory, and Samba's.
    ActiveDirectory,
    /// OpenLDAP, and whatever is like it.
    OpenLdap,
    /// FreeIPA.
    FreeIpa,
}

impl Flavor {
    /// The attribute whose value never belongs to another entry, also not after a removal.
    pub const fn unique_id(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "objectGUID",
            Self::OpenLdap => "entryUUID",
            Self::FreeIpa => "ipaUniqueID",
        }
    }
}

/// How what goes over the network is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Ldaps,
    /// TLS after the StartTLS operation (RFC 4511, 4.14), and nothing before it.
    StartTls,
    /// Not at all: an administrator wants it so.
    Plaintext,
}

/// How a directory is configured. Names of attributes and filters are checked before they come here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What kind of directory.
    pub flavor: Flavor,
    /// Host names or addresses, in the order in which they are tried.
    pub servers: Vec<String>,
    /// The port of each.
    pub port: u16,
    /// How what goes over the network is protected.
    pub security: Security,
    /// PEM of the authorities that a server's certificate must come from; those of the system where `None`.
    pub certificate: Option<String>,
    /// What one call may take in all.
    pub timeout: Duration,
    /// The account that searches: a DN, or with Active Directory `user`, `DOMAIN\user` or `user@domain`.
    pub account: String,
    /// Its password; `None` while the Secret is missing.
    pub password: Option<Secret<String>>,
    /// Active Directory: the domain of whoever types none.
    pub default_domain: Option<String>,
    /// Users.
    pub users: Users,
    /// Groups.
    pub groups: Groups,
}

/// Where users are, and what of them is read.
#[derive(Clone, Debug)]
pub struct Users {
    /// DN below which they are.
    pub base: String,
    /// Another filter that they match, in brackets.
    pub filter: Option<String>,
    /// Their object class.
    pub class: String,
    /// Attribute of the login name.
    pub login: String,
    /// Attribute of the display name.
    pub name: String,
    /// Attributes that a search looks in.
    pub search: Vec<String>,
    /// Attribute that names groups of theirs.
    pub member_of: Option<String>,
    /// Attribute that tells whether they may sign in.
    pub enabled: Option<String>,
    /// The bits of it that a disabled account has; 0 where it is `TRUE` or `FALSE`.
    pub disabled_mask: i64,
}

/// Where groups are, and what of them is read.
#[derive(Clone, Debug)]
pub struct Groups {
    /// DN below which they are.
    pub base: String,
    /// Another filter that they match, in brackets.
    pub filter: Option<String>,
    /// Their object class.
    pub class: String,
    /// Attribute of the name.
    pub name: String,
    /// Attributes that a search looks in.
    pub search: Vec<String>,
    /// Attribute that holds the group's own DN.
    pub dn: String,
    /// Attribute that names members.
    pub member: String,
    /// Attribute of a user whose value stands there; its DN where that is the same as `dn`.
    pub member_value: String,
    /// Whether groups of groups count.
    pub nested: bool,
}
