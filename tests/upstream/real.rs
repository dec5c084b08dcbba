use std::{sync::Arc, time::Duration};

use drover::{
    cluster::{CONTROL, Call, Cluster, Wanted},
    world::input::{Auth, Connection, Names},
};
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use kit::cluster::RealCluster;
use serde_json::{Value, json};

use crate::{
    fake::{connection, data, registry, token},
    get, text,
};

fn reached(cluster: &RealCluster, auth: Auth) -> Arc<Connection> {
    let url = cluster.server_url();
    let address = url.trim_start_matches("https://").parse().unwrap();
    connection(address, &cluster.ca_pem(), auth)
}

/// What the cluster answers the gateway's account about itself.
async fn review(cluster: &Arc<Cluster>, kind: &str, spec: &Value) -> Value {
    let path = format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase());
    let body = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
    let within = Duration::from_secs(5);
    let headers = HeaderMap::new();
    let (status, answer) =
        cluster.json(CONTROL, Method::POST, &path, headers, None, Some(&body), 1 << 20, within).await.unwrap();
    assert!(status.is_success(), "{answer}");
    answer
}

/// The apiserver ends a connection by GOAWAY every fiftieth request, with others under way on it.
#[tokio::test]
async fn no_request_is_lost_to_an_apiserver_that_says_goaway() {
    let real = RealCluster::builder().name("goaway").apiserver_arg("--goaway-chance=0.02").start().await;
    let cluster = registry().put(&Arc::from("c1"), &reached(&real, token(real.admin_token())));
    for _ in 0..100 {
        let some = (0..32).map(|number| {
            let call = if number % 8 == 0 { Call::List } else { Call::Short };
            cluster.send(0, call, get("/api/v1/namespaces/default"))
        });
        for response in join_all(some).await {
            let response = response.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert!(text(response).await.contains("default"));
        }
    }
    let stats = cluster.stats();
    assert!(stats.connects.read() > 10, "{stats:?}");
}

#[tokio::test]
async fn hundreds_of_watches_share_some_connections_of_a_real_apiserver() {
    let real = RealCluster::builder().name("watches").start().await;
    let pair = real.client_cert("admin", &["system:masters"]);
    let auth = Auth::ClientCertificate { certificate: data(&pair.certificate), key: data(&pair.key) };
    let cluster = registry().put(&Arc::from("c1"), &reached(&real, auth));
    let path = "/api/v1/namespaces/default/configmaps?watch=true&allowWatchBookmarks=true";
    let opened = join_all((0..300).map(|_| cluster.send(0, Call::Watch, get(path)))).await;
    let mut watches: Vec<_> = opened.into_iter().map(|watch| watch.unwrap().into_body()).collect();
    assert_eq!(cluster.stats().http2_streams.read(), 300);
    let connections = cluster.stats().http2_connections.read();
    assert!((3..=5).contains(&connections), "{connections}");
    let object = json!({ "metadata": { "name": "seen" } });
    real.create("/api/v1/namespaces/default/configmaps", &object).await;
    for watch in &mut watches {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("\"seen\"") {
            let frame = kit::wait::event("the object", watch.frame()).await;
            seen.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
        }
    }
}

#[tokio::test]
async fn a_real_apiserver_tells_what_may_be_impersonated() {
    let real = RealCluster::builder()
        .name("published")
        .user("drover:gateway", &[])
        .apiserver_arg("--authorization-mode=Node")
        .start()
        .await;
    let api = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({ "metadata": { "name": "drover:impersonate" }, "rules": [
        { "apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["drover:c1:cluster:view"] },
        { "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["u-1", "u-2"] },
        { "apiGroups": ["authentication.k8s.io"], "resources": ["uids", "userextras/drover.io/token"], "verbs": ["impersonate"] },
    ] });
    real.create(&format!("{api}/clusterroles"), &role).await;
    real.bind_user("drover:gateway", "drover:impersonate").await;
    let registry = registry();
    let cluster = registry.put(&Arc::from("c1"), &reached(&real, token(real.token_for("drover:gateway"))));
    // Of a RoleBinding RBAC takes this for a rule about users in a namespace, of which there are none.
    let role = json!({ "metadata": { "name": "drover:more" }, "rules": [
        { "apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"] },
    ] });
    real.create(&format!("{api}/clusterroles"), &role).await;
    let subject = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "drover:gateway" });
    let role_ref = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "drover:more" });
    let binding = json!({ "metadata": { "name": "more" }, "subjects": [subject], "roleRef": role_ref });
    real.create(&format!("{api}/namespaces/default/rolebindings"), &binding).await;
    let default = json!({ "namespace": "default" });
    kit::wait::until("the cluster to list the binding's rules", || async {
        let answer = review(&cluster, "SelfSubjectRulesReview", &default).await;
        answer.to_string().contains(r#""resources":["users","groups"]"#).then_some(())
    })
    .await;
    let wanted = Wanted { users: vec!["u-3".into()], groups: vec!["system:masters".into()] };
    let names = |names: &[&str]| Names::Only(names.iter().map(|name| Arc::from(*name)).collect());
    let published = kit::wait::until("uids to be published", || async {
        Some(cluster.published(&wanted).await.unwrap()).filter(|published| published.uids)
    })
    .await;
    assert_eq!(published.groups, names(&["drover:c1:cluster:view"]));
    assert_eq!(published.users, names(&["u-1", "u-2"]));
    assert_eq!(published.extras, names(&["drover.io/token"]));
    assert!(!published.administrator);
    for (resource, name, allowed) in
        [("users", "u-1", true), ("users", "u-9", false), ("groups", "system:masters", false)]
    {
        let attributes = json!({ "verb": "impersonate", "resource": resource, "name": name });
        let spec = json!({ "resourceAttributes": attributes });
        let answer = review(&cluster, "SelfSubjectAccessReview", &spec).await;
        assert_eq!(answer["status"]["allowed"], allowed, "{resource} {name}");
    }

    let admin = registry.put(&Arc::from("c2"), &reached(&real, token(real.admin_token())));
    assert!(admin.published(&Wanted::default()).await.unwrap().administrator);

    let mut as_user = HeaderMap::new();
    as_user.insert("impersonate-user", "u-1".parse().unwrap());
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let within = Duration::from_secs(5);
    let (status, answer) =
        cluster.json(CONTROL, Method::POST, path, as_user, None, Some(&body), 10_000, within).await.unwrap();
    assert!(status.is_success(), "{answer}");
    assert_eq!(answer["status"]["userInfo"]["username"], "u-1");
}
