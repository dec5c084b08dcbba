//! Calls to the web servers of providers: HTTPS only, and to addresses that may be dialled. No redirect is followed, no proxy taken,
//! no cookie kept; every call ends in time, and what is read of an answer is bounded.
//!
//! There are few calls, some at a sign-in: each has a connection of its own.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{HOST, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::config::address;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Why a call failed; the texts name the host, never what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The URL is not `https` with a host.
    #[error("`{0}` is not an https URL")]
    Url(String),
    /// The host has no address that may be dialled.
    #[error("cannot connect to `{host}`: {why}")]
    Connect {
        /// The host, with the port.
        host: String,
        /// Why not.
        why: String,
    },
    /// Its certificate is not one to trust.
    #[error("the TLS handshake with `{host}` failed: {why}")]
    Tls {
        /// The host, with the port.
        host: String,
        /// Why.
        why: String,
    },
    /// The connection broke, or what came back was not HTTP.
    #[error("`{host}` gave no answer: {why}")]
    Answer {
        /// The host, with the port.
        host: String,
        /// Why.
        why: String,
    },
    /// More came than is read.
    #[error("the answer of `{host}` is longer than {LONGEST} bytes")]
    TooLong {
        /// The host, with the port.
        host: String,
    },
    /// It did not end in time.
    #[error("`{host}` did not answer within {} ms", .limit.as_millis())]
    Late {
        /// The host, with the port.
        host: String,
        /// What a call may take.
        limit: Duration,
    },
}

/// Calls the servers of one provider.
#[derive(Clone)]
pub struct HttpClient {
    tls: Arc<ClientConfig>,
    limit: Duration,
    addresses: address::Check,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Trusts the PEM `authorities`, or the system's; one call may take as long as `limit`.
    ///
    /// # Errors
    /// What is wrong with the authorities.
    pub fn new(authorities: Option<&str>, limit: Duration, addresses: address::Check) -> Result<Self, String> {
        let roots = authorities.map_or_else(|| Ok(system_roots()), roots)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), limit, addresses })
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let target = Target::of(request.uri())?;
        let limit = self.limit;
        match timeout(limit, self.exchange(&target, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Late { host: target.shown, limit }),
        }
    }

    async fn exchange(&self, target: &Target, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let host = || target.shown.clone();
        let stream = self.dial(target).await.map_err(|why| HttpError::Connect { host: host(), why })?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls
            .connect(target.name.clone(), stream)
            .await
            .map_err(|error| HttpError::Tls { host: host(), why: error.to_string() })?;
        let failed = |error: hyper::Error| HttpError::Answer { host: host(), why: error.to_string() };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Ends with the sender; its error comes out at the request too.
        let connection = tokio::spawn(connection);
        let (mut head, body) = request.into_parts();
        head.uri = target.path.clone();
        head.headers.insert(HOST, target.authority.clone());
        head.headers.insert(USER_AGENT, HeaderValue::from_static(concat!("drover/", env!("CARGO_PKG_VERSION"))));
        let request = Request::from_parts(head, Full::new(Bytes::from(body)));
        let answer = sender.send_request(request).await.map_err(failed)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        connection.abort();
        match body {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes().into())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(HttpError::TooLong { host: host() }),
            Err(error) => Err(HttpError::Answer { host: host(), why: error.to_string() }),
        }
    }

    /// Connects to the first address that may be dialled and answers.
    async fn dial(&self, target: &Target) -> Result<TcpStream, String> {
        // Each address is judged as it is dialled: what a name stands for may change between two look-ups.
        let addresses: Vec<SocketAddr> = if let Ok(address) = target.host.parse::<IpAddr>() {
            vec![(address, target.port).into()]
        } else {
            let found = tokio::net::lookup_host((&*target.host, target.port)).await;
            found.map_err(|error| error.to_string())?.collect()
        };
        let mut failure = "the name has no address".to_owned();
        for address in addresses {
            if let Err(why) = (self.addresses)(&target.host, address.ip(), target.port) {
                failure = format!("connecting to {} is not allowed: {why}", address.ip());
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error.to_string(),
            }
        }
        Err(failure)
    }
}

/// A client of OAuth's endpoints.
impl<'c> oauth2::AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, HttpError>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The PEM certificates of authorities, at least one.
///
/// # Errors
/// What is wrong with them.
pub fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(roots) }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Whether a text is an `https` URL with a host, without user, query and fragment: what an issuer or an endpoint can be.
pub fn is_https_url(text: &str) -> bool {
    let plain = |uri: Uri| uri.query().is_none() && Target::of(&uri).is_ok();
    !text.contains('#') && text.parse().is_ok_and(plain)
}

/// Where a request goes.
#[derive(Debug)]
struct Target {
    /// Without brackets.
    host: String,
    port: u16,
    name: ServerName<'static>,
    authority: HeaderValue,
    path: Uri,
    /// Host and port, for messages.
    shown: String,
}

impl Target {
    fn of(uri: &Uri) -> Result<Self, HttpError> {
        // A query may hold a secret, such as a code.
        let refuse = || {
            let path = uri.path();
            HttpError::Url(format!(
                "{}://{}{path}",
                uri.scheme_str().unwrap_or_default(),
                uri.host().unwrap_or_default()
            ))
        };
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTPS)).ok_or_else(refuse)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(refuse());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(443);
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Ok(Self {
            name: ServerName::try_from(host.clone()).map_err(|_| refuse())?,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| refuse())?,
            path: path.parse().map_err(|_| refuse())?,
            shown: format!("{}:{port}", authority.host()),
            host,
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, is_https_url};

    #[test]
    fn a_url_gives_host_port_and_path() {
        let target = Target::of(&"https://[::1]/a?b=c".parse().unwrap()).unwrap();
        assert_eq!((&*target.host, target.port, &*target.shown), ("::1", 443, "[::1]:443"));
        assert_eq!(target.path, "/a?b=c");
        assert_eq!(Target::of(&"https://idp:8443".parse().unwrap()).unwrap().port, 8443);
    }

    #[test]
    fn what_is_not_https_is_not_called_and_no_query_is_told() {
        for url in ["http://idp/?code=hush", "/path?code=hush", "https://user:hush@idp/", "ftp://idp/?hush"] {
            let error = Target::of(&url.parse().unwrap()).unwrap_err().to_string();
            assert!(error.ends_with("is not an https URL") && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn an_issuer_is_a_plain_https_url() {
        for url in ["https://idp", "https://idp:8443/realms/corp", "https://[::1]/"] {
            assert!(is_https_url(url), "{url}");
        }
        for url in ["", "idp", "http://idp", "https://", "https://a@idp", "https://idp?x", "https://idp#x"] {
            assert!(!is_https_url(url), "{url}");
        }
    }
}
