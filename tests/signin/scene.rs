//! The whole program on a plane, before a fake cluster `c-a`.

use std::collections::BTreeMap;

use drover::{management::passwords, secret::Secret};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use kit::{
    client::{empty, json_body},
    cluster::RealCluster,
    fake::{FakeApiserver, Reply, WatchFeed},
    forms::{Forms, Page},
    gateway::{ConfigFolder, Gateway},
    kubectl::Kubectl,
    wait,
};
use serde_json::{Value, json};

pub const DROVER: &str = env!("CARGO_BIN_EXE_drover");
/// A password of everybody who has one.
pub const PASSWORD: &str = "correct horse battery";
/// The session cookie.
pub const SESSION: &str = "__Host-drover";
/// A path of `c-a`.
pub const PODS: &str = "/k8s/clusters/c-a/api/v1/namespaces/n/pods";

pub struct Scene {
    pub gateway: Gateway,
    pub fake: FakeApiserver,
    /// Of somebody who may do everything in the plane.
    pub admin: Kubectl,
    cluster: Option<RealCluster>,
}

impl Scene {
    /// On the embedded plane.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// On the embedded plane, with a change of the folder before the start.
    pub async fn with(change: impl FnOnce(&ConfigFolder)) -> Self {
        let folder = ConfigFolder::new();
        folder.set("management", json!({"embedded": {}}));
        change(&folder);
        let gateway = Gateway::start(DROVER, folder).await;
        let token = new_token(&gateway, "admin");
        gateway.wait_for_cluster("local", &token).await;
        let admin = gateway.kubectl("local", &token);
        Self::of(gateway, admin, None).await
    }

    /// On a real kube-apiserver.
    pub async fn on_kubernetes() -> Self {
        let cluster = RealCluster::builder().name("management").nodes(0).start().await;
        let gateway = replica(&cluster).await;
        let admin = Kubectl::new(&std::fs::read_to_string(cluster.admin_kubeconfig_path()).unwrap());
        Self::of(gateway, admin, Some(cluster)).await
    }

    /// Another gateway on the same plane, which is a real kube-apiserver.
    pub async fn replica(&self) -> Gateway {
        replica(self.cluster.as_ref().expect("a plane that can be shared")).await
    }

