//! What feeds the world: one plain value per object of the management plane, already validated.
//!
//! The config folder and the watches of the management plane make the same values.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::TokenHash;
use crate::secret::Secret;

/// Every object of one source at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// People and robots.
    pub users: Vec<UserInput>,
    /// Credentials.
    pub tokens: Vec<TokenInput>,
    /// Clusters under management.
    pub clusters: Vec<ClusterInput>,
    /// Who has which role template in which cluster.
    pub bindings: Vec<BindingInput>,
    /// Groups with their members.
    pub groups: Vec<GroupInput>,
    /// Memberships that are objects of their own.
    pub members: Vec<MemberInput>,
    /// What providers said of users.
    pub attributes: Vec<AttributeInput>,
    /// Providers of identities.
    pub providers: Vec<ProviderInput>,
    /// Which clusters let their service accounts through.
    pub proxies: Vec<ProxyInput>,
}

/// One change of a source: an object by its name, `None` where it is gone; or all objects of a kind as they are now.
#[derive(Clone, Debug)]
pub enum Change {
    /// A user, by [`UserInput::name`].
    User(Arc<str>, Option<UserInput>),
    /// A token, by [`TokenInput::name`].
    Token(Arc<str>, Option<TokenInput>),
    /// A cluster, by [`ClusterInput::id`].
    Cluster(Arc<str>, Option<ClusterInput>),
    /// A binding, by [`BindingInput::name`].
    Binding(Arc<str>, Option<BindingInput>),
    /// A group, by [`GroupInput::name`].
    Group(Arc<str>, Option<GroupInput>),
    /// A membership, by [`MemberInput::name`].
    Member(Arc<str>, Option<MemberInput>),
    /// What providers said of a user, by its name.
    Attribute(Arc<str>, Option<AttributeInput>),
    /// A provider, by [`ProviderInput::name`].
    Provider(Arc<str>, Option<ProviderInput>),
    /// Whether a cluster lets its service accounts through, by [`ProxyInput::name`].
    Proxy(Arc<str>, Option<ProxyInput>),
    /// All users.
    Users(Vec<UserInput>),
    /// All tokens.
    Tokens(Vec<TokenInput>),
    /// All clusters.
    Clusters(Vec<ClusterInput>),
    /// All bindings.
    Bindings(Vec<BindingInput>),
    /// All groups.
    Groups(Vec<GroupInput>),
    /// All memberships that are objects of their own.
    Members(Vec<MemberInput>),
    /// All that providers said of users.
    Attributes(Vec<AttributeInput>),
    /// All providers.
    Providers(Vec<ProviderInput>),
    /// All that say which clusters let their service accounts through.
    Proxies(Vec<ProxyInput>),
}

/// A `User` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInput {
    /// `metadata.name`, such as `u-abc12`: what a cluster sees as the user name.
    pub name: Arc<str>,
    /// `metadata.uid`, where the object has one.
    pub uid: Option<Arc<str>>,
    /// The login name.
    pub username: Arc<str>,
    /// For people to read.
    pub display_name: Arc<str>,
    /// A disabled user is refused everywhere.
    pub enabled: bool,
    /// `<provider>_user://<id>`; `local://<name>` is always one of them.
    pub principal_ids: Vec<Arc<str>>,
    /// Limits of this user; `None` takes the server's default.
    pub limits: LimitsInput,
}

/// A `Token` of `management.cattle.io/v3`; only its hash is ever stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInput {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// SHA-256 of the whole token text.
    pub hash: TokenHash,
    /// `metadata.name` of its user.
    pub user: Arc<str>,
    /// A token scoped to one cluster works nowhere else.
    pub cluster: Option<Arc<str>>,
    /// Principals of the groups that the provider gave at sign-in.
    pub group_principals: Vec<Arc<str>>,
    /// A disabled token is refused.
    pub enabled: bool,
    /// No request is let through from this moment on.
    pub expires_at: Option<Timestamp>,
    /// The provider that its user signed in with.
    pub provider: Option<Arc<str>>,
    /// The principal that its user signed in as.
    pub principal: Option<Arc<str>>,
    /// A salted hash of Rancher's, as it stands in the object: the token is found by its name, as [`TokenHash::salted`].
    pub salted: Option<Arc<str>>,
    /// What it is for.
    pub kind: TokenKind,
    /// So long it may be unused.
    pub idle: Option<Duration>,
    /// When it was last used as far as its object says, or made.
    pub last_used: Option<Timestamp>,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// Programs.
    #[default]
    Api,
    /// A person's browser.
    Session,
    /// A kubeconfig.
    Kubeconfig,
    /// New tokens of its session, and nothing else.
    Refresh,
}

impl TokenInput {
    /// Whether a request would see no difference: when a token was last used is in no row.
    pub fn is_alike(&self, other: &Self) -> bool {
        Self { last_used: None, ..self.clone() } == Self { last_used: None, ..other.clone() }
    }
}

