//! The embedded plane as cluster `local`, through the gateway.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::BodyExt as _;
use kit::{
    client::{empty, json_body},
    gateway::Gateway,
    wait,
};
use serde_json::json;

use crate::scene::{Scene, binding, new_token, user};

#[tokio::test]
async fn kubectl_works_on_local_as_on_any_cluster() {
    let scene = Scene::start().await;
    let kubectl = scene.kubectl();
    let whoami = kubectl.run(&["auth", "whoami", "-o", "json"]).await.ok();
    let whoami: serde_json::Value = serde_json::from_str(&whoami).unwrap();
    let info = &whoami["status"]["userInfo"];
    assert_eq!(info["username"], "admin");
    assert_eq!(info["groups"], json!(["drover:local:cluster:cluster-admin", "system:authenticated"]));
    assert_eq!(info["extra"]["drover.io/username"], json!(["admin"]));
    assert_eq!(kubectl.run(&["auth", "can-i", "*", "*"]).await.ok().trim(), "yes");

    let resources = kubectl.run(&["api-resources", "-o", "name"]).await.ok();
    for name in ["configmaps", "users.management.cattle.io", "customresourcedefinitions.apiextensions.k8s.io"] {
        assert!(resources.lines().any(|line| line == name), "{name} in {resources}");
    }
    let explained = kubectl.run(&["explain", "clusters.management.cattle.io.spec"]).await.ok();
    assert!(explained.contains("internal"), "{explained}");

    let map = |value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": value}}).to_string()
    };
    kubectl.run_with_input(&["create", "-f", "-"], map("one")).await.ok();
    kubectl.run_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], map("two")).await.ok();
    let conflict = kubectl
        .run_with_input(&["apply", "--server-side", "--field-manager", "other", "-f", "-"], map("three"))
        .await
        .err();
    assert!(conflict.contains("conflict"), "{conflict}");
    let mut watch = kubectl.start(&["get", "configmap", "m", "-w", "-o", "jsonpath={.data.k}{\"\\n\"}"]);
    watch.line_with("two").await;
    kubectl.run(&["patch", "configmap", "m", "-p", r#"{"data":{"k":"four"}}"#]).await.ok();
    watch.line_with("four").await;
    watch.kill().await;
    kubectl.run(&["delete", "configmap", "m"]).await.ok();
    let gone = kubectl.run(&["get", "configmap", "m"]).await.err();
    assert!(gone.contains("NotFound"), "{gone}");

    // As every cluster it is counted.
    let requests = scene.gateway.metric("drover_requests_total", &[r#"cluster="local""#, r#"code="200""#]).await;
    assert!(requests > 5.0, "{requests}");
}

#[tokio::test]
async fn local_is_served_by_its_host_name_too() {
    let scene = Scene::with(|folder| {
        folder.set("listen.baseDomain", "k8s.example.org");
    })
    .await;
    let endpoint = scene.endpoint();
    for http2 in [false, true] {
        let answer = if http2 {
            let mut request = endpoint.request2("GET", "/api/v1/namespaces/local", &scene.admin, empty());
            let uri = "https://local.k8s.example.org/api/v1/namespaces/local";
            *request.uri_mut() = uri.parse().unwrap();
            kit::client::read(endpoint.http2().await.send_request(request).await.unwrap()).await
        } else {
            let mut request = endpoint.request("GET", "/api/v1/namespaces/local", &scene.admin, empty());
            request.headers_mut().insert("host", http::HeaderValue::from_static("local.k8s.example.org"));
            endpoint.send(request).await
        };
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

#[tokio::test]
async fn who_is_bound_in_local_may_do_what_the_role_there_says() {
    let scene = Scene::start().await;
    let bob = scene.user("u-bob", "view").await;
    let kubectl = scene.gateway.kubectl("local", &bob);
    kubectl.run(&["get", "configmaps", "-A"]).await.ok();
    let refused = kubectl.run(&["get", "secrets", "-A"]).await.err();
    let expected = "User \"u-bob\" cannot list resource \"secrets\" in API group \"\" at the cluster scope";
    assert!(refused.contains(expected), "{refused}");
    // Who is bound nowhere is told nothing.
    scene.apply(&[user("u-carl")]).await;
    let carl = new_token(&scene.gateway, "u-carl");
    scene.gateway.wait_for_status("local", "/version", &carl, 403).await;
}

#[tokio::test]
async fn an_administrator_acts_as_another_user_and_nobody_else_does() {
    let scene = Scene::start().await;
    let bob = scene.user("u-bob", "view").await;
    let kubectl = scene.kubectl();
    let whoami = kubectl.run(&["auth", "whoami", "--as", "u-bob", "-o", "json"]).await.ok();
    let whoami: serde_json::Value = serde_json::from_str(&whoami).unwrap();
    assert_eq!(whoami["status"]["userInfo"]["username"], "u-bob");
    assert_eq!(whoami["status"]["userInfo"]["groups"], json!(["drover:local:cluster:view", "system:authenticated"]));
    let no = kubectl.run(&["auth", "can-i", "get", "secrets", "--as", "u-bob"]).await;
    assert_eq!(no.stdout.trim(), "no");
    let bobs = scene.gateway.kubectl("local", &bob);
    let refused = bobs.run(&["get", "configmaps", "--as", "admin"]).await.err();
    assert!(refused.contains("Forbidden") || refused.contains("forbidden"), "{refused}");
    // Nobody becomes what is not a user of Drover's.
    for name in ["system:admin", "drover:installer", "drover:operator"] {
        let refused = kubectl.run(&["get", "secrets", "--as", name]).await.err();
        assert!(refused.contains("only users of Drover can be impersonated"), "{name}: {refused}");
    }
}

#[tokio::test]
async fn a_watch_on_local_ends_with_the_right_that_it_was_opened_by() {
    let scene = Scene::start().await;
    for how in ["binding", "token", "user"] {
        let name = format!("u-{how}");
        let token = scene.user(&name, "view").await;
        let kubectl = scene.gateway.kubectl("local", &token);
        let watch = kubectl.start(&["get", "--raw", "/api/v1/configmaps?watch=true"]);
        let listed = || scene.gateway.command(&["streams", "ls"]).ok();
        wait::until_true("the stream", || listed().contains(&name)).await;
        let own = |tokens: &str| {
            let tokens: serde_json::Value = serde_json::from_str(tokens).unwrap();
            let own = tokens["items"].as_array().unwrap().iter().find(|token| token["userId"] == name.as_str());
            own.unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
        };
        let administrator = scene.kubectl();
        match how {
            "binding" => {
                let binding = format!("{name}-view");
                administrator.run(&["delete", "clusterroletemplatebinding", "-n", "local", &binding]).await.ok();
            }
            "token" => {
                let tokens = administrator.run(&["get", "tokens.management.cattle.io", "-o", "json"]).await.ok();
                administrator.run(&["delete", "tokens.management.cattle.io", &own(&tokens)]).await.ok();
            }
            _ => {
                let off = r#"{"enabled":false}"#;
                let patch = ["patch", "users.management.cattle.io", &name, "--type=merge", "-p", off];
                administrator.run(&patch).await.ok();
            }
        }
        watch.wait(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn what_was_written_outlives_a_kill_and_tokens_go_on_working() {
    let mut scene = Scene::start().await;
    for round in 0..3 {
        for number in 0..10 {
            let map = json!({"metadata": {"name": format!("m-{round}-{number}")}});
            let (code, _) = scene.call("POST", "/api/v1/namespaces/default/configmaps", &scene.admin, Some(&map)).await;
            assert_eq!(code, 201);
        }
        // Kills it, as `kill -9`.
        scene.gateway.start_again().await;
        scene.gateway.wait_for_cluster("local", &scene.admin).await;
        let (_, list) = scene.call("GET", "/api/v1/namespaces/default/configmaps", &scene.admin, None).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 10 * (round + 1));
    }
    // Nobody was made twice.
    let log = scene.gateway.log();
    assert_eq!(log.matches("The administrator `admin` was made").count(), 1, "{log}");
}

/// L3: `kill -9` while four clients write.
#[tokio::test]
async fn no_write_that_was_answered_is_lost_to_a_kill_amid_writes() {
    let mut scene = Scene::start().await;
    let path = Gateway::path("local", "/api/v1/namespaces/default/configmaps");
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let (endpoint, token) = (scene.endpoint(), scene.admin.clone());
        let (answered, path) = (Arc::clone(&answered), path.clone());
        writers.spawn(async move {
            let mut sender = endpoint.http1().await;
            for number in 0.. {
                let name = format!("w{writer}-{number}");
                let map = json_body(&json!({"metadata": {"name": name}}));
                let mut request = endpoint.request("POST", &path, &token, map);
                let kind = http::HeaderValue::from_static("application/json");
                request.headers_mut().insert("content-type", kind);
                match sender.send_request(request).await {
                    Ok(answer) if answer.status() == 201 => {
                        answered.lock().unwrap().insert(name);
                        if answer.into_body().collect().await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        });
    }
    wait::until_true("some writes", || answered.lock().unwrap().len() >= 40).await;
    scene.gateway.start_again().await;
    writers.join_all().await;
    scene.gateway.wait_for_cluster("local", &scene.admin).await;
    let (_, listed) = scene.call("GET", "/api/v1/namespaces/default/configmaps", &scene.admin, None).await;
    let items = listed["items"].as_array().unwrap();
    let there: BTreeSet<&str> = items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    let answered = answered.lock().unwrap();
    let lost: Vec<_> = answered.iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn a_downstream_cluster_is_added_with_kubectl_alone() {
    let fake = kit::fake::FakeApiserver::start();
    let scene = Scene::start().await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c-a", "namespace": "drover-system"},
        "stringData": {"kubeconfig": fake.kubeconfig("secret")}});
    let cluster = json!({"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": "c-a"},
        "spec": {"upstream": {"kubeconfig": {"secretRef": {"namespace": "drover-system", "name": "c-a"}}}}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c-a"}});
    let mut bound = binding("admin", "view");
    bound["metadata"] = json!({"name": "admin", "namespace": "c-a"});
    bound["clusterName"] = json!("c-a");
    scene.apply(&[namespace, secret, cluster, bound]).await;
    scene.gateway.wait_for_cluster("c-a", &scene.admin).await;
    // The commands of this machine see it too.
    let rbac = scene.gateway.command(&["cluster", "rbac", "--cluster", "c-a"]).ok();
    assert!(rbac.contains("drover:c-a:cluster:view") && rbac.contains("- admin"), "{rbac}");
    let kubeconfig = scene.gateway.command(&["kubeconfig", "--user", "admin"]).ok();
    assert!(kubeconfig.contains("/k8s/clusters/c-a") && kubeconfig.contains("/k8s/clusters/local"), "{kubeconfig}");
    assert_eq!(scene.gateway.get("c-a", "/api/v1/pods", &scene.admin).await.status(), 200);
}

#[tokio::test]
async fn a_kubernetes_plane_is_local_too_where_its_admin_allows_it() {
    let plane = crate::plane::Plane::kubernetes().await;
    let folder = crate::scene::folder();
    let kubeconfig = plane.cluster().admin_kubeconfig_path();
    folder.set("management", json!({"kubernetes": {"kubeconfig": kubeconfig, "allowAdministrator": true}}));
    folder.add_user("u-ann").add_binding("local", "u-ann", "view");
    let ann = folder.add_token("u-ann");
    let gateway = Gateway::start(crate::scene::DROVER, folder).await;
    gateway.wait_for_cluster("local", &ann).await;
    let whoami = gateway.kubectl("local", &ann).run(&["auth", "whoami"]).await.ok();
    assert!(whoami.contains("drover:local:cluster:view"), "{whoami}");
    let users = gateway.get("local", "/api/v1/namespaces/drover-system", &ann).await;
    assert_eq!(users.status(), 200);
    assert_eq!(gateway.get("local", "/api/v1/secrets", &ann).await.status(), 403);
}
