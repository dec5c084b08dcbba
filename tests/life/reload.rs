use std::time::Duration;

use http::StatusCode;
use kit::{cluster::RealCluster, gateway::Gateway, tls::Ca};
use serde_json::{Value, json};

use crate::{DROVER, before, status};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn streams(gateway: &Gateway) -> Vec<Value> {
    serde_json::from_str(&gateway.command(&["streams", "ls", "--json"]).ok()).unwrap()
}

#[tokio::test]
async fn a_binding_that_goes_ends_its_watch_and_exec_and_the_next_call_is_a_403() {
    let cluster = RealCluster::builder().name("revoke").kwok(true).start().await;
    cluster.create_pod("default", "web").await;
    let (gateway, ann) = before(&cluster, |folder| {
        folder.add_user("u-ben").add_binding("c-a", "u-ben", "cluster-admin");
    })
    .await;
    let ben = gateway.folder().add_token("u-ben");
    gateway.wait_for_cluster("c-a", &ben).await;
    let (anns, bens) = (gateway.kubectl("c-a", &ann), gateway.kubectl("c-a", &ben));
    let shell = ["exec", "-i", "web", "--", "sh", "-c", "echo open; cat"];
    let mut watch = bens.start(&["get", "--raw", &format!("{MAPS}?watch=true")]);
    let mut exec = bens.start(&shell);
    let mut other = anns.start(&shell);
    exec.line_with("open").await;
    other.line_with("open").await;
    kit::wait::until_true("three streams", || streams(&gateway).len() == 3).await;
    let listed = gateway.command(&["streams", "ls"]).ok();
    assert!(listed.contains("u-ben") && listed.contains("/exec"), "{listed}");

    gateway.folder().remove_binding("c-a", "u-ben", "cluster-admin");
    kit::wait::until_true("both streams to end", || !watch.running() && !exec.running()).await;
    let refused = status(&gateway.get("c-a", MAPS, &ben).await, StatusCode::FORBIDDEN);
    assert!(refused["message"].as_str().unwrap().contains("u-ben"), "{refused}");
    assert!(other.running(), "ann's exec lives on");
    other.write("still here\n").await;
    other.line_with("still here").await;

    let left = streams(&gateway);
    assert_eq!(left.len(), 1, "{left:?}");
    gateway.command(&["streams", "kill", left[0]["id"].as_str().unwrap()]).ok();
    kit::wait::until_true("the killed stream to end", || !other.running()).await;
    assert!(gateway.command(&["streams", "kill", "0-999999"]).err().contains("not found"));
    assert_eq!(gateway.get("c-a", MAPS, &ann).await.status(), 200);
}

