//! What proves the gateway's identity to a cluster, and where it comes from: data, files that are read again when they change, or
//! an exec plugin.

pub(super) mod exec;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use http::HeaderValue;
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;

use crate::{
    secret::Secret,
    world::input::{Auth, Connection, DataOrFile},
};

/// The largest file of a credential, in bytes.
const FILE: u64 = 1024 * 1024;

/// PEM bytes.
type Pem = Secret<Arc<[u8]>>;

/// A credential as it is now, with the authorities that belong to the same connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Material {
    pub(super) ca: Option<Pem>,
    pub(super) client_certificate: Option<(Pem, Pem)>,
    pub(super) token: Option<Secret<Arc<str>>>,
    /// When it must not be used any more.
    pub(super) expires: Option<Timestamp>,
}

impl Material {
    /// `Authorization`'s value, kept out of header compression and debug output.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, Arc<str>> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| "the token holds characters that no token has")?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Reads a connection's credential.
pub(super) struct Source {
    connection: Arc<Connection>,
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// What tells that a file changed.
type Stamp = (SystemTime, u64);

impl Source {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let files = files(&connection).into_iter().map(|path| (path, None)).collect();
        Self { connection, stamps: files }
    }

    /// Whether a file is not the one that was read last.
    pub(super) async fn changed(&self) -> bool {
        for (path, stamp) in &self.stamps {
            if self::stamp(path).await != *stamp {
                return true;
            }
        }
        false
    }

    /// Reads it. The text of a failure holds no secret.
    pub(super) async fn load(&mut self) -> Result<Material, Arc<str>> {
        // The stamps are taken first: a file that changes while it is read is read again.
        for (path, stamp) in &mut self.stamps {
            *stamp = self::stamp(path).await;
        }
        let mut material = at_rest(&self.connection).await?;
        if let Auth::Exec(plugin) = &self.connection.auth {
            let given = exec::run(plugin, &self.connection, material.ca.as_ref()).await?;
            material.token = given.token;
            material.client_certificate = given.client_certificate;
            material.expires = given.expires;
        }
        Ok(material)
    }
}

/// What data and files say of a credential, without running any program.
pub(super) async fn at_rest(connection: &Connection) -> Result<Material, Arc<str>> {
    let mut material = Material::default();
    if let Some(ca) = &connection.ca {
        material.ca = Some(read(ca).await?);
    }
    match &connection.auth {
        Auth::ClientCertificate { certificate, key } => {
            material.client_certificate = Some((read(certificate).await?, read(key).await?));
        }
        Auth::Token(token) => material.token = Some(token_of(&read(token).await?)?),
        Auth::Exec(_) => {}
    }
    Ok(material)
}

fn token_of(bytes: &Pem) -> Result<Secret<Arc<str>>, Arc<str>> {
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| "the token is not text")?.trim();
    if text.is_empty() { Err("the token is empty".into()) } else { Ok(Secret::new(text.into())) }
}

fn files(connection: &Connection) -> Vec<PathBuf> {
    let auth: [Option<&DataOrFile>; 2] = match &connection.auth {
        Auth::ClientCertificate { certificate, key } => [Some(certificate), Some(key)],
        Auth::Token(token) => [Some(token), None],
        Auth::Exec(_) => [None, None],
    };
    connection
        .ca
        .iter()
        .chain(auth.into_iter().flatten())
        .filter_map(|source| match source {
            DataOrFile::File(path) => Some(path.clone()),
            DataOrFile::Data(_) => None,
        })
        .collect()
}

async fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

async fn read(source: &DataOrFile) -> Result<Pem, Arc<str>> {
    let path = match source {
        DataOrFile::Data(data) => return Ok(data.clone()),
        DataOrFile::File(path) => path,
    };
    let failed = |error: std::io::Error| Arc::from(format!("cannot read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await.map_err(failed)?.take(FILE + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > FILE {
        return Err(format!("`{}` is larger than 1 MiB", path.display()).into());
    }
    Ok(Secret::new(bytes.into()))
}
