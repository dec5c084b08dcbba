use kit::cluster::RealCluster;
use serde_json::{Value, json};

use crate::before;

#[tokio::test]
async fn the_audit_logs_of_gateway_and_cluster_name_the_same_call_by_one_id() {
    let cluster = RealCluster::builder().name("audit").audit(true).start().await;
    let (gateway, ann) = before(&cluster, |folder| {
        folder.set("audit.log", json!({"path": "audit.log"}));
        folder.add_user("u-ben").add_binding("c-a", "u-ben", "view");
    })
    .await;
    let kubectl = gateway.kubectl("c-a", &ann);
    kubectl.run(&["create", "configmap", "audited"]).await.ok();
    kubectl.run(&["--as", "u-ben", "get", "configmap", "audited"]).await.ok();
    let stranger = gateway.get("c-a", "/api/v1/namespaces/default/configmaps/refused", "wrong").await;
    assert_eq!(stranger.status(), 401);

    let path = gateway.folder().path().join("audit.log");
    let find = |what: &'static str, accept: fn(&Value) -> bool| {
        let path = path.clone();
        async move {
            kit::wait::until(what, || async {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(accept)
            })
            .await
        }
    };
    let created =
        find("the creation", |event| event["verb"] == "create" && event["objectRef"]["resource"] == "configmaps").await;
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!("Event"), &json!("audit.k8s.io/v1")));
    assert_eq!(created["user"]["username"], "u-ann");
    assert_eq!(created["objectRef"]["namespace"], "default");
    assert_eq!(created["responseStatus"]["code"], 201);
    assert_eq!(created["stage"], "ResponseComplete");
    assert_eq!(created["annotations"]["drover.io/cluster"], "c-a");
    let id = created["auditID"].as_str().unwrap().to_owned();
    let there = cluster
        .wait_for_audit_event("the cluster's event", |event| event["auditID"] == *id && event["verb"] == "create")
        .await;
    assert_eq!(there["impersonatedUser"]["username"], "u-ann");
    assert_eq!(there["objectRef"]["name"], "audited");
    assert_eq!(there["user"]["username"], "system:serviceaccount:drover-system:gateway");

    let read = find("the read", |event| event["verb"] == "get" && event["objectRef"]["name"] == "audited").await;
    assert_eq!(read["user"]["username"], "u-ann");
    assert_eq!(read["impersonatedUser"]["username"], "u-ben");
    let refused = find("the refusal", |event| event["objectRef"]["name"] == "refused").await;
    assert_eq!(refused["responseStatus"]["code"], 401);
    assert_eq!(stranger.headers()["audit-id"], refused["auditID"].as_str().unwrap());

    let metrics = gateway.metrics().await;
    for name in [
        "drover_requests_total",
        "drover_request_duration_seconds_bucket",
        "drover_upstream_duration_seconds_bucket",
        "drover_requests_in_flight",
        "drover_bytes_total",
        "drover_errors_total",
        "drover_upstream_connects_total",
        "drover_world_generation",
        "drover_build_info",
    ] {
        assert!(metrics.contains(name), "{name} is missing from\n{metrics}");
    }
    assert!(gateway.metric("drover_requests_total", &["cluster=\"c-a\"", "verb=\"create\""]).await >= 1.0);
    for (path, code) in
        [("/livez", 200), ("/healthz", 200), ("/readyz", 200), ("/readyz/world", 200), ("/readyz/none", 404)]
    {
        assert_eq!(gateway.ops_get(path).await.unwrap().0, code, "{path}");
    }
    let (_, verbose) = gateway.ops_get("/readyz?verbose").await.unwrap();
    assert!(verbose.contains("[+]ping ok") && verbose.contains("[+]draining ok"), "{verbose}");
    // On the clients' listener the same pages need no sign-in, and tell no details.
    let open = gateway.endpoint().get("/readyz?verbose", "").await;
    assert_eq!((open.status().as_u16(), &open.body()[..]), (200, &b"ok"[..]));
    assert_eq!(gateway.endpoint().get("/metrics", &ann).await.status(), 404);
}
