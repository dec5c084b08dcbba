//! Clusters, and the kubeconfigs that they name.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::Check;
use crate::{
    config::{
        Problem,
        kubeconfig::{self, Origin},
        manifests::{Found, form::Cluster},
        rules,
        yaml::Fault,
    },
    world::input::{Auth, ClusterInput, Connection, DataOrFile, Reach},
};

impl Check<'_> {
    pub(super) fn cluster(&mut self, found: &Found<Cluster>) -> Option<ClusterInput> {
        let Cluster { metadata, spec, .. } = &found.object;
        self.metadata(found, metadata, false);
        let id = &metadata.name;
        self.flaw(found, rules::cluster_id(id));
        self.flaw(found, rules::local_cluster(id, false));
        let form = &spec.upstream.kubeconfig;
        let context = form.context.as_deref();
        let connection = match (&form.secret_ref, &form.file) {
            (Some(reference), None) => {
                self.secret(found, &reference.namespace, &reference.name, &reference.key, context)
            }
            (None, Some(file)) => self.file(found, file, context),
            _ => {
                let message = "expected exactly one of `secretRef` and `file`";
                self.problems.push(found.problem("spec.upstream.kubeconfig", message));
                None
            }
        };
        let display_name = spec.display_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(id);
        Some(ClusterInput {
            id: id.as_str().into(),
            display_name: display_name.into(),
            reach: Reach::Direct(Arc::new(connection?)),
            allow_administrator: spec.upstream.allow_administrator,
            limits: spec.upstream.limits.into(),
        })
    }

    fn file(&mut self, found: &Found<Cluster>, file: &str, context: Option<&str>) -> Option<Connection> {
        const FIELD: &str = "spec.upstream.kubeconfig.file";
        let manifest = std::path::absolute(&found.file).ok()?;
        let path = manifest.parent().unwrap_or(Path::new("/")).join(file);
        self.files.insert(path.clone());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                self.problems.push(found.problem(FIELD, message));
                return None;
            }
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        match kubeconfig::connection(&text, context, Origin::AdminFile(folder)) {
            Ok(connection) => {
                self.files.extend(files(&connection).cloned());
                Some(connection)
            }
            Err(faults) => {
                for fault in faults {
                    self.problems.push(Problem::fault(&path, fault));
                }
                None
            }
        }
    }

    fn secret(
        &mut self,
        found: &Found<Cluster>,
        namespace: &str,
        name: &str,
        key: &str,
        context: Option<&str>,
    ) -> Option<Connection> {
        const FIELD: &str = "spec.upstream.kubeconfig.secretRef";
        let Some(secret) = self.secrets.get(&(namespace, name)).copied() else {
            self.problems.push(found.problem(FIELD, format!("there is no Secret `{namespace}/{name}`")));
            return None;
        };
        // As in Kubernetes, `stringData` wins.
        let (field, text) = match (secret.object.string_data.get(key), secret.object.data.get(key)) {
            (Some(text), _) => (format!("stringData.{key}"), Some(text.clone())),
            (None, Some(data)) => {
                let bytes = BASE64_STANDARD.decode(data.split_ascii_whitespace().collect::<String>());
                (format!("data.{key}"), bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()))
            }
            (None, None) => {
                let message = format!("the Secret `{namespace}/{name}` has no key `{key}`");
                self.problems.push(found.problem(format!("{FIELD}.key"), message));
                return None;
            }
        };
        let Some(text) = text else {
            self.problems.push(secret.problem(field, "expected base64 of a text"));
            return None;
        };
        match kubeconfig::connection(&text, context, Origin::Inline) {
            Ok(connection) => Some(connection),
            Err(faults) => {
                for Fault { line, field: inner, message, .. } in faults {
                    let message =
                        format!("its line {line}: {inner}{}{message}", if inner.is_empty() { "" } else { ": " });
                    self.problems.push(secret.problem(&field, message));
                }
                None
            }
        }
    }
}

/// The files that a connection is read from again when they change.
fn files(connection: &Connection) -> impl Iterator<Item = &PathBuf> {
    let auth = match &connection.auth {
        Auth::ClientCertificate { certificate, key } => [Some(certificate), Some(key)],
        Auth::Token(token) => [Some(token), None],
        Auth::Exec(_) => [None, None],
    };
    auth.into_iter().chain([connection.ca.as_ref()]).flatten().filter_map(|source| match source {
        DataOrFile::File(path) => Some(path),
        DataOrFile::Data(_) => None,
    })
}
