//! `drover kubeconfig`.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;
use serde_json::{Value, json};

use super::{
    ConfigFile, Failure, inputs, operator, print,
    token::{self, New, NewToken, parse_ttl},
};
use crate::{
    config::{
        self,
        server::{Chosen, ServerConfig},
    },
    server::{
        addresses::{self, Addresses},
        tls::CA_FILE,
    },
    world::{TokenHash, World, input::Inputs},
};

/// Writes a kubeconfig for a user: every cluster that a binding gives, each as a context.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  drover token create --user u-alice --write manifests > alice.token
  drover kubeconfig --user u-alice --token-file alice.token -o alice.kubeconfig
  kubectl --kubeconfig alice.kubeconfig get pods
For the first administrator, with a new token of the management plane:
  drover kubeconfig --user admin --new-token 8h -o admin.kubeconfig
  kubectl --kubeconfig admin.kubeconfig get users.management.cattle.io
With the token in no file:
  drover token create --user u-alice --write manifests |
    drover kubeconfig --user u-alice --token-stdin -o alice.kubeconfig")]
pub(super) struct Kubeconfig {
    #[command(flatten)]
    file: ConfigFile,
    /// The User's `metadata.name`.
    #[arg(long)]
    user: String,
    /// A file that holds the user's token; `-` is standard input. Default: no token is written.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Reads the user's token on standard input, as `--token-file -` does.
    #[arg(long, conflicts_with = "token_file")]
    token_stdin: bool,
    /// Makes a token in the management plane that lives so long, such as `8h`, and writes it.
    #[arg(long, value_name = "TTL", value_parser = parse_ttl, conflicts_with_all = ["token_file", "token_stdin"])]
    new_token: Option<Duration>,
    /// The gateway's URL. Default: `listen.publicUrl`, else the address that the running server wrote down.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Writes this file, readable by its owner alone. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Kubeconfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let made = self.new_token.map(|ttl| self.make_token(ttl)).transpose()?;
        let (config, inputs) = inputs::current(&self.file)?;
        if !inputs.users.iter().any(|user| *user.name == *self.user) {
            let place = match config.management.chosen() {
                Chosen::Files => "among the manifests",
                _ => "among the manifests and in the management plane",
            };
            return Err(Failure(format!("--user: no User `{}` {place}", self.user)));
        }
        let (option, file) = match self.token_file {
            Some(file) => ("--token-file", Some(file)),
            None => ("--token-stdin", self.token_stdin.then(|| PathBuf::from("-"))),
        };
        let token = file.as_deref().map(|file| read_token(option, file)).transpose()?;
        if let Some(token) = &token
            && !inputs.tokens.iter().any(|known| known.hash == TokenHash::of(token) && *known.user == *self.user)
        {
            return Err(Failure(format!("{option}: it is no token of User `{}`", self.user)));
        }
        let token = token.or(made);
        let server = match self.server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => server_url(&config)?,
        };
        let clusters = clusters_of(&inputs, &self.user);
        if clusters.is_empty() {
            return Err(Failure(format!("--user: no binding gives User `{}` a cluster", self.user)));
        }
        let kubeconfig = render(&config, &server, &self.user, token.as_deref(), &clusters)?;
        let text = serde_saphyr::to_string(&kubeconfig).map_err(Failure::new)?;
        let Some(path) = self.output else { return print(&text) };
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Failure(format!("{}: {error}", path.display())))
    }
}

impl Kubeconfig {
    /// A new token, made in the management plane.
    fn make_token(&self, ttl: Duration) -> Result<String, Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        let wanted =
            NewToken { user: &self.user, ttl: Some(ttl), description: "of drover kubeconfig", ..NewToken::default() };
        let New { text, manifest } = New::make(&wanted)?;
        operator::runtime()?.block_on(token::apply(&config, &manifest))?;
        Ok(text)
    }
}

fn read_token(option: &str, path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().take(64 * 1024).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(64 * 1024).read_to_string(&mut text))
    };
    read.map_err(|error| Failure(format!("{option}: {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// Where clients reach the gateway, as far as this machine knows.
fn server_url(config: &ServerConfig) -> Result<String, Failure> {
    if let Some(url) = &config.listen.public_url {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let port = match config.listen.address.port() {
        0 => {
            let path = config.data_dir().join(addresses::FILE);
            let text = fs::read(&path).map_err(|_| {
                Failure::new("the gateway's port is not known until it runs: give --server, or set listen.publicUrl")
            })?;
            let addresses: Addresses = serde_json::from_slice(&text).map_err(Failure::new)?;
            addresses.gateway.port()
        }
        port => port,
    };
    let address = config.listen.address.ip();
    let host = if address.is_unspecified() {
        config.listen.tls.names.first().cloned().unwrap_or_else(|| "localhost".into())
    } else if address.is_ipv6() {
        format!("[{address}]")
    } else {
        address.to_string()
    };
    Ok(format!("https://{host}:{port}"))
}

/// Ids and display names of the clusters that bindings give `name`, by id.
fn clusters_of(inputs: &Inputs, name: &str) -> Vec<(String, String)> {
    let world = World::of(inputs.clone());
    let Some(user) = world.user(name) else { return Vec::new() };
    let subjects = inputs::subjects(&world, inputs, user);
    let clusters = world.clusters().filter(|cluster| cluster.binds(subjects.iter().copied()));
    let mut clusters: Vec<_> =
        clusters.map(|cluster| (cluster.id.to_string(), cluster.display_name.to_string())).collect();
    clusters.sort();
    clusters
}

fn render(
    config: &ServerConfig,
    server: &str,
    user: &str,
    token: Option<&str>,
    clusters: &[(String, String)],
) -> Result<Value, Failure> {
    // Without a certificate of the admin's the clients must be told whom to trust.
    let ca = if config.listen.tls.certificate_file.is_none() {
        let path = config.data_dir().join(CA_FILE);
        let pem = fs::read(&path)
            .map_err(|error| Failure(format!("{}: {error}; the server makes it at its first start", path.display())))?;
        Some(BASE64_STANDARD.encode(pem))
    } else {
        None
    };
    // A display name is what people type; where two are alike the id tells them apart.
    let context = |id: &str, name: &str| {
        let alike = clusters.iter().any(|(other, other_name)| other != id && (other == name || other_name == name));
        if name.is_empty() || alike { id.to_owned() } else { name.to_owned() }
    };
    let entries: Vec<Value> = clusters
        .iter()
        .map(|(id, name)| {
            let mut cluster = json!({"server": format!("{server}/k8s/clusters/{id}")});
            if let (Some(ca), Some(fields)) = (&ca, cluster.as_object_mut()) {
                fields.insert("certificate-authority-data".to_owned(), json!(ca));
            }
            json!({"name": context(id, name), "cluster": cluster})
        })
        .collect();
    let contexts: Vec<Value> = clusters
        .iter()
        .map(|(id, name)| {
            let name = context(id, name);
            json!({"name": name, "context": {"cluster": name, "user": user}})
        })
        .collect();
    let credential = token.map_or_else(|| json!({}), |token| json!({"token": token}));
    let current = clusters.first().map(|(id, name)| context(id, name)).unwrap_or_default();
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": entries,
        "contexts": contexts,
        "users": [{"name": user, "user": credential}],
        "current-context": current,
    }))
}
