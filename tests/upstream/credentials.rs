use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use drover::{
    cluster::{Call, Prober, SendError, Wanted},
    world::input::{Auth, ExecPlugin, Names, Published},
};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    fake::{Body, Fake, full, registry, token, token_file},
    fetch, get, text, until,
};

async fn who(request: Request<hyper::body::Incoming>, number: usize) -> Response<Body> {
    let token = request.headers()["authorization"].to_str().unwrap().to_owned();
    if request.uri().path() == "/watch" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Response::new(full(format!("{number} {token}")))
}

/// H17: a rotated credential never travels over a connection of the one before; what was under way ends well.
#[tokio::test]
async fn a_rotated_token_gets_connections_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let fake = Fake::start(&["h2", "http/1.1"], 100, who).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token_file(path.clone())));
    for call in [Call::Short, Call::List] {
        assert!(fetch(&cluster, call, "/").await.unwrap().ends_with("Bearer first"));
    }
    let old = cluster.send(0, Call::Watch, get("/watch"));
    let rotate = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::fs::write(&path, "second, longer\n".replace(", ", "-")).unwrap();
        cluster.credential_refused();
        until(async || fetch(&cluster, Call::Short, "/").await.unwrap().ends_with("Bearer second-longer")).await;
    };
    let (old, ()) = tokio::join!(old, rotate);
    assert!(text(old.unwrap()).await.ends_with("Bearer first"));
    for call in [Call::Short, Call::List, Call::Watch] {
        let said = fetch(&cluster, call, "/").await.unwrap();
        assert!(said.ends_with("Bearer second-longer"));
        assert!(said.split(' ').next().unwrap().parse::<usize>().unwrap() >= 3, "{said}");
    }
}

#[tokio::test]
async fn a_token_file_that_changes_is_read_again_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let fake = Fake::start(&["h2"], 100, who).await;
    // Held: the registry's own clock looks at files.
    let registry = registry();
    let cluster = registry.put(&Arc::from("c1"), &fake.connection(token_file(path.clone())));
    fetch(&cluster, Call::Short, "/").await.unwrap();
    std::fs::write(&path, "second").unwrap();
    let changed = async || fetch(&cluster, Call::Short, "/").await.unwrap().ends_with("Bearer second");
    for _ in 0..2 {
        if changed().await {
            return;
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    assert!(changed().await);
}

#[tokio::test]
async fn a_missing_token_file_is_told_and_found_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let fake = Fake::start(&["h2"], 100, who).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(token_file(path.clone())));
    let error = fetch(&cluster, Call::Short, "/").await.unwrap_err();
    assert!(matches!(&error, SendError::Credential(why) if why.contains("token`")), "{error:?}");
    std::fs::write(&path, "here").unwrap();
    until(async || fetch(&cluster, Call::Short, "/").await.is_ok()).await;
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn exec(command: String) -> Auth {
    Auth::Exec(ExecPlugin {
        api_version: "client.authentication.k8s.io/v1".to_owned(),
        command,
        args: vec!["--who".to_owned(), "me".to_owned()],
        env: vec![("EXTRA".to_owned(), drover::secret::Secret::new("x".to_owned()))],
        provide_cluster_info: true,
    })
}

#[tokio::test]
async fn an_exec_plugin_gives_the_token_and_is_run_once_for_many() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let command = script(
        folder.path(),
        "plugin",
        &format!(
            r#"echo "$KUBERNETES_EXEC_INFO" >> {}
printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"from-%s-%s-%s"}}}}' "$1" "$2" "$EXTRA""#,
            runs.display()
        ),
    );
    let fake = Fake::start(&["h2"], 100, who).await;
    let cluster = registry().put(&Arc::from("c1"), &fake.connection(exec(command)));
    let many = futures_util::future::join_all((0..20).map(|_| fetch(&cluster, Call::Short, "/"))).await;
    for said in many {
        assert!(said.unwrap().ends_with("Bearer from---who-me-x"));
    }
    let seen = std::fs::read_to_string(runs).unwrap();
    assert_eq!(seen.lines().count(), 1);
    let info: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(info["kind"], "ExecCredential");
    assert_eq!(info["spec"]["cluster"]["server"], format!("https://127.0.0.1:{}", fake.address.port()));
}

#[tokio::test]
async fn a_failing_exec_plugin_says_why_without_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(&["h2"], 100, who).await;
    let fails = script(folder.path(), "fails", "echo s3cret; echo 'please sign in' >&2; exit 3");
    let babbles = script(folder.path(), "babbles", "echo s3cret");
    for (command, words) in [(fails, "please sign in"), (babbles, "ExecCredential"), ("/no/such".to_owned(), "started")]
    {
        let cluster = registry().put(&Arc::from("c1"), &fake.connection(exec(command)));
        let error = fetch(&cluster, Call::Short, "/").await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
    assert_eq!(fake.connections(), 0);
}

async fn reviews(request: Request<hyper::body::Incoming>, _: usize) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let body: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let answer = if path.ends_with("/selfsubjectrulesreviews") {
        json!({ "status": { "incomplete": true, "resourceRules": [
            { "verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["drover:c1:cluster:view"] },
        ] } })
    } else {
        let asked = &body["spec"]["resourceAttributes"];
        json!({ "status": { "allowed": asked["verb"] == "impersonate" && asked["resource"] == "users" && asked["name"] == "u-1" } })
    };
    Response::new(full(answer.to_string()))
}

#[tokio::test]
async fn a_probe_tells_what_may_be_impersonated_and_asks_singly_for_what_is_not_listed() {
    let fake = Fake::start(&["h2"], 100, reviews).await;
    let registry = registry();
    registry.put(&Arc::from("c1"), &fake.connection(token("t")));
    let told: Arc<Mutex<Option<Published>>> = Arc::default();
    let sink = Arc::clone(&told);
    let publish = Arc::new(move |id: &str, published| {
        assert_eq!(id, "c1");
        *sink.lock().unwrap() = Some(published);
    });
    let prober = Prober::start(registry.clone(), Handle::current(), Duration::from_mins(1), publish);
    until(async || told.lock().unwrap().is_some()).await;
    let names = |names: &[&str]| Names::Only(names.iter().map(|name| Arc::from(*name)).collect());
    assert_eq!(told.lock().unwrap().take().unwrap().groups, names(&["drover:c1:cluster:view"]));
    prober.wanted("c1", Wanted { users: vec!["u-1".into(), "u-2".into()], groups: Vec::new() });
    until(async || told.lock().unwrap().as_ref().is_some_and(|published| published.users == names(&["u-1"]))).await;
    assert!(!told.lock().unwrap().as_ref().unwrap().administrator);
}
