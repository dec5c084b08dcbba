//! Client certificates: the common name is a user principal, each organisation a group principal.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a verified client certificate says. Two are equal when they are the same certificate.
#[derive(Debug)]
pub struct PeerCertificate {
    /// `x509_user://<common name>`; the User that lists it among its `principalIds` is the caller.
    pub principal: Arc<str>,
    /// `x509_group://<organisation>`, one for each.
    pub group_principals: Vec<Arc<str>>,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
    withdrawn: AtomicBool,
}

impl PartialEq for PeerCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for PeerCertificate {}

impl PeerCertificate {
    /// Reads a certificate that the TLS layer has verified against the client authority.
    ///
    /// `None` where it is malformed or has not exactly one common name: it names nobody then.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let mut names = subject.iter_common_name();
        let name = names.next()?.as_str().ok()?;
        if name.is_empty() || names.next().is_some() {
            return None;
        }
        let group_principals = subject
            .iter_organization()
            .map(|group| group.as_str().map(|group| format!("x509_group://{group}").into()))
            .collect::<Result<_, _>>()
            .ok()?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref());
        Some(Self {
            principal: format!("x509_user://{name}").into(),
            group_principals,
            not_before: Timestamp::from_second(certificate.validity().not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?,
            fingerprint,
            withdrawn: AtomicBool::new(false),
        })
    }

    /// Says that no authority in force vouches for it any more, on a connection that was made when one did.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
    }

    /// Whether it was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::PeerCertificate;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_become_principals() {
        let der = certificate(&[(DnType::CommonName, "alice"), (DnType::OrganizationName, "system:masters")]);
        let peer = PeerCertificate::read(&der).unwrap();
        assert_eq!(&*peer.principal, "x509_user://alice");
        assert_eq!(peer.group_principals, ["x509_group://system:masters".into()]);
    }

    #[test]
    fn a_certificate_without_a_common_name_names_nobody() {
        assert_eq!(PeerCertificate::read(&certificate(&[(DnType::OrganizationName, "dev")])), None);
        assert_eq!(PeerCertificate::read(b"not a certificate"), None);
    }
}
