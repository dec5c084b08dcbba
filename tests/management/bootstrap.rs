//! The first administrator.

use drover::{
    management::{
        OPERATOR,
        bootstrap::{self, Origin},
        passwords,
    },
    modules::{Binding, User},
    secret::Secret,
};
use kit::gateway::Gateway;
use kube::{Api, ResourceExt as _, api::DeleteParams};

use crate::{
    controllers::{create, user},
    plane::Plane,
    scene::{DROVER, Scene, command, folder},
};

pub async fn the_first_administrator_is_made_once_and_whole(plane: &Plane) {
    plane.install().await;
    let client = plane.plane().client(Some(OPERATOR)).unwrap();
    let made = bootstrap::once(&client, None, None).await.unwrap().expect("the first one");
    assert_eq!(made.origin, Origin::Random);
    let stored = passwords::of(&client, "admin").await.unwrap().unwrap();
    assert!(passwords::verify(&stored, &made.password));
    assert!(!passwords::verify(&stored, &Secret::new("admin".to_owned())));
    let admin = Api::<User>::all(client.clone()).get("admin").await.unwrap();
    assert_eq!(admin.spec.must_change_password, Some(true));
    let bound = Api::<Binding>::namespaced(client.clone(), "local").get("admin").await.unwrap();
    assert_eq!(bound.spec.role_template_name, "cluster-admin");
    assert!(bootstrap::once(&client, None, None).await.unwrap().is_none());

    // A start that was interrupted before the password was set is brought to its end.
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(plane.admin(), passwords::NAMESPACE);
    secrets.delete("admin", &DeleteParams::default()).await.unwrap();
    let given = bootstrap::once(&client, None, Some("correct horse battery")).await.unwrap().expect("the rest");
    assert_eq!(given.origin, Origin::Given);
    let stored = passwords::of(&client, "admin").await.unwrap().unwrap();
    assert!(passwords::verify(&stored, &Secret::new("correct horse battery".to_owned())));
    assert_eq!(stored.owner_references()[0].uid, admin.uid().unwrap());

    // Where there are users nobody is made.
    create::<User>(&plane.admin(), user("u-a")).await;
    Api::<User>::all(plane.admin()).delete("admin", &DeleteParams::default()).await.unwrap();
    assert!(bootstrap::once(&client, None, None).await.unwrap().is_none());
}

/// Passwords are in no log, no object that others read, and no answer.
#[tokio::test]
async fn a_password_is_printed_once_and_is_in_no_log_and_no_user() {
    let scene = Scene::start().await;
    let log = scene.gateway.log();
    let line = log.lines().find(|line| line.contains("shown this once")).expect("the password");
    let password = line.rsplit(' ').next().unwrap();
    assert!(password.len() >= 20, "{line}");
    assert_eq!(log.matches(password).count(), 1);
    // Log lines are JSON, this is none: it went to standard output.
    assert!(!scene.gateway.log_lines().iter().any(|line| line.to_string().contains(password)));
    let users = scene.kubectl().run(&["get", "users.management.cattle.io", "-o", "yaml"]).await.ok();
    assert!(!users.contains(password) && !users.contains("argon2"), "{users}");
    // Encrypted where it lies, hash and all.
    for entry in std::fs::read_dir(scene.gateway.folder().data().join("management")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for text in [password.as_bytes(), b"$argon2id$"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    }
}

#[tokio::test]
async fn a_given_password_is_printed_nowhere() {
    let folder = folder();
    let file = folder.path().join("admin.password");
    std::fs::write(&file, "correct horse battery\n").unwrap();
    folder.set("management.embedded.bootstrap.passwordFile", file.display().to_string());
    let gateway = Gateway::start(DROVER, folder).await;
    let log = gateway.log();
    assert!(!log.contains("correct horse") && !log.contains("shown this once"), "{log}");
    assert!(log.contains("the first administrator was made"), "{log}");
}

#[tokio::test]
async fn a_short_password_ends_the_start_and_is_not_repeated() {
    let folder = folder();
    let file = folder.path().join("admin.password");
    std::fs::write(&file, "hunter2\n").unwrap();
    folder.set("management.embedded.bootstrap.passwordFile", file.display().to_string());
    let error = tokio::task::spawn_blocking(move || command(&folder, &["serve"])).await.unwrap().err();
    assert!(error.contains("shorter than 12 characters") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn where_the_folder_has_users_no_administrator_is_made() {
    let folder = folder();
    folder.add_user("u-ann").add_binding("local", "u-ann", "cluster-admin");
    let ann = folder.add_token("u-ann");
    let gateway = Gateway::start(DROVER, folder).await;
    gateway.wait_for_cluster("local", &ann).await;
    let users = gateway.kubectl("local", &ann).run(&["get", "users.management.cattle.io", "-o", "name"]).await.ok();
    assert_eq!(users.trim(), "user.management.cattle.io/u-ann");
}

#[tokio::test]
async fn a_kubeconfig_with_a_new_token_works_while_the_server_runs_and_while_it_does_not() {
    let mut scene = Scene::start().await;
    let running = scene.gateway.command(&["kubeconfig", "--user", "admin", "--new-token", "1h"]).ok();
    scene.stop().await;
    let stopped = scene.gateway.command(&["token", "create", "--user", "admin", "--apply"]).ok();
    let nobody = scene.gateway.command(&["token", "create", "--user", "u-no", "--apply"]).err();
    assert!(nobody.contains("no User `u-no` in the management plane"), "{nobody}");
    scene.gateway.start_again().await;
    scene.gateway.wait_for_cluster("local", stopped.trim()).await;
    // The port is another one after the start.
    let token = running.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap();
    scene.gateway.wait_for_cluster("local", token.trim_matches('"')).await;
}
