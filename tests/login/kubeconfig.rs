//! The person's kubeconfig: only what is Drover's changes.

use serde_json::{Value, json};

use crate::scene::{PASSWORD, Scene, binding, mode, read_kubeconfig};

const FOREIGN: &str = "\
apiVersion: v1
kind: Config
current-context: elsewhere
clusters:
- name: elsewhere
  cluster: {server: 'https://elsewhere.example.org:6443', certificate-authority: /etc/ca.pem}
- name: local
  cluster: {server: 'https://127.0.0.1:1'}
contexts:
- name: elsewhere
  context: {cluster: elsewhere, user: ann, namespace: web}
- name: local
  context: {cluster: local, user: ann}
users:
- name: ann
  user: {token: '007'}
";

#[tokio::test]
async fn entries_of_others_stay_and_a_name_of_theirs_is_not_taken() {
    let scene = Scene::start().await;
    let person = scene.person();
    std::fs::create_dir(person.kubeconfig().parent().unwrap()).unwrap();
    std::fs::write(person.kubeconfig(), FOREIGN).unwrap();
    let told = person.sign_in("admin", PASSWORD).await.ok();
    assert!(told.contains("The current context is still elsewhere"), "{told}");
    let before: Value = serde_saphyr::from_str(FOREIGN).unwrap();
    let after = read_kubeconfig(&person.kubeconfig());
    for key in ["clusters", "contexts", "users"] {
        let (before, after) = (before[key].as_array().unwrap(), after[key].as_array().unwrap());
        assert_eq!(after[..before.len()], before[..]);
        assert_eq!(after.len(), before.len() + 1);
    }
    assert_eq!(after["current-context"], "elsewhere");
    let host = person.server.trim_start_matches("https://");
    let own = format!("local@{host}");
    assert_eq!(after["contexts"][2]["name"], own.as_str());
    person.kubectl(&["--context", &own, "get", "users.management.cattle.io", "admin"]).await.ok();
    assert_eq!(mode(&person.kubeconfig()), 0o600);
    // Again, and it is the same.
    person.sign_in("admin", PASSWORD).await.ok();
    assert_eq!(read_kubeconfig(&person.kubeconfig()), after);
    // It is kubectl's own as well.
    person.kubectl(&["config", "use-context", &own]).await.ok();
    person.kubectl(&["config", "set-context", "--current", "--namespace", "drover-system"]).await.ok();
    let told = person.sign_in("admin", PASSWORD).await.ok();
    assert!(told.contains(&format!("*  {own}")), "{told}");
    let after = read_kubeconfig(&person.kubeconfig());
    assert_eq!(after["contexts"][2]["context"]["namespace"], "drover-system");

    person.run(&["logout", "--remove-contexts"]).await.ok();
    let mut left = before;
    left["current-context"] = json!("");
    assert_eq!(read_kubeconfig(&person.kubeconfig()), left);
}

#[tokio::test]
async fn a_file_that_is_no_kubeconfig_is_refused_before_anybody_signs_in_and_stays_as_it_is() {
    let scene = Scene::start().await;
    let person = scene.person();
    std::fs::create_dir(person.kubeconfig().parent().unwrap()).unwrap();
    for text in ["clusters: [", "kind: Pod\n", "- a\n", "users:\n- user: {}\n", "clusters: []\nclusters: []\n"] {
        std::fs::write(person.kubeconfig(), text).unwrap();
        let refused = person.sign_in("admin", PASSWORD).await.err();
        assert!(refused.contains(".kube/config: it is no kubeconfig, and was not changed: "), "{refused}");
        assert_eq!(std::fs::read_to_string(person.kubeconfig()).unwrap(), text);
        assert!(!person.cache().join("server").exists());
        assert!(!person.kubeconfig().with_file_name("config.lock").exists());
    }
    // Without it the sign-in is one all the same.
    let ca = person.home().join("ca.pem");
    let args = ["login", &person.server, "--certificate-authority", ca.to_str().unwrap(), "--no-kubeconfig"];
    let args = [&args[..], &["--user", "admin", "--password-stdin"]].concat();
    person.run_with(&args, PASSWORD).await.ok();
    person.run(&["whoami"]).await.ok();
}

