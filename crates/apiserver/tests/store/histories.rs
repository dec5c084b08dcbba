//! Random histories against a simple model: at every revision a list is what the model had, and a watch from any revision leads from the
//! list there to the list now; over restarts, failures and compaction.

use std::collections::BTreeMap;

use apiserver::store::{CommitError, Expect, MasterKey, Range, Snapshot, Store, Watch, Write};
use proptest::prelude::*;

use crate::support::{Backend, KIND, draft, key, says};

#[derive(Clone, Debug)]
enum Step {
    /// Several writes at once: place, whether it stays, whether the expectation is right.
    Commit(Vec<(u8, bool, bool)>),
    Watch(u8),
    Compact(u8),
    /// The log's next writes fail.
    Fail(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0_u8..12, prop::bool::weighted(0.7), prop::bool::weighted(0.9));
    prop_oneof![
        20 => prop::collection::vec(write, 1..4).prop_map(Step::Commit),
        3 => any::<u8>().prop_map(Step::Watch),
        1 => any::<u8>().prop_map(Step::Compact),
        1 => (1_u8..4).prop_map(Step::Fail),
        1 => Just(Step::Restart),
    ]
}

/// What an object says, and when it last changed, by `<namespace>/<name>`.
type State = BTreeMap<String, (String, u64)>;

fn state(snapshot: &Snapshot, range: &Range) -> State {
    let row = |entry: &apiserver::store::Entry| {
        (format!("{}/{}", entry.namespace(), entry.name()), (says(entry).to_owned(), entry.modified()))
    };
    snapshot.range(range, None).map(row).collect()
}

struct Watching {
    watch: Watch,
    range: Range,
    state: State,
}

impl Watching {
    fn begin(store: &Store, range: Range, at: u64) -> Self {
        let state = state(&store.snapshot_at(at).unwrap(), &range);
        Self { watch: store.watch(range.clone(), at).unwrap(), range, state }
    }

    /// Reads until all up to `revision` is seen.
    fn follow(&mut self, revision: u64) {
        let mut last = 0;
        while let Some(batch) = self.watch.take().unwrap() {
            for event in &batch.events {
                assert!(event.revision >= last && event.revision <= batch.revision);
                last = event.revision;
                let name = format!("{}/{}", event.entry.namespace(), event.entry.name());
                let previous = event.previous.as_ref().map(|entry| (says(entry).to_owned(), entry.modified()));
                assert_eq!(self.state.get(&name).cloned(), previous, "{name} at {last}");
                if event.deleted {
                    self.state.remove(&name);
                } else {
                    self.state.insert(name, (says(&event.entry).to_owned(), event.revision));
                }
            }
        }
        assert_eq!(self.watch.seen(), revision);
    }
}

fn ranges() -> [Range; 3] {
    [Range::prefix(KIND), Range::namespace(KIND, "b"), Range::object(&key("a", "1"))]
}

fn run(backend: &Backend, steps: Vec<Step>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut store = backend.open();
        let mut past: BTreeMap<u64, State> = BTreeMap::from([(1, State::new())]);
        let mut watches: Vec<Watching> = Vec::new();
        for step in steps {
            match step {
                Step::Commit(writes) => commit(&store, &mut past, &writes).await,
                Step::Watch(pick) => {
                    let (oldest, newest) = (store.oldest(), store.revision());
                    let at = oldest + u64::from(pick) % (newest - oldest + 1);
                    watches.extend(ranges().map(|range| Watching::begin(&store, range, at)));
                }
                Step::Compact(pick) => {
                    let newest = store.revision();
                    for watching in &mut watches {
                        watching.follow(newest);
                    }
                    store.compact(newest.saturating_sub(u64::from(pick) % 8)).await;
                }
                Step::Fail(times) => backend.faults.fail(0, times.into()),
                Step::Restart => {
                    watches.clear();
                    let oldest = store.oldest();
                    store = backend.reopen(store).await;
                    // Less, if the log could not be compacted.
                    assert!(store.oldest() <= oldest);
                }
            }
        }
        let newest = store.revision();
        assert_eq!(past.keys().next_back(), Some(&newest));
        for watching in &mut watches {
            watching.follow(newest);
            assert_eq!(watching.state, state(&store.snapshot(), &watching.range));
        }
        for (at, then) in past.range(store.oldest()..) {
            assert_eq!(&state(&store.snapshot_at(*at).unwrap(), &Range::prefix(KIND)), then, "at {at}");
        }
        store.stop().await;
    });
}

async fn commit(store: &Store, past: &mut BTreeMap<u64, State>, writes: &[(u8, bool, bool)]) {
    let (newest, mut next) = past.last_key_value().map(|(at, state)| (*at, state.clone())).unwrap();
    let (mut sent, mut good, mut twice) = (Vec::new(), true, false);
    for (place, stays, right) in writes {
        let (namespace, name) = (if place % 2 == 0 { "a" } else { "b" }, (place / 2).to_string());
        let path = format!("{namespace}/{name}");
        let current = past[&newest].get(&path);
        let expect = match (current, right) {
            (Some((_, at)), true) => Expect::At(*at),
            (Some(_), false) => Expect::Absent,
            (None, true) => Expect::Any,
            (None, false) => Expect::At(newest),
        };
        good &= *right && (*stays || current.is_some());
        let text = format!("{}", newest + 1);
        let key = key(namespace, &name);
        twice |= sent.iter().any(|(other, _, _)| *other == key);
        sent.push((key, expect, if *stays { Write::Put(draft(&text)) } else { Write::Delete(draft(&text)) }));
        if *stays {
            next.insert(path, (text, newest + 1));
        } else {
            next.remove(&path);
        }
    }
    match store.commit(sent).await {
        Ok(done) => {
            assert!(good && !twice);
            assert_eq!(done.revision, newest + 1);
            past.insert(done.revision, next);
        }
        Err(CommitError::Conflict { .. }) => assert!(!good && !twice),
        Err(CommitError::Malformed(_)) => assert!(twice),
        Err(CommitError::ReadOnly(_)) => {
            assert_eq!(state(&store.snapshot(), &Range::prefix(KIND)), past[&newest]);
            while store.refusing().is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_watch_leads_from_any_list_to_the_next_in_memory(steps in prop::collection::vec(step(), 1..120)) {
        run(&Backend::memory(), steps);
    }

    #[test]
    fn a_watch_leads_from_any_list_to_the_next_in_a_file(steps in prop::collection::vec(step(), 1..60)) {
        run(&Backend::sealed(MasterKey::from_bytes([5; 32])), steps);
    }
}
