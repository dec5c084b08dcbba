//! Reading one object.

use apimachinery::status::Status;

use crate::{
    convert,
    failure::{Outcome, too_large_version, unsigned},
    scope::Scope,
    store::{Entry, Unavailable},
};

/// The object `name`, at least as new as `version` (empty and `0`: as it is now).
pub(crate) async fn get(scope: &Scope, name: &str, version: &str) -> Outcome<Entry> {
    if !version.is_empty() {
        let least = version.parse().map_err(|_| {
            // Kubernetes gives this error no reason and no better code.
            Status::unknown(format!("resourceVersion: Invalid value: {version:?}: {}", unsigned(version)))
        })?;
        scope.wait_for(least).await?;
    }
    let found = scope.core.store.snapshot().get(&scope.key(name)).cloned();
    convert::entry(&scope.resource, found.ok_or_else(|| scope.not_found(name))?).await
}

impl Scope {
    /// Waits up to three seconds until the store is at `version`.
    pub(crate) async fn wait_for(&self, version: u64) -> Outcome<()> {
        let store = &self.core.store;
        let current = store.snapshot().revision();
        if current >= version {
            return Ok(());
        }
        let waited = tokio::time::timeout(std::time::Duration::from_secs(3), store.wait_for(version)).await;
        match waited {
            Ok(()) => Ok(()),
            Err(_) => Err(too_large_version(version, store.snapshot().revision()).into()),
        }
    }
}

/// What a version that the store does not have is answered with, for a list.
pub(crate) fn unavailable(asked: u64, why: Unavailable) -> Status {
    match why {
        Unavailable::Compacted { .. } => Status::expired("The resourceVersion for the provided list is too old."),
        Unavailable::Future { newest } => too_large_version(asked, newest),
    }
}
