//! The server's own TLS: certificates from files, or from an authority of its own made at the first start.

mod authority;

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientCertVerifierBuilder, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

pub use authority::{CA_FILE, Own, own};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of the kind that is needed.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: Box<Path>,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// The client authorities cannot be used.
    #[error("the client authorities cannot be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// Clients must have a certificate, and no authorities of theirs are given.
    #[error("no client authorities are given")]
    NoClientAuthorities,
    /// The own authority cannot be made.
    #[error("the own authority cannot be made: {0}")]
    Authority(#[from] rcgen::Error),
}

impl TlsError {
    fn file(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }
}

/// What clients see, and how their certificates are judged.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For the next connections.
    pub config: Arc<ServerConfig>,
    /// The judge of client certificates; none where none is asked for.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// What clients see, read from these files.
///
/// # Errors
/// A file that is missing or broken; the text names it.
pub fn config(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Tls, TlsError> {
    let chain = certificates(certificate)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::file(key, error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let clients = client_ca.map(|path| clients(path, provider)).transpose()?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key_der)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // One ticket is enough for a client that resumes, and each costs a write at every handshake.
    config.send_tls13_tickets = 1;
    Ok(Tls { config: Arc::new(config), clients })
}

/// Judges client certificates by the authorities of a file.
///
/// # Errors
/// The file is missing, or holds no authority.
pub fn clients(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    // A token is as good as a certificate: whoever has none of both is refused by the gateway, with a Status.
    Ok(verifier(path, provider)?.allow_unauthenticated().build()?)
}

/// The configuration for clients that must have a certificate of `client_ca`; HTTP/1.1 only.
///
/// # Errors
/// A file that is missing or broken; the text names it.
pub fn mutual(certificate: &Path, key: &Path, client_ca: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::file(key, error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = builder.with_client_cert_verifier(verifier(client_ca, provider)?.build()?);
    Ok(Arc::new(builder.with_single_cert(chain, key_der)?))
}

fn verifier(path: &Path, provider: Arc<CryptoProvider>) -> Result<ClientCertVerifierBuilder, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|error| TlsError::file(path, error))?;
    }
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::file(path, error))?;
    if chain.is_empty() {
        return Err(TlsError::file(path, "no certificate in it"));
    }
    Ok(chain)
}
