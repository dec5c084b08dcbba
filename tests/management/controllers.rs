//! The framework, and the modules' controllers.

use std::sync::{Arc, Mutex};

use drover::{
    controller::{Condition, GenericController, Lifecycle, Next, WithLifecycle, WorkQueueMetrics},
    modules::{Binding, Cluster, Clusters, Context, Module, Token, User, Users},
};
use k8s_openapi::api::core::v1::Namespace;
use kit::wait;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::plane::Plane;

pub async fn create<K>(client: &Client, object: serde_json::Value) -> K
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let typed: K = serde_json::from_value(object).unwrap();
    let path = kube::api::Request::new(K::url_path(&(), typed.meta().namespace.as_deref()));
    let body = serde_json::to_vec(&typed).unwrap();
    client.request(path.create(&PostParams::default(), body).unwrap()).await.unwrap()
}

pub fn user(name: &str) -> serde_json::Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": name}, "username": name})
}

pub fn token(name: &str, user: &str) -> serde_json::Value {
    let hash = kit::gateway::token_hash(name);
    json!({"apiVersion": "management.cattle.io/v3", "kind": "Token", "metadata": {"name": name}, "token": hash, "userId": user})
}

pub fn cluster(name: &str) -> serde_json::Value {
    let secret = json!({"namespace": "drover-system", "name": name});
    json!({"apiVersion": "management.cattle.io/v3", "kind": "Cluster", "metadata": {"name": name},
        "spec": {"upstream": {"kubeconfig": {"secretRef": secret}}}})
}

pub fn binding(cluster: &str, name: &str, user: &str) -> serde_json::Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
        "metadata": {"name": name, "namespace": cluster},
        "clusterName": cluster, "roleTemplateName": "view", "userName": user})
}

#[derive(Clone, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<&'static str>>>,
    failures: Arc<Mutex<u32>>,
}

impl Recorder {
    fn call(&self, name: &'static str) -> Result<(), std::io::Error> {
        let mut failures = self.failures.lock().unwrap();
        self.calls.lock().unwrap().push(name);
        if *failures > 0 {
            *failures -= 1;
            return Err(std::io::Error::other("as told"));
        }
        Ok(())
    }

    fn count(&self, name: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == name).count()
    }
}

impl Lifecycle<User> for Recorder {
    type Error = std::io::Error;

    async fn created(&self, _: Arc<User>) -> Result<(), std::io::Error> {
        self.call("created")
    }

    async fn updated(&self, _: Arc<User>) -> Result<Next, std::io::Error> {
        self.call("updated").map(|()| Next::Change)
    }

    async fn removed(&self, _: Arc<User>) -> Result<(), std::io::Error> {
        self.call("removed")
    }
}

pub async fn a_failed_object_is_tried_again_and_its_finalizer_is_done_for_it(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    let users = Api::<User>::all(client.clone());
    let recorder = Recorder { failures: Arc::new(Mutex::new(3)), ..Recorder::default() };
    let stop = CancellationToken::new();
    let metrics = WorkQueueMetrics::new().unwrap();
    let controller = GenericController::new("test", users.clone(), &metrics);
    let handler = WithLifecycle::new(client.clone(), "test", recorder.clone());
    let running = tokio::spawn(controller.run(handler, stop.clone()));

    create::<User>(&client, user("u-a")).await;
    wait::until_true("the creation to succeed", || recorder.count("updated") > 0).await;
    assert_eq!(recorder.count("created"), 4, "three failures, then success");
    let made = users.get("u-a").await.unwrap();
    assert_eq!(made.finalizers(), ["controller.cattle.io/test"]);
    assert_eq!(made.annotations()["lifecycle.cattle.io/create.test"], "true");

    // A change is an update, and no creation.
    let updates = recorder.count("updated");
    let change = Patch::Merge(json!({"displayName": "A"}));
    users.patch("u-a", &PatchParams::default(), &change).await.unwrap();
    wait::until_true("the update", || recorder.count("updated") > updates).await;
    assert_eq!(recorder.count("created"), 4);

    // It stays until the removal succeeds.
    *recorder.failures.lock().unwrap() = 2;
    users.delete("u-a", &DeleteParams::default()).await.unwrap();
    wait::until("the object to go", || async { users.get_opt("u-a").await.unwrap().is_none().then_some(()) }).await;
    assert_eq!(recorder.count("removed"), 3);

    stop.cancel();
    wait::event("the controller to end", running).await.unwrap();
}

/// Runs a module's controllers with the module's own rights until the guard is dropped.
pub fn run(plane: &Plane, module: &dyn Module) -> tokio_util::sync::DropGuard {
    let stop = CancellationToken::new();
    let metrics = WorkQueueMetrics::new().unwrap();
    let context = Context { client: plane.of_module(module), metrics, stop: stop.clone() };
    for controller in module.controllers(&context) {
        tokio::spawn(controller);
    }
    stop.drop_guard()
}

pub async fn a_cluster_gets_a_namespace_that_goes_with_it_and_its_bindings(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    let _running = run(plane, &Clusters);
    let (clusters, namespaces) = (Api::<Cluster>::all(client.clone()), Api::<Namespace>::all(client.clone()));
    create::<Cluster>(&client, cluster("c-a")).await;
    let made = wait::until("the cluster to be provisioned", || async {
        let cluster = clusters.get("c-a").await.unwrap();
        Condition::Provisioned.is_true(&cluster).then_some(cluster)
    })
    .await;
    assert!(Condition::Provisioned.last_transition_time(&made).is_some());
    let namespace = namespaces.get("c-a").await.unwrap();
    assert_eq!(namespace.labels()["drover.io/cluster"], "c-a");
    create::<Binding>(&client, binding("c-a", "b", "u-a")).await;

    clusters.delete("c-a", &DeleteParams::default()).await.unwrap();
    wait::until("the cluster to go", || async { clusters.get_opt("c-a").await.unwrap().is_none().then_some(()) }).await;
    assert!(Api::<Binding>::namespaced(client, "c-a").get_opt("b").await.unwrap().is_none());
    // Where nobody finishes namespaces it is on its way at least.
    let namespace = namespaces.get_opt("c-a").await.unwrap();
    assert!(namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()));
}

pub async fn a_user_takes_its_tokens_and_bindings_along(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    let _running = run(plane, &Users);
    for name in ["u-a", "u-b"] {
        create::<User>(&client, user(name)).await;
        create::<Token>(&client, token(&format!("token-{name}"), name)).await;
        create::<Binding>(&client, binding("default", name, name)).await;
    }
    let users = Api::<User>::all(client.clone());
    wait::until("the finalizer", || async { (!users.get("u-a").await.unwrap().finalizers().is_empty()).then_some(()) })
        .await;
    users.delete("u-a", &DeleteParams::default()).await.unwrap();
    wait::until("the user to go", || async { users.get_opt("u-a").await.unwrap().is_none().then_some(()) }).await;
    let tokens = Api::<Token>::all(client.clone());
    assert!(tokens.get_opt("token-u-a").await.unwrap().is_none());
    assert!(tokens.get_opt("token-u-b").await.unwrap().is_some());
    let bindings = Api::<Binding>::all(client).list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(bindings.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>(), ["u-b"]);
}
