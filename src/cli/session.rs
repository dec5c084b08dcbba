//! The session of `drover login` on this machine: a file for each server, in a folder that only its owner opens.
//!
//! The file holds the refresh token, which is the session, and the token of this hour. Whoever changes it holds its lock, so that
//! a refresh token, which is exchanged at each use, is used by one process at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Failure, files, operator,
    remote::{self, CLIENT, Remote, Server},
};

/// A token with less than this left, or a tenth of its life, is exchanged for another.
const MARGIN: Duration = Duration::from_mins(1);
/// The file with the URL of the server that was last signed in to.
const LAST: &str = "server";

/// Which server a person's command speaks to.
#[derive(Debug, Args)]
pub(super) struct ServerOption {
    /// The server. Default: the one that `drover login` was last used with.
    #[arg(long, value_name = "URL", value_parser = remote::server_url)]
    server: Option<String>,
}

/// What is kept of a server.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub server: String,
    /// PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// Not there after `drover logout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// The tokens of a session.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub refresh_token: String,
    pub access_token: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// From when on it is to be exchanged.
    pub refresh_at: Timestamp,
}

impl Tokens {
    /// What the token endpoint gave.
    pub(super) fn of(answer: &Value, now: Timestamp) -> Result<Self, Failure> {
        let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        let life =
            answer.get("expires_in").and_then(Value::as_u64).map(|seconds| Duration::from_secs(seconds.min(1 << 32)));
        let (Some(refresh_token), Some(access_token), Some(life)) = (text("refresh_token"), text("access_token"), life)
        else {
            return Err(Failure::new("the server's answer is no token"));
        };
        let expires_at = now.checked_add(life).map_err(Failure::new)?;
        let refresh_at = expires_at.checked_sub(MARGIN.min(life / 10)).map_err(Failure::new)?;
        Ok(Self { refresh_token, access_token, expires_at, refresh_at })
    }
}

/// The folder of the sessions.
pub(super) struct Store {
    folder: PathBuf,
}

/// One server's file; changed by whoever has its lock.
pub(super) struct Locked {
    path: PathBuf,
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// `$XDG_CACHE_HOME/drover`, or `~/.cache/drover`; made where it is not there.
    pub(super) fn open() -> Result<Self, Failure> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home =
            || std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(".cache"));
        let Some(cache) = cache.or_else(home) else {
            return Err(Failure::new("there is no place for the session: neither HOME nor XDG_CACHE_HOME is set"));
        };
        let folder = cache.join("drover");
        let told = |error: io::Error| Failure(format!("{}: {error}", folder.display()));
        // Looked at before it is used: one that another made would be theirs to read.
        if let Ok(metadata) = fs::symlink_metadata(&folder) {
            if metadata.uid() != rustix::process::getuid().as_raw() {
                return Err(Failure(format!("{}: it belongs to another user", folder.display())));
            }
            if !metadata.is_dir() {
                return Err(Failure(format!("{}: expected a folder", folder.display())));
            }
        }
        files::private_folder(&folder).map_err(told)?;
        Ok(Self { folder })
    }

    fn path(&self, server: &str, extension: &str) -> PathBuf {
        let name: String = form_urlencoded::byte_serialize(server.trim_start_matches("https://").as_bytes()).collect();
        self.folder.join(format!("{name}.{extension}"))
    }

    /// The server that was last signed in to.
    pub(super) fn last(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(LAST)).ok()?;
        remote::server_url(text.trim()).ok()
    }

    /// The server that is meant.
    pub(super) fn chosen(&self, server: Option<String>) -> Result<String, Failure> {
        let nobody = || Failure::new("you are not signed in: run `drover login SERVER`");
        server.or_else(|| self.last()).ok_or_else(nobody)
    }

    /// What is kept of a server.
    pub(super) fn read(&self, server: &str) -> Result<Option<Kept>, Failure> {
        read(&self.path(server, "json"))
    }

    /// What is kept of a server's authority, whatever else is wrong with the file.
    pub(super) fn authority(&self, server: &str) -> Option<String> {
        self.read(server).ok().flatten()?.certificate_authority
    }

    /// Waits for the lock of a server.
    pub(super) fn lock(&self, server: &str) -> Result<Locked, Failure> {
        let path = self.path(server, "lock");
        let told = |error: io::Error| Failure(format!("{}: {error}", path.display()));
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(told)?;
        lock.lock().map_err(told)?;
        Ok(Locked { path: self.path(server, "json"), folder: self.folder.clone(), _lock: lock })
    }
}

fn read(path: &Path) -> Result<Option<Kept>, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure(format!("{}: {why}", path.display()));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error)),
    };
    // Of the open file: what is looked at is what is read.
    let metadata = file.metadata().map_err(|error| wrong(&error))?;
    if metadata.uid() != rustix::process::getuid().as_raw() {
        return Err(wrong(&"it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        let why = format!(
            "others may read or write it (mode {:04o}): run `drover logout --everywhere` if somebody has, then `drover login`",
            metadata.mode() & 0o7777
        );
        return Err(wrong(&why));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| wrong(&error))?;
    // The error's text could show what stands there.
    let kept = serde_json::from_str(&text).map_err(|_| wrong(&"it cannot be read: run `drover login`"))?;
    Ok(Some(kept))
}

