//! The person's kubeconfig: clusters behind a server become contexts there, and nothing else in it is touched.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{Failure, files, remote::Server, table::one_line};

/// How long another program may hold the file's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster that the person may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reachable {
    pub id: String,
    /// For people; may be empty.
    pub name: String,
}

/// What a kubeconfig gets.
pub(super) struct Wanted<'a> {
    pub server: &'a Server,
    /// The name of the user entry.
    pub user: String,
    /// What the user entry holds.
    pub credential: Value,
    pub clusters: &'a [Reachable],
    /// The id or name of the cluster that becomes the current one; else one only where there is none.
    pub current: Option<&'a str>,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The contexts, and the ids of their clusters.
    pub contexts: Vec<(String, String)>,
    /// Contexts of clusters that the person may not use any more.
    pub removed: Vec<String>,
    /// The current context.
    pub current: String,
}

/// The file that kubectl writes to.
pub(super) fn default_path() -> Result<PathBuf, Failure> {
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    if let Some(first) = std::env::split_paths(&listed).find(|path| !path.as_os_str().is_empty()) {
        return Ok(first);
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or_else(|| Failure::new("--kubeconfig: neither KUBECONFIG nor HOME is set"))?;
    Ok(Path::new(&home).join(".kube/config"))
}

/// The clusters of `/v1/self`.
pub(super) fn reachable(myself: &Value) -> Vec<Reachable> {
    // A name becomes that of a context, which kubectl shows as it is.
    let text = |cluster: &Value, key: &str| one_line(cluster.get(key).and_then(Value::as_str).unwrap_or_default());
    let clusters = myself.get("clusters").and_then(Value::as_array).into_iter().flatten();
    clusters.map(|cluster| Reachable { id: text(cluster, "id"), name: text(cluster, "name") }).collect()
}

/// The host and port of a server's URL.
pub(super) fn host(server: &str) -> &str {
    server.trim_start_matches("https://")
}

/// A user entry that asks `drover credential`.
pub(super) fn plugin(server: &str) -> Result<Value, Failure> {
    Ok(json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": own_command()?,
        "args": ["credential", "--server", server],
        "env": null,
        "installHint": "The context was written by `drover login`: install drover, and sign in with it.",
        // It never asks: what is missing is told, with the command to type.
        "interactiveMode": "Never",
        "provideClusterInfo": false,
    }}))
}

/// `drover` where a shell would run this very program by it, else its path.
fn own_command() -> Result<String, Failure> {
    let own = std::env::current_exe()?;
    let name = own.file_name().unwrap_or_default();
    let found = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&found).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    let is_own =
        |path: PathBuf| fs::canonicalize(path).is_ok_and(|path| fs::canonicalize(&own).is_ok_and(|own| own == path));
    let command =
        if found.into_iter().find(|path| path.is_file()).is_some_and(is_own) { name } else { own.as_os_str() };
    command.to_str().map(str::to_owned).ok_or_else(|| Failure(format!("{}: its path is not UTF-8", own.display())))
}

/// Changes the file at `path`, which need not be there.
pub(super) fn update<T>(
    path: &Path,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let told = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        files::private_folder(folder).map_err(|error| told(&error))?;
    }
    let _lock = Lock::take(path)?;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(told(&error)),
    };
    let unchanged = |why: &dyn std::fmt::Display| told(&format!("it is no kubeconfig, and was not changed: {why}"));
    let mut config = parse(&text).map_err(|why| unchanged(&why))?;
    let before = config.clone();
    let done = change(&mut config).map_err(|error| told(&error))?;
    if config != before {
        let text = serde_saphyr::to_string(&Value::Object(config)).map_err(Failure::new)?;
        files::replace(path, text.as_bytes()).map_err(|error| told(&error))?;
    }
    Ok(done)
}

/// A kubeconfig's text, with lists where lists belong.
fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let config = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_saphyr::from_str(text).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?
    };
    let mut config = match config {
        Value::Null => Map::new(),
        Value::Object(config) => config,
        _ => return Err("expected a mapping".to_owned()),
    };
    for (key, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
        let found = config.entry(key).or_insert_with(|| json!(expected));
        if found != expected {
            return Err(format!("{key}: expected `{expected}`, found `{found}`"));
        }
    }
    for key in ["clusters", "contexts", "users"] {
        let list = config.entry(key).or_insert(Value::Null);
        if list.is_null() {
            *list = json!([]);
        }
        let named = |entry: &Value| entry.get("name").is_some_and(Value::is_string);
        if !list.as_array().is_some_and(|list| list.iter().all(named)) {
            return Err(format!("{key}: expected a list of entries with names"));
        }
    }
    let current = config.entry("current-context").or_insert(Value::Null);
    if current.is_null() {
        *current = json!("");
    }
    if !current.is_string() {
        return Err(format!("current-context: expected a name, found `{current}`"));
    }
    Ok(config)
}

