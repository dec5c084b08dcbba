//! What holds of every store, over each back end.

use std::collections::BTreeSet;

use apiserver::store::{CommitError, Expect, Key, Labels, Malformed, MasterKey, Range, Unavailable, WatchEnd, Write};

use crate::support::{
    Backend, KIND, delete, draft, events, forgetful, key, names, options, put, says, stored, text, write,
};

/// Each test over memory, a file, and an encrypted file.
macro_rules! over_each {
    ($($(#[$doc:meta])* async fn $name:ident($backend:ident) $body:block)*) => {
        $($(#[$doc])* async fn $name($backend: Backend) $body)*

        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(super::Backend::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Backend::file()).await; })*
        }
        mod sealed {
            use super::{Backend, MasterKey};
            $(#[tokio::test] async fn $name() { super::$name(Backend::sealed(MasterKey::from_bytes([7; 32]))).await; })*
        }
    };
}

over_each! {
    async fn revisions_begin_at_one_and_a_transaction_has_one(backend) {
        let store = backend.open();
        assert_eq!(store.revision(), 1);
        assert_eq!(put(&store, &key("a", "x"), "one").await, 2);
        let writes = vec![
            (key("a", "y"), Expect::Absent, Write::Put(draft("two"))),
            (key("a", "x"), Expect::At(2), Write::Put(draft("three"))),
        ];
        let done = store.commit(writes).await.unwrap();
        assert_eq!(done.revision, 3);
        assert_eq!(done.entries.iter().map(text).collect::<Vec<_>>(), [stored("two", 3), stored("three", 3)]);
        assert_eq!(put(&store, &key("a", "z"), "four").await, 4);
        let entry = store.snapshot().get(&key("a", "x")).unwrap().clone();
        assert_eq!((entry.created(), entry.modified()), (2, 3));
        assert_eq!(&*entry.value(), stored("three", 3).as_bytes());
        assert_eq!(entry.key(KIND), key("a", "x"));
    }

    async fn a_commit_is_made_only_as_expected(backend) {
        let store = backend.open();
        let x = key("a", "x");
        let put = || Write::Put(draft("new"));
        let refused = [
            (Expect::At(1), put()),
            (Expect::Any, Write::Delete(draft("gone"))),
            (Expect::Absent, Write::Delete(draft("gone"))),
        ];
        for (expect, change) in refused {
            let error = write(&store, &x, expect, change).await.unwrap_err();
            assert!(matches!(error, CommitError::Conflict { index: 0, current: None }), "{error}");
        }
        let at = write(&store, &x, Expect::Absent, put()).await.unwrap().revision;
        for expect in [Expect::Absent, Expect::At(at + 1), Expect::At(at - 1)] {
            let error = write(&store, &x, expect, put()).await.unwrap_err();
            let CommitError::Conflict { index: 0, current: Some(current) } = error else { panic!("{error}") };
            assert_eq!(current.modified(), at);
        }
        assert_eq!(store.revision(), at);
        write(&store, &x, Expect::At(at), Write::Delete(draft("gone"))).await.unwrap();
        assert!(store.snapshot().get(&x).is_none());
    }

    async fn a_transaction_is_made_whole_or_not_at_all(backend) {
        let store = backend.open();
        put(&store, &key("a", "x"), "one").await;
        let writes = vec![
            (key("a", "new"), Expect::Absent, Write::Put(draft("two"))),
            (key("a", "x"), Expect::Absent, Write::Put(draft("three"))),
        ];
        let error = store.commit(writes).await.unwrap_err();
        assert!(matches!(error, CommitError::Conflict { index: 1, .. }), "{error}");
        let store = backend.reopen(store).await;
        assert_eq!(names(&store, &Range::prefix(KIND)), ["a/x"]);
    }

    async fn malformed_commits_are_refused(backend) {
        let store = backend.open();
        let one = |text: &str| (key("a", "x"), Expect::Any, Write::Put(draft(text)));
        let mut beyond = draft("x");
        beyond.revision_at = 1_000;
        for (writes, what) in [
            (vec![one("a"), one("b")], Malformed::Twice),
            (vec![(key("a", "x"), Expect::Any, Write::Put(beyond))], Malformed::RevisionAt),
            (vec![(key("a", &"x".repeat(70_000)), Expect::Any, Write::Put(draft("x")))], Malformed::TooLong),
            ((0..1_025).map(|n| (key("a", &n.to_string()), Expect::Any, Write::Put(draft("x")))).collect(), Malformed::TooMany),
        ] {
            let error = store.commit(writes).await.unwrap_err();
            assert!(matches!(error, CommitError::Malformed(found) if found == what), "{error}");
        }
        assert_eq!(store.commit(Vec::new()).await.unwrap().revision, 1);
        assert_eq!(store.revision(), 1);
    }

    async fn of_racing_commits_each_sees_the_one_before(backend) {
        let store = backend.open();
        let counter = key("a", "counter");
        put(&store, &counter, "0").await;
        let tasks: Vec<_> = (0..16).map(|_| {
            let (store, counter) = (store.clone(), counter.clone());
            tokio::spawn(async move {
                for _ in 0..8 {
                    loop {
                        let current = store.snapshot().get(&counter).unwrap().clone();
                        let next = says(&current).parse::<u32>().unwrap() + 1;
                        let change = Write::Put(draft(&next.to_string()));
                        match write(&store, &counter, Expect::At(current.modified()), change).await {
                            Ok(_) => break,
                            Err(CommitError::Conflict { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(says(store.snapshot().get(&counter).unwrap()), "128");
        assert_eq!(store.revision(), 2 + 128);
        let store = backend.reopen(store).await;
        assert_eq!(says(store.snapshot().get(&counter).unwrap()), "128");
    }

    async fn lists_are_in_the_order_of_kubernetes_and_counted(backend) {
        let store = backend.open();
        for (namespace, name) in [("a", "x"), ("a-b", "x"), ("a", "w.1"), ("b", "x"), ("a", "w")] {
            put(&store, &key(namespace, name), "x").await;
        }
        put(&store, &Key::new("example.com/widget", "a", "other"), "x").await;
        put(&store, &Key::new("example.com/widgetss", "a", "other"), "x").await;
        let all = ["a-b/x", "a/w", "a/w.1", "a/x", "b/x"];
        assert_eq!(names(&store, &Range::prefix(KIND)), all);
        assert_eq!(names(&store, &Range::namespace(KIND, "a")), ["a/w", "a/w.1", "a/x"]);
        assert_eq!(names(&store, &Range::object(&key("a", "w"))), ["a/w"]);
        assert_eq!(names(&store, &Range::namespace(KIND, "")), [""; 0]);
        let snapshot = store.snapshot();
        assert_eq!(snapshot.count(&Range::prefix(KIND)), 5);
        assert_eq!(snapshot.count(&Range::namespace(KIND, "a")), 3);
        assert_eq!(snapshot.count(&Range::object(&key("a", "nothing"))), 0);
        let rest = snapshot.range(&Range::namespace(KIND, "a"), Some(&key("a", "w")));
        assert_eq!(rest.len(), 2);
        assert_eq!(rest.map(|entry| entry.name().to_owned()).collect::<Vec<_>>(), ["w.1", "x"]);
    }

    async fn a_restart_keeps_objects_labels_and_revisions(backend) {
        let mut store = backend.open();
        let first = put(&store, &key("a", "x"), "one").await;
        put(&store, &key("a", "y"), "two").await;
        let second = put(&store, &key("a", "x"), "three").await;
        let last = delete(&store, &key("a", "y")).await;
        for _ in 0..2 {
            store = backend.reopen(store).await;
            assert_eq!(store.revision(), last);
            assert_eq!(names(&store, &Range::prefix(KIND)), ["a/x"]);
            let entry = store.snapshot().get(&key("a", "x")).unwrap().clone();
            assert_eq!((entry.created(), entry.modified()), (first, second));
            assert_eq!(text(&entry), stored("three", second));
            assert_eq!(entry.labels().iter().collect::<Vec<_>>(), [("app", "test"), ("says", "three")]);
        }
    }

    async fn a_revision_is_never_given_twice_though_its_row_is_gone(backend) {
        let store = backend.open();
        put(&store, &key("a", "x"), "one").await;
        let last = delete(&store, &key("a", "x")).await;
        store.compact(last).await;
        let store = backend.reopen(store).await;
        assert_eq!(store.revision(), last);
        assert_eq!(put(&store, &key("a", "x"), "two").await, last + 1);
    }

    async fn a_watch_gets_the_changes_in_its_range_in_order(backend) {
        let store = backend.open();
        let mut all = store.watch(Range::prefix(KIND), 1).unwrap();
        let mut namespace = store.watch(Range::namespace(KIND, "a"), 1).unwrap();
        let mut object = store.watch(Range::object(&key("b", "x")), 1).unwrap();
        put(&store, &key("a", "x"), "one").await;
        put(&store, &key("b", "x"), "two").await;
        put(&store, &Key::new("other.com/widgets", "a", "x"), "no").await;
        put(&store, &key("a", "x"), "three").await;
        let last = delete(&store, &key("b", "x")).await;
        let seen = |events: &[std::sync::Arc<apiserver::store::Event>]| -> Vec<(u64, String, bool)> {
            events.iter().map(|event| (event.revision, says(&event.entry).to_owned(), event.deleted)).collect()
        };
        let (one, two) = ((2, "one".to_owned(), false), (3, "two".to_owned(), false));
        let (three, gone) = ((5, "three".to_owned(), false), (6, "gone".to_owned(), true));
        assert_eq!(seen(&events(&mut all, 4).await), [one.clone(), two.clone(), three.clone(), gone.clone()]);
        assert_eq!(seen(&events(&mut namespace, 2).await), [one, three]);
        let deleted = events(&mut object, 2).await;
        assert_eq!(seen(&deleted), [two, gone]);
        assert_eq!(says(deleted[1].previous.as_ref().unwrap()), "two");
        assert_eq!(text(&deleted[1].entry), stored("gone", last));
        for watch in [&mut all, &mut namespace, &mut object] {
            assert!(watch.take().unwrap().is_none());
            assert_eq!(watch.seen(), last);
        }
    }

    async fn a_watch_resumes_where_it_was_after_a_restart(backend) {
        let store = backend.open();
        put(&store, &key("a", "x"), "one").await;
        let at = put(&store, &key("a", "x"), "two").await;
        put(&store, &key("a", "x"), "three").await;
        delete(&store, &key("a", "x")).await;
        let store = backend.reopen(store).await;
        let mut watch = store.watch(Range::prefix(KIND), at).unwrap();
        put(&store, &key("a", "y"), "four").await;
        let events = events(&mut watch, 3).await;
        assert_eq!(events.iter().map(|event| says(&event.entry)).collect::<Vec<_>>(), ["three", "gone", "four"]);
        assert_eq!(says(events[0].previous.as_ref().unwrap()), "two");
    }

    async fn what_is_compacted_is_not_given_and_the_future_neither(backend) {
        let store = backend.open();
        for n in 0..10 {
            put(&store, &key("a", "x"), &n.to_string()).await;
        }
        store.compact(6).await;
        let range = || Range::prefix(KIND);
        for store in [store.clone(), { let store = store.clone(); backend.reopen(store).await }] {
            assert_eq!(store.oldest(), 6);
            assert_eq!(store.watch(range(), 5).unwrap_err(), Unavailable::Compacted { oldest: 6 });
            assert_eq!(store.snapshot_at(5).unwrap_err(), Unavailable::Compacted { oldest: 6 });
            assert_eq!(store.watch(range(), 12).unwrap_err(), Unavailable::Future { newest: 11 });
            assert_eq!(store.snapshot_at(12).unwrap_err(), Unavailable::Future { newest: 11 });
            assert_eq!(says(store.snapshot_at(6).unwrap().get(&key("a", "x")).unwrap()), "4");
            let mut watch = store.watch(range(), 6).unwrap();
            assert_eq!(events(&mut watch, 5).await[0].revision, 7);
        }
    }

    async fn a_list_at_a_revision_stays_as_it_was(backend) {
        let store = backend.open();
        for n in 0..200 {
            put(&store, &key("a", &format!("{n:03}")), "old").await;
        }
        let at = store.revision();
        let held = store.snapshot();
        for n in 0..200 {
            match n % 3 {
                0 => drop(put(&store, &key("a", &format!("{n:03}")), "new").await),
                1 => drop(delete(&store, &key("a", &format!("{n:03}"))).await),
                _ => drop(put(&store, &key("b", &format!("{n:03}")), "new").await),
            }
        }
        for _ in 0..2 {
            for snapshot in [&held, &store.snapshot_at(at).unwrap()] {
                assert_eq!(snapshot.revision(), at);
                assert_eq!(snapshot.count(&Range::prefix(KIND)), 200);
                assert!(snapshot.range(&Range::prefix(KIND), None).all(|entry| says(entry) == "old"));
            }
        }
        assert_eq!(store.snapshot_at(at + 1).unwrap().range(&Range::prefix(KIND), None).filter(|e| says(e) == "new").count(), 1);
        assert_eq!(store.snapshot().count(&Range::namespace(KIND, "a")), 133);
    }

    async fn a_slow_watch_is_ended_and_an_idle_one_is_not(backend) {
        let store = backend.open_with(forgetful(8));
        let mut slow = store.watch(Range::prefix(KIND), 1).unwrap();
        let mut idle = store.watch(Range::namespace(KIND, "quiet"), 1).unwrap();
        for n in 0..20 {
            put(&store, &key("a", "x"), &n.to_string()).await;
        }
        assert_eq!(slow.next().await.unwrap_err(), WatchEnd::Slow { seen: 1 });
        put(&store, &key("quiet", "x"), "hello").await;
        assert_eq!(says(&events(&mut idle, 1).await[0].entry), "hello");
        assert_eq!(idle.seen(), store.revision());
    }

    async fn what_is_replaced_and_old_leaves_the_log(backend) {
        let store = backend.open_with(forgetful(4));
        for n in 0..50 {
            put(&store, &key("a", "x"), &n.to_string()).await;
        }
        delete(&store, &key("a", "x")).await;
        put(&store, &key("a", "y"), "stays").await;
        store.compact(store.revision()).await;
        store.stop().await;
        let mut rows = Vec::new();
        backend.log().replay(&mut |record| rows.push(says(&record.entry).to_owned())).unwrap();
        assert_eq!(rows, ["stays"]);
    }

    async fn waiting_for_a_revision_ends_when_it_is_there(backend) {
        let store = backend.open();
        store.wait_for(1).await;
        let waiting = { let store = store.clone(); tokio::spawn(async move { store.wait_for(3).await; store.revision() }) };
        put(&store, &key("a", "x"), "one").await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        put(&store, &key("a", "x"), "two").await;
        assert!(waiting.await.unwrap() >= 3);
    }

    async fn a_stopped_store_ends_its_watches_and_still_reads(backend) {
        let store = backend.open();
        put(&store, &key("a", "x"), "one").await;
        let mut watch = store.watch(Range::prefix(KIND), store.revision()).unwrap();
        let ended = tokio::spawn(async move { watch.next().await.unwrap_err() });
        tokio::task::yield_now().await;
        store.stop().await;
        assert_eq!(kit::wait::event("the watch to end", ended).await.unwrap(), WatchEnd::Stopped);
        let error = write(&store, &key("a", "x"), Expect::Any, Write::Put(draft("two"))).await.unwrap_err();
        assert!(matches!(error, CommitError::Stopped), "{error}");
        assert_eq!(says(store.snapshot().get(&key("a", "x")).unwrap()), "one");
    }

    async fn a_backup_holds_one_state_and_comes_back_behind_all_that_was_seen(backend) {
        use apiserver::store::{BackupError, Sealed, Sealing, SqliteLog, Store, restore};
        let folder = tempfile::tempdir().unwrap();
        let (copy, back) = (folder.path().join("copy"), folder.path().join("back"));
        let store = backend.open();
        for n in 0..50 {
            put(&store, &key("a", &format!("{n}")), "kept").await;
        }
        put(&store, &key("a", "7"), "changed").await;
        delete(&store, &key("a", "8")).await;
        let key_of = |byte| Sealing { key: MasterKey::from_bytes([byte; 32]), previous: None, what: Sealed::All };
        let at = store.backup(&copy, Some(key_of(1))).await.unwrap();
        assert_eq!(at, store.revision());
        put(&store, &key("a", "later"), "lost").await;
        let again = store.backup(&copy, None).await.unwrap_err();
        assert!(matches!(again, BackupError::Exists(_)), "{again}");
        let closed = restore(&copy, Some(key_of(9)), &back, None, 0).unwrap_err();
        assert!(closed.to_string().contains("encrypted with another key"), "{closed}");
        let done = restore(&copy, Some(key_of(1)), &back, Some(key_of(2)), 1_000).unwrap();
        assert_eq!((done.objects, done.revision), (49, at + 1_000));
        let left: BTreeSet<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, BTreeSet::from(["copy".into(), "back".into()]));
        let restored = Store::open(Box::new(SqliteLog::open(&back, Some(key_of(2))).unwrap()), options()).unwrap();
        assert_eq!(restored.revision(), at + 1_000);
        assert_eq!(restored.watch(Range::prefix(KIND), store.revision()).unwrap_err(), Unavailable::Compacted { oldest: at + 1_000 });
        let before = store.snapshot_at(at).unwrap();
        let after = restored.snapshot();
        let all = Range::prefix(KIND);
        assert!(before.range(&all, None).map(text).eq(after.range(&all, None).map(text)));
        assert_eq!(put(&restored, &key("a", "next"), "new").await, at + 1_001);
        restored.stop().await;
    }
}

#[test]
fn labels_are_sorted_and_the_last_of_a_key_holds() {
    let long = "v".repeat(300);
    let labels = Labels::from_pairs([("b", "1"), ("a", long.as_str()), ("b", "2"), ("", "")]);
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("", ""), ("a", long.as_str()), ("b", "2")]);
    assert_eq!(labels.get("b"), Some("2"));
    assert_eq!(labels.get("aa"), None);
}
