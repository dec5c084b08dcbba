//! Service accounts of the embedded plane, and their tokens at the gateway's door.

use std::time::Duration;

use kit::{
    client::empty,
    fake::FakeApiserver,
    gateway::{ConfigFolder, Gateway},
    wait,
};
use serde_json::{Value, json};

use crate::scene::{Scene, binding};

const ROBOT: &str = "system:serviceaccount:default:robot";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Makes `robot` in `default`, which may read there what `view` shows.
async fn robot(scene: &Scene) {
    let kubectl = scene.kubectl();
    kubectl.run(&["create", "serviceaccount", "robot"]).await.ok();
    let bind = ["create", "rolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot"];
    kubectl.run(&bind).await.ok();
}

/// A token of `robot`, asked for with these arguments.
async fn token(scene: &Scene, args: &[&str]) -> String {
    let token = scene.kubectl().run(&[&["create", "token", "robot"], args].concat()).await.ok();
    token.trim().to_owned()
}

/// What a call into a cluster with this token gives.
async fn code(scene: &Scene, cluster: &str, path: &str, token: &str) -> u16 {
    scene.gateway.get(cluster, path, token).await.status().as_u16()
}

/// A cluster that is a fake, in which the administrator may read.
async fn add_cluster(scene: &Scene, id: &str, kubeconfig: &str) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": id, "namespace": "drover-system"},
        "stringData": {"kubeconfig": kubeconfig}});
    let cluster = json!({"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": id},
        "spec": {"upstream": {"kubeconfig": {"secretRef": {"namespace": "drover-system", "name": id}}}}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": id}});
    let mut bound = binding("admin", "view");
    bound["metadata"] = json!({"name": "admin", "namespace": id});
    bound["clusterName"] = json!(id);
    scene.apply(&[namespace, secret, cluster, bound]).await;
    scene.gateway.wait_for_cluster(id, &scene.admin).await;
}

