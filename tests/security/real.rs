//! What a real kube-apiserver makes of it: two clusters, an account that may impersonate what is published, and
//! callers who try to be somebody else.

use http::{HeaderName, HeaderValue};
use kit::{
    client::json_body,
    cluster::RealCluster,
    gateway::{ClusterOptions, ConfigFolder, Gateway},
};
use serde_json::{Value, json};

use crate::{assert_status, raw};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEW: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

struct Real {
    one: RealCluster,
    two: RealCluster,
    gateway: Gateway,
    /// `u-owner` is cluster-admin in `c-one`, and views `c-two`.
    owner: String,
    /// `u-ann` views both.
    ann: String,
}

/// One gateway before two clusters, for all that is tried here.
async fn real() -> Real {
    let build = |name: &str| RealCluster::builder().name(name).user("drover:gateway", &[]).start();
    let (one, two) = tokio::join!(build("one"), build("two"));
    let folder = ConfigFolder::new();
    for user in ["u-ann", "u-bob", "u-owner"] {
        folder.add_user(user);
    }
    for (id, cluster) in [("c-one", &one), ("c-two", &two)] {
        let kubeconfig = cluster.kubeconfig_with_token(cluster.token_for("drover:gateway"));
        folder.add_cluster_with(id, &kubeconfig, &ClusterOptions::default());
        folder.add_binding(id, "u-ann", "view").add_binding(id, "u-bob", "view");
    }
    folder.add_binding("c-one", "u-owner", "cluster-admin").add_binding("c-two", "u-owner", "view");
    let (owner, ann) = (folder.add_token("u-owner"), folder.add_token("u-ann"));
    let gateway = Gateway::start(env!("CARGO_BIN_EXE_drover"), folder).await;
    for (id, cluster, way) in [("c-one", &one, "any"), ("c-two", &two, "constrained")] {
        let account = ["--user", "drover:gateway", "--impersonation", way];
        let rbac = gateway.command(&[&["cluster", "rbac", "--cluster", id][..], &account].concat()).ok();
        cluster.apply(&rbac).await;
        gateway.wait_for_cluster(id, &ann).await;
        gateway.wait_for_cluster(id, &owner).await;
    }
    Real { one, two, gateway, owner, ann }
}

impl Real {
    /// Who the cluster says is asking, or the refusal.
    async fn who(&self, cluster: &str, token: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let endpoint = self.gateway.endpoint();
        let body = json_body(&json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}));
        let mut request = endpoint.request("POST", &Gateway::path(cluster, REVIEW), token, body);
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::try_from(*value).unwrap());
        }
        let answer = endpoint.send(request).await;
        let code = answer.status().as_u16();
        if code >= 400 {
            assert_status(&answer, code);
        }
        (code, serde_json::from_slice(answer.body()).unwrap())
    }
}

/// H1, H2, H7, H8: one test, because a pair of clusters costs seconds to start.
#[tokio::test]
async fn nobody_becomes_somebody_else_in_a_real_cluster() {
    let real = Box::pin(real()).await;
    connection_headers_leave_the_identity(&real).await;
    impersonation_needs_the_right_where_it_is_used(&real).await;
    not_even_an_owner_becomes_a_system_identity(&real).await;
    the_clusters_constrain_impersonation(&real).await;
    a_service_account_comes_as_itself_to_its_own_cluster(&real).await;
}

/// Neither cluster used the old way, though one of them allows it.
async fn the_clusters_constrain_impersonation(real: &Real) {
    for cluster in [&real.one, &real.two] {
        let metrics = cluster.kubectl(&["get", "--raw", "/metrics"]).await.ok();
        let allowed = |mode: &str| {
            let name = format!("apiserver_impersonation_attempts_total{{decision=\"allowed\",mode=\"{mode}\"}}");
            metrics.lines().any(|line| line.starts_with(&name))
        };
        assert!(allowed("user-info") && !allowed("legacy"), "{}", cluster.name());
    }
}

/// H1: the cluster sees the caller, never the account.
async fn connection_headers_leave_the_identity(real: &Real) {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    for attack in [
        "Connection: close, Impersonate-User, Impersonate-Group",
        "Connection: Impersonate-User\r\nConnection: close\r\nTE: Impersonate-User\r\nKeep-Alive: Impersonate-User",
        "Connection: close\r\nTrailer: Impersonate-User",
    ] {
        let bytes = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{attack}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            Gateway::path("c-one", REVIEW),
            real.gateway.address(),
            real.ann,
            body.len()
        );
        let answer = raw(&real.gateway.endpoint(), bytes).await;
        assert_eq!(answer.codes(), [201], "{attack}: {answer:?}");
        assert!(answer.text.contains("\"username\":\"u-ann\""), "{attack}: {answer:?}");
        assert!(answer.text.contains("drover:c-one:cluster:view"), "{attack}: {answer:?}");
        assert!(!answer.text.contains("drover:gateway"), "{attack}: {answer:?}");
    }
}

