//! Leader election over a Lease: `k8s.io/client-go/tools/leaderelection`.
//!
//! Nobody's clock is compared with anybody else's: a candidate counts from the moment at which it last *saw* the lease
//! change, so that clocks may be wrong by any amount. Only their rates must agree, within the ratio of [`Timing::lease`] to
//! [`Timing::renew`].

use std::{future::Future, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// The three times of an election; each must be longer than the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Others wait this long after the last renewal that they saw.
    pub lease: Duration,
    /// A leader that could not renew for this long leads no more.
    pub renew: Duration,
    /// Between two tries.
    pub retry: Duration,
}

impl Default for Timing {
    /// Those of Kubernetes' own components.
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), renew: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// One candidate for one Lease.
#[derive(Clone, Debug)]
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
}

/// What this candidate saw of the lease, and when.
#[derive(Debug)]
struct Seen {
    lease: Lease,
    at: Instant,
}

impl Elector {
    /// A candidate called `identity`, which no other candidate may be called, for the Lease `namespace/name`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, timing: Timing) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), timing }
    }

    /// Runs `work` whenever this candidate leads, until `stop`. The token that `work` gets is cancelled when the lead is lost
    /// or `stop` is; the work must then end within the difference of [`Timing::lease`] and [`Timing::renew`]. The lease is
    /// given back at the end, so that the next leader need not wait.
    pub async fn lead<F: Future<Output = ()>>(&self, stop: &CancellationToken, work: impl Fn(CancellationToken) -> F) {
        let mut seen = None;
        while !stop.is_cancelled() {
            if self.attempt(&mut seen, Instant::now() + self.timing.renew).await {
                tracing::info!(lease = %self.name, identity = %self.identity, "leads");
                let leading = stop.child_token();
                let work = work(leading.clone());
                tokio::pin!(work);
                tokio::select! {
                    // Work that ended leaves the lead where it is: nobody else need do it again.
                    () = &mut work => {
                        tokio::select! {
                            () = self.keep(&mut seen) => {}
                            () = stop.cancelled() => {}
                        }
                    }
                    () = self.keep(&mut seen) => {
                        tracing::warn!(lease = %self.name, identity = %self.identity, "leads no more");
                        leading.cancel();
                        work.await;
                    }
                    () = stop.cancelled() => work.await,
                }
                leading.cancel();
            }
            stop.run_until_cancelled(sleep(jittered(self.timing.retry))).await;
        }
        self.release(&mut seen).await;
    }

    /// Renews until that has not worked for [`Timing::renew`].
    async fn keep(&self, seen: &mut Option<Seen>) {
        let mut renewed = Instant::now();
        loop {
            sleep(self.timing.retry).await;
            let deadline = renewed + self.timing.renew;
            if self.attempt(seen, deadline).await {
                renewed = Instant::now();
            } else if Instant::now() + self.timing.retry >= deadline || self.is_others(seen.as_ref()) {
                return;
            }
        }
    }

    /// Takes or renews the lease; `false` where it is another's or the plane does not answer before `deadline`.
    async fn attempt(&self, seen: &mut Option<Seen>, deadline: Instant) -> bool {
        match timeout_at(deadline, self.take(seen)).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(error)) => {
                tracing::debug!(lease = %self.name, %error, "the lease cannot be taken");
                false
            }
            Err(_) => false,
        }
    }

    async fn take(&self, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
        let now = MicroTime(Timestamp::now());
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let mut lease = Lease::default();
            lease.metadata.name = Some(self.name.clone());
            lease.spec = Some(self.spec(None, &now));
            return written(self.api.create(&PostParams::default(), &lease).await, seen);
        };
        // What counts as a change is the spec: metadata may be touched by anybody.
        if seen.as_ref().is_none_or(|seen| seen.lease.spec != lease.spec) {
            *seen = Some(Seen { lease: lease.clone(), at: Instant::now() });
        }
        if self.is_others(seen.as_ref()) {
            return Ok(false);
        }
        let mut new = lease;
        new.spec = Some(self.spec(new.spec.as_ref(), &now));
        written(self.api.replace(&self.name, &PostParams::default(), &new).await, seen)
    }

    /// Whether another holds it and was seen alive within the lease's time.
    fn is_others(&self, seen: Option<&Seen>) -> bool {
        seen.is_some_and(|seen| {
            let holder = seen.lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
            !holder.is_empty() && holder != self.identity && seen.at.elapsed() < self.timing.lease
        })
    }

    fn spec(&self, old: Option<&LeaseSpec>, now: &MicroTime) -> LeaseSpec {
        let held = old.filter(|old| old.holder_identity.as_deref() == Some(&self.identity));
        let transitions = old.and_then(|old| old.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.timing.lease.as_secs().max(1)).unwrap_or(i32::MAX)),
            acquire_time: held.and_then(|held| held.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now.clone()),
            lease_transitions: Some(match (old, held) {
                (Some(_), None) => transitions.saturating_add(1),
                _ => transitions,
            }),
            ..LeaseSpec::default()
        }
    }

    /// Gives the lease back, if this candidate holds it.
    async fn release(&self, seen: &mut Option<Seen>) {
        let Some(Seen { mut lease, .. }) = seen.take() else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return;
        };
        let now = MicroTime(Timestamp::now());
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(now.clone());
        spec.acquire_time = Some(now);
        // With the version last seen: where another has it by now, this fails and must.
        let params = PostParams::default();
        let released = self.api.replace(&self.name, &params, &lease);
        match timeout_at(Instant::now() + self.timing.retry, released).await {
            Ok(Ok(_)) => tracing::info!(lease = %self.name, identity = %self.identity, "gave the lead back"),
            Ok(Err(error)) => tracing::debug!(lease = %self.name, %error, "the lead is not given back"),
            Err(_) => {}
        }
    }
}

fn written(result: Result<Lease, kube::Error>, seen: &mut Option<Seen>) -> Result<bool, kube::Error> {
    match result {
        Ok(lease) => {
            *seen = Some(Seen { lease, at: Instant::now() });
            Ok(true)
        }
        // Another was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Up to a fifth longer, so that candidates do not all try at the same moment.
fn jittered(time: Duration) -> Duration {
    let mut random = [0];
    // Without randomness they try together, and one of them wins all the same.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let [part] = random;
    time + time * u32::from(part) / (5 * 255)
}