#[tokio::test]
async fn the_file_that_is_named_is_written_and_clusters_come_and_go_with_the_right_to_them() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    admin.run_with(&["users", "create", "u-bob", "--password-stdin"], "the password of bob").await.ok();
    let bob = scene.person();
    let (one, two) = (bob.home().join("one.yaml"), bob.home().join("two.yaml"));
    let file = one.to_str().unwrap();
    let args = ["login", &bob.server, "--certificate-authority", "ca.pem", "--kubeconfig", file];
    let args = [&args[..], &["--user", "u-bob", "--password-stdin"]].concat();
    let told = bob.run_with(&args, "the password of bob").await.ok();
    assert!(told.contains("No cluster is yours yet"), "{told}");
    scene.apply(&[binding("u-bob", "local", "view")]).await;
    let told = bob.run_with(&args, "the password of bob").await.ok();
    assert!(told.contains("*  local    local"), "{told}");
    let wrong = bob.run_with(&[&args[..], &["--set-context", "c-none"]].concat(), "the password of bob").await.err();
    assert!(wrong.contains("--set-context: no cluster `c-none` is yours"), "{wrong}");
    bob.kubectl(&["--kubeconfig", file, "get", "configmaps"]).await.ok();
    admin.kubectl(&["delete", "clusterroletemplatebinding", "-n", "local", "u-bob-view"]).await.ok();
    let told = bob.run_with(&args, "the password of bob").await.ok();
    assert!(told.contains("The context local was removed"), "{told}");
    assert!(!bob.kubeconfig().exists());

    // A link stays one.
    std::os::unix::fs::symlink(&one, &two).unwrap();
    let mut linked = args.clone();
    linked[5] = two.to_str().unwrap();
    scene.apply(&[binding("u-bob", "local", "view")]).await;
    bob.run_with(&linked, "the password of bob").await.ok();
    assert!(two.is_symlink() && read_kubeconfig(&one)["contexts"][0]["name"] == "local");
}

#[tokio::test]
async fn a_kubeconfig_for_other_tools_has_a_token_of_its_own() {
    let scene = Scene::start().await;
    let admin = scene.admin().await;
    let made = admin.json(&["tokens", "create", "--write-kubeconfig", "ci.yaml", "--ttl", "1h"]).await;
    let name = made["name"].as_str().unwrap();
    let file = admin.home().join("ci.yaml");
    assert_eq!(mode(&file), 0o600);
    let again = admin.run(&["tokens", "create", "--write-kubeconfig", "ci.yaml"]).await.err();
    assert!(again.contains("--write-kubeconfig: ci.yaml: File exists"), "{again}");
    // It needs no session of this machine's.
    admin.run(&["logout"]).await.ok();
    admin.kubectl(&["--kubeconfig", "ci.yaml", "get", "users.management.cattle.io"]).await.ok();
    admin.sign_in("admin", PASSWORD).await.ok();
    let tokens = admin.json(&["tokens", "ls"]).await;
    let kubeconfig = read_kubeconfig(&file);
    assert_eq!(kubeconfig["current-context"], "local");
    let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
    let found = tokens.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!((&found["kind"], &found["current"]), (&json!("kubeconfig"), &json!(false)));
    assert_eq!(found["expiresAt"], made["expiresAt"]);
    assert!(admin.run(&["tokens", "ls"]).await.ok().contains(name));
    admin.run(&["tokens", "rm", name]).await.ok();
    scene.gateway.wait_for_status("local", "/version", token, 401).await;
    let gone = admin.run(&["tokens", "rm", "token-none"]).await.err();
    assert!(gone.contains("token-none") && gone.contains("not found"), "{gone}");
    let refused = admin.run(&["tokens", "create", "--write-kubeconfig", "x.yaml", "--cluster", "c-none"]).await.err();
    assert!(refused.contains("no binding gives you the cluster `c-none`"), "{refused}");
    assert!(!admin.home().join("x.yaml").exists());
}