/// A `Cluster` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInput {
    /// `metadata.name`: the id in paths and host names.
    pub id: Arc<str>,
    /// For people to read.
    pub display_name: Arc<str>,
    /// How it is reached.
    pub reach: Reach,
    /// Whether a credential that may do everything is accepted.
    pub allow_administrator: bool,
    /// Limits over all callers of this cluster.
    pub limits: LimitsInput,
}

/// A `ClusterRoleTemplateBinding` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingInput {
    /// `metadata.namespace/metadata.name`; unique.
    pub name: Arc<str>,
    /// The cluster's id.
    pub cluster: Arc<str>,
    /// `roleTemplateName`.
    pub template: Arc<str>,
    /// Whom it binds.
    pub subject: Subject,
}

/// Whom a binding names. The variants keep names of different kinds apart, so that no two can be confused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// `userName`: the `metadata.name` of a User.
    User(Arc<str>),
    /// `userPrincipalName`.
    UserPrincipal(Arc<str>),
    /// `groupName`.
    Group(Arc<str>),
    /// `groupPrincipalName`.
    GroupPrincipal(Arc<str>),
}

/// A `Group` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInput {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Its members, as the object names them.
    pub members: Vec<Subject>,
}

/// A `GroupMember` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInput {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.name` of the group.
    pub group: Arc<str>,
    /// Who is in it.
    pub member: Subject,
}

/// A `UserAttribute` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeInput {
    /// `metadata.name`: that of the user.
    pub user: Arc<str>,
    /// Principals of the groups that its providers say it is in.
    pub group_principals: Vec<Arc<str>>,
}

/// A `ClusterProxyConfig` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyInput {
    /// `metadata.namespace/metadata.name`.
    pub name: Arc<str>,
    /// The cluster's id.
    pub cluster: Arc<str>,
    /// Whether the cluster's service accounts may come through the gateway.
    pub enabled: bool,
}

/// An `AuthConfig` of `management.cattle.io/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderInput {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Whether credentials that came from it are taken.
    pub enabled: bool,
}

/// What begins the principal of a group of Drover's own.
pub const LOCAL_GROUP: &str = "local_group://";

impl Subject {
    /// Whom a principal stands for: `local_group://<name>` is a group of Drover's own, `<provider>_group://<id>` one of a
    /// provider, as are GitHub's `_org` and `_team`; all else is a user.
    pub fn of_principal(principal: &str) -> Self {
        match principal.split_once("://") {
            Some(("local_group", name)) => Self::Group(name.into()),
            Some((provider, _)) if GROUP_KINDS.iter().any(|kind| provider.ends_with(kind)) => {
                Self::GroupPrincipal(principal.into())
            }
            _ => Self::UserPrincipal(principal.into()),
        }
    }
}

/// What ends the first part of a group's principal: GitHub's organisations and teams are groups too, in Rancher's names.
const GROUP_KINDS: [&str; 3] = ["_group", "_org", "_team"];

/// Whether a principal is that of a group of `provider`.
pub fn is_group_of(provider: &str, principal: &str) -> bool {
    principal.split_once("://").is_some_and(|(kind, id)| {
        kind.strip_prefix(provider).is_some_and(|kind| GROUP_KINDS.contains(&kind)) && !id.is_empty()
    })
}

/// Limits of a user or a cluster; `None` takes the server's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsInput {
    /// Requests under way at once, without watches and upgrades.
    pub in_flight: Option<u32>,
    /// Requests a second, sustained.
    pub per_second: Option<u32>,
    /// Requests let through at once above the rate.
    pub burst: Option<u32>,
}

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Over the network.
    Direct(Arc<Connection>),
    /// In this process: the embedded management plane.
    InProcess,
}

impl Reach {
    /// Whether both reach the same server in the same way, be it with another credential.
    pub fn leads_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Direct(one), Self::Direct(other)) => one.leads_where(other),
            _ => self == other,
        }
    }

    /// The connection, where there is one.
    pub const fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Direct(connection) => Some(connection),
            Self::InProcess => None,
        }
    }
}

/// How a cluster's apiserver is reached: the resolved content of one kubeconfig context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `https` or `http`.
    pub https: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path before `/api`, without a slash at its end; mostly empty.
    pub path_prefix: String,
    /// `tls-server-name`: the name to verify when it is not the host.
    pub tls_server_name: Option<String>,
    /// PEM of the authorities to trust; `None` is the system's set, and refused where there is none.
    pub ca: Option<DataOrFile>,
    /// `insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `proxy-url` (`http`, `https` or `socks5`), from admin files only.
    pub proxy_url: Option<String>,
    /// What proves the gateway's identity to the cluster.
    pub auth: Auth,
}

impl Connection {
    /// Whether both reach the same server in the same way, be it with another credential.
    pub fn leads_where(&self, other: &Self) -> bool {
        Self { auth: other.auth.clone(), ..self.clone() } == *other
    }
}