#[tokio::test]
async fn a_service_accounts_token_is_taken_in_local_for_what_its_bindings_give() {
    let scene = Scene::start().await;
    robot(&scene).await;
    let token = token(&scene, &[]).await;
    let kubectl = scene.gateway.kubectl("local", &token);
    let whoami: Value = serde_json::from_str(&kubectl.run(&["auth", "whoami", "-o", "json"]).await.ok()).unwrap();
    let info = &whoami["status"]["userInfo"];
    let (_, account) = scene.call("GET", "/api/v1/namespaces/default/serviceaccounts/robot", &scene.admin, None).await;
    assert_eq!(info["username"], ROBOT);
    assert_eq!(info["uid"], account["metadata"]["uid"]);
    let groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"];
    assert_eq!(info["groups"], json!(groups));
    let id = info["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap();
    assert!(id.starts_with("JTI="), "{info}");

    kubectl.run(&["get", "configmaps"]).await.ok();
    let refused = kubectl.run(&["get", "secrets"]).await.err();
    assert!(refused.contains(&format!("User \"{ROBOT}\" cannot list resource \"secrets\"")), "{refused}");
    let elsewhere = kubectl.run(&["get", "configmaps", "-n", "kube-system"]).await.err();
    assert!(elsewhere.contains("Forbidden"), "{elsewhere}");
    // Over HTTP/2 too.
    let endpoint = scene.endpoint();
    let request = endpoint.request2("GET", &Gateway::path("local", MAPS), &token, empty());
    let answer = kit::client::read(endpoint.http2().await.send_request(request).await.unwrap()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// T4: with the token of an account of `local` nobody is anybody anywhere else.
#[tokio::test]
async fn a_service_accounts_token_is_refused_for_every_other_cluster() {
    let fake = FakeApiserver::start();
    let scene = Scene::start().await;
    add_cluster(&scene, "c-a", &fake.kubeconfig("secret")).await;
    robot(&scene).await;
    let everything =
        ["create", "clusterrolebinding", "robot", "--clusterrole=cluster-admin", "--serviceaccount=default:robot"];
    scene.kubectl().run(&everything).await.ok();
    let token = token(&scene, &[]).await;
    assert_eq!(code(&scene, "local", "/api/v1/secrets", &token).await, 200);
    let before = fake.proxied().len();
    for cluster in ["c-a", "c-none"] {
        let answer = scene.gateway.get(cluster, MAPS, &token).await;
        assert_eq!(answer.status(), 401, "{cluster}: {answer:?}");
        let status: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((&status["kind"], &status["reason"]), (&json!("Status"), &json!("Unauthorized")));
    }
    let endpoint = scene.endpoint();
    for name in ["impersonate-user", "x-remote-user"] {
        let mut request = endpoint.request("GET", &Gateway::path("c-a", MAPS), &token, empty());
        request.headers_mut().insert(name, http::HeaderValue::from_static(ROBOT));
        assert_eq!(endpoint.send(request).await.status(), 401, "{name}");
    }
    assert_eq!(fake.proxied().len(), before);
    // A token of Drover's own is nobody but its user there.
    assert_eq!(code(&scene, "c-a", MAPS, &scene.admin).await, 200);
    let proxied = fake.proxied();
    assert_eq!(proxied.last().unwrap().header_all("impersonate-user"), ["admin"]);
    assert!(proxied.iter().all(|request| {
        let names = ["impersonate-user", "impersonate-group"].map(|name| request.header_all(name));
        names.concat().iter().all(|name| !name.starts_with("system:"))
    }));
}

/// T3: at once, and not after some cache.
#[tokio::test]
async fn a_service_accounts_token_ends_with_its_account_or_the_secret_it_is_bound_to() {
    let scene = Scene::start().await;
    robot(&scene).await;
    let kubectl = scene.kubectl();
    kubectl.run(&["create", "secret", "generic", "bound"]).await.ok();
    let plain = token(&scene, &[]).await;
    let bound = token(&scene, &["--bound-object-kind=Secret", "--bound-object-name=bound"]).await;
    for token in [&plain, &bound] {
        assert_eq!(code(&scene, "local", MAPS, token).await, 200);
    }
    kubectl.run(&["delete", "secret", "bound"]).await.ok();
    assert_eq!(code(&scene, "local", MAPS, &bound).await, 401);
    assert_eq!(code(&scene, "local", MAPS, &plain).await, 200);

    let robots = scene.gateway.kubectl("local", &plain);
    let watch = robots.start(&["get", "--raw", &format!("{MAPS}?watch=true")]);
    let listed = || scene.gateway.command(&["streams", "ls"]).ok();
    wait::until_true("the stream", || listed().contains(ROBOT)).await;
    kubectl.run(&["delete", "serviceaccount", "robot"]).await.ok();
    assert_eq!(code(&scene, "local", MAPS, &plain).await, 401);
    watch.wait(Duration::from_secs(10)).await;
    // Another account of the same name is another account.
    kubectl.run(&["create", "serviceaccount", "robot"]).await.ok();
    assert_eq!(code(&scene, "local", MAPS, &plain).await, 401);
}

#[tokio::test]
async fn a_token_for_others_or_by_others_is_refused_in_local() {
    let scene = Scene::start().await;
    let other = Scene::start().await;
    robot(&scene).await;
    robot(&other).await;
    let own = token(&scene, &[]).await;
    let (head, rest) = own.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    for (what, token) in [
        ("of another plane", token(&other, &[]).await),
        ("for another audience", token(&scene, &["--audience=vault"]).await),
        ("unsigned", format!("{head}.{claims}.")),
        ("signed by nobody", format!("{head}.{claims}.{}", "A".repeat(86))),
        ("cut", format!("{head}.{claims}")),
        ("of dots", "..".to_owned()),
        ("too long", format!("{own}.x")),
    ] {
        assert_eq!(code(&scene, "local", MAPS, &token).await, 401, "{what}");
    }
    assert_eq!(code(&scene, "local", MAPS, &own).await, 200);
}

/// H2, H8: an account acts as nobody that the plane does not let it act as, and as no `system:` name at all.
#[tokio::test]
async fn a_service_account_impersonates_only_users_that_the_plane_lets_it() {
    let scene = Scene::start().await;
    scene.user("u-bob", "view").await;
    robot(&scene).await;
    let first = token(&scene, &[]).await;
    let (code, refused) = as_another(&scene, &first, "u-bob").await;
    assert_eq!(code, 403, "{refused}");
    assert!(refused.to_string().contains("the cluster does not allow it"), "{refused}");
    let admin = scene.kubectl();
    // kubectl takes the users of this plane for those that are meant.
    let rules =
        json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["u-bob"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "as-bob"}, "rules": rules});
    scene.apply(&[role]).await;
    let bind = ["create", "clusterrolebinding", "as-bob", "--clusterrole=as-bob", "--serviceaccount=default:robot"];
    admin.run(&bind).await.ok();
    // A no is kept for ten seconds: another token asks anew.
    let second = token(&scene, &[]).await;
    let (code, who) = as_another(&scene, &second, "u-bob").await;
    assert_eq!(code, 201, "{who}");
    assert_eq!(who["status"]["userInfo"]["username"], "u-bob");
    assert_eq!(who["status"]["userInfo"]["groups"], json!(["drover:local:cluster:view", "system:authenticated"]));
    for name in [ROBOT, "system:admin", "system:serviceaccount:kube-system:x"] {
        let (code, refused) = as_another(&scene, &second, name).await;
        assert_eq!(code, 403, "{name}: {refused}");
        assert!(refused.to_string().contains("only users of Drover can be impersonated"), "{name}: {refused}");
    }
}

/// Who one is with this token and `--as`.
async fn as_another(scene: &Scene, token: &str, name: &str) -> (u16, Value) {
    let endpoint = scene.endpoint();
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let path = Gateway::path("local", "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let mut request = endpoint.request("POST", &path, token, kit::client::json_body(&body));
    request.headers_mut().insert("impersonate-user", name.parse().unwrap());
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let answer = endpoint.send(request).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

/// T1: the log knows which token, and not the token.
#[tokio::test]
async fn the_audit_log_tells_the_account_and_the_id_of_its_token() {
    let scene = Scene::with(|folder: &ConfigFolder| {
        folder.set("audit.log", json!({"path": "audit.log"}));
    })
    .await;
    robot(&scene).await;
    let token = token(&scene, &[]).await;
    assert_eq!(code(&scene, "local", MAPS, &token).await, 200);
    let path = scene.gateway.folder().path().join("audit.log");
    let event = wait::until("the event", || async {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find(|event| event["user"]["username"] == ROBOT)
    })
    .await;
    assert_eq!(event["annotations"]["drover.io/cluster"], "local");
    let id = event["user"]["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap();
    assert!(id.starts_with("JTI="), "{event}");
    assert_eq!(event["user"]["groups"][1], "system:serviceaccounts:default");
    let text = std::fs::read_to_string(&path).unwrap() + &scene.gateway.log();
    let signature = token.rsplit('.').next().unwrap();
    assert!(!text.contains(signature));
}
