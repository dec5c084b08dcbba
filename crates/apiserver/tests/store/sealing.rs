//! Encryption at rest.

use std::{collections::BTreeSet, fs};

use apiserver::store::{Key, LogError, MasterKey, Sealed, Sealing, SqliteLog, Store};

use crate::support::{Backend, key, options, put, says};

const SECRET: &str = "open-sesame-open-sesame";

#[expect(clippy::unnecessary_wraps, reason = "as the log takes it")]
fn secrets(key: MasterKey, previous: Option<MasterKey>) -> Option<Sealing> {
    Some(Sealing { key, previous, what: Sealed::Prefixes(BTreeSet::from(["/secrets".to_owned()])) })
}

fn open(backend: &Backend, sealing: Option<Sealing>) -> Result<Store, LogError> {
    Ok(Store::open(Box::new(SqliteLog::open(&backend.path(), sealing)?), options()).unwrap())
}

fn one() -> MasterKey {
    MasterKey::from_bytes([1; 32])
}

fn two() -> MasterKey {
    MasterKey::from_passphrase("correct horse battery staple")
}

fn name() -> Key {
    Key::new("/secrets", "a", "hidden-name")
}

/// Whether any of the backend's files holds `text`.
fn holds(backend: &Backend, text: &str) -> bool {
    let folder = backend.path().parent().unwrap().to_owned();
    fs::read_dir(folder).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_secret_and_its_name_are_in_no_file_as_they_are() {
    let backend = Backend::file();
    let store = open(&backend, secrets(one(), None)).unwrap();
    put(&store, &name(), SECRET).await;
    put(&store, &key("a", "x"), "plain-to-see").await;
    assert!(!holds(&backend, SECRET) && !holds(&backend, "hidden-name"));
    store.stop().await;
    assert!(!holds(&backend, SECRET) && !holds(&backend, "hidden-name"));
    assert!(holds(&backend, "plain-to-see"));
    let store = open(&backend, secrets(one(), None)).unwrap();
    assert_eq!(says(store.snapshot().get(&name()).unwrap()), SECRET);
}

#[tokio::test]
async fn a_wrong_key_or_none_is_refused_with_the_files_name_and_what_to_do() {
    let backend = Backend::file();
    let store = open(&backend, secrets(two(), None)).unwrap();
    put(&store, &name(), SECRET).await;
    store.stop().await;
    for (sealing, told) in [
        (None, "store.db` is encrypted: give the key file or the passphrase"),
        (secrets(one(), None), "store.db` is encrypted with another key: give the key file"),
        (secrets(one(), Some(MasterKey::from_passphrase("wrong"))), "is encrypted with another key"),
    ] {
        let error = open(&backend, sealing).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
    let store = open(&backend, secrets(two(), None)).unwrap();
    assert_eq!(says(store.snapshot().get(&name()).unwrap()), SECRET);
}

/// Waits until the file knows one data key, that of `epoch`.
async fn resealed(store: Store, backend: &Backend, epoch: i64) {
    // A quiet moment of the store is five milliseconds away in tests.
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    store.stop().await;
    drop(store);
    let file = rusqlite::Connection::open(backend.path()).unwrap();
    let mut epochs =
        file.prepare("SELECT DISTINCT epoch FROM log WHERE key IS NULL UNION SELECT epoch FROM keys").unwrap();
    let epochs: Vec<i64> = epochs.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(epochs, [epoch]);
}

#[tokio::test]
async fn a_new_key_takes_over_and_the_old_one_opens_nothing_any_more() {
    let backend = Backend::file();
    let store = open(&backend, secrets(one(), None)).unwrap();
    for n in 0..600 {
        put(&store, &Key::new("/secrets", "a", &n.to_string()), SECRET).await;
    }
    store.stop().await;
    drop(store);
    let store = open(&backend, secrets(two(), Some(one()))).unwrap();
    put(&store, &name(), SECRET).await;
    resealed(store, &backend, 2).await;
    assert!(matches!(open(&backend, secrets(one(), None)), Err(LogError::KeyWrong { .. })));
    let store = open(&backend, secrets(two(), None)).unwrap();
    assert_eq!(says(store.snapshot().get(&Key::new("/secrets", "a", "599")).unwrap()), SECRET);
}

#[tokio::test]
async fn a_plain_file_is_encrypted_once_a_key_is_given() {
    let backend = Backend::file();
    let store = open(&backend, None).unwrap();
    put(&store, &name(), SECRET).await;
    put(&store, &key("a", "x"), "plain-to-see").await;
    store.stop().await;
    drop(store);
    assert!(holds(&backend, SECRET));
    resealed(open(&backend, secrets(one(), None)).unwrap(), &backend, 1).await;
    let store = open(&backend, secrets(one(), None)).unwrap();
    assert_eq!(says(store.snapshot().get(&name()).unwrap()), SECRET);
    assert_eq!(says(store.snapshot().get(&key("a", "x")).unwrap()), "plain-to-see");
}

#[tokio::test]
async fn a_changed_row_is_not_taken_for_a_secret() {
    let backend = Backend::file();
    let store = open(&backend, secrets(one(), None)).unwrap();
    put(&store, &name(), SECRET).await;
    put(&store, &name(), "newer").await;
    store.stop().await;
    drop(store);
    // An old state in the place of the newer one.
    let file = rusqlite::Connection::open(backend.path()).unwrap();
    let change =
        "UPDATE log SET body = (SELECT body FROM log ORDER BY id LIMIT 1) WHERE id = (SELECT max(id) FROM log)";
    assert_eq!(file.execute(change, []).unwrap(), 1);
    drop(file);
    let log = SqliteLog::open(&backend.path(), secrets(one(), None)).unwrap();
    let error = Store::open(Box::new(log), options()).unwrap_err();
    assert!(error.to_string().contains("is damaged (row"), "{error}");
}

#[test]
fn a_key_file_holds_thirty_two_bytes_or_base64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    for (content, good) in [
        ("0123456789abcdef0123456789abcdef".to_owned(), true),
        ("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n".to_owned(), true),
        ("short".to_owned(), false),
        (String::new(), false),
    ] {
        fs::write(&path, content).unwrap();
        assert_eq!(MasterKey::from_file(&path).is_ok(), good);
    }
    let error = MasterKey::from_file(&folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("none` cannot be read"), "{error}");
}
