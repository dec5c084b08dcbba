//! The embedded management plane: Drover's own API server in this process, over one SQLite file.

mod key;
mod validators;

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use apiserver::{
    AddressPolicy, Caller, MASTERS, Options, Server, Tokens,
    store::{self, BackupError, OpenError, Restored, Sealed, Sealing, SqliteLog, Store},
};

pub use self::key::{Keys, KeysError};
use crate::{config::server::EmbeddedPlane, modules::Kind, world::Watch};

/// The store's file in its folder.
pub const FILE: &str = "store.db";
/// Locked by the process that uses the folder.
const LOCK: &str = "lock";
/// What installs, and does nothing else: it makes the roles of all others.
const INSTALLER: &str = "drover:installer";
/// How far a restored store's revisions are ahead of its backup's: watches and lists of the lost one begin anew.
const SKIP: u64 = 1_000_000_000;

/// Why the embedded plane is not there.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Its folder cannot be made.
    #[error("the folder `{0}` cannot be made: {1}")]
    Folder(PathBuf, #[source] io::Error),
    /// Its key cannot be had.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// Its file cannot be opened.
    #[error("the management plane cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// A backup cannot be written or read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// There is no file yet.
    #[error("there is no management plane at `{0}`: the server has never run with this file")]
    Missing(PathBuf),
    /// A file is in the way.
    #[error("`{0}` is there: `--replace` moves it aside")]
    There(PathBuf),
    /// The file cannot be moved aside.
    #[error("`{0}` cannot be moved aside: {1}")]
    Aside(PathBuf, #[source] io::Error),
    /// Another process has it.
    #[error("the management plane in `{0}` is in use by another process: stop it first")]
    Locked(PathBuf),
    /// The program ends.
    #[error("opening the management plane was given up")]
    Interrupted,
}

/// Where the plane is, and what opens it.
#[derive(Clone, Debug)]
pub struct Place {
    folder: PathBuf,
    keys: Keys,
}

impl Place {
    /// As the server's file says; `data` is the server's own folder.
    pub fn new(settings: &EmbeddedPlane, data: &Path) -> Self {
        let folder = settings.data_dir.clone().unwrap_or_else(|| data.join("management"));
        let keys = Keys::new(&settings.encryption, &folder);
        Self { folder, keys }
    }

    /// The store's file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn sealing(&self, new: bool) -> Result<Sealing, EmbeddedError> {
        let (key, previous) = self.keys.read(new)?;
        Ok(Sealing { key, previous, what: Sealed::default() })
    }

    fn make_folder(&self) -> Result<(), EmbeddedError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| EmbeddedError::Folder(self.folder.clone(), error))
    }

    /// Takes the folder for this process, until the result is dropped.
    fn lock(&self) -> Result<Arc<File>, EmbeddedError> {
        self.make_folder()?;
        let path = self.folder.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| EmbeddedError::Folder(path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Arc::new(file)),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::Locked(self.folder.clone())),
            Err(TryLockError::Error(error)) => Err(EmbeddedError::Folder(self.folder.clone(), error)),
        }
    }

    /// Opens the store; a new one is made only where `make`.
    fn open(&self, make: bool) -> Result<(Store, Arc<File>), EmbeddedError> {
        let file = self.file();
        let new = !file.exists();
        if new && !make {
            return Err(EmbeddedError::Missing(file));
        }
        let lock = self.lock()?;
        let sealing = self.sealing(new)?;
        let log = SqliteLog::open(&file, Some(sealing)).map_err(OpenError::from)?;
        Ok((Store::open(Box::new(log), store::Options::default())?, lock))
    }

    /// Makes a new store of the backup at `from`; one that is there is moved aside where `replace`, and its new place is told.
    ///
    /// # Errors
    /// A store that is in use or in the way, a backup that is none, a key that does not open it.
    pub fn restore(&self, from: &Path, replace: bool) -> Result<(Restored, Option<PathBuf>), EmbeddedError> {
        if !from.is_file() {
            let source = io::ErrorKind::NotFound.into();
            return Err(BackupError::Copy { path: from.into(), source }.into());
        }
        let file = self.file();
        // Until the end: nobody serves a store that is being replaced.
        let _lock = self.lock()?;
        let new = !file.exists();
        if !new && !replace {
            return Err(EmbeddedError::There(file));
        }
        // A new key would open nothing.
        let sealing = self.sealing(false)?;
        let partial = self.folder.join("restored.db");
        let _ = fs::remove_file(&partial);
        let restored = store::restore(from, Some(sealing.clone()), &partial, Some(sealing), SKIP)?;
        let aside = if new { None } else { Some(self.move_aside(&file)?) };
        fs::rename(&partial, &file).map_err(|error| EmbeddedError::Aside(partial, error))?;
        Ok((restored, aside))
    }

    fn move_aside(&self, file: &Path) -> Result<PathBuf, EmbeddedError> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let aside = self.folder.join(format!("{FILE}.{now}"));
        for end in ["-wal", "-shm", ""] {
            let (from, to) = (with_end(file, end), with_end(&aside, end));
            match fs::rename(&from, &to) {
                Err(error) if end.is_empty() || error.kind() != io::ErrorKind::NotFound => {
                    return Err(EmbeddedError::Aside(from, error));
                }
                _ => {}
            }
        }
        Ok(aside)
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// What the plane is told of the program around it.
pub struct Surroundings {
    /// The kinds that are validated, by what `world` knows.
    pub kinds: Vec<Kind>,
    /// The world.
    pub world: Watch,
    /// Answers token reviews for Drover's own tokens.
    pub tokens: Option<Arc<dyn Tokens>>,
    /// What may be dialled for the webhooks of definitions.
    pub addresses: Option<AddressPolicy>,
}