impl Locked {
    /// What is kept now.
    pub(super) fn read(&self) -> Result<Option<Kept>, Failure> {
        read(&self.path)
    }

    /// Keeps this instead.
    pub(super) fn write(&self, kept: &Kept) -> Result<(), Failure> {
        let text = serde_json::to_vec(kept).map_err(Failure::new)?;
        files::replace(&self.path, &text).map_err(|error| Failure(format!("{}: {error}", self.path.display())))
    }

    /// Makes the server the one that commands without `--server` speak to.
    pub(super) fn remember(&self, server: &str) -> Result<(), Failure> {
        let path = self.folder.join(LAST);
        files::replace(&path, server.as_bytes()).map_err(|error| Failure(format!("{}: {error}", path.display())))
    }
}

/// The token of this hour, of the session at `server`; exchanged for another where it is about to end.
pub(super) fn access(store: &Store, server: &str) -> Result<(Server, Tokens), Failure> {
    let nobody = || Failure(format!("you are not signed in at {server}: run `drover login {server}`"));
    let signed_in = |kept: Option<Kept>| {
        let kept = kept.filter(|kept| kept.server == server).ok_or_else(nobody)?;
        let tokens = kept.tokens.clone().ok_or_else(nobody)?;
        let at = Server { url: kept.server.clone(), authority: kept.certificate_authority.clone() };
        Ok::<_, Failure>((at, tokens, kept))
    };
    let is_fresh = |tokens: &Tokens| tokens.refresh_at > Timestamp::now();
    let (at, tokens, _) = signed_in(store.read(server)?)?;
    if is_fresh(&tokens) {
        return Ok((at, tokens));
    }
    let locked = store.lock(server)?;
    let (at, old, mut kept) = signed_in(locked.read()?)?;
    // Whoever had the lock before has done it.
    if is_fresh(&old) {
        return Ok((at, old));
    }
    let asked = operator::runtime()?.block_on(async {
        // Ctrl-C reaches kubectl and its plugin alike: between the exchange and the writing it would cost the session.
        let _interrupts = signal(SignalKind::interrupt())?;
        let fields = [("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", &old.refresh_token)];
        let answer = Remote::new(at.clone(), None)?.form("/oauth2/token", &fields).await;
        Ok::<_, Failure>(answer)
    })?;
    match asked {
        Ok(answer) => {
            let tokens = Tokens::of(&answer, Timestamp::now())?;
            kept.tokens = Some(tokens.clone());
            // Before anybody gets the token: the refresh token that was used is no good any more.
            locked.write(&kept)?;
            Ok((at, tokens))
        }
        Err(error) if error.is("invalid_grant") => {
            Err(Failure(format!("the session at {server} is over: run `drover login {server}`")))
        }
        // Nobody said that it is over: as long as it lasts.
        Err(_) if old.expires_at > Timestamp::now() => Ok((at, old)),
        Err(error) => Err(error.into()),
    }
}

/// A person who is signed in.
pub(super) struct Person {
    pub remote: Remote,
}

impl ServerOption {
    /// Runs `act` as the person who is signed in at the server.
    pub(super) fn run<T>(self, act: impl AsyncFnOnce(Person) -> Result<T, Failure>) -> Result<T, Failure> {
        let store = Store::open()?;
        let server = store.chosen(self.server)?;
        let (server, tokens) = access(&store, &server)?;
        operator::runtime()?.block_on(async {
            let remote = Remote::new(server, Some(&tokens.access_token))?;
            act(Person { remote }).await
        })
    }

    /// The server's URL.
    pub(super) fn url(self, store: &Store) -> Result<String, Failure> {
        store.chosen(self.server)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::Tokens;

    #[test]
    fn a_token_is_exchanged_a_minute_before_it_ends_or_a_tenth_of_its_life() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (life, end, exchanged) in [
            (3600, "2026-01-01T01:00:00Z", "2026-01-01T00:59:00Z"),
            (60, "2026-01-01T00:01:00Z", "2026-01-01T00:00:54Z"),
            (0, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            let answer = json!({"access_token": "a", "refresh_token": "r", "expires_in": life});
            let Ok(tokens) = Tokens::of(&answer, now) else { panic!("{answer}") };
            assert_eq!((tokens.expires_at.to_string(), tokens.refresh_at.to_string()), (end.into(), exchanged.into()));
        }
        for answer in [json!({}), json!({"access_token": "a", "expires_in": 1}), json!({"access_token": 1})] {
            assert!(Tokens::of(&answer, now).is_err());
        }
        // However long the server says.
        assert!(Tokens::of(&json!({"access_token": "a", "refresh_token": "r", "expires_in": u64::MAX}), now).is_ok());
    }
}
