//! How clusters are reached: `upstream`.

use std::{borrow::Cow, fmt, net::IpAddr, net::SocketAddr, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::units::{Cidr, Period};

/// How clusters are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Upstream {
    /// Addresses that a cluster may have although they are refused by default: loopback, link-local and metadata
    /// addresses, Drover's own ports. Each a network, an address, an address with port, or a host name.
    /// Drover's own ports need an entry with the port. Default: none.
    pub allowed_addresses: Vec<AllowedAddress>,
    /// How often a cluster is asked which names may be impersonated, and whether it is well. Default 10s.
    pub probe_interval: Period,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { allowed_addresses: Vec::new(), probe_interval: Period::secs(10) }
    }
}

/// One entry of `upstream.allowedAddresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedAddress {
    /// `127.0.0.0/8`, or one address.
    Network(Cidr),
    /// `127.0.0.1:6443`.
    Socket(SocketAddr),
    /// `kube.internal`, as it is written in the kubeconfig; whatever it resolves to. In lower case.
    Host(String),
}

const EXPECTED: &str = "a network such as `127.0.0.0/8`, an address, an address with port, or a host name";

impl FromStr for AllowedAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(socket) = text.parse() {
            return Ok(Self::Socket(socket));
        }
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // A last label of digits would be an address that was not one.
        let named = text.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        if named && text.len() <= 253 && text.split('.').all(label) {
            return Ok(Self::Host(text.to_ascii_lowercase()));
        }
        Err(format!("expected {EXPECTED}, found `{text}`"))
    }
}

impl From<IpAddr> for AllowedAddress {
    fn from(address: IpAddr) -> Self {
        Self::Network(Cidr::from(address))
    }
}

impl fmt::Display for AllowedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Socket(socket) => socket.fmt(f),
            Self::Host(host) => f.write_str(host),
        }
    }
}

impl Serialize for AllowedAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowedAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for AllowedAddress {
    fn schema_name() -> Cow<'static, str> {
        "AllowedAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A network such as `127.0.0.0/8`, an address, an address with port, or a host name.",
            "type": "string",
        })
    }
}
