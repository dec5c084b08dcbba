//! `drover login`.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Failure, browser,
    contexts::{self, Done, Wanted, host},
    device, operator, print, prompt,
    remote::{self, CLIENT, CallError, Remote, Server},
    session::{Kept, Store, Tokens},
    table,
};
use crate::secret::Secret;

/// Signs in at a server, and writes every cluster that is yours into the kubeconfig.
///
/// Opens the sign-in page in a browser; where there is none, `--device` shows a code to type in elsewhere, and `--user` asks for a
/// password. Entries of other servers in the kubeconfig stay as they are. The session is kept in `~/.cache/drover` (or
/// `$XDG_CACHE_HOME/drover`), and kubectl gets its tokens from there by `drover credential`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover login drover.example.org
  drover login                                     # again, at the same server
  drover login drover.example.org --device         # on a machine without a browser
  drover login drover.example.org --user ann --provider corp
  drover login 127.0.0.1:8443 --certificate-authority data/tls/ca.crt --user admin")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct Login {
    /// The server. Default: the one that was last signed in to.
    #[arg(value_name = "SERVER", value_parser = remote::server_url)]
    server: Option<String>,
    /// Shows a code to type into a browser on any machine.
    #[arg(long, conflicts_with = "user")]
    device: bool,
    /// Signs in with a password, which is asked for at the terminal.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Where the password is known: a directory's name. Default: Drover's own passwords.
    #[arg(long, value_name = "NAME", requires = "user")]
    provider: Option<String>,
    /// Reads the password on standard input; a second line is the new one, where it must be changed.
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// PEM of the authority of the server's certificate. Default: as at the last sign-in there, else those this machine trusts.
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// The kubeconfig to write. Default: the first file of $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Leaves the kubeconfig alone.
    #[arg(long, conflicts_with_all = ["kubeconfig", "set_context"])]
    no_kubeconfig: bool,
    /// Makes this cluster the current context. Default: one of them, where none is current.
    #[arg(long, value_name = "CLUSTER")]
    set_context: Option<String>,
    /// Does not open a browser: the address is only printed.
    #[arg(long, conflicts_with_all = ["device", "user"])]
    no_browser: bool,
}

/// The user entry of a server in a kubeconfig.
pub(super) fn entry_name(server: &str) -> String {
    format!("drover@{}", host(server))
}

/// Tells a person something that is no result.
pub(super) fn tell(text: &str) -> Result<(), Failure> {
    writeln!(io::stderr(), "{text}").map_err(Failure::from)
}

