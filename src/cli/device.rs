//! Sign-in on a machine without a browser: a code to type in elsewhere (RFC 8628).

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    Failure,
    login::tell,
    remote::{CLIENT, CallError, Remote},
};

/// What `slow_down` adds to the time between two questions (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// Shows a code, and waits for somebody to say yes to it.
pub(super) async fn sign_in(remote: &Remote) -> Result<Value, Failure> {
    let begun = remote.form("/oauth2/device_authorization", &[("client_id", CLIENT)]).await?;
    let text = |key: &str| begun.get(key).and_then(Value::as_str).map(shown);
    let seconds = |key: &str| begun.get(key).and_then(Value::as_u64);
    let device = begun.get("device_code").and_then(Value::as_str);
    let (Some(device), Some(code), Some(address)) = (device, text("user_code"), text("verification_uri")) else {
        return Err(Failure::new("the server's answer is no code"));
    };
    tell(&format!("Open this address in a browser on any machine, and type the code:\n\n  {address}\n  {code}\n"))?;
    if let Some(whole) = text("verification_uri_complete") {
        tell(&format!("Or, with the code in it:\n\n  {whole}\n"))?;
    }
    let end = Instant::now() + Duration::from_secs(seconds("expires_in").unwrap_or(600).min(3600));
    // 5 where nothing is said (RFC 8628, 3.2).
    let mut interval = Duration::from_secs(seconds("interval").unwrap_or(5).clamp(1, 60));
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT),
        ("device_code", device),
    ];
    while Instant::now() < end {
        sleep(interval).await;
        match remote.form("/oauth2/token", &fields).await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is("authorization_pending") => {}
            Err(error) if error.is("slow_down") => interval += SLOWER,
            // A server that is started again meanwhile has forgotten the code, and says so.
            Err(CallError::Unreachable { .. }) => interval += SLOWER,
            Err(error) if error.is("access_denied") => return Err(Failure::new("somebody said no to the code")),
            Err(error) if error.is("expired_token") => break,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new("the code is over: run `drover login --device` again"))
}

/// One line of a server's, which changes nothing at the terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
