//! Groups: from their objects to who may do what.

use drover::{
    modules::{Binding, Cluster, Group, GroupMember, Groups, User, UserAttribute},
    world::World,
};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kit::wait;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use crate::{
    controllers::{cluster, create, run, user},
    directory::{kubeconfig, patch, secret, start, world},
    plane::Plane,
};

fn group(name: &str, members: &[&str]) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "Group", "metadata": {"name": name}, "members": members})
}

fn member(name: &str, group: &str, principal: &str) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "GroupMember", "metadata": {"name": name},
        "groupName": group, "principalId": principal})
}

fn bound(name: &str, group: &str) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
        "metadata": {"name": name, "namespace": "c-a"}, "clusterName": "c-a", "roleTemplateName": "view", "groupName": group})
}

/// Whether the binding of the group `admins` reaches the user.
fn reaches(world: &World, user: &str) -> bool {
    world
        .user(user)
        .zip(world.cluster("c-a"))
        .is_some_and(|(user, cluster)| cluster.binds(user.own().chain(world.membership().groups_of(user.own()))))
}

pub async fn a_membership_holds_as_long_as_its_objects_say_so(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    for name in ["u-a", "u-b", "u-c"] {
        create::<User>(&client, user(name)).await;
    }
    let users = Api::<User>::all(client.clone());
    patch(&users, "u-c", json!({"principalIds": ["okta_user://c"]})).await;
    create::<Secret>(&client, secret("c-a", &kubeconfig("one.example.org"))).await;
    create::<Cluster>(&client, cluster("c-a")).await;
    create::<Namespace>(&client, json!({"metadata": {"name": "c-a"}})).await;
    create::<Binding>(&client, bound("b", "admins")).await;
    create::<Group>(&client, group("admins", &["local_group://team", "okta_group://ops"])).await;
    create::<Group>(&client, group("team", &["local://u-a"])).await;
    let (directory, watch) = start(plane).await;
    assert!(reaches(&watch.load(), "u-a"));
    assert!(!reaches(&watch.load(), "u-b") && !reaches(&watch.load(), "u-c"));

    create::<GroupMember>(&client, member("m-b", "team", "local://u-b")).await;
    world(&watch, "the member", |world| reaches(world, "u-b")).await;
    // What a provider says of a user, and nothing that it says of another one's groups.
    let attribute = json!({"apiVersion": "management.cattle.io/v3", "kind": "UserAttribute", "metadata": {"name": "u-c"},
        "userName": "u-c", "groupPrincipals": {"okta": {"items": [{"metadata": {"name": "okta_group://ops"}}]}}});
    create::<UserAttribute>(&client, attribute).await;
    world(&watch, "the provider's group", |world| reaches(world, "u-c")).await;

    let groups = Api::<Group>::all(client.clone());
    patch(&groups, "admins", json!({"members": ["local_group://team"]})).await;
    world(&watch, "the provider's group to go", |world| !reaches(world, "u-c")).await;
    Api::<GroupMember>::all(client.clone()).delete("m-b", &DeleteParams::default()).await.unwrap();
    world(&watch, "the member to go", |world| !reaches(world, "u-b")).await;
    assert!(reaches(&watch.load(), "u-a"));
    groups.delete("team", &DeleteParams::default()).await.unwrap();
    world(&watch, "the group to go", |world| !reaches(world, "u-a")).await;
    drop(directory);
}

pub async fn a_group_takes_its_memberships_and_bindings_along(plane: &Plane) {
    plane.install().await;
    let client = plane.admin();
    let _running = run(plane, &Groups);
    create::<Namespace>(&client, json!({"metadata": {"name": "c-a"}})).await;
    for name in ["gone", "stays"] {
        create::<Group>(&client, group(name, &[])).await;
        create::<GroupMember>(&client, member(name, name, "local://u-a")).await;
        create::<Binding>(&client, bound(name, name)).await;
    }
    let groups = Api::<Group>::all(client.clone());
    wait::until("the finalizer", || async {
        (!groups.get("gone").await.unwrap().finalizers().is_empty()).then_some(())
    })
    .await;
    groups.delete("gone", &DeleteParams::default()).await.unwrap();
    wait::until("the group to go", || async { groups.get_opt("gone").await.unwrap().is_none().then_some(()) }).await;
    let params = ListParams::default();
    let members = Api::<GroupMember>::all(client.clone()).list(&params).await.unwrap();
    assert_eq!(members.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>(), ["stays"]);
    let bindings = Api::<Binding>::all(client).list(&params).await.unwrap();
    assert_eq!(bindings.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>(), ["stays"]);
}
