//! Who may do what.

use http::Method;
use serde_json::{Value, json};

use crate::support::{self, as_jo, delete, post};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn role(name: &str, verbs: &[&str]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}],
    })
}

fn binding(role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
        "subjects": [{"kind": "User", "name": "jo", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    })
}

#[tokio::test]
async fn a_grant_and_its_end_hold_from_the_next_request_on() {
    let server = support::server().await;
    let refused = as_jo(&server, Method::GET, SECRETS, &Value::Null).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.body["message"],
        "secrets is forbidden: User \"jo\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    post(&server, &format!("{RBAC}/clusterroles"), &role("reader", &["list"])).await;
    let bound = post(&server, &format!("{RBAC}/clusterrolebindings"), &binding("reader")).await;
    assert_eq!(bound.code, 201, "{}", bound.text);
    assert_eq!(as_jo(&server, Method::GET, SECRETS, &Value::Null).await.code, 200);
    delete(&server, &format!("{RBAC}/clusterrolebindings/reader")).await;
    assert_eq!(as_jo(&server, Method::GET, SECRETS, &Value::Null).await.code, 403);
}

#[tokio::test]
async fn nobody_gives_rights_that_they_do_not_have() {
    let server = support::server().await;
    let author = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "author"},
        "rules": [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}],
    });
    post(&server, &format!("{RBAC}/clusterroles"), &author).await;
    post(&server, &format!("{RBAC}/clusterrolebindings"), &binding("author")).await;
    let refused = as_jo(&server, Method::POST, &format!("{RBAC}/clusterroles"), &role("more", &["get"])).await;
    assert_eq!(refused.code, 403, "{}", refused.text);
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("is attempting to grant RBAC permissions not currently held")
    );
}

#[tokio::test]
async fn everybody_may_ask_what_they_may() {
    let server = support::server().await;
    let ask = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "default", "verb": "get", "resource": "secrets"}},
    });
    let target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let told = as_jo(&server, Method::POST, target, &ask).await;
    assert_eq!((told.code, &told.body["status"]["allowed"]), (201, &json!(false)), "{}", told.text);
    let who = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let told = as_jo(&server, Method::POST, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &who).await;
    assert_eq!((told.code, &told.body["status"]["userInfo"]["username"]), (201, &json!("jo")), "{}", told.text);
}

#[tokio::test]
async fn the_roles_that_kubernetes_names_are_there() {
    let server = support::server().await;
    support::until(&server, &format!("{RBAC}/clusterroles/view"), |view| {
        view.body["rules"].as_array().is_some_and(|rules| !rules.is_empty())
    })
    .await;
}
