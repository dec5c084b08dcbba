//! Making one connection to a directory: name, address policy, TCP, StartTLS, TLS.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{
    ber::{self, Operation},
    relay::{self, Ending},
    settings::Security,
};
use crate::config::address::Check;

/// `ExtendedRequest` number 1 with the name of StartTLS (RFC 4511, 4.14.1).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// Bytes of the answer to it.
const START_TLS_ANSWER: usize = 64 * 1024;

/// Makes connections to the servers of one directory.
pub(super) struct Connector {
    security: Security,
    port: u16,
    tls: Option<TlsConnector>,
    addresses: Check,
}

/// A connection to one server.
#[derive(Debug)]
pub(super) struct Connection {
    /// The operations.
    pub(super) ldap: Ldap,
    /// Such as `ldaps://dc1.example.org:636`.
    pub(super) server: String,
    /// When it was made.
    pub(super) since: Instant,
    /// Why it ended.
    pub(super) ending: Ending,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Connector {
    /// # Errors
    /// There is no certificate authority to trust.
    pub(super) fn new(
        security: Security,
        port: u16,
        certificate: Option<&str>,
        addresses: Check,
    ) -> Result<Self, String> {
        let tls = match security {
            Security::Plaintext => None,
            Security::Ldaps | Security::StartTls => Some(client_config(certificate)?.into()),
        };
        Ok(Self { security, port, tls, addresses })
    }

    /// The address of a server as people write it.
    pub(super) fn url(&self, host: &str) -> String {
        let scheme = if self.security == Security::Ldaps { "ldaps" } else { "ldap" };
        if host.contains(':') {
            format!("{scheme}://[{host}]:{}", self.port)
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }

    /// Connects to `host` within `limit`; the error names no server.
    pub(super) async fn connect(&self, host: &str, limit: Duration) -> Result<Connection, String> {
        let url = self.url(host);
        match timeout(limit, self.dial(host, url, limit)).await {
            Ok(made) => made,
            Err(_) => Err(format!("it does not answer within {limit:.1?}")),
        }
    }

    async fn dial(&self, host: &str, url: String, limit: Duration) -> Result<Connection, String> {
        let mut stream = self.tcp(host, limit).await?;
        if self.security == Security::StartTls {
            start_tls(&mut stream).await?;
        }
        let Some(tls) = &self.tls else { return library(stream, url).await };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| "its name cannot be verified".to_owned())?;
        let stream = tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        library(stream, url).await
    }

    /// Connects to the first address of `host` that may be connected to and answers.
    async fn tcp(&self, host: &str, limit: Duration) -> Result<TcpStream, String> {
        let addresses: Vec<_> = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, self.port).into()],
            Err(_) => tokio::net::lookup_host((host, self.port))
                .await
                .map_err(|error| format!("its name does not resolve: {error}"))?
                .collect(),
        };
        let mut failure = "its name has no address".to_owned();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            // An address that does not answer must not use up the time of the next one.
            let share = limit / left.max(1);
            left -= 1;
            if let Err(why) = (self.addresses)(host, address.ip(), self.port) {
                failure = format!("{} may not be connected to: {why}", address.ip());
                continue;
            }
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(|error| error.to_string())?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = format!("{}: {error}", address.ip()),
                Err(_) => failure = format!("{} does not answer within {share:.1?}", address.ip()),
            }
        }
        Err(failure)
    }
}

/// Asks for TLS. What comes behind the answer was not said under TLS, and is not taken as if it had been.
async fn start_tls(stream: &mut TcpStream) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("StartTLS: {error}");
    stream.write_all(START_TLS).await.map_err(broken)?;
    let mut read = Vec::new();
    let whole = loop {
        let frame = ber::frame(&read).map_err(|error| format!("StartTLS: {error}"))?;
        if let Some(whole) = frame {
            break whole;
        }
        if read.len() > START_TLS_ANSWER {
            return Err("StartTLS: its answer has no end".to_owned());
        }
        if stream.read_buf(&mut read).await.map_err(broken)? == 0 {
            return Err("StartTLS: it closed the connection".to_owned());
        }
    };
    if whole != read.len() {
        return Err("StartTLS: more than one answer".to_owned());
    }
    match ber::answer(&read).map_err(|error| format!("StartTLS: {error}"))? {
        answer if answer.id != 1 || answer.operation != Operation::Done => {
            Err("StartTLS: it answers something else".to_owned())
        }
        answer if answer.code != 0 => {
            Err(format!("StartTLS is refused: {} ({})", super::operation::plain(&answer.text), answer.code))
        }
        _ => Ok(()),
    }
}

/// Puts the LDAP library before a stream.
async fn library(stream: impl AsyncRead + AsyncWrite + Send + 'static, server: String) -> Result<Connection, String> {
    let made = |error: std::io::Error| error.to_string();
    let (ours, theirs) = UnixStream::pair().map_err(made)?;
    let ending = Ending::default();
    let relay = tokio::spawn(relay::run(stream, ours, Arc::clone(&ending)));
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs.into_std().map_err(made)?));
    let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi://relay").await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(async move {
        // Its error comes out at the operation too.
        let _ = driver.drive().await;
    });
    let tasks = [AbortOnDropHandle::new(relay), AbortOnDropHandle::new(driver)];
    Ok(Connection { ldap, server, since: Instant::now(), ending, _tasks: tasks })
}

fn client_config(certificate: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let roots = if let Some(pem) = certificate {
        authorities(pem)?
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    };
    if roots.is_empty() {
        return Err("there is no certificate authority to trust: set `certificate`".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The authorities in a PEM.
///
/// # Errors
/// Why it holds none.
pub fn authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("is not a certificate: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate in PEM".to_owned()) } else { Ok(roots) }
}
