//! Which providers answer: told by `/readyz` and metrics, decides nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::providers::{Entry, Providers};
use crate::identity::provider::ProviderError;

/// What was last heard of each provider.
#[derive(Clone, Debug)]
pub struct Health {
    providers: Providers,
    failures: Arc<Mutex<BTreeMap<Arc<str>, ProviderError>>>,
}

impl Health {
    /// Of `providers`, of which nothing bad is known.
    pub fn new(providers: Providers) -> Self {
        Self { providers, failures: Arc::default() }
    }

    /// Takes note of a call to a provider: how it failed, or that it did not.
    pub fn note(&self, provider: &Arc<str>, failure: Option<&ProviderError>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(error) => {
                if failures.insert(Arc::clone(provider), error.clone()).is_none() {
                    tracing::error!(%provider, %error, "a provider fails: who signed in with it before goes on");
                }
            }
            None => {
                if failures.remove(provider).is_some() {
                    tracing::info!(%provider, "the provider is well again");
                }
            }
        }
    }

    /// The enabled providers, and how each that fails does so.
    pub fn all(&self) -> Vec<(Arc<str>, Option<ProviderError>)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |entry: Arc<Entry>| {
            let broken = entry.provider.as_ref().err().cloned();
            (Arc::clone(&entry.name), broken.or_else(|| failures.get(&entry.name).cloned()))
        };
        self.providers.all().into_iter().map(state).collect()
    }

    /// Those that fail, in one line; none where all is well.
    pub fn failing(&self) -> Option<String> {
        let all = self.all();
        let failing: Vec<String> =
            all.iter().filter_map(|(_, error)| error.as_ref().map(ToString::to_string)).collect();
        (!failing.is_empty()).then(|| failing.join("; "))
    }
}
