//! One certificate authority for a run: it signs the certificate that the upstream and every peer show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Where the run's certificates lie.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
    /// The server's certificate, PEM.
    pub certificate: PathBuf,
    /// The server's key, PKCS#8 PEM.
    pub key: PathBuf,
    /// Certificate and key in one file, as HAProxy wants them.
    pub bundle: PathBuf,
}

impl Pki {
    /// The files of the folder `dir`, which [`Pki::create`] wrote.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            ca: dir.join("ca.pem"),
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
            bundle: dir.join("bundle.pem"),
        }
    }

    /// Makes an authority and a server certificate for `localhost` (P-256) and writes them into `dir`.
    pub fn create(dir: &Path) -> Result<Self> {
        let pki = Self::in_dir(dir);
        let mut params = rcgen::CertificateParams::new(Vec::new())?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "drover bench");
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::DigitalSignature];
        let ca_key = rcgen::KeyPair::generate()?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = rcgen::Issuer::new(params, ca_key);
        let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = rcgen::KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &issuer)?;
        std::fs::write(&pki.ca, ca.pem())?;
        std::fs::write(&pki.certificate, certificate.pem())?;
        std::fs::write(&pki.key, key.serialize_pem())?;
        std::fs::write(&pki.bundle, format!("{}{}", certificate.pem(), key.serialize_pem()))?;
        Ok(pki)
    }

    /// The authority's certificate as PEM text.
    pub fn ca_pem(&self) -> Result<String> {
        std::fs::read_to_string(&self.ca).with_context(|| format!("reading {}", self.ca.display()))
    }

    /// A server's TLS with these certificates.
    pub fn server(&self, alpn: &[&str]) -> Result<Arc<ServerConfig>> {
        let chain = CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let mut config = ServerConfig::builder_with_provider(one_cipher())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// A client's TLS that trusts this authority only.
    pub fn client(&self, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca)? {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder_with_provider(one_cipher())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// One TLS 1.3 cipher for all. The load and the upstream are at the two ends of every peer, so what
/// they offer binds each of them, also where its own file cannot name the cipher (Envoy, HAProxy).
fn one_cipher() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}