/// H2 and H7: the right to impersonate is the cluster's to give, and holds in no other.
async fn impersonation_needs_the_right_where_it_is_used(real: &Real) {
    let bob = [("impersonate-user", "u-bob")];
    assert_eq!(real.who("c-one", &real.ann, &bob).await.0, 403);
    let role = json!({"metadata": {"name": "may-be-bob"}, "rules": [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["u-bob"]},
    ]});
    real.one.create(&format!("{RBAC}/clusterroles"), &role).await;
    real.one.bind_user("u-ann", "may-be-bob").await;
    // The gateway keeps an answer of the cluster for ten seconds.
    let as_bob = kit::wait::within(std::time::Duration::from_secs(15), "ann to be bob", || async {
        let (code, answer) = real.who("c-one", &real.ann, &bob).await;
        (code == 201).then_some(answer)
    })
    .await;
    assert_eq!(as_bob["status"]["userInfo"]["username"], "u-bob");
    assert_eq!(real.who("c-two", &real.ann, &bob).await.0, 403);
    assert_eq!(real.who("local", &real.ann, &bob).await.0, 403);
    assert_eq!(real.who("c-one", &real.ann, &[("impersonate-user", "u-owner")]).await.0, 403);
    let group = ("impersonate-group", "drover:c-one:cluster:cluster-admin");
    assert_eq!(real.who("c-one", &real.ann, &[bob[0], group]).await.0, 403);
}

/// H8: the access review of a cluster-admin says yes to every name; Drover does not.
async fn not_even_an_owner_becomes_a_system_identity(real: &Real) {
    let user = |name| ("impersonate-user", name);
    let group = |name| ("impersonate-group", name);
    for attack in [
        &[user("system:admin")][..],
        &[user("system:kube-controller-manager")],
        &[user("system:serviceaccount:kube-system:default")],
        &[user("system:anonymous")],
        &[user("drover:gateway")],
        &[user("drover:c-one:cluster:cluster-admin")],
        &[user("admin")],
        &[user("kubernetes-admin")],
        &[user("u-nobody")],
        &[user("U-BOB")],
        &[user("u-bob"), group("system:masters")],
        &[user("u-bob"), group("system:authenticated")],
        &[user("u-bob"), group("system:serviceaccounts")],
        &[user("u-bob"), group("drover:c-two:cluster:view")],
        &[user("u-bob"), group("drover:c-one:cluster:edit")],
        &[user("u-bob"), group("drover:global:admin")],
        &[user("u-bob"), group("developers")],
        &[user("u-bob"), ("impersonate-uid", "1")],
        &[user("u-bob"), ("impersonate-extra-scopes", "all")],
    ] {
        let (code, answer) = real.who("c-one", &real.owner, attack).await;
        assert_eq!(code, 403, "{attack:?}: {answer}");
        let (code, _) = real.who("c-two", &real.owner, attack).await;
        assert_eq!(code, 403, "{attack:?}");
    }
    let (code, answer) = real.who("c-one", &real.owner, &[user("u-bob")]).await;
    assert_eq!((code, &answer["status"]["userInfo"]["username"]), (201, &json!("u-bob")));
    let groups = answer["status"]["userInfo"]["groups"].to_string();
    assert!(groups.contains("drover:c-one:cluster:view") && !groups.contains("admin"), "{groups}");
}

/// A service account comes to its own cluster as itself, where a `ClusterProxyConfig` lets it, and to no other; H8: it is nobody
/// else there.
async fn a_service_account_comes_as_itself_to_its_own_cluster(real: &Real) {
    let token = real.one.service_account_token("default", "default").await;
    let (code, refused) = real.who("c-one", &token, &[]).await;
    assert_eq!(code, 401, "not let yet: {refused}");

    let rbac = ["cluster", "rbac", "--cluster", "c-one", "--user", "drover:gateway", "--service-accounts"];
    real.one.apply(&real.gateway.command(&rbac).ok()).await;
    real.gateway.folder().write_objects(
        "proxy",
        &[json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterProxyConfig",
            "metadata": {"name": "clusterproxyconfig", "namespace": "c-one"}, "enabled": true})],
    );
    let let_in = async || {
        let (code, who) = real.who("c-one", &token, &[]).await;
        (code == 201).then_some(who)
    };
    let who = kit::wait::until("the service account to be let", let_in).await;
    let user = &who["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:default", "{who}");
    let groups = user["groups"].as_array().unwrap();
    assert!(groups.contains(&json!("system:serviceaccounts:default")), "{who}");
    assert!(!groups.iter().any(|group| group.as_str().unwrap().starts_with("drover:")), "{who}");

    // Its own rights and no more; nobody else, and nowhere else.
    let endpoint = real.gateway.endpoint();
    let secrets = endpoint.request("GET", &Gateway::path("c-one", "/api/v1/secrets"), &token, kit::client::empty());
    assert_status(&endpoint.send(secrets).await, 403);
    let (code, refused) = real.who("c-one", &token, &[("impersonate-user", "u-owner")]).await;
    assert_eq!(code, 403, "{refused}");
    let (code, refused) = real.who("c-two", &token, &[]).await;
    assert_eq!(code, 401, "{refused}");

    real.gateway.folder().remove_manifest("proxy");
    let gone = async || (real.who("c-one", &token, &[]).await.0 == 401).then_some(());
    kit::wait::until("the service account to be refused again", gone).await;
}
