//! Sign-in by password, and kubectl after it.

use std::{path::Path, time::Duration};

use kit::cluster::RealCluster;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::scene::{DROVER, PASSWORD, Scene, binding, folder, mode, read_kubeconfig};

/// From nothing to `kubectl get pods` in a real cluster, with the groups of the role; and to nothing again.
#[tokio::test]
async fn who_signs_in_works_with_kubectl_in_every_cluster_of_hers_until_she_signs_out() {
    let cluster = RealCluster::builder().name("a").kwok(true).start().await;
    cluster.create_pod("default", "web").await;
    let folder = folder();
    folder.add_real_cluster("c-a", &cluster).await;
    let scene = Scene::on(folder).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c-a"}});
    let admin = scene.admin().await;
    let made = admin.run(&["users", "create", "u-ann", "--username", "ann", "--random-password"]).await;
    assert!(made.stderr.contains("user u-ann created; its password, shown this once"), "{made:?}");
    let first = made.ok().trim().to_owned();
    scene.apply(&[namespace, binding("u-ann", "c-a", "view")]).await;
    scene.gateway.folder().publish(DROVER, "c-a", &cluster).await;

    let ann = scene.person();
    // The password that somebody else knows is good for one thing.
    let refused = ann.sign_in("ann", &format!("{first}\n")).await.err();
    assert!(refused.contains("second line of standard input"), "{refused}");
    let told = ann.sign_in("ann", &format!("{first}\nanother horse battery\n")).await.ok();
    assert!(told.contains("Signed in at https://127.0.0.1:") && told.contains("as ann."), "{told}");
    assert!(told.contains("*  c-a      c-a"), "{told}");

    let config = read_kubeconfig(&ann.kubeconfig());
    assert_eq!(config["current-context"], "c-a");
    assert_eq!(config["users"].as_array().unwrap().len(), 1);
    let exec = &config["users"][0]["user"]["exec"];
    assert_eq!(exec["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(exec["args"], json!(["credential", "--server", ann.server]));
    assert_eq!((&exec["interactiveMode"], &exec["provideClusterInfo"]), (&json!("Never"), &json!(false)));
    let text = std::fs::read_to_string(ann.kubeconfig()).unwrap();
    assert!(!text.contains("drover_"), "no token stands in it: {text}");
    assert_eq!((mode(&ann.kubeconfig()), mode(&ann.cache()), mode(&ann.session())), (0o600, 0o700, 0o600));

    scene.gateway.wait_for_cluster("c-a", &ann.access_token()).await;
    let pods = ann.kubectl(&["get", "pods", "-o", "name"]).await.ok();
    assert_eq!(pods, "pod/web\n");
    let whoami: serde_json::Value =
        serde_json::from_str(&ann.kubectl(&["auth", "whoami", "-o", "json"]).await.ok()).unwrap();
    let info = &whoami["status"]["userInfo"];
    assert_eq!(info["username"], "u-ann");
    assert_eq!(info["groups"], json!(["drover:c-a:cluster:view", "system:authenticated"]));
    let secrets = ann.kubectl(&["get", "secrets"]).await.err();
    assert!(secrets.contains("User \"u-ann\" cannot list resource \"secrets\""), "{secrets}");

    let myself = ann.json(&["whoami"]).await;
    assert_eq!((&myself["user"]["username"], &myself["provider"]), (&json!("ann"), &json!("local")));
    assert_eq!(myself["clusters"], json!([{"id": "c-a", "name": "c-a"}]));
    let shown = ann.run(&["whoami"]).await.ok();
    assert!(shown.contains("login name:     ann") && shown.contains("CLUSTER"), "{shown}");

    let access = ann.access_token();
    assert_eq!(scene.gateway.get("c-a", "/version", &access).await.status(), 200);
    let out = ann.run(&["logout"]).await.ok();
    assert_eq!(out, format!("Signed out at {}.\n", ann.server));
    // What somebody copied before is worth nothing.
    scene.gateway.wait_for_status("c-a", "/version", &access, 401).await;
    assert_eq!(ann.kept()["tokens"], json!(null));
    let refused = ann.kubectl(&["get", "pods"]).await.err();
    assert!(refused.contains(&format!("run `drover login {}`", ann.server)), "{refused}");
    // The server is remembered, and whom to trust there.
    let again = ann.run_with(&["login", "--user", "ann", "--password-stdin"], "another horse battery").await.ok();
    assert!(again.contains("as ann."), "{again}");
    assert_eq!(ann.kubectl(&["get", "pods", "-o", "name"]).await.ok(), "pod/web\n");
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_in_is_told_and_nothing_is_written() {
    let scene = Scene::start().await;
    let person = scene.person();
    let wrong = person.sign_in("admin", "a wrong password").await.err();
    assert_eq!(wrong, "error: Sign-in failed. Check the user name and the password.\n");
    let nobody = person.sign_in("nobody", PASSWORD).await.err();
    assert_eq!(nobody, wrong);
    let empty = person.sign_in("admin", "").await.err();
    assert!(empty.contains("--password-stdin: no password on standard input"), "{empty}");
    let provider = ["login", &person.server, "--certificate-authority", "ca.pem", "--user", "a", "--password-stdin"];
    let unknown = person.run_with(&[&provider[..], &["--provider", "nowhere"]].concat(), PASSWORD).await.err();
    assert!(unknown.contains("error: ") && !unknown.contains(PASSWORD), "{unknown}");
    // Who is not to be believed is told nothing.
    let stranger =
        person.run_with(&["login", &person.server, "--user", "admin", "--password-stdin"], PASSWORD).await.err();
    assert!(stranger.contains("UnknownIssuer") && stranger.contains("--certificate-authority FILE"), "{stranger}");
    let plain = person.run(&["login", "http://127.0.0.1:1"]).await;
    assert_eq!(plain.code, Some(2));
    let missing = person.run(&["login", "127.0.0.1:1", "--certificate-authority", "none.pem"]).await.err();
    assert!(missing.contains("--certificate-authority: none.pem: No such file"), "{missing}");
    let first = person.run(&["login"]).await.err();
    assert_eq!(first, "error: no server is known yet: run `drover login SERVER`\n");
    let whoami = person.run(&["whoami"]).await.err();
    assert_eq!(whoami, "error: you are not signed in: run `drover login SERVER`\n");
    assert!(!person.kubeconfig().exists());
    let terminal =
        person.run(&["login", &person.server, "--certificate-authority", "ca.pem", "--user", "admin"]).await.err();
    assert!(terminal.contains("--password-stdin"), "{terminal}");
}

/// At a terminal, which does not show what is typed.
#[tokio::test]
async fn a_password_is_asked_for_at_the_terminal_and_changed_there_when_it_must_be() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let first = admin.run(&["users", "create", "u-ann", "--random-password"]).await.ok().trim().to_owned();
    let ann = scene.person();
    let line = format!("{DROVER} login {} --certificate-authority ca.pem --user u-ann", ann.server);
    let mut child = ann.program(Path::new("script"), &["-qefc", &line, "/dev/null"]).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    for (question, typed) in [
        ("Password of `u-ann`: ", &*first),
        ("New password of `u-ann`: ", "another horse battery"),
        ("The same again: ", "another horse"),
        // The two differ, and one is corrected while it is typed.
        ("New password of `u-ann`: ", "another horse battery"),
        ("The same again: ", "x\u{7f}another horse battery"),
    ] {
        let asked = async {
            while !seen.ends_with(question.as_bytes()) {
                assert_ne!(screen.read_buf(&mut seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(20), asked).await;
        asked.unwrap_or_else(|_| panic!("`{question}` is not asked: {}", String::from_utf8_lossy(&seen)));
        keys.write_all(format!("{typed}\r").as_bytes()).await.unwrap();
        seen.push(b'\n');
    }
    screen.read_to_end(&mut seen).await.unwrap();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(child.wait().await.unwrap().success(), "{seen}");
    assert!(seen.contains("The password must be changed.") && seen.contains("The two differ."), "{seen}");
    assert!(seen.contains("as u-ann.") && !seen.contains("horse") && !seen.contains(&first), "{seen}");
    ann.run(&["whoami"]).await.ok();
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_and_token() {
    let scene = Scene::start().await;
    scene.apply(&[binding("admin", "local", "view")]).await;
    let (one, other) = (scene.admin().await, scene.admin().await);
    let api = one.run(&["tokens", "create", "--ttl", "1h"]).await.ok();
    scene.gateway.wait_for_cluster("local", api.trim()).await;
    one.run(&["logout", "--everywhere", "--remove-contexts"]).await.ok();
    scene.gateway.wait_for_status("local", "/version", api.trim(), 401).await;
    assert_eq!(read_kubeconfig(&one.kubeconfig())["contexts"], json!([]));
    other.age(true);
    let over = other.run(&["whoami"]).await.err();
    assert_eq!(over, format!("error: the session at {0} is over: run `drover login {0}`\n", other.server));
}