#[tokio::test]
async fn a_broken_manifest_keeps_the_last_good_state_and_new_roles_are_used_once_published() {
    let cluster = RealCluster::builder().name("reload").start().await;
    let (gateway, _) = before(&cluster, |folder| {
        folder.add_user("u-ben").add_binding("c-a", "u-ben", "view");
    })
    .await;
    let folder = gateway.folder();
    let ben = folder.add_token("u-ben");
    gateway.wait_for_cluster("c-a", &ben).await;

    folder.write_manifest(
        "broken",
        "kind: User\napiVersion: management.cattle.io/v3\nmetadata: {name: u-x}\nenabbled: true\n",
    );
    folder.remove_binding("c-a", "u-ben", "view");
    kit::wait::until_true("the problem to be told", || gateway.log().contains("enabbled")).await;
    assert!(gateway.log().contains("broken.yaml"));
    assert_eq!(
        gateway.get("c-a", MAPS, &ben).await.status(),
        200,
        "the binding is in force as long as a file is broken"
    );
    assert!(gateway.metric("drover_config_reloads_total", &[]).await >= 1.0);
    let check = gateway.command(&["config", "check"]);
    assert_ne!(check.code, Some(0));
    folder.remove_manifest("broken");
    gateway.wait_for_status("c-a", MAPS, &ben, 403).await;

    // A template in use for the first time: what worked before works on while it waits to be published.
    folder.add_binding("c-a", "u-ben", "view");
    gateway.wait_for_status("c-a", MAPS, &ben, 200).await;
    let watched = gateway.kubectl("c-a", &ben);
    let mut watch = watched.start(&["get", "--raw", &format!("{MAPS}?watch=true")]);
    kit::wait::until_true("the watch", || !streams(&gateway).is_empty()).await;
    folder.add_binding("c-a", "u-ben", "edit");
    let secrets = "/api/v1/namespaces/default/secrets";
    for _ in 0..20 {
        assert_eq!(gateway.get("c-a", MAPS, &ben).await.status(), 200);
        assert_eq!(gateway.get("c-a", secrets, &ben).await.status(), 403);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    folder.publish(DROVER, "c-a", &cluster).await;
    gateway.wait_for_status("c-a", secrets, &ben, 200).await;
    assert!(watch.running(), "a new role ends no stream");

    // A user that the cluster does not let the gateway be yet is told to wait, with the way out.
    folder.add_user("u-cat").add_binding("c-a", "u-cat", "view");
    let cat = folder.add_token("u-cat");
    gateway.wait_for_status("c-a", MAPS, &cat, 503).await;
    let told = status(&gateway.get("c-a", MAPS, &cat).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told["message"].as_str().unwrap().contains("drover cluster rbac"), "{told}");
    // kubectl shows none of it: the log does.
    assert!(gateway.log().contains("user `u-cat` is bound here but not yet published"));
    folder.publish(DROVER, "c-a", &cluster).await;
    gateway.wait_for_status("c-a", MAPS, &cat, 200).await;
}

#[tokio::test]
async fn host_names_client_certificates_and_changed_certificates_work() {
    let cluster = RealCluster::builder().name("tls").start().await;
    let (people, first, second) = (Ca::new("people"), Ca::new("first"), Ca::new("second"));
    let names = ["127.0.0.1", "drover.test", "*.drover.test"];
    let (gateway, ann) = before(&cluster, |folder| {
        folder.set("listen.baseDomain", "drover.test");
        folder.set_certificate(&first.server(&names), &first.pem()).set_client_ca(&people.pem());
        folder.add_user_with("u-robot", &json!({"principalIds": ["x509_user://robot"]}));
        folder.add_binding("c-a", "u-robot", "view");
    })
    .await;

    // By host name the path is the cluster's own.
    let by_name = gateway.endpoint().server_name("c-a.drover.test");
    let list: Value = serde_json::from_slice(by_name.get(MAPS, &ann).await.body()).unwrap();
    assert_eq!(list["kind"], "ConfigMapList");
    let http2 = by_name.http2().await.send_request(by_name.request2("GET", MAPS, &ann, kit::client::empty())).await;
    assert_eq!(http2.unwrap().status(), 200);
    let unknown = gateway.endpoint().server_name("c-b.drover.test").get(MAPS, &ann).await;
    status(&unknown, StatusCode::FORBIDDEN);

    // A client certificate is as good as a token, and one of a stranger's authority ends the handshake.
    let path = Gateway::path("c-a", MAPS);
    let robot = gateway.endpoint().certificate(people.client("robot", &["machines"]));
    let answer = robot.get(&path, "").await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    status(&robot.get(&Gateway::path("c-a", "/api/v1/namespaces/default/secrets"), "").await, StatusCode::FORBIDDEN);
    status(
        &gateway.endpoint().certificate(people.client("nobody", &[])).get(&path, "").await,
        StatusCode::UNAUTHORIZED,
    );
    status(&gateway.endpoint().get(&path, "").await, StatusCode::UNAUTHORIZED);

    // A changed certificate is used for new connections, and old ones live on.
    let mut old = gateway.endpoint().http2().await;
    gateway.folder().set_certificate(&second.server(&names), &second.pem());
    let new = kit::client::Endpoint::new(gateway.address(), &second.pem());
    kit::wait::until("the new certificate", || async { new.try_connect(&["h2"]).await.ok() }).await;
    assert!(gateway.endpoint().try_connect(&["h2"]).await.is_err(), "the first authority signs it no more");
    assert_eq!(new.get(&path, &ann).await.status(), 200);
    let endpoint = gateway.endpoint();
    let answer = old.send_request(endpoint.request2("GET", &path, &ann, kit::client::empty())).await;
    assert_eq!(answer.unwrap().status(), 200);
}
