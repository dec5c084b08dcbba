//! The config folder in the plane.

use drover::{
    management::{Applied, Folder},
    modules::{AuthConfig, Binding, CONFIG_IDENTITY, Cluster, ClusterProxyConfig, Token, User},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    controllers::{binding, cluster, create, token, user},
    plane::Plane,
};

pub async fn manifests_are_applied_and_pruned_with_their_files(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    create::<User>(&client, user("u-other")).await;
    // A label is not enough to be the folder's.
    let mut labelled = user("u-labelled");
    labelled["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "drover-config"});
    create::<User>(&client, labelled).await;

    let folder = Folder::new(plane.plane().client(Some(CONFIG_IDENTITY)).unwrap());
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c-a", "namespace": "drover-system"},
        "stringData": {"kubeconfig": "x"}});
    // In an order in which what is named comes last.
    let mut all = vec![binding("c-a", "b", "u-a"), token("token-a", "u-a"), cluster("c-a"), user("u-a"), secret];
    all.push(json!({"apiVersion": "management.cattle.io/v3", "kind": "AuthConfig", "metadata": {"name": "hub"},
        "type": "githubConfig", "clientId": "drover", "clientSecret": "drover-system:hub"}));
    all.push(json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterProxyConfig", "enabled": true,
        "metadata": {"name": "proxy", "namespace": "c-a"}}));
    assert_eq!(folder.apply(&all).await.unwrap(), Applied { applied: 7, pruned: 0 });
    assert!(Api::<AuthConfig>::all(client.clone()).get_opt("hub").await.unwrap().is_some());
    assert!(Api::<ClusterProxyConfig>::namespaced(client.clone(), "c-a").get_opt("proxy").await.unwrap().is_some());
    let made = Api::<User>::all(client.clone()).get("u-a").await.unwrap();
    let managers: Vec<_> = made.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert_eq!(managers, ["drover-config"]);
    assert!(Api::<Secret>::namespaced(client.clone(), "drover-system").get_opt("c-a").await.unwrap().is_some());

    // The same again writes nothing.
    folder.apply(&all).await.unwrap();
    let again = Api::<User>::all(client.clone()).get("u-a").await.unwrap();
    assert_eq!(again.resource_version(), made.resource_version());

    // A change of another's is undone, a change of the manifest done.
    let users = Api::<User>::all(client.clone());
    let change = Patch::Merge(json!({"username": "another"}));
    users.patch("u-a", &PatchParams::default(), &change).await.unwrap();
    all[3]["displayName"] = json!("A");
    folder.apply(&all).await.unwrap();
    let now = users.get("u-a").await.unwrap();
    assert_eq!((now.spec.username.as_deref(), now.spec.display_name.as_deref()), (Some("u-a"), Some("A")));

    // What the folder does not name any more goes, and nothing else.
    all.truncate(1);
    all.push(user("u-b"));
    let Applied { applied, pruned } = folder.apply(&all).await.unwrap();
    assert_eq!((applied, pruned), (2, 6));
    assert!(users.get_opt("u-a").await.unwrap().is_none());
    for name in ["u-b", "u-other", "u-labelled"] {
        assert!(users.get_opt(name).await.unwrap().is_some(), "{name}");
    }
    assert!(Api::<Cluster>::all(client.clone()).get_opt("c-a").await.unwrap().is_none());
    assert!(Api::<Token>::all(client.clone()).get_opt("token-a").await.unwrap().is_none());
    assert!(Api::<Binding>::namespaced(client, "c-a").get_opt("b").await.unwrap().is_some());
}

pub async fn a_pruned_object_that_others_own_too_loses_the_folders_fields_only(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    let users = Api::<User>::all(client.clone());
    let folder = Folder::new(plane.plane().client(Some(CONFIG_IDENTITY)).unwrap());
    folder.apply(&[user("u-a")]).await.unwrap();
    let theirs = json!({"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": "u-a"},
        "displayName": "theirs"});
    users.patch("u-a", &PatchParams::apply("another"), &Patch::Apply(theirs)).await.unwrap();
    assert_eq!(folder.apply(&[]).await.unwrap(), Applied { applied: 0, pruned: 1 });
    let left = users.get("u-a").await.unwrap();
    assert_eq!((left.spec.username, left.spec.display_name.as_deref()), (None, Some("theirs")));
    // Nothing of it is the folder's any more.
    assert_eq!(folder.apply(&[]).await.unwrap(), Applied::default());
}
