//! The key that Secrets are encrypted with, at rest and in backups.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use apiserver::store::{KeyError, MasterKey};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::config::server::Encryption;

/// The key's file beside the data, where no other is named.
const FILE: &str = "key";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key that was made at the first start is gone.
    #[error("the key file `{0}` is gone: without it the Secrets of the management plane cannot be read")]
    Gone(PathBuf),
    /// A file cannot be read or written.
    #[error("the file `{0}` cannot be used: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A passphrase file without a passphrase.
    #[error("the passphrase file `{0}` is empty")]
    Empty(PathBuf),
    /// The system gives no randomness.
    #[error("the system has no randomness")]
    Random,
}

/// Where a key comes from.
#[derive(Clone, Debug)]
enum Source {
    Key(PathBuf),
    Passphrase(PathBuf),
    /// Made at the first start.
    Own(PathBuf),
}

/// Where the key and the one before it come from.
#[derive(Clone, Debug)]
pub struct Keys {
    now: Source,
    previous: Option<Source>,
}

impl Keys {
    /// As the server's file says; `folder` is that of the data.
    pub(super) fn new(settings: &Encryption, folder: &Path) -> Self {
        let named = |key: &Option<PathBuf>, passphrase: &Option<PathBuf>| {
            let key = key.clone().map(Source::Key);
            key.or_else(|| passphrase.clone().map(Source::Passphrase))
        };
        let now = named(&settings.key_file, &settings.passphrase_file);
        Self {
            now: now.unwrap_or_else(|| Source::Own(folder.join(FILE))),
            previous: named(&settings.previous_key_file, &settings.previous_passphrase_file),
        }
    }

    /// Reads the keys; the own one is made where the data is `new`.
    pub(super) fn read(&self, new: bool) -> Result<(MasterKey, Option<MasterKey>), KeysError> {
        let previous = self.previous.as_ref().map(|source| source.read(false)).transpose()?;
        Ok((self.now.read(new)?, previous))
    }
}

impl Source {
    fn read(&self, new: bool) -> Result<MasterKey, KeysError> {
        match self {
            Self::Key(path) => Ok(MasterKey::from_file(path)?),
            Self::Passphrase(path) => {
                let text = fs::read_to_string(path).map_err(|error| KeysError::File(path.clone(), error))?;
                match text.lines().next().unwrap_or_default() {
                    "" => Err(KeysError::Empty(path.clone())),
                    passphrase => Ok(MasterKey::from_passphrase(passphrase)),
                }
            }
            Self::Own(path) if path.exists() => Ok(MasterKey::from_file(path)?),
            Self::Own(path) if !new => Err(KeysError::Gone(path.clone())),
            Self::Own(path) => {
                make(path)?;
                tracing::info!(
                    file = %path.display(),
                    "a key was made for the Secrets of the management plane: keep a copy elsewhere, a backup is of no use without it"
                );
                Ok(MasterKey::from_file(path)?)
            }
        }
    }
}

/// Makes a key file that its owner alone can read, whole or not at all.
fn make(path: &Path) -> Result<(), KeysError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeysError::Random)?;
    let text = format!("{}\n", BASE64_STANDARD.encode(bytes));
    let partial = path.with_extension("partial");
    let write = || {
        let _ = fs::remove_file(&partial);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // The key is on the disk before anything that is encrypted with it.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| KeysError::File(path.to_owned(), error))
}
