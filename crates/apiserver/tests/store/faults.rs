//! A disk that fails: nothing is half seen, reads go on, writing comes back by itself.

use apiserver::store::{CommitError, Expect, Range, SqliteLog, Store, Write};

use crate::support::{Backend, KIND, delete, draft, events, key, names, options, put, write};

#[tokio::test]
async fn a_failed_append_is_seen_by_nobody_and_writing_comes_back() {
    let backend = Backend::memory();
    let store = backend.open();
    let at = put(&store, &key("a", "x"), "one").await;
    let mut watch = store.watch(Range::prefix(KIND), at).unwrap();
    backend.faults.fail(0, 3);
    let error = write(&store, &key("a", "y"), Expect::Absent, Write::Put(draft("lost"))).await.unwrap_err();
    assert!(matches!(error, CommitError::ReadOnly(_)), "{error}");
    assert!(error.to_string().contains("no space is left for `here`"), "{error}");
    assert!(store.refusing().is_some());
    assert_eq!((store.revision(), names(&store, &Range::prefix(KIND))), (at, vec!["a/x".to_owned()]));
    assert!(watch.take().unwrap().is_none());
    // The store tries by itself, without a commit.
    while store.refusing().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(put(&store, &key("a", "y"), "two").await, at + 1);
    assert_eq!(events(&mut watch, 1).await[0].revision, at + 1);
    assert_eq!(backend.reopen(store).await.revision(), at + 1);
}

#[tokio::test]
async fn a_refusal_that_rests_on_a_failed_write_is_not_given() {
    let backend = Backend::memory();
    let store = backend.open();
    backend.faults.fail(0, 1);
    let commits = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { write(&store, &key("a", "x"), Expect::Absent, Write::Put(draft("one"))).await })
    });
    let mut made = 0;
    for commit in commits.collect::<Vec<_>>() {
        match commit.await.unwrap() {
            Ok(_) => made += 1,
            // Who is told of an object finds it.
            Err(CommitError::Conflict { current, .. }) => assert!(store.revision() >= current.unwrap().modified()),
            Err(CommitError::ReadOnly(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(made <= 1);
    assert_eq!(names(&store, &Range::prefix(KIND)).len(), made);
}

#[tokio::test]
async fn a_full_file_refuses_writes_and_keeps_every_acknowledged_one() {
    let backend = Backend::file();
    let log = SqliteLog::open(&backend.path(), None).unwrap();
    log.limit_pages(log.pages().unwrap() + 20).unwrap();
    let store = Store::open(Box::new(log), options()).unwrap();
    let mut acknowledged = Vec::new();
    let refused = loop {
        let name = format!("{:04}", acknowledged.len());
        let change = Write::Put(draft(&"x".repeat(2_000)));
        match write(&store, &key("a", &name), Expect::Absent, change).await {
            Ok(_) => acknowledged.push(format!("a/{name}")),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, CommitError::ReadOnly(_)), "{refused}");
    assert!(refused.to_string().contains("no space is left"), "{refused}");
    assert!(acknowledged.len() > 5);
    assert_eq!(names(&store, &Range::prefix(KIND)), acknowledged);
    let store = backend.reopen(store).await;
    assert_eq!(names(&store, &Range::prefix(KIND)), acknowledged);
    // Without the limit of that connection there is room again.
    put(&store, &key("a", "more"), "room").await;
}

/// A crash between two steps of a compaction must not leave the state of an object without its deletion.
#[tokio::test]
async fn an_object_does_not_come_back_by_half_a_compaction() {
    for backend in [Backend::memory(), Backend::file()] {
        let store = backend.open();
        for n in 0..400 {
            put(&store, &key("a", &n.to_string()), "one").await;
            put(&store, &key("a", &n.to_string()), "two").await;
            delete(&store, &key("a", &n.to_string())).await;
        }
        backend.faults.fail(1, 1_000_000);
        store.compact(store.revision()).await;
        backend.faults.fail(0, 0);
        let store = backend.reopen(store).await;
        assert_eq!(names(&store, &Range::prefix(KIND)), [""; 0]);
    }
}
