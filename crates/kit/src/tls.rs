//! Authorities and certificates, good and bad.

mod der;

use std::{net::IpAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SigningKey as _, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// Makes aws-lc-rs the process's TLS provider; harmless when it is already.
pub fn install_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A certificate authority that lives in memory.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Ca {
    /// Makes a new authority with this common name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, name: name.to_owned() }
    }

    /// The authority's common name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The authority's certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's key, for servers that sign themselves.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A server certificate for these DNS names and addresses.
    pub fn server(&self, names: &[&str]) -> Pair {
        self.issue(names, names.first().copied().unwrap_or("server"), &[], ExtendedKeyUsagePurpose::ServerAuth, false)
    }

    /// A server certificate that ran out in 2001.
    pub fn expired_server(&self, names: &[&str]) -> Pair {
        self.issue(names, "expired", &[], ExtendedKeyUsagePurpose::ServerAuth, true)
    }

    /// A client certificate: Kubernetes reads the common name as the user, the organisations (two at most) as groups.
    pub fn client(&self, common_name: &str, organisations: &[&str]) -> Pair {
        self.issue(&[], common_name, organisations, ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    /// A client certificate with as many organisations as TLS has room for (64 KiB in all); rcgen's names hold two.
    pub fn client_with_groups<S: AsRef<str>>(&self, common_name: &str, organisations: &[S]) -> Pair {
        let Pair { certificate, key } = self.client(common_name, &[]);
        let plain = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let signed = der::with_subject(&plain, &der::subject(common_name, organisations), |tbs| {
            self.issuer.key().sign(tbs).unwrap()
        });
        Pair { certificate: der::pem("CERTIFICATE", &signed), key }
    }

    /// A client certificate that ran out in 2001.
    pub fn expired_client(&self, common_name: &str, organisations: &[&str]) -> Pair {
        self.issue(&[], common_name, organisations, ExtendedKeyUsagePurpose::ClientAuth, true)
    }

    fn issue(
        &self,
        names: &[&str],
        cn: &str,
        organisations: &[&str],
        usage: ExtendedKeyUsagePurpose,
        expired: bool,
    ) -> Pair {
        let mut params = CertificateParams::new(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, cn);
        // rcgen keeps one value a type; the same type under its number makes room for a second.
        let kinds = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
        assert!(organisations.len() <= kinds.len(), "at most two organisations a certificate: use a token for more");
        for (kind, &organisation) in kinds.into_iter().zip(organisations) {
            params.distinguished_name.push(kind, organisation);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        if expired {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Pair {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(Result::unwrap).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from_pem_slice(self.key.as_bytes()).unwrap())
    }
}

/// A server's TLS configuration: its certificate, the PEM of the client authority (then a client certificate
/// is demanded), the protocols it offers.
pub fn server_config(pair: &Pair, client_ca: Option<&str>, alpn: &[&str]) -> Arc<ServerConfig> {
    install_provider();
    let builder = ServerConfig::builder();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots(pem))).build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(pair.chain(), pair.private_key()).unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A client's TLS configuration: the PEM of the authorities it trusts, its certificate, the protocols it offers.
pub fn client_config(ca_pem: &str, pair: Option<&Pair>, alpn: &[&str]) -> Arc<ClientConfig> {
    install_provider();
    let builder = ClientConfig::builder().with_root_certificates(roots(ca_pem));
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => builder.with_client_auth_cert(pair.chain(), pair.private_key()).unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    assert!(!roots.is_empty(), "no certificate in the authority's PEM");
    roots
}

/// `host` as a name to verify: a DNS name or an address.
pub(crate) fn server_name(host: &str) -> rustls::pki_types::ServerName<'static> {
    match host.parse::<IpAddr>() {
        Ok(address) => rustls::pki_types::ServerName::IpAddress(address.into()),
        Err(_) => host.to_owned().try_into().expect("a DNS name or an address"),
    }
}
