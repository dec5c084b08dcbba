use http::StatusCode;
use kit::{
    cluster::RealCluster,
    gateway::{ConfigFolder, Gateway},
};

use crate::{DROVER, status};

const PODS: &str = "/api/v1/namespaces/default/pods";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

#[tokio::test]
async fn two_clusters_serve_three_users_and_one_may_die_and_come_back() {
    let (a, b) = tokio::join!(RealCluster::builder().name("a").start(), RealCluster::builder().name("b").start());
    let folder = ConfigFolder::new();
    folder.add_real_cluster("c-a", &a).await;
    folder.add_real_cluster("c-b", &b).await;
    let users = ["u-ann", "u-ben", "u-cat"];
    let [ann, ben, cat] = users.map(|user| folder.add_user(user).add_token(user));
    folder.add_binding("c-a", "u-ann", "cluster-admin").add_binding("c-b", "u-ann", "cluster-admin");
    folder.add_binding("c-a", "u-ben", "view").add_binding("c-b", "u-ben", "cluster-admin");
    folder.add_binding("c-a", "u-cat", "view");
    folder.publish(DROVER, "c-a", &a).await;
    folder.publish(DROVER, "c-b", &b).await;
    let gateway = Gateway::start(DROVER, folder).await;
    for (cluster, token) in [("c-a", &ann), ("c-b", &ann), ("c-a", &ben), ("c-b", &ben), ("c-a", &cat)] {
        gateway.wait_for_cluster(cluster, token).await;
    }
    for (who, token, wanted) in [
        ("ann", &ann, [("c-a", PODS, 200), ("c-a", SECRETS, 200), ("c-b", PODS, 200), ("c-b", SECRETS, 200)]),
        ("ben", &ben, [("c-a", PODS, 200), ("c-a", SECRETS, 403), ("c-b", PODS, 200), ("c-b", SECRETS, 200)]),
        ("cat", &cat, [("c-a", PODS, 200), ("c-a", SECRETS, 403), ("c-b", PODS, 403), ("c-b", SECRETS, 403)]),
    ] {
        for (cluster, path, code) in wanted {
            assert_eq!(gateway.get(cluster, path, token).await.status(), code, "{who}: {path} of {cluster}");
        }
    }
    // A cluster that one may not use and one that is not there look the same.
    let hidden = status(&gateway.get("c-b", PODS, &cat).await, StatusCode::FORBIDDEN);
    let missing = status(&gateway.get("c-c", PODS, &cat).await, StatusCode::FORBIDDEN);
    assert_eq!(hidden.to_string().replace("c-b", "c-c"), missing.to_string());

    a.stop();
    for _ in 0..20 {
        let dead = kit::wait::event("the dead cluster's answer", gateway.get("c-a", PODS, &ann)).await;
        assert!(matches!(dead.status().as_u16(), 502..=504), "{dead:?}");
        status(&dead, dead.status());
        let well = kit::wait::event("the other's answer", gateway.get("c-b", PODS, &ben)).await;
        assert_eq!(well.status(), 200);
    }
    status(&gateway.get("c-a", PODS, &ann).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(gateway.metric("drover_circuit_open", &["cluster=\"c-a\""]).await > 0.5);
    assert!(gateway.metric("drover_circuit_open", &["cluster=\"c-b\""]).await < 0.5);

    a.start_again().await;
    gateway.wait_for_status("c-a", PODS, &ann, 200).await;
    gateway.wait_for_status("c-a", SECRETS, &ben, 403).await;
}
