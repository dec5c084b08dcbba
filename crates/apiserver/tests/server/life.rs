//! Namespaces and owners: what goes with what.

use crate::support::{self, ask, delete, get, merge, post, until};
use http::Method;
use serde_json::{Value, json};

const NAMESPACES: &str = "/api/v1/namespaces";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn config_map(name: &str, owners: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}, "data": {"a": "b"}})
}

fn owner(of: &Value, blocks: bool) -> Value {
    json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": of["metadata"]["name"], "uid": of["metadata"]["uid"],
        "blockOwnerDeletion": blocks,
    }])
}

#[tokio::test]
async fn the_systems_namespaces_are_there_and_stay() {
    let server = support::server().await;
    let list = get(&server, NAMESPACES).await;
    let names: Vec<&str> =
        list.body["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    assert_eq!(list.body["items"][0]["status"]["phase"], "Active");
    assert_eq!(list.body["items"][0]["metadata"]["labels"]["kubernetes.io/metadata.name"], "default");
    let refused = delete(&server, &format!("{NAMESPACES}/default")).await;
    assert_eq!(
        (refused.code, &refused.body["message"]),
        (403, &json!("namespaces \"default\" is forbidden: this namespace may not be deleted"))
    );
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_not_there() {
    let server = support::server().await;
    let refused = post(&server, "/api/v1/namespaces/nowhere/configmaps", &config_map("a", &json!(null))).await;
    assert_eq!((refused.code, &refused.body["message"]), (404, &json!("namespaces \"nowhere\" not found")));
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let server = support::server().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    let made = post(&server, NAMESPACES, &namespace).await;
    assert_eq!((made.code, &made.body["spec"]["finalizers"]), (201, &json!(["kubernetes"])), "{}", made.text);
    let mut held = config_map("held", &json!(null));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&server, "/api/v1/namespaces/team/configmaps", &held).await;
    post(&server, "/api/v1/namespaces/team/configmaps", &config_map("free", &json!(null))).await;
    let marked = delete(&server, &format!("{NAMESPACES}/team")).await;
    assert_eq!((marked.code, &marked.body["status"]["phase"]), (200, &json!("Terminating")), "{}", marked.text);
    until(&server, "/api/v1/namespaces/team/configmaps/free", |answer| answer.code == 404).await;
    let refused = post(&server, "/api/v1/namespaces/team/configmaps", &config_map("new", &json!(null))).await;
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert_eq!(
        refused.body["message"],
        "configmaps \"new\" is forbidden: unable to create new content in namespace team because it is being terminated"
    );
    let free = json!({"metadata": {"finalizers": null}});
    merge(&server, "/api/v1/namespaces/team/configmaps/held", &free).await;
    until(&server, &format!("{NAMESPACES}/team"), |answer| answer.code == 404).await;
}

#[tokio::test]
async fn dependents_go_after_their_owner() {
    let server = support::server().await;
    let first = post(&server, CONFIG_MAPS, &config_map("first", &json!(null))).await.body;
    let second = post(&server, CONFIG_MAPS, &config_map("second", &owner(&first, false))).await.body;
    post(&server, CONFIG_MAPS, &config_map("third", &owner(&second, false))).await;
    assert_eq!(delete(&server, &format!("{CONFIG_MAPS}/first")).await.body["status"], "Success");
    until(&server, &format!("{CONFIG_MAPS}/third"), |answer| answer.code == 404).await;
}

#[tokio::test]
async fn an_owner_waits_for_its_dependents_when_asked_to() {
    let server = support::server().await;
    let first = post(&server, CONFIG_MAPS, &config_map("first", &json!(null))).await.body;
    let mut second = config_map("second", &owner(&first, true));
    second["metadata"]["finalizers"] = json!(["example.com/hold"]);
    post(&server, CONFIG_MAPS, &second).await;
    // One that does not keep its owner goes after it.
    post(&server, CONFIG_MAPS, &config_map("third", &owner(&first, false))).await;
    let marked = delete(&server, &format!("{CONFIG_MAPS}/first?propagationPolicy=Foreground")).await;
    assert_eq!(marked.body["metadata"]["finalizers"], json!(["foregroundDeletion"]), "{}", marked.text);
    let path = format!("{CONFIG_MAPS}/second");
    until(&server, &path, |answer| answer.body["metadata"]["deletionTimestamp"].is_string()).await;
    assert_eq!(get(&server, &format!("{CONFIG_MAPS}/first")).await.code, 200);
    assert_eq!(get(&server, &format!("{CONFIG_MAPS}/third")).await.code, 200);
    merge(&server, &path, &json!({"metadata": {"finalizers": null}})).await;
    until(&server, &format!("{CONFIG_MAPS}/first"), |answer| answer.code == 404).await;
    until(&server, &format!("{CONFIG_MAPS}/third"), |answer| answer.code == 404).await;
}

#[tokio::test]
async fn orphans_stay_and_forget_their_owner() {
    let server = support::server().await;
    let first = post(&server, CONFIG_MAPS, &config_map("first", &json!(null))).await.body;
    post(&server, CONFIG_MAPS, &config_map("second", &owner(&first, false))).await;
    let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}).to_string();
    ask(&server, Method::DELETE, &format!("{CONFIG_MAPS}/first"), "application/json", body).await;
    until(&server, &format!("{CONFIG_MAPS}/first"), |answer| answer.code == 404).await;
    let second = get(&server, &format!("{CONFIG_MAPS}/second")).await;
    assert_eq!(second.code, 200);
    assert!(second.body["metadata"].get("ownerReferences").is_none(), "{}", second.text);
}

#[tokio::test]
async fn a_secrets_texts_become_its_data() {
    let server = support::server().await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "x"}});
    let made = post(&server, "/api/v1/namespaces/default/secrets", &secret).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!((&made.body["data"]["password"], &made.body["type"]), (&json!("eA=="), &json!("Opaque")));
    assert!(made.body.get("stringData").is_none());
}
