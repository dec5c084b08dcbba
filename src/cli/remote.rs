//! The server as a person's commands reach it: over HTTPS, verified, as anybody else does.

use std::{fs, path::Path, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use kube::{Client, client::Body};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;

use super::{Failure, table::one_line};

/// The one OAuth client.
pub(super) const CLIENT: &str = "drover-cli";
/// How long an answer may take: a directory behind the server may be slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER: usize = 64 << 20;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody answers, or nobody who can be believed.
    #[error("the server {server} does not answer: {why}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// The answer is no.
    #[error("{message}")]
    Refused {
        /// The status.
        code: StatusCode,
        /// A word for programs: an error of OAuth, or a reason of Kubernetes.
        reason: String,
        /// For people.
        message: String,
    },
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::new(error)
    }
}

impl CallError {
    /// Whether the server said no with this word.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == word)
    }
}

/// Where a server is, and whom to believe that it is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// `https://host[:port]`.
    pub url: String,
    /// PEM; `None`: the authorities that this machine trusts.
    pub authority: Option<String>,
}

/// A server, to be called.
pub(super) struct Remote {
    pub server: Server,
    token: Option<String>,
    client: Client,
}

/// `https://host[:port]` of what a person calls a server.
pub(super) fn server_url(text: &str) -> Result<String, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let expected = || format!("expected a server such as `https://drover.example.org`, found `{text}`");
    let uri: Uri = full.parse().map_err(|_| expected())?;
    let authority = uri.authority().ok_or_else(expected)?.as_str().to_ascii_lowercase();
    if uri.scheme_str() != Some("https") {
        return Err(format!("{}: passwords and tokens go over `https` alone", expected()));
    }
    if authority.contains('@') || uri.host().is_none_or(str::is_empty) || !matches!(uri.path(), "" | "/") {
        return Err(expected());
    }
    if uri.query().is_some() {
        return Err(expected());
    }
    Ok(format!("https://{}", authority.strip_suffix(":443").unwrap_or(&authority)))
}

/// The certificates of a file.
pub(super) fn authority(path: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure(format!("--certificate-authority: {}: {why}", path.display()));
    let pem = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    match certificates(&pem) {
        Some(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(wrong(&"expected PEM certificates")),
    }
}

fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    Some(all.ok()?.into_iter().map(|certificate| certificate.to_vec()).collect())
}

/// What the server is told of this program, and shows where a person says yes to it.
fn agent() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(64).collect();
    format!("drover/{} on {host}", env!("CARGO_PKG_VERSION"))
}

fn client(server: &Server, path: &str, token: Option<&str>) -> Result<Client, Failure> {
    let url: Uri = format!("{}{path}", server.url).parse().map_err(Failure::new)?;
    let mut config = kube::Config::new(url);
    config.root_cert = server.authority.as_deref().and_then(certificates);
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(PATIENCE);
    config.default_retry = false;
    let mut add = |name: HeaderName, value: &str, secret: bool| -> Result<(), Failure> {
        let mut value = HeaderValue::try_from(value).map_err(Failure::new)?;
        value.set_sensitive(secret);
        config.headers.push((name, value));
        Ok(())
    };
    add(header::USER_AGENT, &agent(), false)?;
    if let Some(token) = token {
        add(header::AUTHORIZATION, &format!("Bearer {token}"), true)?;
    }
    Client::try_from(config).map_err(Failure::caused)
}

impl Remote {
    /// Whoever holds `token`; without one nobody. Made, and used, within one runtime.
    pub(super) fn new(server: Server, token: Option<&str>) -> Result<Self, Failure> {
        let client = client(&server, "", token)?;
        Ok(Self { server, token: token.map(str::to_owned), client })
    }

    /// The management plane.
    pub(super) fn plane(&self) -> Result<Client, Failure> {
        client(&self.server, "/k8s/clusters/local", self.token.as_deref())
    }

    /// A call without a body.
    pub(super) async fn call(&self, method: Method, path: &str) -> Result<Value, CallError> {
        self.send(method, path, None, Vec::new()).await
    }

    /// A call with JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, CallError> {
        self.send(Method::POST, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// A form, as OAuth has it.
    pub(super) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<Value, CallError> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), form.into_bytes()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Value, CallError> {
        let exchange = async {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(media) = media {
                request = request.header(header::CONTENT_TYPE, media);
            }
            let request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
            let response = self.client.send(request).await.map_err(|error| why(&error))?;
            let code = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await.map_err(|error| error.to_string())?;
            Ok((code, body.to_bytes()))
        };
        let exchanged = tokio::time::timeout(PATIENCE, exchange).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(format!("not within {} s", PATIENCE.as_secs())));
        let (code, body) = exchanged.map_err(|why| CallError::Unreachable { server: self.server.url.clone(), why })?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if code.is_success() && value.is_object() { Ok(value) } else { Err(refused(&self.server, code, &value)) }
    }
}

/// The word and the text of an answer that says no: an error of OAuth, or a `Status`.
fn refused(server: &Server, code: StatusCode, value: &Value) -> CallError {
    let text = |key: &str| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(told_text);
    let reason = text("error").or_else(|| text("reason")).unwrap_or_default();
    let message = text("error_description").or_else(|| text("message"));
    let message = message.unwrap_or_else(|| match code {
        code if code.is_success() => format!("{} answers, but not as Drover does", server.url),
        code => format!("{} answers with {code}", server.url),
    });
    CallError::Refused { code, reason, message }
}

/// What the server says, as one line of bounded length.
fn told_text(text: &str) -> String {
    one_line(text.chars().take(1000).collect::<String>())
}

/// Why there was no answer, from the error's causes.
fn why(error: &kube::Error) -> String {
    let Failure(text) = Failure::caused(match error {
        kube::Error::Service(inner) => &**inner as &(dyn std::error::Error + 'static),
        error => error,
    });
    if text.contains("UnknownIssuer") {
        return format!("{text}; give the authority of its certificate with --certificate-authority FILE");
    }
    text
}

/// What the management plane said no with, in one line.
pub(super) fn told(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) => Failure(told_text(&status.message)),
        error => Failure(format!("the server does not answer: {}", why(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::server_url;

    #[test]
    fn a_server_is_its_host_and_port_and_nothing_else() {
        for (typed, url) in [
            ("drover.example.org", "https://drover.example.org"),
            ("https://Drover.example.org:443/", "https://drover.example.org"),
            ("127.0.0.1:8443", "https://127.0.0.1:8443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(server_url(typed).unwrap(), url);
        }
        for wrong in
            ["", "http://drover.example.org", "https://ann@drover.example.org", "https://a/login", "https://a?b"]
        {
            let error = server_url(wrong).unwrap_err();
            assert!(error.contains(&format!("found `{wrong}`")), "{error}");
        }
    }
}