/// Bytes given inline, or a file that is read again when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataOrFile {
    /// Inline data.
    Data(Secret<Arc<[u8]>>),
    /// An absolute path, from admin files only.
    File(PathBuf),
}

/// A credential of the gateway in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `client-certificate` and `client-key`, PEM.
    ClientCertificate {
        /// The chain.
        certificate: DataOrFile,
        /// The private key.
        key: DataOrFile,
    },
    /// `token`, or `tokenFile`.
    Token(DataOrFile),
    /// `exec`: a `client.authentication.k8s.io` plugin, from admin files only.
    Exec(ExecPlugin),
}

/// An exec credential plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlugin {
    /// `v1` or `v1beta1`.
    pub api_version: String,
    /// The program; a relative path is taken from the kubeconfig's folder.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to the environment.
    pub env: Vec<(String, Secret<String>)>,
    /// `provideClusterInfo`: passes the cluster in `KUBERNETES_EXEC_INFO`.
    pub provide_cluster_info: bool,
}

/// The names that a cluster lets the gateway's account impersonate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// User names.
    pub users: Names,
    /// Role groups.
    pub groups: Names,
    /// Whether a uid may be sent.
    pub uids: bool,
    /// Extra keys that may be sent.
    pub extras: Names,
    /// The account may do everything there.
    pub administrator: bool,
}

/// A set of names, or every name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Any name.
    Any,
    /// These.
    Only(BTreeSet<Arc<str>>),
}

impl Names {
    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small inputs for tests.

    use std::sync::Arc;

    use super::{
        Auth, BindingInput, ClusterInput, Connection, DataOrFile, LimitsInput, Names, Published, Reach, Subject,
        TokenInput, TokenKind, UserInput,
    };
    use crate::{secret::Secret, world::TokenHash};

    pub(crate) fn user(name: &str) -> UserInput {
        UserInput {
            name: name.into(),
            uid: None,
            username: name.into(),
            display_name: name.into(),
            enabled: true,
            principal_ids: vec![format!("local://{name}").into()],
            limits: LimitsInput::default(),
        }
    }

    /// A token whose text is its name.
    pub(crate) fn token(name: &str, user: &str) -> TokenInput {
        TokenInput {
            name: name.into(),
            hash: TokenHash::of(name),
            user: user.into(),
            cluster: None,
            group_principals: vec![],
            enabled: true,
            expires_at: None,
            provider: None,
            principal: None,
            salted: None,
            kind: TokenKind::Api,
            idle: None,
            last_used: None,
        }
    }

    pub(crate) fn cluster(id: &str, host: &str) -> ClusterInput {
        ClusterInput {
            id: id.into(),
            display_name: id.into(),
            reach: Reach::Direct(Arc::new(Connection {
                https: true,
                host: host.into(),
                port: 6443,
                path_prefix: String::new(),
                tls_server_name: None,
                ca: None,
                insecure_skip_tls_verify: false,
                proxy_url: None,
                auth: Auth::Token(DataOrFile::Data(Secret::new(Arc::from(&b"t"[..])))),
            })),
            allow_administrator: false,
            limits: LimitsInput::default(),
        }
    }

    pub(crate) fn in_process(id: &str) -> ClusterInput {
        ClusterInput { reach: Reach::InProcess, ..cluster(id, "") }
    }

    pub(crate) fn binding(cluster: &str, template: &str, user: &str) -> BindingInput {
        BindingInput {
            name: format!("{cluster}/{template}-{user}").into(),
            cluster: cluster.into(),
            template: template.into(),
            subject: Subject::User(user.into()),
        }
    }

    /// Everything is published.
    pub(crate) fn open() -> Published {
        Published { users: Names::Any, groups: Names::Any, uids: true, extras: Names::Any, administrator: false }
    }
}

#[cfg(test)]
mod tests {
    use super::{Subject, is_group_of};

    #[test]
    fn a_principal_says_whether_it_is_a_user_or_a_group() {
        for group in ["corp_group://dev", "github_org://9343010", "github_team://1"] {
            assert_eq!(Subject::of_principal(group), Subject::GroupPrincipal(group.into()));
        }
        for user in ["corp_user://dev", "local://u-1", "github_user://_org://1"] {
            assert_eq!(Subject::of_principal(user), Subject::UserPrincipal(user.into()));
        }
        assert_eq!(Subject::of_principal("local_group://dev"), Subject::Group("dev".into()));
    }

    #[test]
    fn a_group_is_of_one_provider() {
        assert!(is_group_of("github", "github_org://1") && is_group_of("github", "github_group://1"));
        for other in ["github2_org://1", "github_user://1", "github_org://", "github_orgs://1", "github", "hub_org://1"]
        {
            assert!(!is_group_of("github", other), "{other}");
        }
    }
}
