//! Watches the admin's files and says when one may have changed.
//!
//! Folders are watched, not files: editors replace a file, and Kubernetes turns a link over when a mounted ConfigMap changes. A slow
//! poll stands behind the notifications, for file systems that send none.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::server::ServerConfig;

/// Changes that come this close together are one.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often files are looked at where nothing is notified.
const POLL: Duration = Duration::from_secs(10);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _watcher: Option<RecommendedWatcher>,
    /// Its drop ends the thread.
    _alive: mpsc::Sender<()>,
}

impl Watcher {
    /// Calls `changed` whenever the manifests, what they name beside them, or the server's certificates may have changed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: &ServerConfig, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let folders = folders(config);
        let (events, inbox) = mpsc::channel();
        let alive = events.clone();
        let notify = events;
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is no change of it.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = notify.send(());
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            folders.iter().try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive))?;
            Ok(watcher)
        });
        let watcher =
            watcher.inspect_err(|error| tracing::warn!(%error, "files are only looked at every ten seconds")).ok();
        thread::Builder::new().name("drover-files".into()).spawn(move || run(&inbox, &folders, changed))?;
        Ok(Self { _watcher: watcher, _alive: alive })
    }
}

fn run(inbox: &mpsc::Receiver<()>, folders: &BTreeSet<PathBuf>, changed: impl Fn()) {
    let mut seen = look(folders);
    loop {
        match inbox.recv_timeout(POLL) {
            Ok(()) => {
                // Bounded: files that never rest are read all the same.
                let _quiet = (0..20).find(|_| inbox.recv_timeout(DEBOUNCE).is_err());
                seen = look(folders);
                changed();
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let now = look(folders);
                if now != seen {
                    seen = now;
                    changed();
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Names, times and lengths of what is in the folders.
fn look(folders: &BTreeSet<PathBuf>) -> BTreeSet<(PathBuf, Option<SystemTime>, u64)> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    entries
        .filter_map(|entry| {
            let meta = fs::metadata(entry.path()).ok()?;
            Some((entry.path(), meta.modified().ok(), meta.len()))
        })
        .collect()
}

fn folders(config: &ServerConfig) -> BTreeSet<PathBuf> {
    let tls = &config.listen.tls;
    let files = [&tls.certificate_file, &tls.key_file, &tls.client_ca_file];
    let parents = files.into_iter().flatten().filter_map(|file| file.parent()).map(Path::to_owned);
    parents.chain([config.manifests().to_owned()]).collect()
}