/// The running plane. Cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    server: Server,
    store: Store,
    place: Place,
    _lock: Arc<File>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens it, and begins to serve. Where there is none yet it is made, if `make`.
    ///
    /// # Errors
    /// A file that is in use, is none of ours, or needs another key.
    pub async fn open(place: Place, make: bool, around: Surroundings) -> Result<Self, EmbeddedError> {
        let opened = place.clone();
        // Reads the whole file.
        let store = tokio::task::spawn_blocking(move || opened.open(make));
        let (store, lock) = store.await.map_err(|_| EmbeddedError::Interrupted)??;
        let Surroundings { kinds, world, tokens, addresses } = around;
        let validators = Arc::new(validators::Validators::new(kinds, world));
        let options = Options { admission: vec![validators], tokens, addresses, ..Options::default() };
        let server = Server::start(store.clone(), options).await;
        Ok(Self { server, store, place, _lock: lock })
    }

    /// The API server.
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// A client whose calls are those of `identity`; `None` installs.
    pub(super) fn client(&self, identity: Option<&str>) -> kube::Client {
        let everybody = "system:authenticated";
        let caller = match identity {
            Some(identity) => Caller::new(identity, &[everybody]),
            None => Caller::new(INSTALLER, &[MASTERS, everybody]),
        };
        kube::Client::new(self.server.client_of(caller), "default")
    }

    /// Why nothing can be written at this moment, if it cannot; reads go on, and it is tried again by itself.
    pub fn refusing(&self) -> Option<Arc<String>> {
        self.store.refusing()
    }

    /// Writes all there is at this moment to a new file at `to`, encrypted as the store is. Gives its revision.
    ///
    /// # Errors
    /// A file that is there, a disk that is full, a key that is gone.
    pub async fn backup(&self, to: &Path) -> Result<u64, EmbeddedError> {
        let sealing = self.place.sealing(false)?;
        Ok(self.store.backup(to, Some(sealing)).await?)
    }

    /// Makes durable what was answered, and closes the file.
    pub async fn close(&self) {
        self.store.stop().await;
    }
}
