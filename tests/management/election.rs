//! Leader election.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use drover::controller::{Elector, Timing};
use k8s_openapi::api::coordination::v1::Lease;
use kit::wait;
use kube::Api;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::plane::Plane;

const TIMING: Timing =
    Timing { lease: Duration::from_secs(4), renew: Duration::from_secs(2), retry: Duration::from_millis(200) };

/// A candidate that counts how many lead beside it.
struct Candidate {
    leading: Arc<AtomicUsize>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn candidate(plane: &Plane, name: &str, together: &Arc<AtomicUsize>) -> Candidate {
    let elector = Elector::new(plane.admin(), "default", "test", name, TIMING);
    let (leading, stop) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
    let (own, all, end) = (Arc::clone(&leading), Arc::clone(together), stop.clone());
    let running = tokio::spawn(async move {
        let work = |token: CancellationToken| {
            let (own, all) = (Arc::clone(&own), Arc::clone(&all));
            async move {
                assert_eq!(all.fetch_add(1, Ordering::SeqCst), 0, "two lead at once");
                own.fetch_add(1, Ordering::SeqCst);
                token.cancelled().await;
                own.fetch_sub(1, Ordering::SeqCst);
                all.fetch_sub(1, Ordering::SeqCst);
            }
        };
        elector.lead(&end, work).await;
    });
    Candidate { leading, stop, running }
}

impl Candidate {
    fn leads(&self) -> bool {
        self.leading.load(Ordering::SeqCst) == 1
    }
}

pub async fn one_leads_and_the_next_takes_over_at_once_when_it_stops(plane: &Plane) {
    let together = Arc::default();
    let first = candidate(plane, "first", &together);
    wait::until_true("the first to lead", || first.leads()).await;
    let second = candidate(plane, "second", &together);
    // Longer than a lease: it is renewed.
    tokio::time::sleep(TIMING.lease + Duration::from_secs(1)).await;
    assert!(first.leads() && !second.leads());

    first.stop.cancel();
    let start = tokio::time::Instant::now();
    wait::until_true("the second to lead", || second.leads()).await;
    assert!(start.elapsed() < TIMING.renew, "the lease was given back: {:?}", start.elapsed());
    first.running.await.unwrap();
    let lease = Api::<Lease>::namespaced(plane.admin(), "default").get("test").await.unwrap().spec.unwrap();
    assert_eq!(lease.holder_identity.as_deref(), Some("second"));
    assert_eq!(lease.lease_transitions, Some(1));
    second.stop.cancel();
    second.running.await.unwrap();
    let lease = Api::<Lease>::namespaced(plane.admin(), "default").get("test").await.unwrap().spec.unwrap();
    assert_eq!(lease.holder_identity.as_deref(), Some(""));
}

pub async fn a_leader_that_is_cut_off_stops_before_the_next_one_starts(plane: &Plane) {
    let together = Arc::default();
    let first = candidate(plane, "first", &together);
    wait::until_true("the first to lead", || first.leads()).await;
    plane.cluster().freeze();
    wait::until_true("the first to give up", || !first.leads()).await;
    let second = candidate(plane, "second", &together);
    plane.cluster().thaw();
    // Whichever it is: the candidate itself asserts that it leads alone.
    wait::until_true("one to lead", || first.leads() || second.leads()).await;
    for candidate in [first, second] {
        candidate.stop.cancel();
        candidate.running.await.unwrap();
    }
}