/// The lock that kubectl takes too: a file beside it, made by whoever holds it.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let since = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => return Ok(Self(lock)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let lock = lock.display();
                    return Err(Failure(format!(
                        "{lock}: another program changes the kubeconfig; remove this if none does"
                    )));
                }
                Err(error) => return Err(Failure(format!("{}: {error}", lock.display()))),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn list<'a>(config: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Vec<Value>, Failure> {
    config.get_mut(key).and_then(Value::as_array_mut).ok_or_else(|| Failure(format!("{key}: expected a list")))
}

fn named<'a>(config: &'a Map<String, Value>, key: &str, name: &str) -> Option<&'a Value> {
    config.get(key)?.as_array()?.iter().find(|entry| entry.get("name").is_some_and(|found| found == name))
}

/// The id of the cluster behind `server` that an entry leads to.
fn id_of<'a>(server: &str, entry: &'a Value) -> Option<&'a str> {
    let url = entry.pointer("/cluster/server")?.as_str()?;
    let id = url.strip_prefix(server)?.strip_prefix("/k8s/clusters/")?.trim_end_matches('/');
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

fn name_of(entry: &Value) -> &str {
    entry.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Puts an entry in the place of the one with its name, else at the end.
fn put(list: &mut Vec<Value>, entry: Value) {
    match list.iter_mut().find(|there| name_of(there) == name_of(&entry)) {
        Some(there) => *there = entry,
        None => list.push(entry),
    }
}

/// What a cluster is called: what people call it, or its id where two are alike; `taken` says which names are not free.
fn called(cluster: &Reachable, all: &[Reachable], server: &str, taken: impl Fn(&str) -> bool) -> String {
    let Reachable { id, name } = cluster;
    let alike = all.iter().any(|other| other.id != *id && (other.id == *name || other.name == *name));
    let name = if name.is_empty() || alike { id } else { name };
    if taken(name) { format!("{name}@{}", host(server)) } else { name.clone() }
}

/// Puts the clusters of a server in, and takes those out that are not among them any more.
pub(super) fn merge(config: &mut Map<String, Value>, wanted: &Wanted<'_>) -> Result<Done, Failure> {
    let Wanted { server, user, credential, clusters, current } = wanted;
    let url = &*server.url;
    let is_ours = |context: &Value| context.pointer("/context/user").is_some_and(|found| found == user.as_str());
    let all = config.get("clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut done = Done::default();

    // What it is called now, it stays: people have it in their fingers and in scripts.
    let known = |id: &str| {
        let with_context = |name: &str| named(config, "contexts", name).is_some_and(is_ours);
        all.iter().filter(|entry| id_of(url, entry) == Some(id)).map(name_of).find(|name| with_context(name))
    };
    let foreign = |name: &str| {
        let cluster = named(config, "clusters", name).is_some();
        cluster || named(config, "contexts", name).is_some()
    };
    for cluster in *clusters {
        let name = known(&cluster.id).map_or_else(|| called(cluster, clusters, url, foreign), str::to_owned);
        done.contexts.push((name, cluster.id.clone()));
    }
    let gone: Vec<&str> = all
        .iter()
        .filter(|entry| id_of(url, entry).is_some_and(|id| clusters.iter().all(|cluster| cluster.id != id)))
        .map(name_of)
        .filter(|name| named(config, "contexts", name).is_some_and(is_ours))
        .collect();
    for (name, id) in &done.contexts {
        let mut cluster = json!({"server": format!("{url}/k8s/clusters/{id}")});
        if let (Some(authority), Some(fields)) = (&server.authority, cluster.as_object_mut()) {
            fields.insert("certificate-authority-data".to_owned(), json!(BASE64_STANDARD.encode(authority)));
        }
        put(list(config, "clusters")?, json!({"name": name, "cluster": cluster}));
        // A namespace that the person set there stays.
        let mut context =
            named(config, "contexts", name).and_then(|entry| entry.get("context")).cloned().unwrap_or_default();
        if !context.is_object() {
            context = json!({});
        }
        if let Some(fields) = context.as_object_mut() {
            fields.insert("cluster".to_owned(), json!(name));
            fields.insert("user".to_owned(), json!(user));
        }
        put(list(config, "contexts")?, json!({"name": name, "context": context}));
    }
    put(list(config, "users")?, json!({"name": user, "user": credential}));
    drop_clusters(config, &gone, user)?;
    done.removed = gone.into_iter().map(str::to_owned).collect();

    let now = config.get("current-context").and_then(Value::as_str).unwrap_or_default();
    let nowhere = now.is_empty() || done.removed.iter().any(|name| name == now);
    let next = match current {
        Some(wanted) => {
            let found = done.contexts.iter().find(|(name, id)| name == wanted || id == wanted);
            let or = || Failure(format!("--set-context: no cluster `{wanted}` is yours"));
            Some(found.ok_or_else(or)?.0.clone())
        }
        // Work is done elsewhere than in the management plane, where there is somewhere else.
        None if nowhere => {
            let mut first = done.contexts.iter().map(|(name, id)| (id == crate::world::names::LOCAL, name));
            let elsewhere = first.clone().find(|(local, _)| !local);
            Some(elsewhere.or_else(|| first.next()).map(|(_, name)| name.clone()).unwrap_or_default())
        }
        None => None,
    };
    if let Some(next) = next {
        config.insert("current-context".to_owned(), json!(next));
    }
    let current = config.get("current-context").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Done { current, ..done })
}

/// Takes every entry of a server's out; gives the names of the contexts.
pub(super) fn remove(config: &mut Map<String, Value>, server: &str, user: &str) -> Result<Vec<String>, Failure> {
    let all = config.get("clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = |name: &str| {
        let context = named(config, "contexts", name);
        context.and_then(|entry| entry.pointer("/context/user")).is_some_and(|found| found == user)
    };
    let gone: Vec<&str> =
        all.iter().filter(|entry| id_of(server, entry).is_some()).map(name_of).filter(|name| ours(name)).collect();
    drop_clusters(config, &gone, user)?;
    list(config, "users")?.retain(|entry| name_of(entry) != user);
    let current = config.get("current-context").and_then(Value::as_str).unwrap_or_default();
    if gone.contains(&current) {
        config.insert("current-context".to_owned(), json!(""));
    }
    Ok(gone.into_iter().map(str::to_owned).collect())
}

/// Takes clusters out, and the contexts of `user` that lead to them.
fn drop_clusters(config: &mut Map<String, Value>, names: &[&str], user: &str) -> Result<(), Failure> {
    let leads_there = |context: &Value| {
        let field = |key: &str| context.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        field("/context/user") == user && names.contains(&&*field("/context/cluster"))
    };
    list(config, "contexts")?.retain(|context| !leads_there(context));
    // One that somebody else's context leads to stays.
    let targets: Vec<Value> =
        list(config, "contexts")?.iter().filter_map(|one| one.pointer("/context/cluster").cloned()).collect();
    list(config, "clusters")?
        .retain(|entry| !names.contains(&name_of(entry)) || targets.iter().any(|target| target == name_of(entry)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters(all: &[(&str, &str)]) -> Vec<Reachable> {
        all.iter().map(|(id, name)| Reachable { id: (*id).to_owned(), name: (*name).to_owned() }).collect()
    }

    fn merged(config: &mut Map<String, Value>, all: &[(&str, &str)], current: Option<&str>) -> Result<Done, Failure> {
        let server = Server { url: "https://drover.example.org".to_owned(), authority: Some("PEM".to_owned()) };
        let clusters = clusters(all);
        let user = "drover@drover.example.org".to_owned();
        let credential = json!({"token": "t"});
        merge(config, &Wanted { server: &server, user, credential, clusters: &clusters, current })
    }

    fn names(config: &Map<String, Value>, key: &str) -> Vec<String> {
        config[key].as_array().unwrap().iter().map(|entry| name_of(entry).to_owned()).collect()
    }

    #[test]
    fn an_empty_file_becomes_a_kubeconfig_whose_current_cluster_is_not_the_management_plane() {
        let mut config = parse("").unwrap();
        let done =
            merged(&mut config, &[("local", "local"), ("c-1", "dev"), ("c-2", "prod"), ("c-3", "prod")], None).unwrap();
        assert_eq!(names(&config, "contexts"), ["local", "dev", "c-2", "c-3"]);
        assert_eq!((&*done.current, done.removed.len()), ("dev", 0));
        assert_eq!(config["clusters"][1]["cluster"]["server"], "https://drover.example.org/k8s/clusters/c-1");
        assert_eq!(config["clusters"][1]["cluster"]["certificate-authority-data"], "UEVN");
        assert_eq!(config["contexts"][1]["context"], json!({"cluster": "dev", "user": "drover@drover.example.org"}));
        // With the management plane alone it is that.
        assert_eq!(merged(&mut parse("").unwrap(), &[("local", "")], None).unwrap().current, "local");
        assert_eq!(merged(&mut parse("").unwrap(), &[], None).unwrap().current, "");
    }

    #[test]
    fn what_others_put_there_stays_and_a_name_that_is_taken_is_not_taken_away() {
        let foreign = "kind: Config\ncurrent-context: dev\npreferences: {colors: true}\nextensions: [{name: x, extension: {a: '007'}}]\n\
                       clusters: [{name: dev, cluster: {server: 'https://other:6443', proxy-url: 'socks5://p'}}]\n\
                       contexts: [{name: dev, context: {cluster: dev, user: ann, namespace: web}}]\n\
                       users: [{name: ann, user: {exec: {command: x, apiVersion: v, args: ['1', 'yes']}}}]\n";
        let before = parse(foreign).unwrap();
        let mut config = before.clone();
        let done = merged(&mut config, &[("c-1", "dev"), ("c-2", "prod")], None).unwrap();
        assert_eq!(names(&config, "contexts"), ["dev", "dev@drover.example.org", "prod"]);
        assert_eq!(done.current, "dev");
        for key in ["clusters", "contexts", "users"] {
            assert_eq!(config[key][0], before[key][0]);
        }
        for key in ["preferences", "extensions", "current-context"] {
            assert_eq!(config[key], before[key]);
        }
        // A second time changes nothing; the text that is written reads the same.
        let once = config.clone();
        merged(&mut config, &[("c-1", "dev"), ("c-2", "prod")], None).unwrap();
        assert_eq!(config, once);
        let text = serde_saphyr::to_string(&Value::Object(once.clone())).unwrap();
        assert_eq!(parse(&text).unwrap(), once, "{text}");
        // And all of it can go again.
        remove(&mut config, "https://drover.example.org", "drover@drover.example.org").unwrap();
        assert_eq!(config, before);
    }

    #[test]
    fn a_context_keeps_its_name_and_its_namespace_and_goes_with_its_cluster() {
        let mut config = parse("").unwrap();
        merged(&mut config, &[("c-1", "dev"), ("c-2", "prod")], Some("c-2")).unwrap();
        assert_eq!(config["current-context"], "prod");
        config["contexts"][0]["context"]["namespace"] = json!("web");
        let own = json!({"name": "mine", "context": {"cluster": "prod", "user": "drover@drover.example.org", "namespace": "db"}});
        config["contexts"].as_array_mut().unwrap().push(own);
        let done = merged(&mut config, &[("c-1", "development")], None).unwrap();
        assert_eq!(config["contexts"][0]["context"]["namespace"], "web");
        assert_eq!(names(&config, "contexts"), ["dev"]);
        assert_eq!(names(&config, "clusters"), ["dev"]);
        assert_eq!((done.removed, &*done.current), (vec!["prod".to_owned()], "dev"));
        let error = merged(&mut config, &[("c-1", "dev")], Some("prod")).unwrap_err();
        assert_eq!(error.to_string(), "--set-context: no cluster `prod` is yours");
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused() {
        for (text, why) in [
            ("kind: Pod", "kind: expected `Config`"),
            ("- a", "expected a mapping"),
            ("clusters: {a: b}", "clusters: expected a list"),
            ("users: [{user: {}}]", "users: expected a list of entries with names"),
            ("contexts: [", ""),
            ("current-context: [a]", "current-context"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let texts = [
            "yes",
            "no",
            "on",
            "1e3",
            "0x1f",
            "007",
            "null",
            "~",
            "",
            "2001-01-01",
            "1:30:45",
            "a: b",
            "#x",
            "true",
            ".5",
            "🙂",
            "a\nb",
        ];
        update(&path, |config| {
            config.insert("preferences".to_owned(), json!({"texts": texts, "number": 7, "flag": true}));
            Ok(())
        })
        .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let config = parse(&text).unwrap();
        assert_eq!(config["preferences"], json!({"texts": texts, "number": 7, "flag": true}), "{text}");
        assert!(!folder.path().join("config.lock").exists());
    }
}
