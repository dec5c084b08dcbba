//! Users and groups, with the rights of the person who is signed in.

use serde_json::json;

use crate::scene::{Scene, binding};

#[tokio::test]
async fn a_user_is_made_shut_out_let_in_and_deleted() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let short = admin.run_with(&["users", "create", "u-bob", "--password-stdin"], "hunter2").await.err();
    assert_eq!(short, "error: the password is shorter than 12 characters\n");
    let made = admin.run_with(
        &["users", "create", "u-bob", "--username", "bob", "--display-name", "Bob B", "--password-stdin"],
        "the password of bob",
    );
    assert_eq!(made.await.ok(), "user u-bob created\n");
    let twice = admin.run(&["users", "create", "u-bob"]).await.err();
    assert!(twice.starts_with("error: ") && twice.contains("already exists") && twice.lines().count() == 1, "{twice}");
    let taken = admin.run(&["users", "create", "u-rob", "--username", "bob"]).await.err();
    assert!(taken.contains("the login name `bob` is that of User `u-bob` already"), "{taken}");
    let wrong = admin.run(&["users", "create", "u-rob", "--principal", "nonsense"]).await.err();
    assert!(wrong.contains("principalIds[0]") && wrong.contains("nonsense"), "{wrong}");

    let table = admin.run(&["users", "ls"]).await.ok();
    let bob = table.lines().find(|line| line.starts_with("u-bob")).unwrap();
    assert_eq!(bob.split_whitespace().collect::<Vec<_>>()[..5], ["u-bob", "bob", "Bob", "B", "yes"]);
    let listed = admin.json(&["users", "ls"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let yaml = admin.run(&["users", "show", "u-bob", "-o", "yaml"]).await.ok();
    assert!(yaml.contains("username: bob"), "{yaml}");
    let shown = admin.run(&["users", "show", "u-bob"]).await.ok();
    assert!(shown.contains("login name:") && shown.contains("bob"), "{shown}");

    scene.apply(&[binding("u-bob", "local", "view")]).await;
    let bob = scene.person();
    bob.sign_in("bob", "the password of bob").await.ok();
    scene.gateway.wait_for_cluster("local", &bob.access_token()).await;
    bob.kubectl(&["get", "configmaps"]).await.ok();
    // What he may not, he is told in one line.
    for args in [&["users", "create", "u-evil"][..], &["users", "disable", "admin"], &["groups", "create", "evil"]] {
        let refused = bob.run(args).await.err();
        let told =
            refused.starts_with("error: ") && refused.contains("\"u-bob\" cannot ") && refused.lines().count() == 1;
        assert!(told, "{refused}");
    }
    let password =
        bob.run_with(&["users", "set-password", "admin", "--password-stdin"], "another password").await.err();
    assert!(password.contains("\"u-bob\" cannot "), "{password}");

    assert_eq!(admin.run(&["users", "disable", "u-bob"]).await.ok(), "user u-bob disabled\n");
    scene.gateway.wait_for_status("local", "/version", &bob.access_token(), 401).await;
    bob.kubectl(&["get", "configmaps"]).await.err();
    bob.age(true);
    let over = bob.run(&["whoami"]).await.err();
    assert!(over.contains("is over: run `drover login"), "{over}");
    bob.sign_in("bob", "the password of bob").await.err();
    admin.run(&["users", "enable", "u-bob"]).await.ok();
    bob.sign_in("bob", "the password of bob").await.ok();

    let made = admin.run(&["users", "set-password", "u-bob", "--random"]).await;
    assert!(made.stderr.contains("shown this once"), "{made:?}");
    let random = made.ok();
    bob.sign_in("bob", "the password of bob").await.err();
    let must = bob.sign_in("bob", &random).await.err();
    assert!(must.contains("second line of standard input"), "{must}");
    bob.sign_in("bob", &format!("{random}a new password of bob\n")).await.ok();
    bob.run(&["users", "refresh", "u-bob"]).await.ok();

    assert_eq!(admin.run(&["users", "rm", "u-bob"]).await.ok(), "user u-bob deleted\n");
    let gone = admin.run(&["users", "show", "u-bob"]).await.err();
    assert!(gone.contains("\"u-bob\" not found"), "{gone}");
    bob.sign_in("bob", "a new password of bob").await.err();
}

#[tokio::test]
async fn a_group_gives_its_members_what_it_is_bound_to() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    admin.run_with(&["users", "create", "u-bob", "--password-stdin"], "the password of bob").await.ok();
    let missing = admin.run(&["groups", "add", "team", "u-bob"]).await.err();
    assert!(missing.contains("\"team\" not found"), "{missing}");
    admin.run(&["groups", "create", "team", "--display-name", "The team"]).await.ok();
    admin.run(&["groups", "create", "all", "--member", "group:team"]).await.ok();
    let added = admin.run(&["groups", "add", "team", "u-bob", "corp_group://cn=staff"]).await.ok();
    assert_eq!(added, "local://u-bob is in group team\ncorp_group://cn=staff is in group team\n");
    assert_eq!(admin.run(&["groups", "add", "team", "u-bob"]).await.ok(), "local://u-bob is in group team already\n");
    let circle = admin.run(&["groups", "add", "team", "group:all"]).await.err();
    assert!(circle.starts_with("error: ") && circle.contains("all"), "{circle}");
    let table = admin.run(&["groups", "ls"]).await.ok();
    assert!(table.contains("team  The team      2\n"), "{table}");
    let shown = admin.json(&["groups", "show", "team"]).await;
    assert_eq!(shown["members"], json!(["corp_group://cn=staff", "local://u-bob"]));

    let mut bound = binding("all", "local", "view");
    bound.as_object_mut().unwrap().remove("userName");
    bound["groupName"] = json!("all");
    scene.apply(&[bound]).await;
    let bob = scene.person();
    bob.sign_in("u-bob", "the password of bob").await.ok();
    scene.gateway.wait_for_cluster("local", &bob.access_token()).await;
    bob.kubectl(&["get", "configmaps"]).await.ok();
    let groups = bob.json(&["whoami"]).await["groups"].to_string();
    assert!(groups.contains("team") && groups.contains("all"), "{groups}");

    admin.run(&["groups", "remove", "team", "u-bob"]).await.ok();
    scene.gateway.wait_for_status("local", "/version", &bob.access_token(), 403).await;
    bob.kubectl(&["get", "configmaps"]).await.err();
    let none = admin.run(&["groups", "remove", "team", "u-bob"]).await.err();
    assert_eq!(none, "error: local://u-bob is not in group team\n");
    // A member that stands in the group itself.
    admin.run(&["groups", "remove", "all", "group:team"]).await.ok();
    assert_eq!(admin.json(&["groups", "show", "all"]).await["members"], json!([]));
    assert_eq!(admin.run(&["groups", "rm", "team", "all"]).await.ok(), "group team deleted\ngroup all deleted\n");
}