impl Login {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = Store::open()?;
        let url = self.server.clone().or_else(|| store.last());
        let url = url.ok_or_else(|| Failure::new("no server is known yet: run `drover login SERVER`"))?;
        let authority = match &self.certificate_authority {
            Some(path) => Some(remote::authority(path)?),
            None => store.authority(&url),
        };
        let server = Server { url, authority };
        // What would be found wrong after the sign-in is found before it.
        let kubeconfig = match (self.no_kubeconfig, &self.kubeconfig) {
            (true, _) => None,
            (false, Some(path)) => Some(path.clone()),
            (false, None) => Some(contexts::default_path()?),
        };
        if let Some(path) = &kubeconfig {
            contexts::update(path, |_| Ok(()))?;
        }
        let answer = operator::runtime()?.block_on(async {
            let remote = Remote::new(server.clone(), None)?;
            let metadata = metadata(&remote).await?;
            if let Some(user) = &self.user {
                self.by_password(&remote, user).await
            } else if self.device {
                device::sign_in(&remote).await
            } else {
                browser::sign_in(&remote, &metadata, !self.no_browser).await
            }
        })?;
        let tokens = Tokens::of(&answer, Timestamp::now())?;
        let access_token = tokens.access_token.clone();
        let locked = store.lock(&server.url)?;
        let old = locked.read().ok().flatten().and_then(|kept| kept.tokens);
        let kept =
            Kept { server: server.url.clone(), certificate_authority: server.authority.clone(), tokens: Some(tokens) };
        locked.write(&kept)?;
        locked.remember(&server.url)?;
        drop(locked);
        let myself = operator::runtime()?.block_on(async {
            let remote = Remote::new(server.clone(), Some(&access_token))?;
            if let Some(old) = old {
                // Nobody has it any more; where it cannot be ended it ends by itself.
                let _ = remote.form("/oauth2/revoke", &[("client_id", CLIENT), ("token", &old.refresh_token)]).await;
            }
            Ok::<_, Failure>(remote.call(Method::GET, "/v1/self").await?)
        })?;
        let name = myself.pointer("/user/username").and_then(Value::as_str).unwrap_or_default();
        print(&format!("Signed in at {} as {}.\n", server.url, table::one_line(name)))?;
        let Some(path) = kubeconfig else { return Ok(()) };
        let clusters = contexts::reachable(&myself);
        let wanted = Wanted {
            server: &server,
            user: entry_name(&server.url),
            credential: contexts::plugin(&server.url)?,
            clusters: &clusters,
            current: self.set_context.as_deref(),
        };
        let done = contexts::update(&path, |config| contexts::merge(config, &wanted))?;
        print(&told(&path, &done))
    }

    async fn by_password(&self, remote: &Remote, user: &str) -> Result<Value, Failure> {
        let (password, mut new) = if self.password_stdin {
            prompt::from_stdin()?
        } else {
            (prompt::password(&format!("Password of `{user}`"))?, None)
        };
        let provider = self.provider.as_deref().unwrap_or_default();
        match ask(remote, user, provider, &password, None).await {
            Err(error) if error.is("interaction_required") => {
                if new.is_none() && !self.password_stdin {
                    tell("The password must be changed.")?;
                    new = Some(prompt::new_password(user)?);
                }
                let Some(new) = new else {
                    return Err(Failure(format!("{error}: give the new one as the second line of standard input")));
                };
                Ok(ask(remote, user, provider, &password, Some(&new)).await?)
            }
            answer => Ok(answer?),
        }
    }
}

/// RFC 6749, 4.3.
async fn ask(
    remote: &Remote,
    user: &str,
    provider: &str,
    password: &Secret<String>,
    new: Option<&Secret<String>>,
) -> Result<Value, CallError> {
    let mut fields = vec![
        ("grant_type", "password"),
        ("client_id", CLIENT),
        ("username", user),
        ("provider", provider),
        ("password", password.expose()),
    ];
    fields.extend(new.map(|new| ("new_password", new.expose().as_str())));
    remote.form("/oauth2/token", &fields).await
}

/// What the server says of its sign-in (RFC 8414).
async fn metadata(remote: &Remote) -> Result<Value, Failure> {
    match remote.call(Method::GET, "/.well-known/oauth-authorization-server").await {
        Ok(metadata) if metadata.get("token_endpoint").is_some() => Ok(metadata),
        Err(error @ CallError::Unreachable { .. }) => Err(error.into()),
        _ => Err(Failure(format!(
            "{}: nobody can sign in there: it is no Drover, or one without sign-in",
            remote.server.url
        ))),
    }
}

/// What was done to the kubeconfig, for people.
fn told(path: &std::path::Path, done: &Done) -> String {
    let path = path.display();
    let mut text = if done.contexts.is_empty() {
        format!("No cluster is yours yet; when one is, run `drover login` again. ({path})\n")
    } else {
        let rows = done.contexts.iter().map(|(name, id)| {
            let current = if *name == done.current { "*" } else { "" };
            [current.to_owned(), name.clone(), id.clone()]
        });
        format!("\n{}\nThe contexts are in {path}.\n", table::table(["", "CONTEXT", "CLUSTER"], rows))
    };
    for name in &done.removed {
        let _ = writeln!(text, "The context {name} was removed: its cluster is not yours any more.");
    }
    if done.contexts.iter().all(|(name, _)| *name != done.current) && !done.current.is_empty() {
        let example = done.contexts.first().map_or("NAME", |(name, _)| name);
        let _ = writeln!(
            text,
            "The current context is still {}; to use one of these: kubectl config use-context {example}",
            done.current
        );
    }
    text
}
