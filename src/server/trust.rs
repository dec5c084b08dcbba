//! The client certificates in use: judged again when the authorities change, since a connection outlives its handshake (T3).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::identity::PeerCertificate;

/// Certificates filed before those that are gone are looked for.
const FIRST_SWEEP: usize = 64;

/// Who vouches for client certificates, and the certificates of open connections and streams.
#[derive(Debug)]
pub struct Trust(Mutex<Current>);

#[derive(Debug)]
struct Current {
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Counts the changes of `clients`.
    turn: u64,
    filed: Vec<(Weak<PeerCertificate>, Vec<CertificateDer<'static>>)>,
    sweep_at: usize,
}

impl Trust {
    /// Certificates are judged by `clients`; without it nobody has one.
    pub const fn new(clients: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        Self(Mutex::new(Current { clients, turn: 0, filed: Vec::new(), sweep_at: FIRST_SWEEP }))
    }

    /// Which authorities are in force; asked before a handshake begins, for [`Self::file`].
    pub fn turn(&self) -> u64 {
        self.lock().turn
    }

    /// Files the certificate of a connection whose handshake began at `turn`; judged anew where that has passed.
    pub fn file(&self, certificate: &Arc<PeerCertificate>, chain: &[CertificateDer<'_>], turn: u64) {
        let chain: Vec<_> = chain.iter().map(|der| der.clone().into_owned()).collect();
        let mut current = self.lock();
        if current.turn != turn && !vouches(current.clients.as_ref(), &chain) {
            certificate.withdraw();
            return;
        }
        if current.filed.len() >= current.sweep_at {
            current.filed.retain(|(certificate, _)| certificate.strong_count() > 0);
            current.sweep_at = (2 * current.filed.len()).max(FIRST_SWEEP);
        }
        current.filed.push((Arc::downgrade(certificate), chain));
    }

    /// Takes other authorities into force, and withdraws what they do not vouch for; says whether anything was.
    pub fn change(&self, clients: Option<Arc<dyn ClientCertVerifier>>) -> bool {
        let mut current = self.lock();
        current.turn += 1;
        let mut any = false;
        current.filed.retain(|(certificate, chain)| {
            let Some(certificate) = certificate.upgrade() else { return false };
            let kept = vouches(clients.as_ref(), chain);
            if !kept {
                certificate.withdraw();
                any = true;
            }
            kept
        });
        current.clients = clients;
        any
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn vouches(clients: Option<&Arc<dyn ClientCertVerifier>>, chain: &[CertificateDer<'_>]) -> bool {
    let (Some(clients), Some((own, others))) = (clients, chain.split_first()) else { return false };
    clients.verify_client_cert(own, others, UnixTime::now()).is_ok()
}
