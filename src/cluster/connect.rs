//! Making one connection to a cluster: name, address policy, proxy, TCP, TLS.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::AlertDescription;
use tokio::{net::TcpStream, time::timeout};

use super::{error::ConnectError, proxy::Proxy, stats::ClusterStats, stream::Stream, tls::Tls};
use crate::world::input::Connection;

/// Says whether the gateway may connect to an address; the text says why not (H22).
///
/// It is given the host as the connection names it, an address of it, and the port.
pub type AddressPolicy = Arc<dyn Fn(&str, IpAddr, u16) -> Result<(), String> + Send + Sync>;

/// Makes connections under one credential.
pub(super) struct Connector {
    pub(super) connection: Arc<Connection>,
    pub(super) tls: Option<Tls>,
    pub(super) proxy: Option<Proxy>,
    pub(super) policy: Option<AddressPolicy>,
    pub(super) timeout: Duration,
    pub(super) stats: Arc<ClusterStats>,
}

impl Connector {
    /// Connects, `http2` when the cluster has it and it is asked for. The flag says what was agreed.
    pub(super) async fn connect(&self, http2: bool) -> Result<(Stream, bool), ConnectError> {
        let made = match timeout(self.timeout, self.dial(http2)).await {
            Ok(made) => made,
            Err(_) => Err(ConnectError::Timeout(self.timeout)),
        };
        match &made {
            Ok(_) => self.stats.connects.add(),
            Err(_) => self.stats.connect_failures.add(),
        }
        made
    }

    async fn dial(&self, http2: bool) -> Result<(Stream, bool), ConnectError> {
        let Connection { host, port, .. } = &*self.connection;
        let stream = match &self.proxy {
            Some(proxy) => {
                if let (Some(policy), Ok(address)) = (&self.policy, host.parse()) {
                    policy(host, address, *port).map_err(|why| ConnectError::Denied(why.into()))?;
                }
                proxy.connect(host, *port).await?
            }
            None => Stream::Tcp(tcp(host, *port, self.policy.as_ref()).await?),
        };
        let Some(tls) = &self.tls else { return Ok((stream, false)) };
        let connector = if http2 { &tls.http2 } else { &tls.http1 };
        let failed = |error: std::io::Error| match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) if !http2 => {
                ConnectError::NoHttp1
            }
            _ => ConnectError::Tls(error.to_string().into()),
        };
        let (stream, agreed) = match stream {
            Stream::Tcp(stream) => {
                let stream = connector.connect(tls.name.clone(), stream).await.map_err(failed)?;
                let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                (Stream::Tls(Box::new(stream)), agreed)
            }
            other => {
                let stream = connector.connect(tls.name.clone(), other).await.map_err(failed)?;
                let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                (Stream::Other(Box::new(stream)), agreed)
            }
        };
        self.stats.tls_handshakes.add();
        Ok((stream, agreed))
    }
}

/// Connects to the first address of `host` that answers; each may take its share of the time that is left to it by the caller.
pub(super) async fn tcp(host: &str, port: u16, policy: Option<&AddressPolicy>) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| ConnectError::Resolve { host: host.into(), reason: error.to_string().into() })?
            .collect(),
    };
    let mut failure = ConnectError::Resolve { host: host.into(), reason: "it has no address".into() };
    let last = addresses.len().saturating_sub(1);
    for (index, address) in addresses.into_iter().enumerate() {
        if let Some(policy) = policy
            && let Err(why) = policy(host, address.ip(), port)
        {
            failure = ConnectError::Denied(why.into());
            continue;
        }
        // An address that does not answer must not use up the time of the next one.
        let attempt = if index == last {
            TcpStream::connect(address).await
        } else {
            match timeout(ATTEMPT, TcpStream::connect(address)).await {
                Ok(made) => made,
                Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
            }
        };
        match attempt.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = ConnectError::io(&error),
        }
    }
    Err(failure)
}

/// How long an address that is not the last of its name may take.
const ATTEMPT: Duration = Duration::from_secs(1);
