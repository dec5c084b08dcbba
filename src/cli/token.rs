//! `drover token`.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, print};
use crate::world::TokenHash;

/// Makes tokens. Only the SHA-256 of a token is ever stored.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    Create(Create),
    /// Reads a token on standard input and prints its hash, as a Token manifest has it.
    #[command(after_help = "Example:\n  drover token hash < token.txt")]
    Hash,
}

/// Makes a token of 256 random bits: prints the token once, and its manifest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover token create --user u-alice --ttl 720h --write manifests
      writes manifests/token-….yaml and prints the token
  drover token create --user u-ci --cluster c-dev --manifest-only > t.yaml
      the token goes to standard error, the manifest to the file")]
pub(super) struct Create {
    /// The User's `metadata.name`.
    #[arg(long)]
    user: String,
    /// The only cluster it works in. Default: all that the user's bindings give.
    #[arg(long)]
    cluster: Option<String>,
    /// How long it lives, such as `720h`. Default: until it is removed.
    #[arg(long, value_parser = parse_ttl)]
    ttl: Option<Duration>,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// The Token's `metadata.name`. Default: `token-` and eight random characters.
    #[arg(long)]
    name: Option<String>,
    /// Writes the manifest into this folder, and prints the token alone.
    #[arg(long, value_name = "DIR", conflicts_with = "manifest_only")]
    write: Option<PathBuf>,
    /// Prints the manifest on standard output and the token on standard error.
    #[arg(long)]
    manifest_only: bool,
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    text.parse::<crate::config::units::Period>().map(|period| period.0).map_err(|error| error.to_string())
}

impl Token {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(command) => command.run(),
            Self::Hash => {
                let mut text = String::new();
                io::stdin().take(64 * 1024).read_to_string(&mut text)?;
                let token = text.trim_end_matches(['\r', '\n']);
                if token.is_empty() {
                    return Err(Failure::new("no token on standard input"));
                }
                print(&format!("{}\n", hash_text(token)))
            }
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let token = format!("drover_{}", random::<32>()?);
        let suffix = random::<32>()?.to_ascii_lowercase().replace(['-', '_'], "");
        let name = self.name.unwrap_or_else(|| format!("token-{}", suffix.chars().take(8).collect::<String>()));
        let mut manifest = json!({
            "apiVersion": "management.cattle.io/v3",
            "kind": "Token",
            "metadata": {"name": name},
            "userId": self.user,
            "token": hash_text(&token),
        });
        let mut set = |key: &str, value: serde_json::Value| {
            if let Some(fields) = manifest.as_object_mut() {
                fields.insert(key.to_owned(), value);
            }
        };
        if let Some(cluster) = self.cluster {
            set("clusterName", json!(cluster));
        }
        if !self.description.is_empty() {
            set("description", json!(self.description));
        }
        if let Some(ttl) = self.ttl {
            let end = jiff::Timestamp::now()
                .checked_add(jiff::SignedDuration::try_from(ttl).map_err(Failure::new)?)
                .and_then(|end| end.round(jiff::Unit::Second))
                .map_err(|error| Failure(format!("--ttl: {error}")))?;
            set("expiresAt", json!(end.to_string()));
        }
        let manifest = serde_saphyr::to_string(&manifest).map_err(Failure::new)?;
        if let Some(folder) = self.write {
            let path = folder.join(format!("{name}.yaml"));
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(manifest.as_bytes()))
                .map_err(|error| Failure(format!("{}: {error}", path.display())))?;
            print(&format!("{token}\n"))
        } else if self.manifest_only {
            writeln!(io::stderr(), "{token}")?;
            print(&manifest)
        } else {
            print(&format!("# The token, shown this once:\n#   {token}\n{manifest}"))
        }
    }
}

fn hash_text(token: &str) -> String {
    let TokenHash(hash) = TokenHash::of(token);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn random<const N: usize>() -> Result<String, Failure> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::new("the system has no randomness"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
