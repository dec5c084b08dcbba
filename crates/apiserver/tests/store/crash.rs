//! `kill -9` at any moment: no acknowledged write is lost.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use apiserver::store::{Expect, MasterKey, Range, Sealed, Sealing, SqliteLog, Store, Write};

use crate::support::{KIND, draft, forgetful, key, says, write};

/// Tells the test binary that it is the child.
const CHILD: &str = "DROVER_STORE_CHILD";

fn open(path: &std::path::Path) -> Store {
    let sealing = Sealing { key: MasterKey::from_bytes([3; 32]), previous: None, what: Sealed::All };
    // A short memory, so that compaction is killed too.
    Store::open(Box::new(SqliteLog::open(path, Some(sealing)).unwrap()), forgetful(16)).unwrap()
}

/// Writes for ever, eight commits at a time, and prints each that was acknowledged.
#[tokio::test]
#[ignore = "the child of the test below"]
async fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let store = open(&path);
    let tasks = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0_u64.. {
                let name = format!("{task}-{}", n % 32);
                let text = format!("{}-{n}", std::process::id());
                let done = write(&store, &key("a", &name), Expect::Any, Write::Put(draft(&text))).await.unwrap();
                // One write call a line: the test reads whole lines only.
                let line = format!("\nmade {name} {} {text} .\n", done.revision);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn no_acknowledged_write_is_lost_to_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut newest: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        let mut seen = 0;
        // Kills at different moments: after so many acknowledged writes, and a little later.
        for line in lines.by_ref() {
            seen += usize::from(note(&mut newest, &line.unwrap()));
            if seen > 40 * round + 5 {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(700 * round as u64));
        child.kill().unwrap();
        for line in lines {
            note(&mut newest, &line.unwrap());
        }
        child.wait().unwrap();
        runtime.block_on(async {
            let store = open(&path);
            let snapshot = store.snapshot();
            for (name, (revision, text)) in &newest {
                let entry = snapshot.get(&key("a", name)).unwrap_or_else(|| panic!("{name} is lost"));
                assert!(entry.modified() >= *revision, "{name} went back to {} from {revision}", entry.modified());
                assert!(entry.modified() > *revision || says(entry) == text);
            }
            let all = snapshot.range(&Range::prefix(KIND), None);
            assert!(all.map(apiserver::store::Entry::modified).max() <= Some(store.revision()));
            store.stop().await;
        });
    }
    assert!(newest.len() > 100);
}

/// Takes a line of the child; whether it told of a write.
fn note(newest: &mut BTreeMap<String, (u64, String)>, line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    // The last line of a killed child may be cut: only one with its full stop counts.
    let [_, name, revision, text, _] = line.split(' ').collect::<Vec<_>>()[..] else { return false };
    if !line.starts_with("made ") || !line.ends_with(" .") {
        return false;
    }
    let Ok(revision) = revision.parse() else { return false };
    let known = newest.entry(name.to_owned()).or_default();
    if known.0 < revision {
        *known = (revision, text.to_owned());
    }
    true
}
