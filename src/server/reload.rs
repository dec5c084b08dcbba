//! Takes changed files into force; what is broken changes nothing.

use std::{fs, path::PathBuf, sync::Arc};

use tokio::sync::mpsc;

use super::{
    Shared,
    plane::Source,
    tls::{self, Tls},
    workers::Handle,
};
use crate::{
    config::{manifests, server::ServerConfig},
    telemetry::{audit::AuditLog, metrics::Metrics},
};

/// The files of the server's TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Chain.
    pub certificate: PathBuf,
    /// Key.
    pub key: PathBuf,
    /// Client authorities.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// A file that is missing or broken.
    pub fn load(&self) -> Result<Tls, tls::TlsError> {
        tls::config(&self.certificate, &self.key, self.client_ca.as_deref())
    }

    /// Reads them for clients that must have a certificate.
    ///
    /// # Errors
    /// A file that is missing or broken; no client authorities.
    pub fn load_mutual(&self) -> Result<Arc<rustls::ServerConfig>, tls::TlsError> {
        let client_ca = self.client_ca.as_deref().ok_or(tls::TlsError::NoClientAuthorities)?;
        tls::mutual(&self.certificate, &self.key, client_ca)
    }

    /// What is in them, to see whether it changes.
    fn bytes(&self) -> Vec<Option<Vec<u8>>> {
        let files = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        files.into_iter().flatten().map(|path| fs::read(path).ok()).collect()
    }
}

/// What a change may bear on.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// What connections share.
    pub shared: Arc<Shared>,
    /// The workers, with the open streams.
    pub workers: Arc<[Handle]>,
    /// Told of each reload.
    pub metrics: Arc<Metrics>,
    /// Its policy is read again.
    pub audit: Arc<AuditLog>,
}

/// Every time `changed` says so, reads manifests, certificates and the audit policy again.
pub async fn follow(
    subjects: Subjects,
    config: Arc<ServerConfig>,
    files: TlsFiles,
    source: Source,
    mut changed: mpsc::Receiver<()>,
) {
    let mut certificates = Vec::new();
    while changed.recv().await.is_some() {
        // What else has changed meanwhile is read now as well.
        while changed.try_recv().is_ok() {}
        let read = {
            let (config, files, audit) = (Arc::clone(&config), files.clone(), Arc::clone(&subjects.audit));
            let read = move || {
                // The bytes first: a file that changes in between is read again at its own change.
                let bytes = files.bytes();
                (manifests::read(config.manifests()), bytes, files.load(), audit.reload(&config.audit))
            };
            tokio::task::spawn_blocking(read).await
        };
        let Ok((reading, bytes, tls, policy)) = read else { return };
        if let Err(error) = policy {
            tracing::error!(%error, "the audit policy is not taken into force");
        }
        match tls {
            // Sessions are resumed under the configuration they began with: it stays as long as its files do.
            Ok(_) if bytes == certificates => {}
            Ok(tls) => {
                certificates = bytes;
                subjects.take(tls);
            }
            Err(error) => tracing::error!(%error, "the certificates are not taken into force"),
        }
        let accepted = reading.result.is_ok();
        source.take(&subjects.shared.feed, reading).await;
        let now = jiff::Timestamp::now().as_second();
        subjects.metrics.reloaded(accepted, u64::try_from(now).unwrap_or_default());
    }
}

impl Subjects {
    /// Serves the next connections with `tls`, and ends the streams of certificates that it does not believe.
    fn take(&self, tls: Tls) {
        self.shared.tls.store(tls.config);
        if self.shared.trust.change(tls.clients) {
            self.workers.iter().for_each(|handle| handle.worker.streams.end_withdrawn());
        }
    }
}
