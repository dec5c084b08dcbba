//! From the plane to the world.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drover::{
    management::{DIRECTORY, Directory},
    modules::{self, Binding, Cluster, Kind, Token, User},
    world::{Publisher, TokenHash, Watch, World},
};
use k8s_openapi::api::core::v1::Secret;
use kit::wait;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    controllers::{binding, cluster, create, token, user},
    plane::Plane,
};

pub async fn start(plane: &Plane) -> (Directory, Watch) {
    let kinds: Vec<Kind> = modules::all().iter().flat_map(|module| module.kinds()).collect();
    let (feed, watch) = Publisher::start().unwrap();
    let directory = Directory::start(&plane.plane().client(Some(DIRECTORY)).unwrap(), &kinds, &feed, None);
    wait::event("all to be listed", directory.synced()).await;
    feed.settle().await.unwrap();
    (directory, watch)
}

pub fn secret(name: &str, kubeconfig: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "drover-system"},
        "stringData": {"kubeconfig": kubeconfig}})
}

pub fn kubeconfig(host: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": format!("https://{host}:6443")}}],
        "users": [{"name": "x", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    })
    .to_string()
}

/// Waits until the world is so.
pub async fn world(watch: &Watch, what: &str, holds: impl Fn(&World) -> bool) -> Arc<World> {
    wait::until_true(what, || holds(&watch.load())).await;
    watch.load()
}

pub async fn patch<K>(api: &Api<K>, name: &str, patch: Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn fill(client: &Client) {
    create::<User>(client, user("u-a")).await;
    create::<Token>(client, token("token-a", "u-a")).await;
    create::<Secret>(client, secret("c-a", &kubeconfig("one.example.org"))).await;
    create::<Cluster>(client, cluster("c-a")).await;
    create::<k8s_openapi::api::core::v1::Namespace>(client, json!({"metadata": {"name": "c-a"}})).await;
    create::<Binding>(client, binding("c-a", "b", "u-a")).await;
}

pub async fn a_change_in_the_plane_is_a_change_of_the_world(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    fill(&client).await;
    let (directory, watch) = start(plane).await;

    // What was there before is there at once.
    let now = watch.load();
    let row = now.user("u-a").expect("the user");
    assert!(row.uid.is_some());
    assert_eq!(&*now.token(&TokenHash::of("token-a")).expect("the token").user, "u-a");
    let reached = now.cluster("c-a").expect("the cluster");
    assert_eq!(reached.reach.connection().unwrap().host, "one.example.org");
    assert!(reached.binds(row.subjects.iter().copied()));

    // Each change follows.
    patch(&Api::<User>::all(client.clone()), "u-a", json!({"enabled": false})).await;
    world(&watch, "the user to be disabled", |world| world.user("u-a").is_some_and(|user| !user.enabled)).await;
    let secrets = Api::<Secret>::namespaced(client.clone(), "drover-system");
    patch(&secrets, "c-a", json!({"stringData": {"kubeconfig": kubeconfig("two.example.org")}})).await;
    world(&watch, "the new address", |world| {
        world
            .cluster("c-a")
            .is_some_and(|cluster| cluster.reach.connection().is_some_and(|reached| reached.host == "two.example.org"))
    })
    .await;
    let bindings = Api::<Binding>::namespaced(client.clone(), "c-a");
    bindings.delete("b", &DeleteParams::default()).await.unwrap();
    world(&watch, "the binding to go", |world| world.cluster("c-a").is_some_and(|cluster| cluster.grants.is_empty()))
        .await;
    Api::<Token>::all(client.clone()).delete("token-a", &DeleteParams::default()).await.unwrap();
    world(&watch, "the token to go", |world| world.token(&TokenHash::of("token-a")).is_none()).await;

    // A cluster whose kubeconfig is gone, or broken, cannot be used; and can again.
    patch(&secrets, "c-a", json!({"stringData": {"kubeconfig": "nonsense"}})).await;
    world(&watch, "the cluster to go", |world| world.cluster("c-a").is_none()).await;
    patch(&secrets, "c-a", json!({"stringData": {"kubeconfig": kubeconfig("three.example.org")}})).await;
    world(&watch, "the cluster to come back", |world| world.cluster("c-a").is_some()).await;
    secrets.delete("c-a", &DeleteParams::default()).await.unwrap();
    world(&watch, "the cluster to go", |world| world.cluster("c-a").is_none()).await;

    // A kubeconfig that is a file comes from the admin's folder alone.
    let clusters = Api::<Cluster>::all(client.clone());
    let by_file = json!({"spec": {"upstream": {"kubeconfig": {"secretRef": null, "file": "c-a.kubeconfig"}}}});
    patch(&clusters, "c-a", by_file).await;
    let connection = (**reached.reach.connection().unwrap()).clone();
    directory.connections().replace([("c-a".to_owned(), Arc::new(connection))].into());
    world(&watch, "the file's connection", |world| world.cluster("c-a").is_some()).await;
    directory.connections().replace([].into());
    world(&watch, "the file to go", |world| world.cluster("c-a").is_none()).await;
}

pub async fn the_world_outlives_a_restart_of_the_plane_and_misses_nothing(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    fill(&client).await;
    let (directory, watch) = start(plane).await;
    let before = watch.load();
    plane.cluster().kill_apiserver();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(directory.contact().age() >= Duration::from_secs(1));
    let away = Instant::now();
    assert!(watch.load().user("u-a").is_some());
    plane.cluster().start_again().await;
    let heard = || directory.contact().age() < away.elapsed();
    wait::until_true("every watch to hear of the plane again", heard).await;
    Api::<User>::all(client.clone()).delete("u-a", &DeleteParams::default()).await.unwrap();
    create::<User>(&client, user("u-b")).await;
    let now = world(&watch, "the changes after the restart", |world| {
        world.user("u-a").is_none() && world.user("u-b").is_some()
    })
    .await;
    // What did not change is the very same row.
    let hash = TokenHash::of("token-a");
    assert!(Arc::ptr_eq(before.token(&hash).unwrap(), now.token(&hash).unwrap()));
}
