//! Kubeconfigs: from one context of one to a [`Connection`].
//!
//! What a kubeconfig may hold depends on where it comes from (case R14): only a file of the admin's own may name
//! programs, proxies or other files.

mod form;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Uri;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use self::form::{ClusterForm, ExecForm, Kubeconfig, UserForm};
use super::yaml::{self, Document, Fault};
use crate::{
    secret::Secret,
    world::input::{Auth, Connection, DataOrFile, ExecPlugin},
};

/// Where a kubeconfig comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A file that the admin's config names; this is its folder, from which relative paths are taken.
    AdminFile(&'a Path),
    /// A Secret, or anything else that came from elsewhere: inline data only.
    Inline,
}

/// Reads one context of a kubeconfig; the current one unless told.
///
/// # Errors
/// Everything that is wrong with it, by line and field.
pub fn connection(text: &str, context: Option<&str>, origin: Origin<'_>) -> Result<Connection, Vec<Fault>> {
    let (documents, mut faults) = yaml::read(text);
    let [document] = documents.as_slice() else {
        if faults.is_empty() {
            faults.push(Fault {
                line: 1,
                column: 1,
                field: String::new(),
                message: "expected one kubeconfig".to_owned(),
            });
        }
        return Err(faults);
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let config: Kubeconfig = yaml::decode(document)?;
    let mut reader = Reader { document, origin, faults };
    match reader.read(config, context) {
        Some(connection) if reader.faults.is_empty() => Ok(connection),
        _ => Err(reader.faults),
    }
}

struct Reader<'a> {
    document: &'a Document,
    origin: Origin<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn wrong(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        let (line, column) = self.document.position(&field);
        self.faults.push(Fault { line, column, field, message: message.into() });
    }

    fn read(&mut self, config: Kubeconfig, context: Option<&str>) -> Option<Connection> {
        let (name, from) = match (context, config.current_context.as_deref()) {
            (Some(name), _) => (name, "contexts"),
            (None, Some(name)) if !name.is_empty() => (name, "current-context"),
            _ => {
                self.wrong("", "no context is chosen: there is no `current-context`");
                return None;
            }
        };
        let Some(at) = config.contexts.iter().position(|context| context.name == name) else {
            self.wrong(from, format!("there is no context `{name}`"));
            return None;
        };
        let context = &config.contexts.get(at)?.context;
        let cluster_at = config.clusters.iter().position(|cluster| cluster.name == context.cluster);
        let user_at = config.users.iter().position(|user| user.name == context.user);
        if cluster_at.is_none() {
            let message = format!("there is no cluster `{}`", context.cluster);
            self.wrong(format!("contexts[{at}].context.cluster"), message);
        }
        if user_at.is_none() {
            let message = format!("there is no user `{}`", context.user);
            self.wrong(format!("contexts[{at}].context.user"), message);
        }
        let (cluster_at, user_at) = (cluster_at?, user_at?);
        let cluster = config.clusters.into_iter().nth(cluster_at)?.cluster;
        let user = config.users.into_iter().nth(user_at)?.user;
        let auth = self.auth(user, &format!("users[{user_at}].user"));
        self.cluster(cluster, &format!("clusters[{cluster_at}].cluster"), auth?)
    }

    fn cluster(&mut self, form: ClusterForm, at: &str, auth: Auth) -> Option<Connection> {
        self.only_admin(form.proxy_url.is_some(), at, "proxy-url");
        self.only_admin(form.certificate_authority.is_some(), at, "certificate-authority");
        self.only_admin(form.insecure_skip_tls_verify, at, "insecure-skip-tls-verify");
        if let Some(url) = &form.proxy_url
            && !url
                .parse::<Uri>()
                .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https" | "socks5")) && uri.host().is_some())
        {
            self.wrong(format!("{at}.proxy-url"), "expected a URL with scheme `http`, `https` or `socks5`");
        }
        let ca = self.data_or_file(
            at,
            "certificate-authority",
            form.certificate_authority_data,
            form.certificate_authority,
            is_certificates,
        );
        if form.insecure_skip_tls_verify && ca.is_some() {
            self.wrong(
                format!("{at}.insecure-skip-tls-verify"),
                "contradicts the certificate authority given beside it",
            );
        }
        let Server { https, host, port, path_prefix } = self.server(&form.server, &format!("{at}.server"))?;
        Some(Connection {
            https,
            host,
            port,
            path_prefix,
            tls_server_name: form.tls_server_name.filter(|name| !name.is_empty()),
            ca,
            insecure_skip_tls_verify: form.insecure_skip_tls_verify,
            proxy_url: form.proxy_url,
            auth,
        })
    }

    fn server(&mut self, url: &str, at: &str) -> Option<Server> {
        let expected = "expected a URL such as `https://kube.example.org:6443`";
        let why = match parse(url) {
            None => expected,
            Some((server, _)) if server.host.is_empty() => expected,
            Some((_, false)) => "expected a URL without user and query",
            Some((Server { https: false, .. }, _)) if self.origin == Origin::Inline => {
                "plain `http` is taken only from a file of the admin's config"
            }
            Some((server, true)) => return Some(server),
        };
        self.wrong(at, format!("{why}, found `{url}`"));
        None
    }

    fn auth(&mut self, form: UserForm, at: &str) -> Option<Auth> {
        for (given, field) in [
            (form.as_user.is_some(), "as"),
            (form.as_uid.is_some(), "as-uid"),
            (form.as_groups.is_some(), "as-groups"),
            (form.as_user_extra.is_some(), "as-user-extra"),
        ] {
            if given {
                self.wrong(format!("{at}.{field}"), "not taken: Drover impersonates its callers, not another account");
            }
        }
        for (given, field) in [(form.username.is_some(), "username"), (form.password.is_some(), "password")] {
            if given {
                self.wrong(format!("{at}.{field}"), "not taken: Kubernetes knows no passwords since 1.19");
            }
        }
        if form.auth_provider.is_some() {
            let message = "not taken: Kubernetes has dropped `auth-provider` for `exec`";
            self.wrong(format!("{at}.auth-provider"), message);
        }
        self.only_admin(form.client_certificate.is_some(), at, "client-certificate");
        self.only_admin(form.client_key.is_some(), at, "client-key");
        self.only_admin(form.token_file.is_some(), at, "tokenFile");
        self.only_admin(form.exec.is_some(), at, "exec");
        let certificate = self.data_or_file(
            at,
            "client-certificate",
            form.client_certificate_data,
            form.client_certificate,
            is_certificates,
        );
        let key = self.data_or_file(at, "client-key", form.client_key_data, form.client_key, is_key);
        let token = match (form.token_file, form.token) {
            (Some(file), _) => self.path(&file).map(DataOrFile::File),
            (None, Some(token)) if !token.is_empty() => {
                if token.bytes().all(|b| b.is_ascii_graphic()) {
                    Some(data(token.into_bytes()))
                } else {
                    self.wrong(format!("{at}.token"), "expected visible ASCII characters without spaces");
                    None
                }
            }
            _ => None,
        };
        let exec = form.exec.and_then(|exec| self.exec(exec, &format!("{at}.exec")));
        match (certificate, key, token, exec) {
            (Some(certificate), Some(key), None, None) => Some(Auth::ClientCertificate { certificate, key }),
            (None, None, Some(token), None) => Some(Auth::Token(token)),
            (None, None, None, Some(exec)) => Some(Auth::Exec(exec)),
            // The fault has been told where a part of the credential was refused.
            _ if !self.faults.is_empty() => None,
            (None, None, None, None) => {
                self.wrong(
                    at,
                    "holds no credential: expected a client certificate and key, a token, or an exec plugin",
                );
                None
            }
            (Some(_), None, None, None) => {
                self.wrong(at, "the client certificate lacks its key");
                None
            }
            (None, Some(_), None, None) => {
                self.wrong(at, "the client key lacks its certificate");
                None
            }
            _ => {
                self.wrong(
                    at,
                    "holds more than one credential: expected one of client certificate, token, exec plugin",
                );
                None
            }
        }
    }

    fn exec(&mut self, form: ExecForm, at: &str) -> Option<ExecPlugin> {
        let Origin::AdminFile(folder) = self.origin else { return None };
        let version = form.api_version.strip_prefix("client.authentication.k8s.io/");
        let Some(version) = version.filter(|version| matches!(*version, "v1" | "v1beta1")) else {
            let expected = "expected `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`";
            self.wrong(format!("{at}.apiVersion"), format!("{expected}, found `{}`", form.api_version));
            return None;
        };
        if form.command.is_empty() {
            self.wrong(format!("{at}.command"), "expected a program");
        }
        if form.interactive_mode.as_deref() == Some("Always") {
            self.wrong(format!("{at}.interactiveMode"), "nobody is there to ask: expected `Never` or `IfAvailable`");
        }
        // As in client-go: a bare name is looked up in PATH, a relative path starts at the kubeconfig's folder.
        let command = if form.command.contains('/') {
            folder.join(&form.command).to_string_lossy().into_owned()
        } else {
            form.command
        };
        let env = form.env.into_iter().map(|env| (env.name, Secret::new(env.value))).collect();
        Some(ExecPlugin {
            api_version: version.to_owned(),
            command,
            args: form.args,
            env,
            provide_cluster_info: form.provide_cluster_info,
        })
    }

    /// A field that only a file of the admin's own may have.
    fn only_admin(&mut self, given: bool, at: &str, field: &str) {
        if given && self.origin == Origin::Inline {
            let message = format!("`{field}` is taken only from a file of the admin's config; here inline data only");
            self.wrong(format!("{at}.{field}"), message);
        }
    }

    /// `<field>-data` or `<field>`; as in client-go the data wins.
    fn data_or_file(
        &mut self,
        at: &str,
        field: &str,
        inline: Option<String>,
        file: Option<String>,
        check: fn(&[u8]) -> Result<(), &'static str>,
    ) -> Option<DataOrFile> {
        let Some(inline) = inline.filter(|inline| !inline.is_empty()) else {
            let file = file.filter(|file| !file.is_empty())?;
            return self.path(&file).map(DataOrFile::File);
        };
        let decoded = BASE64_STANDARD.decode(inline.split_ascii_whitespace().collect::<String>());
        let result = decoded.map_err(|_| "expected base64").and_then(|bytes| check(&bytes).map(|()| bytes));
        match result {
            Ok(bytes) => Some(data(bytes)),
            Err(message) => {
                self.wrong(format!("{at}.{field}-data"), message);
                None
            }
        }
    }

    fn path(&self, file: &str) -> Option<PathBuf> {
        match self.origin {
            Origin::AdminFile(folder) => Some(folder.join(file)),
            Origin::Inline => None,
        }
    }
}

struct Server {
    https: bool,
    host: String,
    port: u16,
    path_prefix: String,
}

/// The parts of a server's URL, and whether it is free of parts that a server's URL must not have.
fn parse(url: &str) -> Option<(Server, bool)> {
    let uri: Uri = url.parse().ok()?;
    let https = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority()?.as_str();
    let clean = !authority.contains('@') && uri.query().is_none();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port != 0)?),
        _ => (authority, if https { 443 } else { 80 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    Some((Server { https, host, port, path_prefix: uri.path().trim_end_matches('/').to_owned() }, clean))
}

fn data(bytes: Vec<u8>) -> DataOrFile {
    DataOrFile::Data(Secret::new(Arc::from(bytes)))
}

fn is_certificates(pem: &[u8]) -> Result<(), &'static str> {
    let mut any = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|_| "expected PEM certificates")?;
        any = true;
    }
    if any { Ok(()) } else { Err("expected PEM certificates, found none") }
}

fn is_key(pem: &[u8]) -> Result<(), &'static str> {
    PrivateKeyDer::from_pem_slice(pem).map(|_| ()).map_err(|_| "expected a PEM private key")
}
