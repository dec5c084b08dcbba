//! A real OpenID provider: the npm package `oidc-provider`, with accounts, pages and keys as a test wants them.
//!
//! A person signs in with its account's id or `preferred_username` as user name and as password.

use std::net::SocketAddr;

use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    client::Endpoint,
    process::{Process, Spec},
    servers::Binaries,
    tls::Ca,
    wait,
};

/// The id of the client that is registered.
pub const CLIENT: &str = "drover";
/// Its secret.
pub const SECRET: &str = "a secret with % and :";

/// How the provider is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Claims by account.
    pub accounts: Value,
    /// Claims by scope, beside `profile` and `email`.
    pub claims: Value,
    /// Where browsers may come back to.
    pub redirect_uri: String,
    /// Where browsers may come back to after they signed out; where none is given, the same.
    pub signed_out_uri: Option<String>,
    /// Where logout tokens are posted to.
    pub logout_uri: Option<String>,
    /// Whether claims are in the ID token, and not at user-info alone.
    pub in_id_token: bool,
    /// Whether a refresh token is good once.
    pub rotate_refresh_tokens: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: json!({
                "8f1c": {"name": "Ann Example", "preferred_username": "ann", "email": "ann@example.org", "groups": ["dev", "ops"]},
                "77aa": {"name": "Bob Example", "preferred_username": "bob", "email": "bob@example.org", "groups": ["dev"]},
            }),
            claims: json!({"groups": ["groups"]}),
            redirect_uri: "https://drover.example.org/v1/login/callback".to_owned(),
            signed_out_uri: None,
            logout_uri: None,
            in_id_token: true,
            rotate_refresh_tokens: false,
        }
    }
}

/// A running provider.
pub struct OidcProvider {
    process: Process,
    ca: Ca,
    issuer: String,
    _folder: TempDir,
}

impl OidcProvider {
    /// Starts one.
    pub async fn start(options: Options) -> Self {
        let ca = Ca::new("oidc");
        let pair = ca.server(&["localhost", "127.0.0.1"]);
        let folder = tempfile::tempdir().unwrap();
        let signed_out = options.signed_out_uri.as_ref().unwrap_or(&options.redirect_uri);
        let mut client = json!({
            "client_id": CLIENT,
            "client_secret": SECRET,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [options.redirect_uri],
            "post_logout_redirect_uris": [signed_out],
        });
        if let Some(uri) = &options.logout_uri {
            client["backchannel_logout_uri"] = json!(uri);
            client["backchannel_logout_session_required"] = json!(true);
        }
        let config = json!({
            "certificate": pair.certificate,
            "key": pair.key,
            "clients": [client],
            "accounts": options.accounts,
            "claims": options.claims,
            "inIdToken": options.in_id_token,
            "rotateRefreshTokens": options.rotate_refresh_tokens,
        });
        let (path, log) = (folder.path().join("config.json"), folder.path().join("log"));
        std::fs::write(&path, config.to_string()).unwrap();
        let main = Binaries::locate().program("oidc").join("main.js");
        let process = Process::start(&Spec {
            name: "oidc-provider".to_owned(),
            program: "node".into(),
            args: vec![main.display().to_string(), path.display().to_string()],
            env: Vec::new(),
            dir: folder.path().to_owned(),
            log,
        });
        let issuer = wait::until("the OpenID provider's port", || {
            process.assert_running();
            let log = process.log();
            let line = log.lines().find_map(|line| line.strip_prefix("issuer ").map(ToOwned::to_owned));
            std::future::ready(line.filter(|_| log.ends_with('\n')))
        })
        .await;
        Self { process, ca, issuer, _folder: folder }
    }

    /// Its URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The authority of its certificate.
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// The process, to stop it and let it go on.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// New keys; the old ones are published no more, or still with `keep`.
    pub async fn rotate_keys(&self, keep: bool) {
        self.command("rotate", &json!({"keep": keep})).await;
    }

    /// Sets its clock forward, or back.
    pub async fn skew_clock(&self, seconds: i64) {
        self.command("skew", &json!({"seconds": seconds})).await;
    }

    /// Makes an account be so from now on; `None` removes it.
    pub async fn set_account(&self, id: &str, claims: Option<Map<String, Value>>) {
        self.command("account", &json!({"id": id, "claims": claims})).await;
    }

    async fn command(&self, name: &str, body: &Value) {
        let port = self.issuer.rsplit(':').next().unwrap().parse().unwrap();
        let endpoint = Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)), &self.ca.pem());
        let body = Full::from(body.to_string()).map_err(|never| match never {}).boxed();
        let request = endpoint.request("POST", &format!("/control/{name}"), "", body);
        assert_eq!(endpoint.send(request).await.status(), StatusCode::NO_CONTENT, "{}", self.process.log());
    }
}
