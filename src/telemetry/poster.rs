//! POST to one server that collects telemetry: one kept connection over HTTP/1.1, no redirects, time bounded.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST},
    uri::Scheme,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::secret::Secret;

/// Of an answer so much is read; with more the connection is not kept.
const MAX_ANSWER: usize = 64 * 1024;

/// Why a server cannot be posted to.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// The URL is not `http` or `https` with a host.
    #[error("`{0}` is not an http or https URL")]
    Url(String),
    /// The authorities are not PEM certificates, or there are none.
    #[error("certificate authorities: {0}")]
    Authorities(String),
    /// The client certificate or its key cannot be used.
    #[error("client certificate: {0}")]
    ClientCertificate(String),
}

/// Why one POST failed.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection could not be made.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke, or what came back was not HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// How a server is trusted and told who we are.
#[derive(Debug, Default)]
pub struct Credentials {
    /// PEM authorities; `None` for the system's.
    pub authorities: Option<Vec<u8>>,
    /// PEM chain and key.
    pub client_certificate: Option<(Vec<u8>, Secret<Vec<u8>>)>,
    /// The name to verify where it is not the URL's host.
    pub server_name: Option<String>,
    /// Sent with every request, such as `authorization`.
    pub headers: HeaderMap,
}

/// A client of one server.
pub struct Poster {
    host: String,
    port: u16,
    path: Uri,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    headers: HeaderMap,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Poster {
    /// A client for `url`; one POST may take as long as `timeout`.
    ///
    /// # Errors
    /// The URL or the credentials cannot be used.
    pub fn new(url: &str, credentials: Credentials, timeout: Duration) -> Result<Self, PosterError> {
        let refuse = || PosterError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| refuse())?;
        let authority = uri.authority().ok_or_else(refuse)?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(refuse()),
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(refuse());
        }
        let mut headers = credentials.headers;
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| refuse())?);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if https {
            let name = credentials.server_name.unwrap_or_else(|| host.clone());
            let name = ServerName::try_from(name).map_err(|_| refuse())?;
            let config = tls(credentials.authorities.as_deref(), credentials.client_certificate.as_ref())?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            host,
            path: path.parse().map_err(|_| refuse())?,
            tls,
            headers,
            timeout,
            connection: None,
        })
    }

    /// Sends `body` and waits for the status; must run on a tokio runtime.
    ///
    /// # Errors
    /// No connection, a broken one, or no answer in time.
    pub async fn post(&mut self, content_type: &'static str, body: Bytes) -> Result<StatusCode, PostError> {
        // Whatever goes wrong, the connection in use is gone.
        let connection = self.connection.take();
        let limit = self.timeout;
        timeout(limit, self.exchange(connection, content_type, body)).await.unwrap_or(Err(PostError::Timeout(limit)))
    }

    async fn exchange(
        &mut self,
        kept: Option<SendRequest<Full<Bytes>>>,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<StatusCode, PostError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().clone_from(&self.headers);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // A kept connection may have been closed meanwhile: hyper hands back what it did not send.
        if let Some(mut connection) = kept
            && connection.ready().await.is_ok()
        {
            match connection.try_send_request(request).await {
                Ok(response) => return self.finish(connection, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await?;
        self.finish(connection, response).await
    }

    async fn finish(
        &mut self,
        connection: SendRequest<Full<Bytes>>,
        response: http::Response<Incoming>,
    ) -> Result<StatusCode, PostError> {
        let (head, mut body) = response.into_parts();
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame?.data_ref().map_or(0, Bytes::len);
            if read > MAX_ANSWER {
                return Ok(head.status);
            }
        }
        self.connection = Some(connection);
        Ok(head.status)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, PostError> {
        let stream = TcpStream::connect((&*self.host, self.port)).await.map_err(PostError::Connect)?;
        stream.set_nodelay(true).map_err(PostError::Connect)?;
        match &self.tls {
            Some((connector, name)) => {
                handshake(connector.connect(name.clone(), stream).await.map_err(PostError::Connect)?).await
            }
            None => handshake(stream).await,
        }
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, PostError> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error comes out at the request too.
    tokio::spawn(connection);
    Ok(sender)
}

fn tls(
    authorities: Option<&[u8]>,
    client_certificate: Option<&(Vec<u8>, Secret<Vec<u8>>)>,
) -> Result<ClientConfig, PosterError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| PosterError::Authorities(error.to_string()))?;
                roots.add(certificate).map_err(|error| PosterError::Authorities(error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(PosterError::Authorities("there is none to trust".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PosterError::Authorities(error.to_string()))?
        .with_root_certificates(roots);
    let refuse = |error: String| PosterError::ClientCertificate(error);
    let Some((chain, key)) = client_certificate else { return Ok(builder.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| refuse(error.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv6Addr, time::Duration};

    use super::{Credentials, Poster};

    fn new(url: &str) -> Result<Poster, String> {
        Poster::new(url, Credentials::default(), Duration::from_secs(1)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_gives_host_port_and_path() {
        let poster = new("http://[::1]/a?b=c").unwrap();
        assert_eq!((poster.host.parse(), poster.port), (Ok(Ipv6Addr::LOCALHOST), 80));
        assert_eq!(poster.path, "/a?b=c");
        assert_eq!(new("http://collector:4318").unwrap().port, 4318);
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        for url in ["", "collector", "ftp://a/", "http://", "http://user:word@host/", "/path"] {
            assert_eq!(new(url).unwrap_err(), format!("`{url}` is not an http or https URL"));
        }
    }
}
