//! Which addresses a cluster, or a webhook of the plane, may have. Their URLs come from people: they must not become a way to what
//! only this machine can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use super::server::AllowedAddress;

/// Metadata services outside the link-local range: AWS over IPv6, Alibaba Cloud, Azure's wire server, Oracle Cloud.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// One of the gateway's own listeners.
    #[error("it is the gateway's own address")]
    Own,
    /// `127.0.0.0/8`, `::1`.
    #[error("it is a loopback address")]
    Loopback,
    /// `169.254.0.0/16`, `fe80::/10` and the metadata services of clouds.
    #[error("it is a link-local or metadata address")]
    LinkLocal,
    /// `0.0.0.0`, `::`, multicast, broadcast.
    #[error("it is no address of one machine")]
    NotOneMachine,
}

/// Says whether an address that a host resolved to may be connected to at a port; the text says why not.
pub type Check = Arc<dyn Fn(&str, IpAddr, u16) -> Result<(), String> + Send + Sync>;

/// What may be connected to: everything but what is refused here, and what the admin lists in spite of it.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allowed: Vec<AllowedAddress>,
    own: Vec<SocketAddr>,
}

impl AddressPolicy {
    /// `allowed` is `upstream.allowedAddresses`; `own` are the gateway's listeners.
    pub fn new(allowed: &[AllowedAddress], own: &[SocketAddr]) -> Self {
        Self { allowed: allowed.to_vec(), own: own.to_vec() }
    }

    /// Whether `address`, which `host` resolved to, may be connected to.
    ///
    /// # Errors
    /// The reason why not.
    pub fn check(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Denied> {
        let address = address.to_canonical();
        let listed_exactly = self.allowed.iter().any(|allowed| match allowed {
            AllowedAddress::Socket(socket) => socket.ip().to_canonical() == address && socket.port() == port,
            _ => false,
        });
        if listed_exactly {
            return Ok(());
        }
        if self.is_own(address, port) {
            return Err(Denied::Own);
        }
        let Some(denied) = reserved(address) else { return Ok(()) };
        let listed = self.allowed.iter().any(|allowed| match allowed {
            AllowedAddress::Network(network) => network.contains(address),
            AllowedAddress::Host(name) => name.eq_ignore_ascii_case(host),
            AllowedAddress::Socket(_) => false,
        });
        if listed { Ok(()) } else { Err(denied) }
    }

    /// The policy for those who connect, and know nothing of it but the answer.
    pub fn into_check(self) -> Check {
        Arc::new(move |host, address, port| self.check(host, address, port).map_err(|denied| denied.to_string()))
    }

    /// A listener on every address is reached by every address of this machine.
    fn is_own(&self, address: IpAddr, port: u16) -> bool {
        self.own.iter().filter(|own| own.port() == port).any(|own| {
            let own = own.ip().to_canonical();
            // Linux takes a connection to the unspecified address as one to loopback.
            own == address
                || address.is_unspecified()
                || own.is_unspecified() && (address.is_loopback() || is_of_this_machine(address))
        })
    }
}

/// A socket can be bound only to an address of this machine; asked for the few connections to a port of Drover's own.
fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn reserved(address: IpAddr) -> Option<Denied> {
    match address {
        address if address.is_loopback() => Some(Denied::Loopback),
        address if METADATA.contains(&address) => Some(Denied::LinkLocal),
        IpAddr::V4(v4) if v4.is_link_local() => Some(Denied::LinkLocal),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(Denied::LinkLocal),
        // 0.0.0.0/8 reaches this machine on Linux.
        IpAddr::V4(v4) if v4.octets().first() == Some(&0) || v4.is_broadcast() => Some(Denied::NotOneMachine),
        address if address.is_unspecified() || address.is_multicast() => Some(Denied::NotOneMachine),
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded(v6).and_then(|v4| reserved(IpAddr::V4(v4))),
    }
}

/// The IPv4 address that an IPv6 one stands for: compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressPolicy, Denied};

    fn check(policy: &AddressPolicy, host: &str, address: &str, port: u16) -> Result<(), Denied> {
        policy.check(host, address.parse().unwrap(), port)
    }

    /// H22.
    #[test]
    fn what_only_this_machine_can_reach_is_refused() {
        let policy = AddressPolicy::default();
        for (address, why) in [
            ("127.0.0.1", Denied::Loopback),
            ("127.9.9.9", Denied::Loopback),
            ("::1", Denied::Loopback),
            ("::ffff:127.0.0.1", Denied::Loopback),
            ("169.254.169.254", Denied::LinkLocal),
            ("::ffff:169.254.169.254", Denied::LinkLocal),
            ("fe80::1", Denied::LinkLocal),
            ("fd00:ec2::254", Denied::LinkLocal),
            ("100.100.100.200", Denied::LinkLocal),
            ("168.63.129.16", Denied::LinkLocal),
            ("64:ff9b::169.254.169.254", Denied::LinkLocal),
            ("2002:7f00:1::", Denied::Loopback),
            ("::127.0.0.1", Denied::Loopback),
            ("0.0.0.0", Denied::NotOneMachine),
            ("0.1.2.3", Denied::NotOneMachine),
            ("::", Denied::NotOneMachine),
            ("224.0.0.1", Denied::NotOneMachine),
            ("255.255.255.255", Denied::NotOneMachine),
        ] {
            assert_eq!(check(&policy, "cluster", address, 6443), Err(why), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "203.0.113.1", "2001:db8::1"] {
            assert_eq!(check(&policy, "cluster", address, 6443), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_admin_lists_exceptions_by_network_address_or_host() {
        let allowed = ["127.0.0.0/8".parse().unwrap(), "kube.internal".parse().unwrap()];
        let policy = AddressPolicy::new(&allowed, &[]);
        assert_eq!(check(&policy, "cluster", "127.0.0.1", 6443), Ok(()));
        assert_eq!(check(&policy, "Kube.internal", "169.254.1.1", 6443), Ok(()));
        assert_eq!(check(&policy, "cluster", "169.254.1.1", 6443), Err(Denied::LinkLocal));
    }

    /// H22: the gateway's own ports need an entry with the port.
    #[test]
    fn the_gateways_own_ports_stay_refused_below_a_listed_network() {
        let own = ["0.0.0.0:8443".parse().unwrap(), "127.0.0.1:8444".parse().unwrap()];
        let policy = AddressPolicy::new(&["127.0.0.0/8".parse().unwrap()], &own);
        assert_eq!(check(&policy, "c", "127.0.0.1", 8443), Err(Denied::Own));
        assert_eq!(check(&policy, "c", "127.0.0.1", 8444), Err(Denied::Own));
        assert_eq!(check(&policy, "c", "127.0.0.1", 6443), Ok(()));
        let listed = AddressPolicy::new(&["127.0.0.1:8443".parse().unwrap()], &own);
        assert_eq!(check(&listed, "c", "127.0.0.1", 8443), Ok(()));
    }
}
