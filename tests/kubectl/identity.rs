use serde_json::{Value, json};

use crate::House;

async fn who(kubectl: &kit::kubectl::Kubectl, args: &[&str]) -> Value {
    let all = [args, &["auth", "whoami", "-o", "json"]].concat();
    let answer: Value = serde_json::from_str(&kubectl.run(&all).await.ok()).unwrap();
    answer["status"]["userInfo"].clone()
}

#[tokio::test]
async fn whoami_tells_exactly_what_the_gateway_decided() {
    let house = House::get().await;
    assert_eq!(
        who(&house.ann(), &[]).await,
        json!({
            "username": "u-ann", "uid": "uid-ann",
            "groups": ["drover:c-a:cluster:cluster-admin", "system:authenticated"],
            "extra": {"drover.io/token": ["token-u-ann"], "drover.io/username": ["ann"]},
        })
    );
    assert_eq!(
        who(&house.ben(), &[]).await,
        json!({
            "username": "u-ben",
            "groups": ["drover:c-a:cluster:view", "system:authenticated"],
            "extra": {"drover.io/token": ["token-u-ben"], "drover.io/username": ["u-ben"]},
        })
    );
}

#[tokio::test]
async fn can_i_tells_the_truth() {
    let house = House::get().await;
    let (ann, ben) = (house.ann(), house.ben());
    assert_eq!(ann.run(&["auth", "can-i", "delete", "nodes"]).await.ok(), "yes\n");
    assert_eq!(ben.run(&["auth", "can-i", "list", "pods"]).await.ok(), "yes\n");
    let no = ben.run(&["auth", "can-i", "create", "pods/exec"]).await;
    assert_eq!((no.code, &*no.stdout), (Some(1), "no\n"));
    assert!(ben.run(&["exec", "web", "--", "true"]).await.err().contains("cannot create resource \"pods/exec\""));
    assert!(ben.run(&["auth", "can-i", "--list"]).await.ok().contains("configmaps"));
}

#[tokio::test]
async fn as_another_user_gives_that_users_role_groups() {
    let house = House::get().await;
    let ann = house.ann();
    let ben = who(&ann, &["--as", "u-ben"]).await;
    assert_eq!(ben["username"], "u-ben");
    assert_eq!(ben["groups"], json!(["drover:c-a:cluster:view", "system:authenticated"]));
    assert!(ann.run(&["--as", "u-ben", "get", "secrets"]).await.err().contains("Forbidden"));
    let group = who(&ann, &["--as", "u-ben", "--as-group", "drover:c-a:cluster:cluster-admin"]).await;
    assert_eq!(group["groups"], json!(["drover:c-a:cluster:cluster-admin", "system:authenticated"]));
}

#[tokio::test]
async fn as_what_one_may_not_be_is_a_403_that_says_which() {
    let house = House::get().await;
    let (ann, ben) = (house.ann(), house.ben());
    // Discovery of kubectl shows no text of a refusal, wherever it comes from: a raw call shows it.
    let pods = ["get", "--raw", "/api/v1/namespaces/default/pods"];
    let error = ben.run(&[&["--as", "u-ann"], &pods[..]].concat()).await.err();
    assert!(error.contains("Forbidden") && error.contains("user `u-ben` cannot impersonate user `u-ann`"), "{error}");
    for (args, which) in [
        (["--as", "nobody", "--as-group", ""], "user `nobody`"),
        (["--as", "system:admin", "--as-group", ""], "user `system:admin`"),
        (["--as", "u-ben", "--as-group", "system:masters"], "group `system:masters`"),
        (["--as", "u-ben", "--as-group", "dev"], "group `dev`"),
    ] {
        let given = if args[3].is_empty() { &args[..2] } else { &args[..] };
        let error = ann.run(&[given, &pods[..]].concat()).await.err();
        assert!(error.contains("Forbidden") && error.contains(which), "{args:?}: {error}");
    }
}
