//! `drover whoami`.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::{
    Failure,
    output::Output,
    session::{Person, ServerOption},
    table::{facts, several, table, text, yes},
};

/// Shows who you are at the server, your groups, and the clusters that are yours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover whoami
  drover whoami -o json | jq -r '.clusters[].id'")]
pub(super) struct Whoami {
    #[command(flatten)]
    server: ServerOption,
    #[command(flatten)]
    output: Output,
}

impl Whoami {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (server, myself) = self.server.run(async |Person { remote }| {
            let myself = remote.call(Method::GET, "/v1/self").await?;
            Ok((remote.server.url, myself))
        })?;
        self.output.show(&myself, || shown(&server, &myself))
    }
}

fn shown(server: &str, myself: &Value) -> String {
    let at = |pointer: &str| myself.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let groups = myself.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups: Vec<&str> = groups.filter_map(Value::as_str).collect();
    let administrator = myself.get("administrator").and_then(Value::as_bool).unwrap_or_default();
    let own = [
        ("server", server.to_owned()),
        ("user", at("/user/name")),
        ("login name", at("/user/username")),
        ("provider", at("/provider")),
        ("administrator", yes(administrator)),
        ("token ends", at("/token/expiresAt")),
    ];
    let mut shown = facts(own.into_iter().chain(several("groups", groups)));
    let clusters = myself.get("clusters").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<_> = clusters.map(|cluster| [text(cluster, "id"), text(cluster, "name")]).collect();
    if !rows.is_empty() {
        shown.push('\n');
        shown.push_str(&table(["CLUSTER", "NAME"], rows));
    }
    shown
}
