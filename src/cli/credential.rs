//! `drover credential`.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Failure, print,
    session::{self, ServerOption, Store},
};

/// The versions of the exec API that are spoken.
const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Gives kubectl and other clients a token, as a kubeconfig written by `drover login` tells them to.
///
/// An exec plugin of Kubernetes: prints an `ExecCredential`. The token of this hour is remembered, and exchanged for another shortly
/// before it ends, by one process at a time. Never asks anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, to use the token with another program:
  curl -H \"Authorization: Bearer $(drover credential --token)\" https://drover.example.org/v1/self")]
pub(super) struct Credential {
    #[command(flatten)]
    server: ServerOption,
    /// Prints the token alone.
    #[arg(long)]
    token: bool,
}

impl Credential {
    pub(super) fn run(self) -> Result<(), Failure> {
        let version = asked_version(std::env::var("KUBERNETES_EXEC_INFO").ok().as_deref())?;
        let store = Store::open()?;
        let server = self.server.url(&store)?;
        let (_, tokens) = session::access(&store, &server)?;
        if self.token {
            return print(&format!("{}\n", tokens.access_token));
        }
        // A client that keeps it asks again before it ends, not after.
        let until = if tokens.refresh_at > Timestamp::now() { tokens.refresh_at } else { tokens.expires_at };
        let until = until.round(jiff::Unit::Second).unwrap_or(until);
        let credential = json!({
            "apiVersion": version,
            "kind": "ExecCredential",
            "status": {"token": tokens.access_token, "expirationTimestamp": until.to_string()},
        });
        print(&format!("{credential}\n"))
    }
}

/// The version that the client speaks; the newest where it says nothing.
fn asked_version(info: Option<&str>) -> Result<&'static str, Failure> {
    let Some(info) = info.filter(|info| !info.is_empty()) else { return Ok(VERSIONS[0]) };
    let info: Value =
        serde_json::from_str(info).map_err(|error| Failure(format!("KUBERNETES_EXEC_INFO: it is no JSON: {error}")))?;
    let version = info.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    VERSIONS.into_iter().find(|known| *known == version).ok_or_else(|| {
        Failure(format!("KUBERNETES_EXEC_INFO: apiVersion: expected `{}`, found `{version}`", VERSIONS.join("` or `")))
    })
}

#[cfg(test)]
mod tests {
    use super::asked_version;

    #[test]
    fn a_client_gets_the_version_that_it_asks_for() {
        let of = |version: &str| format!(r#"{{"apiVersion":"{version}","kind":"ExecCredential","spec":{{}}}}"#);
        assert_eq!(asked_version(None).unwrap(), "client.authentication.k8s.io/v1");
        for version in ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"] {
            assert_eq!(asked_version(Some(&of(version))).unwrap(), version);
        }
        let error = asked_version(Some(&of("client.authentication.k8s.io/v1alpha1"))).unwrap_err().to_string();
        assert!(error.ends_with("found `client.authentication.k8s.io/v1alpha1`"), "{error}");
        assert!(asked_version(Some("{")).unwrap_err().to_string().contains("no JSON"));
    }
}
