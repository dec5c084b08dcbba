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
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use super::{
    ConfigFile, Failure,
    operator::{self, Operator},
    print,
};
use crate::{
    config::{self, ServerConfig},
    modules::{self, User},
    world::TokenHash,
};

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
  drover token create --user admin --ttl 8h --apply
      makes it in the management plane, of the running server or in its files, and prints the token
  drover token create --user u-alice --ttl 720h --write manifests
      writes manifests/token-….yaml and prints the token
  drover token create --user u-ci --cluster c-dev --manifest-only > t.yaml
      the token goes to standard error, the manifest to the file")]
pub(super) struct Create {
    #[command(flatten)]
    file: ConfigFile,
    /// Makes the Token in the management plane, and prints the token alone.
    #[arg(long, conflicts_with_all = ["write", "manifest_only"])]
    apply: bool,
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

pub(super) fn parse_ttl(text: &str) -> Result<Duration, String> {
    text.parse::<config::units::Period>().map(|period| period.0).map_err(|error| error.to_string())
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
        let New { text: token, manifest } = New::make(&NewToken {
            user: &self.user,
            cluster: self.cluster.as_deref(),
            ttl: self.ttl,
            description: &self.description,
            name: self.name.as_deref(),
        })?;
        if self.apply {
            let config = config::load(&self.file.config).map_err(Failure::new)?;
            operator::runtime()?.block_on(apply(&config, &manifest))?;
            return print(&format!("{token}\n"));
        }
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let path = self.write.map(|folder| folder.join(format!("{name}.yaml")));
        let manifest = serde_saphyr::to_string(&manifest).map_err(Failure::new)?;
        if let Some(path) = path {
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

/// What a new token is for.
#[derive(Debug, Default)]
pub(super) struct NewToken<'a> {
    pub user: &'a str,
    pub cluster: Option<&'a str>,
    pub ttl: Option<Duration>,
    pub description: &'a str,
    pub name: Option<&'a str>,
}

/// A token's text, and its object, which holds the hash of it.
pub(super) struct New {
    pub text: String,
    pub manifest: Value,
}

impl New {
    /// Of 256 random bits.
    pub(super) fn make(wanted: &NewToken<'_>) -> Result<Self, Failure> {
        let text = format!("drover_{}", random::<32>()?);
        let suffix = random::<32>()?.to_ascii_lowercase().replace(['-', '_'], "");
        let name = wanted.name.map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("token-{}", suffix.chars().take(8).collect::<String>()));
        let mut manifest = json!({
            "apiVersion": "management.cattle.io/v3",
            "kind": "Token",
            "metadata": {"name": name},
            "userId": wanted.user,
            "token": hash_text(&text),
        });
        let mut set = |key: &str, value: Value| {
            if let Some(fields) = manifest.as_object_mut() {
                fields.insert(key.to_owned(), value);
            }
        };
        if let Some(cluster) = wanted.cluster {
            set("clusterName", json!(cluster));
        }
        if !wanted.description.is_empty() {
            set("description", json!(wanted.description));
        }
        if let Some(ttl) = wanted.ttl {
            let end = jiff::Timestamp::now()
                .checked_add(jiff::SignedDuration::try_from(ttl).map_err(Failure::new)?)
                .and_then(|end| end.round(jiff::Unit::Second))
                .map_err(|error| Failure(format!("--ttl: {error}")))?;
            set("expiresAt", json!(end.to_string()));
        }
        Ok(Self { text, manifest })
    }
}

/// Makes a Token in the management plane, for a user that is there.
pub(super) async fn apply(config: &ServerConfig, manifest: &Value) -> Result<(), Failure> {
    let operator = Operator::reach(config).await?;
    let made = create(&operator, manifest).await;
    operator.close().await;
    made
}

async fn create(operator: &Operator, manifest: &Value) -> Result<(), Failure> {
    let token: modules::Token = serde_json::from_value(manifest.clone()).map_err(Failure::new)?;
    let client = &operator.client;
    let user = Api::<User>::all(client.clone()).get_opt(&token.spec.user_id).await.map_err(Failure::new)?;
    if user.is_none() {
        return Err(Failure(format!("--user: no User `{}` in the management plane", token.spec.user_id)));
    }
    Api::all(client.clone()).create(&PostParams::default(), &token).await.map(drop).map_err(Failure::new)
}

fn hash_text(token: &str) -> String {
    let TokenHash(hash) = TokenHash::of(token);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

pub(super) fn random<const N: usize>() -> Result<String, Failure> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::new("the system has no randomness"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
