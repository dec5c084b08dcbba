//! Watches the admin's files and says when one may have changed.
//!
//! Folders are watched, not files: editors replace a file, and Kubernetes turns a link over when a mounted `ConfigMap` changes. A slow
//! poll stands behind the notifications, for file systems that send none.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};

use super::{manifests, server::ServerConfig};

/// Changes that come this close together are one.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often files are looked at where nothing is notified.
const POLL: Duration = Duration::from_secs(10);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher(mpsc::Sender<Message>);

#[derive(Debug)]
enum Message {
    /// Something happened in a folder.
    Moved,
    Stop,
}

/// A moment of the files: times, length and inode of each, links followed.
type Look = BTreeMap<PathBuf, (Option<SystemTime>, i64, i64, u64, u64)>;

impl Watcher {
    /// Calls `changed` once at the start, since files may have changed after they were read, and from then on whenever the
    /// manifests, the files that they name, the server's certificates or the audit policy have changed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: &ServerConfig, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (sender, inbox) = mpsc::channel();
        let mut files = Files::new(config, sender.clone());
        let run = move || {
            let mut seen = files.look();
            changed();
            while let Some(now) = files.next(&inbox, &seen) {
                seen = now;
                changed();
            }
        };
        thread::Builder::new().name("drover-files".into()).spawn(run)?;
        Ok(Self(sender))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A thread that is gone already needs no word.
        let _ = self.0.send(Message::Stop);
    }
}

/// The files that are watched. Which ones changes with the manifests: they name kubeconfigs, and these certificates and tokens.
struct Files {
    // What the notifications of their folders are weighed by.
    watched: Arc<Mutex<Watched>>,
    manifests: PathBuf,
    // Certificates, and the audit policy.
    single: Vec<PathBuf>,
    named: BTreeSet<PathBuf>,
    notified: BTreeSet<PathBuf>,
    watcher: Option<RecommendedWatcher>,
}

/// The paths of files that bear on the configuration; a log may lie beside them, and is written all the time.
#[derive(Debug, Default)]
struct Watched {
    manifests: PathBuf,
    files: HashSet<PathBuf>,
}

impl Watched {
    fn is_touched_by(&self, event: &notify::Event) -> bool {
        match event.kind {
            // Reading a file is no change of it.
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => event
                .paths
                .iter()
                .any(|path| self.files.contains(path) || path.parent().is_some_and(|folder| folder == self.manifests)),
            // What comes, goes or is renamed may be a link on the way to a file.
            _ => true,
        }
    }
}

impl Files {
    fn new(config: &ServerConfig, sender: mpsc::Sender<Message>) -> Self {
        let bearing = Arc::new(Mutex::new(Watched { manifests: config.manifests().to_owned(), ..Watched::default() }));
        let weighed = Arc::clone(&bearing);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let watched = weighed.lock().unwrap_or_else(PoisonError::into_inner);
            if event.map_or(true, |event| watched.is_touched_by(&event)) {
                let _ = sender.send(Message::Moved);
            }
        });
        let tls = &config.listen.tls;
        let single = [&tls.certificate_file, &tls.key_file, &tls.client_ca_file, &config.audit.policy_file];
        Self {
            watched: bearing,
            manifests: config.manifests().to_owned(),
            single: single.into_iter().flatten().cloned().collect(),
            named: BTreeSet::new(),
            notified: BTreeSet::new(),
            watcher: watcher.inspect_err(warn).ok(),
        }
    }

    /// Waits until the files differ from `seen`; `None` when it is time to stop.
    fn next(&mut self, inbox: &mpsc::Receiver<Message>, seen: &Look) -> Option<Look> {
        loop {
            match inbox.recv_timeout(POLL) {
                Ok(Message::Moved) => {
                    // Bounded: files that never rest are read all the same.
                    for _ in 0..20 {
                        match inbox.recv_timeout(DEBOUNCE) {
                            Ok(Message::Moved) => {}
                            Ok(Message::Stop) => return None,
                            Err(_) => break,
                        }
                    }
                }
                Ok(Message::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.look_at_named() != *seen {
                return Some(self.look());
            }
        }
    }

    /// Finds out which files there are to watch, and looks at them.
    fn look(&mut self) -> Look {
        self.named = manifests::read(&self.manifests).files;
        let folder = |file: &PathBuf| file.parent().map(Path::to_owned);
        let mut folders: BTreeSet<_> = self.single.iter().chain(&self.named).filter_map(folder).collect();
        folders.insert(self.manifests.clone());
        let named = self.single.iter().chain(&self.named);
        let files = named.flat_map(|file| [Some(file.clone()), fs::canonicalize(file).ok()]).flatten().collect();
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).files = files;
        if let Some(watcher) = &mut self.watcher {
            for gone in self.notified.difference(&folders) {
                // A folder that was removed is not watched any more.
                let _ = watcher.unwatch(gone);
            }
            let known = &self.notified;
            // A folder that is missing now is found by the poll when it comes.
            folders.retain(|folder| {
                known.contains(folder) || watcher.watch(folder, RecursiveMode::NonRecursive).inspect_err(warn).is_ok()
            });
            self.notified = folders;
        }
        self.look_at_named()
    }

    fn look_at_named(&self) -> Look {
        let entries = fs::read_dir(&self.manifests).into_iter().flatten().flatten().map(|entry| entry.path());
        let paths = entries.chain(self.single.iter().cloned()).chain(self.named.iter().cloned());
        paths
            .filter_map(|path| {
                let meta = fs::metadata(&path).ok()?;
                let look = (meta.modified().ok(), meta.ctime(), meta.ctime_nsec(), meta.len(), meta.ino());
                Some((path, look))
            })
            .collect()
    }
}

fn warn(error: &notify::Error) {
    tracing::warn!(%error, "files are only looked at every ten seconds");
}

#[cfg(test)]
mod tests {
    use notify::{
        Event, EventKind,
        event::{AccessKind, CreateKind, DataChange, ModifyKind, RenameMode},
    };

    use super::Watched;

    #[test]
    fn a_log_that_is_written_beside_a_certificate_is_no_change() {
        let watched =
            Watched { manifests: "/etc/drover/manifests".into(), files: ["/etc/drover/tls.crt".into()].into() };
        let touched = |kind, path: &str| watched.is_touched_by(&Event::new(kind).add_path(path.into()));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert!(!touched(written, "/etc/drover/audit.log"));
        assert!(touched(written, "/etc/drover/tls.crt"));
        assert!(touched(written, "/etc/drover/manifests/users.yaml"));
        assert!(!touched(EventKind::Access(AccessKind::Any), "/etc/drover/tls.crt"));
        // A mounted ConfigMap turns the link `..data` over.
        assert!(touched(EventKind::Modify(ModifyKind::Name(RenameMode::To)), "/etc/drover/..data"));
        assert!(touched(EventKind::Create(CreateKind::File), "/etc/drover/audit.log"));
    }
}
