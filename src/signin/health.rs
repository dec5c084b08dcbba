//! Which providers answer: told by `/readyz` and metrics, decides nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::{IntGaugeVec, Opts};
use tokio_util::sync::CancellationToken;

use super::providers::{Entry, Providers};
use crate::identity::provider::ProviderError;

/// What was last heard of each provider.
#[derive(Clone, Debug)]
pub struct Health {
    providers: Providers,
    failures: Arc<Mutex<BTreeMap<Arc<str>, ProviderError>>>,
    up: IntGaugeVec,
}

/// How often the metric is brought up to date.
const PUBLISH: Duration = Duration::from_secs(5);

impl Health {
    /// Of `providers`, of which nothing bad is known.
    ///
    /// # Errors
    /// Never: the metric's name is one.
    pub fn new(providers: Providers) -> Result<Self, prometheus::Error> {
        let help = "Whether the last call to a provider of identities was answered as it should be.";
        let up = IntGaugeVec::new(Opts::new("drover_provider_up", help), &["provider"])?;
        Ok(Self { providers, failures: Arc::default(), up })
    }

    /// The metric, to be registered.
    pub fn metric(&self) -> IntGaugeVec {
        self.up.clone()
    }

    /// Keeps the metric up to date until `stop`.
    pub async fn publish(self, stop: CancellationToken) {
        loop {
            let all = self.all();
            // A provider that is gone is in no metric.
            self.up.reset();
            for (provider, failure) in all {
                self.up.with_label_values(&[&*provider]).set(i64::from(failure.is_none()));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PUBLISH) => {}
            }
        }
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
