//! The administrator of an embedded plane, who makes what a scenario needs there.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::Stand;
use crate::client::Client;

/// The API of Drover's own kinds.
pub const KINDS: &str = "/apis/management.cattle.io/v3";
/// A plane that says "not now" for longer is broken.
const LONGEST: Duration = Duration::from_secs(30);

/// Keys of `drover.yaml` for an embedded plane; each sign-in may say where it comes from.
pub fn embedded() -> Value {
    json!({"management": {"files": null, "embedded": {}}, "trustedProxies": ["127.0.0.1/32"]})
}

/// Asks as the administrator.
#[derive(Clone, Debug)]
pub struct Admin {
    authorization: String,
}

impl Admin {
    /// Makes a token with the program itself, as an administrator does.
    pub fn of(stand: &Stand) -> Result<Self> {
        let output = Command::new(&stand.place.drover)
            .args(["token", "create", "--user", "admin", "--ttl", "4h", "--apply", "--config"])
            .arg(stand.place.file("drover/drover.yaml"))
            .output()?;
        ensure!(output.status.success(), "no token: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { authorization: format!("Bearer {}", String::from_utf8(output.stdout)?.trim()) })
    }

    /// A connection for it.
    pub fn connect(stand: &Stand) -> Result<Client> {
        Client::connect(stand.drover.port, &stand.place.pki.client(&["http/1.1"])?)
    }

    /// Makes an object.
    pub fn create(&self, client: &mut Client, path: &str, object: &Value) -> Result<()> {
        let target = format!("/k8s/clusters/local{path}");
        let end = Instant::now() + LONGEST;
        loop {
            let (status, body) = client.post(&target, &self.authorization, object.to_string().as_bytes())?;
            match status {
                201 => return Ok(()),
                // The token is in force in a moment, and a plane with much to do says so.
                401 | 403 | 429 | 503 if Instant::now() < end => thread::sleep(Duration::from_millis(50)),
                _ => bail!("{path}: {status}: {}", String::from_utf8_lossy(&body)),
            }
        }
    }

    /// Deletes an object.
    pub fn delete(&self, client: &mut Client, path: &str) -> Result<()> {
        let target = format!("/k8s/clusters/local{path}");
        let (status, body) = client.ask("DELETE", &target, &[("Authorization", &self.authorization)])?;
        ensure!(status == 200, "{path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }

    /// Makes objects over several connections at once.
    pub fn create_all<T: Sync>(
        &self,
        stand: &Stand,
        path: &str,
        of: &[T],
        object: impl Fn(&T) -> Value + Sync,
    ) -> Result<()> {
        const CONNECTIONS: usize = 16;
        thread::scope(|scope| {
            let parts: Vec<_> = of
                .chunks(of.len().div_ceil(CONNECTIONS).max(1))
                .map(|part| {
                    let object = &object;
                    scope.spawn(move || {
                        let mut client = Self::connect(stand)?;
                        part.iter().try_for_each(|one| self.create(&mut client, path, &object(one)))
                    })
                })
                .collect();
            parts.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
        })
    }
}

/// An object of Drover's own.
pub fn object(kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": "management.cattle.io/v3", "kind": kind, "metadata": {"name": name}});
    if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
        object.extend(rest);
    }
    object
}
