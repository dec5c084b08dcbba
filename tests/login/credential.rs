//! `drover credential`, as client-go runs it.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::scene::{DROVER, Person, Scene, finish, mode};

/// Tokens of one kind that the server has made.
async fn made(scene: &Scene, kind: &str) -> usize {
    let admin = scene.gateway.command(&["token", "create", "--user", "admin", "--ttl", "1h", "--apply"]).ok();
    scene.gateway.wait_for_cluster("local", admin.trim()).await;
    let kubectl = scene.gateway.kubectl("local", admin.trim());
    let tokens = kubectl.run(&["get", "tokens.management.cattle.io", "-o", "json"]).await.ok();
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    let label = |token: &Value| token["metadata"]["labels"]["authn.management.cattle.io/kind"] == kind;
    tokens["items"].as_array().unwrap().iter().filter(|token| label(token)).count()
}

async fn credential(person: &Person) -> Value {
    let text = person.run(&["credential", "--server", &person.server]).await.ok();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn twenty_at_once_make_one_refresh_and_get_the_same_token() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let before = (made(&scene, "refresh").await, made(&scene, "kubeconfig").await);
    assert_eq!(before, (1, 1));
    let first = credential(&admin).await;
    assert_eq!(first["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(first["kind"], "ExecCredential");
    let until: jiff::Timestamp = first["status"]["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    assert!(until > jiff::Timestamp::now() && until < jiff::Timestamp::now() + jiff::SignedDuration::from_mins(60));
    assert_eq!(first["status"]["token"], admin.kept()["tokens"]["accessToken"]);
    let refresh = admin.kept()["tokens"]["refreshToken"].clone();

    admin.age(true);
    let mut all = JoinSet::new();
    for _ in 0..20 {
        all.spawn(finish(admin.program(Path::new(DROVER), &["credential", "--server", &admin.server]), ""));
    }
    let given: Vec<Value> =
        all.join_all().await.into_iter().map(|output| serde_json::from_str(&output.ok()).unwrap()).collect();
    assert_eq!(given.len(), 20);
    assert_ne!(given[0]["status"]["token"], first["status"]["token"]);
    assert!(given.iter().all(|one| one == &given[0]), "{given:?}");
    // Exactly one exchange: one more of each kind, the old ones are still there for some minutes.
    assert_eq!((made(&scene, "refresh").await, made(&scene, "kubeconfig").await), (2, 2));
    assert_ne!(admin.kept()["tokens"]["refreshToken"], refresh);
    assert_eq!(mode(&admin.session()), 0o600);
    let token = given[0]["status"]["token"].as_str().unwrap();
    assert_eq!(scene.gateway.get("local", "/version", token).await.status(), 200);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_the_session_outlives_it() {
    let folder = crate::scene::folder();
    // The port must be the same after the start.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    folder.set("listen.address", listener.local_addr().unwrap().to_string());
    drop(listener);
    let mut scene = Scene::on(folder).await;
    let admin = scene.admin().await;
    scene.gateway.sigterm();
    scene.gateway.wait_for_exit(std::time::Duration::from_secs(20)).await;
    let kept = admin.kept();
    // As long as the token lasts nobody is asked, and as long as it is good nobody is needed.
    let token = credential(&admin).await["status"]["token"].clone();
    admin.age(false);
    assert_eq!(credential(&admin).await["status"]["token"], token);
    admin.age(true);
    let down = admin.run(&["credential", "--server", &admin.server]).await.err();
    assert!(down.starts_with(&format!("error: the server {} does not answer: ", admin.server)), "{down}");
    assert!(down.contains("Connection refused"), "{down}");
    assert_eq!(admin.kept()["tokens"]["refreshToken"], kept["tokens"]["refreshToken"]);
    let kubectl = admin.kubectl(&["get", "configmaps"]).await.err();
    assert!(kubectl.contains("does not answer"), "{kubectl}");

    scene.gateway.start_again().await;
    assert_ne!(credential(&admin).await["status"]["token"], token);
    admin.kubectl(&["get", "configmaps"]).await.ok();

    // Who signs out leaves nothing here, and is told that the session is still there.
    scene.gateway.sigterm();
    scene.gateway.wait_for_exit(std::time::Duration::from_secs(20)).await;
    let out = admin.run(&["logout"]).await.err();
    assert!(out.contains("the tokens are gone from this machine, but the session was not ended"), "{out}");
    assert_eq!(admin.kept()["tokens"], Value::Null);
}

#[tokio::test]
async fn an_interrupt_amid_an_exchange_costs_no_session() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let old = admin.kept()["tokens"]["refreshToken"].clone();
    admin.age(true);
    scene.gateway.process().signal("STOP");
    let mut child = admin.program(Path::new(DROVER), &["credential"]).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let is_ready = || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
    };
    kit::wait::until_true("the exchange", is_ready).await;
    let pid = i32::try_from(child.id().unwrap()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    scene.gateway.process().signal("CONT");
    drop(child.stdin.take());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_ne!(admin.kept()["tokens"]["refreshToken"], old);
    admin.run(&["whoami"]).await.ok();
}

#[tokio::test]
async fn the_places_that_the_environment_names_are_used() {
    let scene = Scene::start().await;
    let person = scene.person();
    let ca = person.home().join("ca.pem");
    let cache = person.home().join("elsewhere");
    let (first, second) = (person.home().join("first.yaml"), person.home().join("second.yaml"));
    std::fs::write(&second, "kind: Pod").unwrap();
    let args = ["login", &person.server, "--certificate-authority", ca.to_str().unwrap()];
    let mut command =
        person.program(Path::new(DROVER), &[&args[..], &["--user", "admin", "--password-stdin"]].concat());
    let listed = std::env::join_paths([&first, &second]).unwrap();
    command.env("XDG_CACHE_HOME", &cache).env("KUBECONFIG", listed);
    finish(command, crate::scene::PASSWORD).await.ok();
    assert!(first.exists() && !person.kubeconfig().exists() && !person.cache().exists());
    assert_eq!(mode(&cache.join("drover")), 0o700);
    let kubectl = kit::servers::Binaries::locate().program("kubectl");
    let mut command = person.program(&kubectl, &["get", "users.management.cattle.io"]);
    command.env("XDG_CACHE_HOME", &cache).env("KUBECONFIG", &first);
    finish(command, "").await.ok();
    // Another folder, another session: there is none.
    let mut command = person.program(&kubectl, &["get", "users.management.cattle.io"]);
    command.env("KUBECONFIG", &first);
    assert!(finish(command, "").await.err().contains("you are not signed in at https://127.0.0.1:"));
}

#[tokio::test]
async fn a_session_that_others_can_read_is_refused_and_the_folder_is_closed_again() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(&admin.cache(), 0o755);
    credential(&admin).await;
    assert_eq!(mode(&admin.cache()), 0o700);
    for open in [0o640, 0o604, 0o620] {
        set(&admin.session(), open);
        let refused = admin.run(&["credential"]).await.err();
        assert!(refused.contains(&format!("others may read or write it (mode {open:04o})")), "{refused}");
    }
    // A new sign-in puts it right.
    admin.sign_in("admin", crate::scene::PASSWORD).await.ok();
    assert_eq!(mode(&admin.session()), 0o600);
    credential(&admin).await;
    std::fs::write(admin.session(), "{\"refreshToken\": \"drover_x").unwrap();
    let broken = admin.run(&["credential"]).await.err();
    assert!(broken.contains("it cannot be read: run `drover login`") && !broken.contains("drover_x"), "{broken}");
}

#[tokio::test]
async fn only_an_api_that_is_known_is_answered() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    for (version, known) in [("v1", true), ("v1beta1", true), ("v1alpha1", false)] {
        let mut command = admin.program(Path::new(DROVER), &["credential"]);
        let version = format!("client.authentication.k8s.io/{version}");
        command.env(
            "KUBERNETES_EXEC_INFO",
            format!(r#"{{"apiVersion":"{version}","kind":"ExecCredential","spec":{{}}}}"#),
        );
        let output = finish(command, "").await;
        if known {
            let credential: Value = serde_json::from_str(&output.ok()).unwrap();
            assert_eq!(credential["apiVersion"], version.as_str());
        } else {
            assert!(output.err().contains(&format!("found `{version}`")));
        }
    }
}