    async fn of(gateway: Gateway, admin: Kubectl, cluster: Option<RealCluster>) -> Self {
        let fake = FakeApiserver::start();
        let scene = Self { gateway, fake, admin, cluster };
        let kubeconfig = scene.fake.kubeconfig("account-of-the-gateway");
        let reference = json!({"namespace": "drover-system", "name": "c-a"});
        scene
            .apply(&[
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c-a"}}),
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c-a", "namespace": "drover-system"},
                    "stringData": {"kubeconfig": kubeconfig}}),
                object("Cluster", "c-a", json!({"spec": {"upstream": {"kubeconfig": {"secretRef": reference}}}})),
            ])
            .await;
        scene
    }

    /// Makes objects in the plane.
    pub async fn apply(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        // A plane that has just got its kinds may not know all of them yet.
        wait::until("the objects to be taken", || async {
            let output = self.admin.run_with_input(&args, &list).await;
            (output.code == Some(0)).then_some(())
        })
        .await;
    }

    /// Changes an object of the plane.
    pub async fn patch(&self, kind: &str, name: &str, change: &Value) {
        self.admin.run(&["patch", kind, name, "--type=merge", "-p", &change.to_string()]).await.ok();
    }

    /// Deletes an object of the plane.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.admin.run(&["delete", kind, name, "--wait=false"]).await.ok();
    }

    /// An object of the plane.
    pub async fn get(&self, args: &[&str]) -> Value {
        let text = self.admin.run(&[&["get", "-o", "json"], args].concat()).await.ok();
        serde_json::from_str(&text).unwrap()
    }

    /// Makes `u-<name>` with [`PASSWORD`] and the role `view` in `c-a`; gives an API token of it.
    pub async fn person(&self, name: &str) -> String {
        let user = format!("u-{name}");
        let mut bound = object(
            "ClusterRoleTemplateBinding",
            name,
            json!({
            "clusterName": "c-a", "roleTemplateName": "view", "userName": user}),
        );
        bound["metadata"]["namespace"] = json!("c-a");
        self.apply(&[object("User", &user, json!({"username": name})), password_of(&user, PASSWORD), bound]).await;
        let token = new_token(&self.gateway, &user);
        self.gateway.wait_for_cluster("c-a", &token).await;
        token
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Forms {
        Forms::new(self.gateway.endpoint())
    }

    /// A browser in which somebody has signed in.
    pub async fn signed_in(&self, name: &str) -> Forms {
        let mut browser = self.browser();
        let page = sign_in(&mut browser, name, PASSWORD).await;
        assert_eq!(page.status, 303, "{}", page.text);
        browser
    }

    /// A call of the API with a bearer token (none where empty).
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
        let endpoint = self.gateway.endpoint();
        let mut request = endpoint.request(method, path, token, body.map_or_else(empty, json_body));
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        let answer = endpoint.send(request).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    /// What a call into `c-a` with this token gives.
    pub async fn code(&self, token: &str) -> u16 {
        self.gateway.endpoint().get(PODS, token).await.status().as_u16()
    }

    /// Waits until the token is refused so.
    pub async fn refused(&self, token: &str, code: u16) {
        self.gateway.wait_for_status("c-a", "/api/v1/namespaces/n/pods", token, code).await;
    }

    /// A watch that is open in a browser's session.
    pub async fn watch(&self, browser: &Forms) -> Stream {
        self.watch_of(browser.request("GET", &format!("{PODS}?watch=true"), empty())).await
    }

    /// A watch that is open with a token.
    pub async fn watch_with(&self, token: &str) -> Stream {
        self.watch_of(self.gateway.endpoint().request("GET", &format!("{PODS}?watch=true"), token, empty())).await
    }

    async fn watch_of(&self, request: http::Request<kit::client::Body>) -> Stream {
        let feed = WatchFeed::new();
        self.fake.route("GET", "/api/v1/namespaces/n/pods", Reply::watch(&feed));
        let answer = self.gateway.endpoint().http1().await.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        feed.wait_for_streams(1).await;
        feed.send(&json!({"type": "ADDED", "object": {}}));
        assert!(body.frame().await.unwrap().unwrap().is_data());
        self.fake.clear_routes();
        Stream { body, _feed: feed }
    }
}

async fn replica(plane: &RealCluster) -> Gateway {
    let folder = ConfigFolder::new();
    let kubeconfig = plane.admin_kubeconfig_path().display().to_string();
    folder.set("management", json!({"kubernetes": {"kubeconfig": kubeconfig}}));
    Gateway::start(DROVER, folder).await
}

/// A watch that is open.
pub struct Stream {
    body: Incoming,
    _feed: WatchFeed,
}

impl Stream {
    pub async fn ends(mut self) {
        let rest = wait::event("the watch's end", (&mut self.body).collect()).await.expect("a clean end").to_bytes();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

/// Signs in on the page with a local password.
pub async fn sign_in(browser: &mut Forms, name: &str, password: &str) -> Page {
    sign_in_at(browser, "local", name, password).await
}

/// Signs in on the page with a password of this provider.
pub async fn sign_in_at(browser: &mut Forms, provider: &str, name: &str, password: &str) -> Page {
    let page = browser.get("/login").await;
    let csrf = page.csrf();
    let fields =
        [("csrf", &*csrf), ("provider", provider), ("username", name), ("password", password), ("next", "/account")];
    browser.post("/login", &fields).await
}

/// A new API token of a user, of the running server.
pub fn new_token(gateway: &Gateway, user: &str) -> String {
    gateway.command(&["token", "create", "--user", user, "--ttl", "1h", "--apply"]).ok().trim().to_owned()
}

pub fn object(kind: &str, name: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = json!("management.cattle.io/v3");
    fields["kind"] = json!(kind);
    fields["metadata"] = json!({"name": name});
    fields
}

/// The Secret of a user's password.
pub fn password_of(user: &str, password: &str) -> Value {
    let hash = passwords::hash(&Secret::new(password.to_owned())).unwrap();
    let data = BTreeMap::from([("password", hash)]);
    json!({"apiVersion": "v1", "kind": "Secret", "stringData": data, "metadata": {"name": user,
        "namespace": passwords::NAMESPACE, "annotations": {"cattle.io/password-hash": "argon2id"}}})
}
