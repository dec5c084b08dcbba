//! TLS towards a cluster: whom to trust, what to show. One configuration a credential, so that no session is resumed under another.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use tokio_rustls::TlsConnector;

use super::{credential::Material, error::ConnectError};
use crate::world::input::Connection;

/// Sessions remembered for resumption; one name mostly, a few tickets.
const SESSIONS: usize = 64;

/// TLS of one credential generation.
#[derive(Clone)]
pub(super) struct Tls {
    /// Offers only `http/1.1`.
    pub(super) http1: TlsConnector,
    /// Offers `h2`, then `http/1.1`.
    pub(super) http2: TlsConnector,
    /// The name to verify.
    pub(super) name: ServerName<'static>,
}

fn setup(what: impl std::fmt::Display) -> ConnectError {
    ConnectError::Setup(what.to_string().into())
}

impl Tls {
    /// Makes the configurations for `connection` with the certificates of `material`.
    pub(super) fn new(connection: &Connection, material: &Material) -> Result<Self, ConnectError> {
        let name = connection.tls_server_name.as_deref().unwrap_or(&connection.host);
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| setup(format_args!("`{name}` is not a server name")))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let builder = if connection.insecure_skip_tls_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer(provider.signature_verification_algorithms)))
        } else {
            builder.with_root_certificates(roots(material.ca.as_ref().map(|pem| pem.expose().as_ref()))?)
        };
        let mut config = match &material.client_certificate {
            Some((certificate, key)) => {
                let chain = certificates(certificate.expose())?;
                let key = PrivateKeyDer::from_pem_slice(key.expose())
                    .map_err(|error| setup(format_args!("the client key: {error}")))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| setup(format_args!("the client certificate: {error}")))?
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { http1: http1.into(), http2: Arc::new(config).into(), name })
    }
}

/// TLS to an `https` proxy: the system's authorities, nothing shown.
pub(super) fn to_proxy() -> Result<TlsConnector, ConnectError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    Ok(Arc::new(builder.with_root_certificates(roots(None)?).with_no_client_auth()).into())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| setup(format_args!("the certificate is not PEM: {error}")))?;
    if chain.is_empty() { Err(setup("the PEM holds no certificate")) } else { Ok(chain) }
}

fn roots(pem: Option<&[u8]>) -> Result<RootCertStore, ConnectError> {
    let mut store = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for certificate in certificates(pem)? {
                store.add(certificate).map_err(|error| setup(format_args!("the certificate authority: {error}")))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() { Err(setup("there is no certificate authority to trust")) } else { Ok(store) }
}

/// `insecure-skip-tls-verify`: any certificate will do, but who shows it must hold its key.
#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
