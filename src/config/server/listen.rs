//! Where the server listens: `listen` and `ops`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listen {
    /// Address and port. Default `0.0.0.0:8443`; `[::]:8443` takes IPv6 and, on most systems, IPv4.
    #[serde(deserialize_with = "socket")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The certificate that clients see, and the client certificates that are accepted.
    pub tls: Tls,
    /// With `example.org`, the cluster `c-abc12` is also served as host `c-abc12.example.org`. Default: by path only.
    pub base_domain: Option<String>,
    /// The URL that kubeconfigs point to, such as `https://drover.example.org`. Default: made from the first name and the port.
    pub public_url: Option<String>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443),
            tls: Tls::default(),
            base_domain: None,
            public_url: None,
        }
    }
}

/// The certificate that clients see, and the client certificates that are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// PEM chain, the server's own certificate first; read again when it changes. Goes with `keyFile`.
    /// Default: an authority of its own, made in `dataDir` at the first start.
    pub certificate_file: Option<PathBuf>,
    /// PEM private key of `certificateFile`.
    pub key_file: Option<PathBuf>,
    /// PEM authorities whose client certificates are accepted. The common name is the principal `x509_user://<name>`, which the
    /// `principalIds` of a User list; each organisation is a group principal `x509_group://<name>`. Default: none are.
    pub client_ca_file: Option<PathBuf>,
    /// Names and addresses that the server's own certificate carries besides `localhost` and those of this machine.
    /// Only where there is no `certificateFile`.
    pub names: Vec<String>,
}

/// Where the people who run Drover connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ops {
    /// Address of `/metrics`, `/healthz`, `/readyz`, `/livez` with their details, in plain HTTP and without sign-in.
    /// Default `127.0.0.1:8444`; anything but loopback shows them to the network.
    #[serde(deserialize_with = "socket")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Unix socket of `drover streams`; mode 0600. Default: `admin.sock` in `dataDir`.
    pub admin_socket: Option<PathBuf>,
}

impl Default for Ops {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8444), admin_socket: None }
    }
}

fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "expected an address with port such as `0.0.0.0:8443` or `[::]:8443`";
    text.parse().map_err(|_| de::Error::custom(format!("{expected}, found `{text}`")))
}
