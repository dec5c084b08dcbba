//! Leader election.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use drover::controller::{Elector, Timing};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kit::wait;
use kube::Api;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::plane::Plane;

const TIMING: Timing =
    Timing { lease: Duration::from_secs(4), renew: Duration::from_secs(2), retry: Duration::from_millis(200) };
/// A lease that nobody in a test waits for the end of.
const LONG: Timing = Timing { lease: Duration::from_mins(2), renew: Duration::from_mins(1), retry: TIMING.retry };

/// A candidate that counts how many lead beside it.
struct Candidate {
    leading: Arc<AtomicUsize>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn candidate(plane: &Plane, name: &str, together: &Arc<AtomicUsize>, timing: Timing) -> Candidate {
    let elector = Elector::new(plane.admin(), "default", "test", name, timing);
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

async fn lease(plane: &Plane) -> LeaseSpec {
    Api::<Lease>::namespaced(plane.admin(), "default").get("test").await.unwrap().spec.unwrap()
}

pub async fn one_leads_and_the_next_takes_over_at_once_when_it_stops(plane: &Plane) {
    let together = Arc::default();
    let first = candidate(plane, "first", &together, TIMING);
    wait::until_true("the first to lead", || first.leads()).await;
    let second = candidate(plane, "second", &together, TIMING);
    // Longer than a lease.
    tokio::time::sleep(TIMING.lease + Duration::from_secs(1)).await;
    assert!(first.leads() && !second.leads());
    for candidate in [second, first] {
        candidate.stop.cancel();
        candidate.running.await.unwrap();
    }
    assert_eq!(lease(plane).await.holder_identity.as_deref(), Some(""));

    // What is given back is not waited for.
    let third = candidate(plane, "third", &together, LONG);
    wait::until_true("the third to lead", || third.leads()).await;
    let fourth = candidate(plane, "fourth", &together, LONG);
    third.stop.cancel();
    wait::until_true("the fourth to lead", || fourth.leads()).await;
    third.running.await.unwrap();
    let held = lease(plane).await;
    assert_eq!(held.holder_identity.as_deref(), Some("fourth"));
    assert_eq!(held.lease_transitions, Some(2));
    fourth.stop.cancel();
    fourth.running.await.unwrap();
    assert_eq!(lease(plane).await.holder_identity.as_deref(), Some(""));
}

pub async fn a_leader_that_is_cut_off_stops_before_the_next_one_starts(plane: &Plane) {
    let together = Arc::default();
    let first = candidate(plane, "first", &together, TIMING);
    wait::until_true("the first to lead", || first.leads()).await;
    plane.cluster().freeze();
    wait::until_true("the first to give up", || !first.leads()).await;
    let second = candidate(plane, "second", &together, TIMING);
    plane.cluster().thaw();
    // Whichever it is: the candidate itself asserts that it leads alone.
    wait::until_true("one to lead", || first.leads() || second.leads()).await;
    for candidate in [first, second] {
        candidate.stop.cancel();
        candidate.running.await.unwrap();
    }
}
