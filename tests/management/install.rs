//! Kinds and rights in the plane.

use drover::{
    management::{self, DIRECTORY, InstallError, Rancher},
    modules::{self, Clusters, Module, Settings, Tokens, User, Users},
};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt as _,
    api::{ListParams, PostParams},
};
use serde_json::json;

use crate::{
    controllers::{create, user},
    plane::Plane,
};

pub async fn the_kinds_are_served_with_their_columns_and_strict_fields(plane: &Plane) {
    plane.install().await;
    // Any replica may do it again.
    plane.install().await;
    let client = plane.admin();
    create::<User>(&client, user("u-a")).await;
    let kubectl = plane.kubectl();
    let table = kubectl.run(&["get", "users.management.cattle.io"]).await.ok();
    assert!(table.starts_with("NAME   USERNAME   DISPLAY NAME   ENABLED   AGE"), "{table}");
    let wrong = "apiVersion: management.cattle.io/v3\nkind: User\nmetadata: {name: u-b}\nusernames: b\n";
    let output = kubectl.run_with_input(&["create", "-f", "-"], wrong).await;
    assert!(output.stderr.contains("unknown field \"usernames\""), "{}", output.stderr);
    // The example's forms are the kinds' forms.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/manifests/example.yaml");
    kubectl.run(&["create", "namespace", "c-dev"]).await.ok();
    kubectl.run(&["create", "-f", example]).await.ok();
    let explained = kubectl.run(&["explain", "clusters.management.cattle.io.spec.upstream"]).await.ok();
    assert!(explained.contains("allowAdministrator"), "{explained}");
}

pub async fn another_ones_kinds_are_refused_and_left_alone(plane: &Plane) {
    let client = plane.admin();
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut theirs = User::crd();
    theirs.spec.versions[0].additional_printer_columns = None;
    api.create(&PostParams::default(), &theirs).await.unwrap();
    let all: [&dyn Module; 4] = [&Tokens, &Users, &Clusters, &Settings];
    let refused = management::install(&client, &all, Rancher::Refuse).await.unwrap_err();
    assert!(matches!(&refused, InstallError::Foreign(name) if name == "users.management.cattle.io"), "{refused}");
    // Nothing was installed before that was seen.
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let kinds: usize = all.iter().map(|module| module.kinds().len()).sum();

    management::install(&client, &all, Rancher::Alongside).await.unwrap();
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), kinds);
    let crd = api.get("users.management.cattle.io").await.unwrap();
    assert!(crd.spec.versions[0].additional_printer_columns.is_none());
}

pub async fn a_part_of_drover_may_do_no_more_than_its_rules_say(plane: &Plane) {
    plane.install().await;
    let review = async |identity: &str, verb: &str, group: &str, resource: &str, namespace: &str| {
        let attributes = json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
        let spec = json!({"user": identity, "groups": ["system:authenticated"], "resourceAttributes": attributes});
        let review: SubjectAccessReview = create(&plane.admin(), json!({"metadata": {}, "spec": spec})).await;
        review.status.unwrap().allowed
    };
    let group = modules::GROUP;
    let users = modules::identity(&Users);
    assert!(review(&users, "patch", group, "users", "").await);
    assert!(!review(&users, "create", group, "users", "").await);
    assert!(!review(&users, "get", group, "clusters", "").await);
    assert!(!review(&users, "list", "", "secrets", "drover-system").await);
    assert!(review(DIRECTORY, "watch", group, "tokens", "").await);
    assert!(review(DIRECTORY, "watch", "", "secrets", "drover-system").await);
    assert!(!review(DIRECTORY, "watch", "", "secrets", "kube-system").await);
    assert!(!review(DIRECTORY, "delete", group, "tokens", "").await);
    assert!(!review(&modules::identity(&Tokens), "get", group, "tokens", "").await);
}
