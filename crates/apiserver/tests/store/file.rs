//! Files: locks, versions, damage, permissions.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use apiserver::store::{LogError, Options, Range, SqliteLog, Store};

use crate::support::{Backend, KIND, key, names, options, put, says};

#[tokio::test]
async fn two_stores_cannot_have_one_file() {
    let backend = Backend::file();
    let store = backend.open();
    put(&store, &key("a", "x"), "one").await;
    let error = SqliteLog::open(&backend.path(), None).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    put(&store, &key("a", "x"), "two").await;
    let store = backend.reopen(store).await;
    assert_eq!(says(store.snapshot().get(&key("a", "x")).unwrap()), "two");
}

#[test]
fn a_file_is_its_owners_only() {
    let backend = Backend::file();
    drop(backend.log());
    assert_eq!(fs::metadata(backend.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_of_version_one_comes_forward_with_all_in_it() {
    let backend = Backend::file();
    let old = rusqlite::Connection::open(backend.path()).unwrap();
    old.execute_batch(include_str!("version-1.sql")).unwrap();
    drop(old);
    let store = backend.open();
    assert_eq!(store.revision(), 4);
    assert_eq!(store.oldest(), 2);
    assert_eq!(names(&store, &Range::prefix(KIND)), ["a/x"]);
    let entry = store.snapshot().get(&key("a", "x")).unwrap().clone();
    assert_eq!((entry.created(), entry.modified(), says(&entry)), (2, 3, "hi"));
    assert_eq!(*entry.as_bytes(), *br#"{"v":3}"#);
    assert_eq!(put(&store, &key("a", "y"), "new").await, 5);
}

#[test]
fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let backend = Backend::file();
    drop(backend.log());
    let later = rusqlite::Connection::open(backend.path()).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);
    let error = SqliteLog::open(&backend.path(), None).unwrap_err();
    assert!(matches!(error, LogError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("store.db` is of schema version 99"), "{error}");
    let later = rusqlite::Connection::open(backend.path()).unwrap();
    assert_eq!(later.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 99);
}

#[test]
fn other_files_are_refused() {
    let backend = Backend::file();
    fs::write(backend.path(), "x".repeat(10_000)).unwrap();
    let error = SqliteLog::open(&backend.path(), None).unwrap_err();
    assert!(matches!(error, LogError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read(backend.path()).unwrap(), "x".repeat(10_000).as_bytes());

    let backend = Backend::file();
    rusqlite::Connection::open(backend.path()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = SqliteLog::open(&backend.path(), None).unwrap_err();
    assert!(matches!(error, LogError::NotAStore { .. }), "{error}");
}

#[tokio::test]
async fn a_cut_file_is_refused_and_named() {
    let backend = Backend::file();
    let store = backend.open();
    for n in 0..200 {
        put(&store, &key("a", &n.to_string()), &"x".repeat(1_000)).await;
    }
    store.stop().await;
    drop(store);
    let whole = fs::read(backend.path()).unwrap();
    fs::write(backend.path(), &whole[..whole.len() / 2]).unwrap();
    let opened = SqliteLog::open(&backend.path(), None).map_err(Into::into);
    let error = opened.and_then(|log| Store::open(Box::new(log), options())).unwrap_err();
    assert!(error.to_string().contains("store.db` is damaged"), "{error}");
}

#[tokio::test]
async fn a_write_ahead_log_cut_short_loses_its_end_and_no_more() {
    let backend = Backend::file();
    // Without the quiet moment that would empty the write-ahead log.
    let store = backend.open_with(Options { tick: Duration::from_mins(1), ..options() });
    for n in 0..50 {
        put(&store, &key("a", &format!("{n:02}")), &"x".repeat(1_000)).await;
    }
    // As a crash would leave it: a copy of both files while they are in use.
    let copy = Backend::file();
    let wal = |backend: &Backend| backend.path().with_extension("db-wal");
    fs::copy(backend.path(), copy.path()).unwrap();
    let bytes = fs::read(wal(&backend)).unwrap();
    fs::write(wal(&copy), &bytes[..bytes.len() - 100]).unwrap();
    let copied = copy.open();
    let kept = names(&copied, &Range::prefix(KIND));
    assert!(kept.len() < 50);
    assert!(names(&store, &Range::prefix(KIND)).starts_with(&kept));
    assert_eq!(copied.revision(), kept.len() as u64 + 1);
}
