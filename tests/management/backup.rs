//! Backups, and an administrator who is locked out.

use kit::gateway::{ConfigFolder, Gateway};
use serde_json::json;

use crate::scene::{DROVER, Scene, command, folder, new_token};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn make(scene: &Scene, name: &str) {
    let map = json!({"metadata": {"name": name}});
    let (code, answer) = scene.call("POST", MAPS, &scene.admin, Some(&map)).await;
    assert_eq!(code, 201, "{answer}");
}

async fn names(scene: &Scene) -> Vec<String> {
    let (_, list) = scene.call("GET", MAPS, &scene.admin, None).await;
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_backup_of_the_running_server_is_restored_on_the_stopped_one() {
    let mut scene = Scene::start().await;
    make(&scene, "before").await;
    let file = scene.gateway.folder().path().join("drover.backup");
    let path = file.display().to_string();
    scene.gateway.command(&["backup", &path]).ok();
    let again = scene.gateway.command(&["backup", &path]).err();
    assert!(again.contains("nothing is overwritten"), "{again}");
    // Secrets are encrypted in it as in the data, and it is its owner's.
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(10).any(|window| window == b"$argon2id$"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    make(&scene, "after").await;

    let running = scene.gateway.command(&["restore", &path, "--replace"]).err();
    assert!(running.contains("in use by another process"), "{running}");
    scene.stop().await;
    let there = scene.gateway.command(&["restore", &path]).err();
    assert!(there.contains("--replace"), "{there}");
    let restored = scene.gateway.command(&["restore", &path, "--replace"]).ok();
    assert!(restored.contains("objects restored"), "{restored}");
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    assert_eq!(names(&scene).await, ["before"]);
    make(&scene, "later").await;

    // Stopped, it is written from the file.
    scene.stop().await;
    let second = scene.gateway.folder().path().join("second.backup").display().to_string();
    scene.gateway.command(&["backup", &second]).ok();
    let wrong = scene.gateway.folder().config_path().display().to_string();
    let none = scene.gateway.command(&["restore", &wrong, "--replace"]).err();
    assert!(none.contains("is not a store of this program"), "{none}");
    // A restore that failed has changed nothing.
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    assert_eq!(names(&scene).await, ["before", "later"]);
}

#[tokio::test]
async fn a_backup_and_its_key_are_a_whole_server_on_another_machine() {
    let scene = Scene::start().await;
    make(&scene, "kept").await;
    let path = scene.gateway.folder().path().join("drover.backup").display().to_string();
    scene.gateway.command(&["backup", &path]).ok();
    let other = folder();
    let without = command(&other, &["restore", &path]).err();
    assert!(without.contains("management/key` is gone"), "{without}");
    let key = |folder: &ConfigFolder| folder.data().join("management/key");
    std::fs::copy(key(scene.gateway.folder()), key(&other)).unwrap();
    command(&other, &["restore", &path]).ok();
    let gateway = Gateway::start(DROVER, other).await;
    gateway.wait_for_cluster("local", &scene.admin).await;
    let kept = gateway.get("local", &format!("{MAPS}/kept"), &scene.admin).await;
    assert_eq!(kept.status(), 200);
    // The administrator is that of the backup.
    assert!(!gateway.log().contains("was made. Its password"));
}

#[tokio::test]
async fn a_backup_does_not_open_with_another_key() {
    let scene = Scene::start().await;
    let path = scene.gateway.folder().path().join("drover.backup").display().to_string();
    scene.gateway.command(&["backup", &path]).ok();
    let other = Scene::start().await;
    other.stop().await;
    let refused = other.gateway.command(&["restore", &path, "--replace"]).err();
    assert!(refused.contains("encrypted with another key"), "{refused}");
}

#[tokio::test]
async fn a_lost_administrator_is_recovered_on_the_stopped_server_only() {
    let mut scene = Scene::start().await;
    let running = scene.gateway.command(&["admin", "recover"]).err();
    assert!(running.contains("in use by another process"), "{running}");
    let kubectl = scene.kubectl();
    kubectl
        .run(&["patch", "users.management.cattle.io", "admin", "--type=merge", "-p", r#"{"enabled":false}"#])
        .await
        .ok();
    scene.gateway.wait_for_status("local", "/version", &scene.admin, 401).await;
    scene.stop().await;
    let told = scene.gateway.command(&["admin", "recover"]).ok();
    assert!(told.contains("The new password of `admin`, shown this once: "), "{told}");
    let file = scene.gateway.folder().path().join("password");
    std::fs::write(&file, "short\n").unwrap();
    let path = file.display().to_string();
    let short = scene.gateway.command(&["admin", "recover", "--password-file", &path]).err();
    assert!(short.contains("shorter than 12 characters"), "{short}");
    std::fs::write(&file, "correct horse battery\n").unwrap();
    scene.gateway.command(&["admin", "recover", "--password-file", &path]).ok();
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    // Somebody else can be made an administrator so, too.
    scene.stop().await;
    scene.gateway.command(&["admin", "recover", "--user", "u-new"]).ok();
    scene.gateway.start_again().await;
    let new = new_token(&scene.gateway, "u-new");
    scene.gateway.wait_for_cluster("local", &new).await;
    let secrets = scene.gateway.get("local", "/api/v1/secrets", &new).await;
    assert_eq!(secrets.status(), 200);
}

#[tokio::test]
async fn the_key_is_changed_for_another_at_a_start() {
    let mut scene = Scene::start().await;
    make(&scene, "kept").await;
    scene.stop().await;
    let folder = scene.gateway.folder();
    let old = folder.data().join("management/key").display().to_string();
    let new = folder.path().join("new.passphrase");
    std::fs::write(&new, "correct horse battery staple\n").unwrap();
    let passphrase = new.display().to_string();
    folder.set("management.embedded.encryption", json!({"passphraseFile": passphrase, "previousKeyFile": old}));
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    scene.stop().await;
    scene.gateway.folder().set("management.embedded.encryption", json!({"passphraseFile": passphrase}));
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    assert_eq!(names(&scene).await, ["kept"]);
    assert_eq!(scene.gateway.get("local", "/api/v1/secrets", &scene.admin).await.status(), 200);
}
