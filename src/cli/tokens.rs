//! `drover tokens`.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    Failure,
    contexts::{self, Reachable, Wanted},
    login::entry_name,
    output::Output,
    print,
    remote::CallError,
    session::{Person, ServerOption},
    table::{table, text, yes},
    token::parse_ttl,
};

/// Your own tokens and sessions: shows, makes and ends them.
#[derive(Debug, Subcommand)]
pub(super) enum Tokens {
    Ls(List),
    Create(Create),
    Rm(Remove),
}

/// Lists your tokens and sessions.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: ServerOption,
    #[command(flatten)]
    output: Output,
}

/// Makes a token, and prints it once; or a kubeconfig with it, for programs that run no plugin.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover tokens create --description ci --ttl 720h --cluster c-dev
  drover tokens create --write-kubeconfig ci.kubeconfig --cluster c-dev")]
pub(super) struct Create {
    #[command(flatten)]
    server: ServerOption,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// How long it lives, such as `720h`. Default: as long as the server allows.
    #[arg(long, value_parser = parse_ttl)]
    ttl: Option<Duration>,
    /// The id of the only cluster it works in. Default: all that are yours.
    #[arg(long)]
    cluster: Option<String>,
    /// Writes a kubeconfig with the token, which must not be there yet, readable by its owner alone.
    #[arg(long, value_name = "FILE")]
    write_kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Ends tokens or sessions.
#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    server: ServerOption,
    /// The names that `ls` shows.
    #[arg(required = true)]
    names: Vec<String>,
}

impl Tokens {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ls(command) => command.run(),
            Self::Create(command) => command.run(),
            Self::Rm(Remove { server, names }) => server.run(async |Person { remote }| {
                for name in names {
                    let escaped: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
                    remote.call(Method::DELETE, &format!("/v3/tokens/{escaped}")).await?;
                    print(&format!("token {name} ended\n"))?;
                }
                Ok(())
            }),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let tokens = self.server.run(async |Person { remote }| Ok(remote.call(Method::GET, "/v3/tokens").await?))?;
        let tokens = tokens.get("data").cloned().unwrap_or_default();
        self.output.show(&tokens, || {
            let is = |token: &Value, key: &str| token.get(key).and_then(Value::as_bool).unwrap_or_default();
            let rows = tokens.as_array().into_iter().flatten().map(|token| {
                let name = text(token, "name");
                [
                    if is(token, "current") { format!("{name} *") } else { name },
                    text(token, "kind"),
                    text(token, "clusterId"),
                    yes(is(token, "enabled")),
                    text(token, "expiresAt"),
                    text(token, "lastUsedAt"),
                    text(token, "description"),
                ]
            });
            table(["NAME", "KIND", "CLUSTER", "ENABLED", "ENDS", "LAST USED", "DESCRIPTION"], rows)
        })
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let Self { server, description, ttl, cluster, write_kubeconfig, output } = self;
        let mut wanted = json!({"description": description});
        let fields = [
            ("ttl", ttl.map(|ttl| json!(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)))),
            ("clusterId", cluster.as_ref().map(|cluster| json!(cluster))),
            ("kind", write_kubeconfig.as_ref().map(|_| json!("kubeconfig"))),
        ];
        for (field, value) in fields {
            if let (Some(value), Some(wanted)) = (value, wanted.as_object_mut()) {
                wanted.insert(field.to_owned(), value);
            }
        }
        // Before there is a token that nothing holds.
        let file = write_kubeconfig.as_deref().map(new_file).transpose()?;
        let made = server.run(async |Person { remote }| {
            let made = remote.post("/v3/tokens", &wanted).await?;
            let clusters = match &file {
                Some(_) => contexts::reachable(&remote.call(Method::GET, "/v1/self").await?),
                None => Vec::new(),
            };
            Ok::<_, CallError>((remote.server, made, clusters)).map_err(Failure::from)
        });
        let written = made.and_then(|(server, made, clusters)| {
            let (Some(mut file), Some(path)) = (file, &write_kubeconfig) else {
                return output.show(&made, || format!("{}\n", text(&made, "token")));
            };
            let clusters: Vec<Reachable> =
                clusters.into_iter().filter(|one| cluster.as_ref().is_none_or(|only| *only == one.id)).collect();
            let wanted = Wanted {
                server: &server,
                user: entry_name(&server.url),
                credential: json!({"token": text(&made, "token")}),
                clusters: &clusters,
                current: None,
            };
            let mut config = Map::new();
            for key in ["clusters", "contexts", "users"] {
                config.insert(key.to_owned(), json!([]));
            }
            config.extend([("apiVersion".to_owned(), json!("v1")), ("kind".to_owned(), json!("Config"))]);
            contexts::merge(&mut config, &wanted)?;
            let config = serde_saphyr::to_string(&Value::Object(config)).map_err(Failure::new)?;
            file.write_all(config.as_bytes())?;
            let ends = text(&made, "expiresAt");
            let (name, path) = (text(&made, "name"), path.display());
            output.show(&json!({"name": name, "expiresAt": ends, "file": path.to_string()}), || {
                format!("{path}: the token {name} in it ends at {ends}; drover tokens rm {name} ends it at once\n")
            })
        });
        if written.is_err()
            && let Some(path) = &write_kubeconfig
        {
            let _ = std::fs::remove_file(path);
        }
        written
    }
}

fn new_file(path: &Path) -> Result<std::fs::File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error: io::Error| Failure(format!("--write-kubeconfig: {}: {error}", path.display())))
}
