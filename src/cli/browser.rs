//! Sign-in through the person's browser: authorization code with PKCE, and the answer to a loopback address (RFC 8252, 7.3).

use std::{process::Stdio, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Uri;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use super::{
    Failure,
    login::tell,
    remote::{CLIENT, Remote},
    token::random,
};

/// How long the person may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a browser may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// Bytes of a request's head that are looked at.
const HEAD: usize = 16 * 1024;
/// Where the answer comes to.
const CALLBACK: &str = "/callback";

/// What a browser brought.
#[derive(Debug, PartialEq, Eq)]
enum Brought {
    Code(String),
    /// No; the word of OAuth.
    Refused(String),
}

/// What is waited for.
struct Awaited<'a> {
    state: &'a str,
    issuer: &'a str,
}

/// Sends the person's browser to the server's sign-in page and waits for it to come back.
pub(super) async fn sign_in(remote: &Remote, metadata: &Value, open: bool) -> Result<Value, Failure> {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    let (issuer, endpoint) = (text("issuer"), text("authorization_endpoint"));
    // RFC 8414, 3.3: who answers for another server could send its codes on.
    let url = &remote.server.url;
    if issuer != url {
        let shown: String = issuer.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Failure(format!(
            "the server calls itself `{shown}`, not `{url}`: sign in there, or with --device or --user"
        )));
    }
    if endpoint.strip_prefix(&**url).is_none_or(|path| !path.starts_with('/')) {
        return Err(Failure(format!("the server {url} has its sign-in page elsewhere")));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let redirect = format!("http://127.0.0.1:{}{CALLBACK}", listener.local_addr()?.port());
    let (state, verifier) = (random::<32>()?, random::<32>()?);
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT)
        .append_pair("redirect_uri", &redirect)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", &state)
        .finish();
    let address = format!("{endpoint}?{query}");
    tell(&format!("Sign in with your browser:\n\n  {address}\n"))?;
    if open && !browse(&address) {
        tell(
            "No browser could be opened: open the address yourself, on this machine. Elsewhere: drover login --device",
        )?;
    }
    let awaited = Awaited { state: &state, issuer };
    let brought = tokio::time::timeout(PATIENCE, wait(&listener, &awaited)).await;
    let brought = brought.map_err(|_| Failure::new("nobody signed in within ten minutes"))??;
    match brought {
        Brought::Code(code) => {
            let fields = [
                ("grant_type", "authorization_code"),
                ("client_id", CLIENT),
                ("code", &code),
                ("redirect_uri", &redirect),
                ("code_verifier", &verifier),
            ];
            Ok(remote.form("/oauth2/token", &fields).await?)
        }
        Brought::Refused(word) if word == "access_denied" => Err(Failure::new("you said no in the browser")),
        Brought::Refused(word) => Err(Failure(format!("the server refuses: {word}"))),
    }
}

/// Opens an address; whether there is a program for it.
fn browse(address: &str) -> bool {
    let programs: &[&str] = if cfg!(target_os = "macos") { &["open"] } else { &["xdg-open"] };
    // Without a display it would be a browser in this terminal.
    let has_display =
        cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let named = std::env::var("BROWSER").ok().filter(|name| !name.is_empty());
    if !has_display && named.is_none() {
        return false;
    }
    programs.iter().any(|program| {
        let mut command = Command::new(program);
        command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().is_ok()
    })
}

/// Answers whoever comes, until one brings the answer that is waited for.
async fn wait(listener: &TcpListener, awaited: &Awaited<'_>) -> Result<Brought, Failure> {
    // A browser opens connections that it does not use at once: none keeps the next one waiting.
    let mut all = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut stream, _) = accepted?;
                all.spawn(async move {
                    let read = tokio::time::timeout(REQUEST, target(&mut stream)).await;
                    (stream, read.ok().flatten())
                });
            }
            Some(Ok((mut stream, target))) = all.join_next() => {
                let Some(target) = target else { continue };
                let brought = awaited.judge(&target);
                let (code, text) = match &brought {
                    Some(Brought::Code(_)) => ("200 OK", "You are signed in. You can close this page and go back to the terminal."),
                    Some(Brought::Refused(_)) => ("200 OK", "Nobody is signed in. You can close this page and go back to the terminal."),
                    None => ("404 Not Found", "This is not what drover waits for."),
                };
                let told = tokio::time::timeout(REQUEST, answer(&mut stream, code, text)).await;
                // Whether the browser shows it or not.
                drop(told);
                if let Some(brought) = brought {
                    return Ok(brought);
                }
            }
        }
    }
}

/// The target of a GET.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned))?
}

async fn answer(stream: &mut TcpStream, code: &str, text: &str) -> std::io::Result<()> {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Drover</title><p>{text}</p></html>\n"
    );
    let head = format!(
        "HTTP/1.1 {code}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

impl Awaited<'_> {
    /// What a target brings, if it is the answer: of this sign-in (`state`), and of the server that was asked (`iss`, RFC 9207).
    fn judge(&self, target: &str) -> Option<Brought> {
        let uri: Uri = target.parse().ok()?;
        let mut fields = std::collections::HashMap::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        let is = |name: &str, expected: &str| fields.get(name).is_some_and(|value| value == expected);
        if uri.path() != CALLBACK || !is("state", self.state) || !is("iss", self.issuer) {
            return None;
        }
        match (fields.remove("code"), fields.remove("error")) {
            (Some(code), None) if !code.is_empty() => Some(Brought::Code(code)),
            (None, Some(error)) => {
                Some(Brought::Refused(error.chars().filter(char::is_ascii_graphic).take(60).collect()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Awaited, Brought};

    #[test]
    fn only_the_answer_of_this_sign_in_and_this_server_is_taken() {
        let awaited = Awaited { state: "s1", issuer: "https://d.example" };
        let iss = "iss=https%3A%2F%2Fd.example";
        let code = |target: String| awaited.judge(&target);
        assert_eq!(code(format!("/callback?code=c&state=s1&{iss}")), Some(Brought::Code("c".to_owned())));
        let refused = Some(Brought::Refused("access_denied".to_owned()));
        assert_eq!(code(format!("/callback?error=access_denied&state=s1&{iss}")), refused);
        for other in [
            "/favicon.ico".to_owned(),
            format!("/?code=c&state=s1&{iss}"),
            format!("/callback?code=c&state=s2&{iss}"),
            format!("/callback?code=c&{iss}"),
            "/callback?code=c&state=s1".to_owned(),
            "/callback?code=c&state=s1&iss=https%3A%2F%2Fevil.example".to_owned(),
            format!("/callback?code=c&code=d&state=s1&{iss}"),
            format!("/callback?code=c&error=e&state=s1&{iss}"),
            format!("/callback?state=s1&{iss}"),
        ] {
            assert_eq!(awaited.judge(&other), None, "{other}");
        }
    }
}
