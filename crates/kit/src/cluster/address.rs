//! An address of one's own.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// Held for as long as an address is in use, so that no two servers of this machine take the same.
const CLAIM_PORT: u16 = 2378;

/// `127.x.y.1`, taken by nobody else.
pub struct Address {
    ip: IpAddr,
    _claim: TcpListener,
}

impl Address {
    /// Takes one that is free.
    pub fn claim() -> Self {
        for _ in 0..1000 {
            let mut bytes = [0; 2];
            aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
            let [x, y] = bytes;
            let ip = IpAddr::V4(Ipv4Addr::new(127, x.max(16), y, 1));
            if let Ok(claim) = TcpListener::bind((ip, CLAIM_PORT)) {
                return Self { ip, _claim: claim };
            }
        }
        panic!("no free address in 127.0.0.0/8")
    }

    /// The address.
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }
}
