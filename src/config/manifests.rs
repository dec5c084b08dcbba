//! The folder of manifests, in Rancher's wire form: users, tokens, clusters, bindings, and Secrets with kubeconfigs.

mod check;
mod form;

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::form::{AuthConfig, Binding, Cluster, ClusterProxyConfig, Group, GroupMember, SecretForm, Token, User};
use super::{
    Problem, Problems,
    yaml::{self, Document},
};
use crate::world::input::{Connection, Inputs};

const MANAGEMENT: &str = "management.cattle.io/v3";

/// What a folder of manifests gave.
#[derive(Clone, Debug)]
pub struct Reading {
    /// All objects, or everything that is wrong.
    pub result: Result<Inputs, Problems>,
    /// The files that the manifests name: kubeconfigs, and the certificates, keys and tokens that these name.
    pub files: BTreeSet<PathBuf>,
    /// The objects themselves, as they stand there.
    pub objects: Vec<Value>,
    /// The connections of clusters whose kubeconfig is a file, by cluster.
    pub connections: HashMap<String, Arc<Connection>>,
}

/// Reads all manifests of a folder.
///
/// # Errors
/// Everything that is wrong in any of them. Nothing is taken from a folder with an error in it: half a set of bindings
/// is worse than the last whole one.
pub fn load(folder: &Path) -> Result<Inputs, Problems> {
    read(folder).result
}

/// Reads all manifests of a folder, and tells which other files they name.
pub fn read(folder: &Path) -> Reading {
    let mut problems = Problems::default();
    let mut objects = Objects::default();
    match files(folder) {
        Ok(files) => {
            for file in files {
                match fs::read_to_string(&file) {
                    Ok(text) => objects.add(&file, &text, &mut problems),
                    Err(error) => problems.push(Problem::unreadable(&file, &error)),
                }
            }
        }
        Err(error) => problems.push(Problem::unreadable(folder, &error)),
    }
    let (inputs, files) = check::inputs(&objects, &mut problems);
    let by_file = |id: &str| {
        let named = |found: &&Found<Cluster>| found.object.metadata.name == id;
        objects.clusters.iter().find(named).is_some_and(|found| found.object.spec.upstream.kubeconfig.file.is_some())
    };
    let clusters = inputs.clusters.iter().filter(|cluster| by_file(&cluster.id));
    let connections = clusters
        .filter_map(|cluster| Some((cluster.id.to_string(), Arc::clone(cluster.reach.connection()?))))
        .collect();
    Reading { result: problems.or(inputs), files, objects: objects.values, connections }
}

/// The manifests of a folder, sorted. Folders in it are not entered; hidden files are passed over, so that the links
/// (`..data`) of a mounted `ConfigMap` or Secret count once.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let manifest = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        if manifest && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// An object and where it stands.
struct Found<T> {
    file: PathBuf,
    document: Document,
    object: T,
}

impl<T> Found<T> {
    fn problem(&self, field: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::field(&self.file, &self.document, field, message)
    }

    /// Where it stands, for another object's problem.
    fn place(&self) -> String {
        let (line, _) = self.document.position("");
        format!("{}:{line}", self.file.display())
    }
}

/// All objects of a folder, by kind.
#[derive(Default)]
struct Objects {
    users: Vec<Found<User>>,
    tokens: Vec<Found<Token>>,
    clusters: Vec<Found<Cluster>>,
    secrets: Vec<Found<SecretForm>>,
    bindings: Vec<Found<Binding>>,
    groups: Vec<Found<Group>>,
    members: Vec<Found<GroupMember>>,
    providers: Vec<Found<AuthConfig>>,
    proxies: Vec<Found<ClusterProxyConfig>>,
    values: Vec<Value>,
}

impl Objects {
    fn add(&mut self, file: &Path, text: &str, problems: &mut Problems) {
        let (documents, faults) = yaml::read(text);
        for fault in faults {
            problems.push(Problem::fault(file, fault));
        }
        for document in documents {
            // What is no object of ours is told below.
            self.values.extend(yaml::decode::<Value>(&document));
            match (document.top("apiVersion"), document.top("kind")) {
                (Some(MANAGEMENT), Some("User")) => keep(&mut self.users, file, document, problems),
                (Some(MANAGEMENT), Some("Token")) => keep(&mut self.tokens, file, document, problems),
                (Some(MANAGEMENT), Some("Cluster")) => keep(&mut self.clusters, file, document, problems),
                (Some(MANAGEMENT), Some("ClusterRoleTemplateBinding")) => {
                    keep(&mut self.bindings, file, document, problems);
                }
                (Some(MANAGEMENT), Some("Group")) => keep(&mut self.groups, file, document, problems),
                (Some(MANAGEMENT), Some("GroupMember")) => keep(&mut self.members, file, document, problems),
                (Some(MANAGEMENT), Some("ClusterProxyConfig")) => keep(&mut self.proxies, file, document, problems),
                (Some(MANAGEMENT), Some("AuthConfig")) => keep(&mut self.providers, file, document, problems),
                (Some("v1"), Some("Secret")) => keep(&mut self.secrets, file, document, problems),
                (None, _) => problems.push(Problem::field(file, &document, "apiVersion", "is missing")),
                (_, None) => problems.push(Problem::field(file, &document, "kind", "is missing")),
                (Some(version), Some(kind)) => {
                    let expected = "expected User, Group, GroupMember, Token, AuthConfig, Cluster, ClusterProxyConfig or \
                                    ClusterRoleTemplateBinding of `management.cattle.io/v3`, or Secret of `v1`";
                    let message = format!("{expected}, found `{kind}` of `{version}`");
                    problems.push(Problem::field(file, &document, "kind", message));
                }
            }
        }
    }
}

fn keep<T: DeserializeOwned>(kept: &mut Vec<Found<T>>, file: &Path, document: Document, problems: &mut Problems) {
    match yaml::decode(&document) {
        Ok(object) => kept.push(Found { file: file.to_owned(), document, object }),
        Err(faults) => {
            for fault in faults {
                problems.push(Problem::fault(file, fault));
            }
        }
    }
}
