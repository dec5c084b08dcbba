//! Takes changed files into force; what is broken changes nothing.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::mpsc;

use super::{Shared, tls};
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
    pub fn load(&self) -> Result<Arc<rustls::ServerConfig>, tls::TlsError> {
        tls::config(&self.certificate, &self.key, self.client_ca.as_deref())
    }
}

/// Every time `changed` says so, reads manifests, certificates and the audit policy again.
pub async fn follow(
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    audit: Arc<AuditLog>,
    config: Arc<ServerConfig>,
    files: TlsFiles,
    mut changed: mpsc::Receiver<()>,
) {
    while changed.recv().await.is_some() {
        // What else has changed meanwhile is read now as well.
        while changed.try_recv().is_ok() {}
        let read = {
            let (config, files, audit) = (Arc::clone(&config), files.clone(), Arc::clone(&audit));
            let read = move || (manifests::load(config.manifests()), files.load(), audit.reload(&config.audit));
            tokio::task::spawn_blocking(read).await
        };
        let Ok((inputs, tls, policy)) = read else { return };
        if let Err(error) = policy {
            tracing::error!(%error, "the audit policy is not taken into force");
        }
        match tls {
            Ok(tls) => shared.tls.store(tls),
            Err(error) => tracing::error!(%error, "the certificates are not taken into force"),
        }
        let accepted = inputs.is_ok();
        match inputs {
            Ok(inputs) => {
                if let Ok(generation) = shared.feed.replace(inputs).await {
                    tracing::info!(generation, "manifests are in force");
                }
            }
            Err(problems) => {
                tracing::error!("the manifests are not taken into force; the last good state stays:\n{problems}");
            }
        }
        let now = jiff::Timestamp::now().as_second();
        metrics.reloaded(accepted, u64::try_from(now).unwrap_or_default());
    }
}
