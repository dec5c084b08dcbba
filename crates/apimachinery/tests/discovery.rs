//! Discovery documents of a few resources, as kubectl and client-go read them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use apimachinery::discovery::{
    Resource, Subresource, aggregated, api_versions, group, group_list, resource_list, storage_version_hash,
};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

fn resources() -> Vec<Resource> {
    let widget = |version: &'static str| Resource {
        group: "example.com".into(),
        version: version.into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        kind: "Widget".into(),
        namespaced: true,
        short_names: vec!["wd".into()],
        categories: vec!["all".into()],
        verbs: VERBS.to_vec(),
        subresources: vec![
            Subresource {
                name: "status".into(),
                kind: "Widget".into(),
                verbs: vec!["get", "patch", "update"],
                group_version: None,
            },
            Subresource {
                name: "scale".into(),
                kind: "Scale".into(),
                verbs: vec!["get", "patch", "update"],
                group_version: Some(("autoscaling".into(), "v1".into())),
            },
        ],
        stored: Some(("example.com".into(), "v1".into(), "Widget".into())),
        custom: true,
        group_priority: 1000,
    };
    vec![
        widget("v1beta1"),
        widget("v1"),
        Resource {
            version: "v1".into(),
            plural: "namespaces".into(),
            singular: "namespace".into(),
            kind: "Namespace".into(),
            short_names: vec!["ns".into()],
            verbs: VERBS.to_vec(),
            subresources: vec![Subresource {
                name: "finalize".into(),
                kind: "Namespace".into(),
                verbs: vec!["update"],
                group_version: None,
            }],
            stored: Some(("".into(), "v1".into(), "Namespace".into())),
            ..Resource::default()
        },
        Resource {
            group: "authentication.k8s.io".into(),
            version: "v1".into(),
            plural: "tokenreviews".into(),
            singular: "tokenreview".into(),
            kind: "TokenReview".into(),
            verbs: vec!["create"],
            group_priority: 17700,
            ..Resource::default()
        },
    ]
}

#[test]
fn the_legacy_documents_list_versions_groups_and_resources() {
    let resources = resources();
    insta::assert_json_snapshot!("api", api_versions(&resources, "10.0.0.1:6443"));
    insta::assert_json_snapshot!("apis", group_list(&resources));
    insta::assert_json_snapshot!("group", group(&resources, "example.com"));
    insta::assert_json_snapshot!("core_resources", resource_list(&resources, "", "v1"));
    insta::assert_json_snapshot!("group_resources", resource_list(&resources, "example.com", "v1beta1"));
}

#[test]
fn what_is_not_served_has_no_document() {
    let resources = resources();
    assert_eq!(group(&resources, ""), None);
    assert_eq!(group(&resources, "none.example.com"), None);
    assert_eq!(resource_list(&resources, "example.com", "v2"), None);
}

#[test]
fn the_aggregated_document_holds_all_of_it_and_has_a_tag() {
    let mut resources = resources();
    let groups = aggregated(&resources, false);
    insta::assert_json_snapshot!("aggregated_core", aggregated(&resources, true).document);
    insta::assert_json_snapshot!("aggregated_groups", groups.document);
    assert_eq!(groups.etag.len(), 130);
    assert_eq!(aggregated(&resources, false).etag, groups.etag);
    resources.pop();
    assert_ne!(aggregated(&resources, false).etag, groups.etag);
}

/// From the discovery documents of Kubernetes 1.37.
#[test]
fn storage_version_hashes_are_kubernetes_own() {
    assert_eq!(storage_version_hash("", "v1", "Namespace"), "Q3oi5N2YM8M=");
    assert_eq!(storage_version_hash("coordination.k8s.io", "v1", "Lease"), "gqkMMb/YqFM=");
}
