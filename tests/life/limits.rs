use bytes::Bytes;
use http::{Response, StatusCode};
use kit::{
    cluster::RealCluster,
    fake::{FakeApiserver, Reply},
    gateway::{ConfigFolder, Gateway},
};
use serde_json::json;

use crate::{DROVER, before, status};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn retry_after(answer: &Response<Bytes>) -> u64 {
    answer.headers()["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_user_past_its_rate_gets_429_and_another_user_notices_nothing() {
    let cluster = RealCluster::builder().name("rate").start().await;
    let mut ben = String::new();
    let (gateway, ann) = before(&cluster, |folder| {
        folder.add_user_with("u-ben", &json!({"limits": {"perSecond": 1, "burst": 4}}));
        folder.add_binding("c-a", "u-ben", "view");
        ben = folder.add_token("u-ben");
    })
    .await;
    for _ in 0..4 {
        assert_eq!(gateway.get("c-a", MAPS, &ben).await.status(), 200, "the burst");
    }
    let limited = kit::wait::until("a call past the rate", || async {
        assert_eq!(gateway.get("c-a", MAPS, &ann).await.status(), 200);
        let answer = gateway.get("c-a", MAPS, &ben).await;
        (answer.status() != StatusCode::OK).then_some(answer)
    })
    .await;
    let told = status(&limited, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(told["reason"], "TooManyRequests");
    assert!(retry_after(&limited) >= 1);
    assert_eq!(gateway.get("c-a", MAPS, &ann).await.status(), 200);
    assert!(gateway.metric("drover_limited_total", &["user"]).await > 0.5);
    gateway.wait_for_status("c-a", MAPS, &ben, 200).await;
}

#[tokio::test]
async fn past_the_limits_of_calls_under_way_a_user_gets_429_and_everybody_503() {
    let fake = FakeApiserver::builder().route("GET", "/api/v1/hangs", Reply::hang()).start();
    let folder = ConfigFolder::new();
    folder.set("limits.maxInFlight", 5).set("limits.perUser.inFlight", 3);
    folder.add_cluster("c-a", &fake.kubeconfig("secret"));
    let [ann, ben] =
        ["u-ann", "u-ben"].map(|user| folder.add_user(user).add_binding("c-a", user, "view").add_token(user));
    let gateway = Gateway::start(DROVER, folder).await;
    gateway.wait_for_cluster("c-a", &ann).await;
    gateway.wait_for_cluster("c-a", &ben).await;

    let endpoint = gateway.endpoint();
    let hang = |token: &str| {
        let (endpoint, token) = (endpoint.clone(), token.to_owned());
        tokio::spawn(async move { endpoint.get(&Gateway::path("c-a", "/api/v1/hangs"), &token).await })
    };
    let under_way = |count: f64| {
        let gateway = &gateway;
        async move {
            kit::wait::until("calls under way", || async move {
                let now = gateway.metric("drover_in_flight", &[]).await;
                ((now - count).abs() < 0.5).then_some(())
            })
            .await;
        }
    };
    let mut hanging: Vec<_> = (0..3).map(|_| hang(&ann)).collect();
    under_way(3.0).await;
    let refused = gateway.get("c-a", "/api", &ann).await;
    status(&refused, StatusCode::TOO_MANY_REQUESTS);
    assert!(retry_after(&refused) >= 1);
    assert_eq!(gateway.get("c-a", "/api", &ben).await.status(), 200, "another user has places of its own");
    hanging.extend((0..2).map(|_| hang(&ben)));
    under_way(5.0).await;
    let refused = gateway.get("c-a", "/api", &ben).await;
    status(&refused, StatusCode::SERVICE_UNAVAILABLE);
    assert!(retry_after(&refused) >= 1);
    // Calls whose clients go away give their places back.
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    under_way(0.0).await;
    assert_eq!(gateway.get("c-a", "/api", &ann).await.status(), 200);
}
