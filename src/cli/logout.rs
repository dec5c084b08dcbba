//! `drover logout`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    Failure, contexts,
    login::entry_name,
    operator, print,
    remote::{CLIENT, Remote, Server},
    session::{self, Kept, ServerOption, Store},
};

/// Ends the session of this machine: its tokens end at the server, and go from here.
///
/// Contexts of the kubeconfig stay, and work again after the next `drover login`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover logout
  drover logout --everywhere          # every session and token of yours, browsers included
  drover logout --remove-contexts     # and the server's contexts go from the kubeconfig")]
pub(super) struct Logout {
    #[command(flatten)]
    server: ServerOption,
    /// Ends every session and every token of yours, on all machines.
    #[arg(long)]
    everywhere: bool,
    /// Takes the server's contexts out of the kubeconfig.
    #[arg(long)]
    remove_contexts: bool,
    /// The kubeconfig. Default: the first file of $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE", requires = "remove_contexts")]
    kubeconfig: Option<PathBuf>,
}

impl Logout {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = Store::open()?;
        let url = self.server.url(&store)?;
        let ended = if self.everywhere { end_everywhere(&store, &url) } else { end(&store, &url) };
        // Whatever the server says: nothing of it stays here.
        let locked = store.lock(&url)?;
        let certificate_authority = store.authority(&url);
        locked.write(&Kept { server: url.clone(), certificate_authority, tokens: None })?;
        drop(locked);
        if self.remove_contexts {
            let path = self.kubeconfig.map_or_else(contexts::default_path, Ok)?;
            let removed = contexts::update(&path, |config| contexts::remove(config, &url, &entry_name(&url)))?;
            for name in removed {
                print(&format!("The context {name} was removed.\n"))?;
            }
        }
        ended.map_err(|error| {
            Failure(format!(
                "the tokens are gone from this machine, but the session was not ended at the server: {error}"
            ))
        })?;
        print(&format!("Signed out at {url}.\n"))
    }
}

fn end(store: &Store, url: &str) -> Result<(), Failure> {
    // One that cannot be read holds nothing to end.
    let Some(kept) = store.read(url)? else { return Ok(()) };
    let Some(tokens) = kept.tokens else { return Ok(()) };
    let server = Server { url: kept.server, authority: kept.certificate_authority };
    operator::runtime()?.block_on(async {
        let fields = [("client_id", CLIENT), ("token", &tokens.refresh_token)];
        Remote::new(server, None)?.form("/oauth2/revoke", &fields).await?;
        Ok(())
    })
}

fn end_everywhere(store: &Store, url: &str) -> Result<(), Failure> {
    let (server, tokens) = session::access(store, url)?;
    operator::runtime()?.block_on(async {
        Remote::new(server, Some(&tokens.access_token))?.post("/v3/tokens?action=logoutAll", &json!({})).await?;
        Ok(())
    })
}
