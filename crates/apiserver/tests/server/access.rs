//! Who may do what.

use crate::support::{self, Answer, answer, delete, post};
use apiserver::{Caller, Server};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

async fn as_jo(server: &Server, method: Method, target: &str, body: &Value) -> Answer {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("content-type", "application/json")
        .extension(Caller::new("jo", &["system:authenticated"]))
        .body(Full::new(bytes::Bytes::from(body)))
        .unwrap();
    answer(server.call(request).await).await
}

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
    let mut rules = Value::Null;
    for _ in 0..200 {
        let view = support::get(&server, &format!("{RBAC}/clusterroles/view")).await;
        rules = view.body["rules"].clone();
        if rules.as_array().is_some_and(|rules| !rules.is_empty()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the role `view` is not aggregated: {rules}");
}
