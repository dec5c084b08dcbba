//! Where the webhook is: a URL, or a kubeconfig as `--audit-webhook-config-file` of kube-apiserver takes it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;

use crate::{
    config::server::AuditWebhook,
    secret::Secret,
    telemetry::poster::{Credentials, Poster, PosterError},
};

/// Why the webhook's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither, or both, of `url` and `kubeconfig`.
    #[error("exactly one of `url` and `kubeconfig` is needed")]
    Target,
    /// The kubeconfig is not YAML, or not of the known form.
    #[error("`{}`: {message}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The URL or the credentials cannot be used.
    #[error(transparent)]
    Poster(#[from] PosterError),
}

pub(super) fn poster(settings: &AuditWebhook) -> Result<Poster, WebhookError> {
    let (url, credentials) = match (&settings.url, &settings.kubeconfig) {
        (Some(url), None) => {
            let authorities = settings.ca_file.as_deref().map(read).transpose()?;
            (url.clone(), Credentials { authorities, ..Credentials::default() })
        }
        (None, Some(path)) => kubeconfig(path)?,
        _ => return Err(WebhookError::Target),
    };
    Ok(Poster::new(&url, credentials, settings.timeout.0)?)
}

fn read(path: &Path) -> Result<Vec<u8>, WebhookError> {
    fs::read(path).map_err(|source| WebhookError::Read { path: path.to_owned(), source })
}

/// The parts of a kubeconfig that have a meaning here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    clusters: Vec<Named<ClusterPart>>,
    #[serde(default)]
    contexts: Vec<Named<ContextPart>>,
    #[serde(default)]
    users: Vec<Named<UserPart>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "context", alias = "user")]
    value: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ClusterPart {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
}

#[derive(Deserialize)]
struct ContextPart {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct UserPart {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
}

fn kubeconfig(path: &Path) -> Result<(String, Credentials), WebhookError> {
    let refuse = |message: String| WebhookError::Kubeconfig { path: path.to_owned(), message };
    let text = String::from_utf8(read(path)?).map_err(|_| refuse("not UTF-8".to_owned()))?;
    let file: File = serde_saphyr::from_str(&text).map_err(|error| refuse(error.without_snippet().to_string()))?;
    let context = find(file.contexts, &file.current_context)
        .ok_or_else(|| refuse(format!("there is no context `{}`", file.current_context)))?;
    let cluster = find(file.clusters, &context.cluster)
        .ok_or_else(|| refuse(format!("there is no cluster `{}`", context.cluster)))?;
    let user = if context.user.is_empty() {
        UserPart::default()
    } else {
        find(file.users, &context.user).ok_or_else(|| refuse(format!("there is no user `{}`", context.user)))?
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let load = |field: &str, data: Option<String>, file: Option<PathBuf>| match (data, file) {
        (Some(data), _) => STANDARD.decode(data.trim()).map(Some).map_err(|_| refuse(format!("{field}: not base64"))),
        (None, Some(file)) => read(&folder.join(file)).map(Some),
        (None, None) => Ok(None),
    };
    let authorities =
        load("certificate-authority-data", cluster.certificate_authority_data, cluster.certificate_authority)?;
    let certificate = load("client-certificate-data", user.client_certificate_data, user.client_certificate)?;
    let key = load("client-key-data", user.client_key_data, user.client_key)?;
    let client_certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
        (None, None) => None,
        _ => return Err(refuse("a client certificate and its key belong together".to_owned())),
    };
    let mut credentials =
        Credentials { authorities, client_certificate, server_name: cluster.tls_server_name, ..Credentials::default() };
    if let Some(token) = user.token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| refuse("the token holds characters that no header may".to_owned()))?;
        value.set_sensitive(true);
        credentials.headers.insert(AUTHORIZATION, value);
    }
    Ok((cluster.server, credentials))
}

fn find<T>(list: Vec<Named<T>>, name: &str) -> Option<T> {
    list.into_iter().find(|named| named.name == name).map(|named| named.value)
}

#[cfg(test)]
mod tests {
    use super::{find, kubeconfig};

    fn parsed(users: &str) -> Result<(String, super::Credentials), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhook.yaml");
        std::fs::write(folder.path().join("ca.pem"), "the authority").unwrap();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\npreferences: {{}}\n\
             contexts:\n- {{name: a, context: {{cluster: c, user: u}}}}\n\
             clusters:\n- {{name: c, cluster: {{server: 'https://audit:8443/in', certificate-authority: ca.pem}}}}\n\
             users:\n- {{name: u, user: {users}}}\n"
        );
        std::fs::write(&path, text).unwrap();
        kubeconfig(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn the_current_context_says_where_and_as_whom() {
        let (url, credentials) = parsed("{token: abc}").unwrap();
        assert_eq!(url, "https://audit:8443/in");
        assert_eq!(credentials.authorities.as_deref(), Some(&b"the authority"[..]));
        assert_eq!(credentials.headers["authorization"], "Bearer abc");
        assert!(!format!("{credentials:?}").contains("abc"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let refused = |users| parsed(users).err().unwrap();
        assert!(refused("{client-certificate-data: YQ==}").ends_with("belong together"));
        assert!(refused("{client-certificate-data: '?'}").ends_with("client-certificate-data: not base64"));
        assert!(refused("{exec: {command: a}}").contains("unknown field `exec`"));
        assert!(find::<()>(Vec::new(), "a").is_none());
    }
}
