//! What kubectl asks a server about itself.

use super::both::Both;

#[tokio::test]
async fn kinds_and_versions_are_listed_as_a_real_server_lists_them() {
    let mut both = Both::new("describing").await;
    for command in [
        "api-resources --no-headers",
        "api-resources --no-headers -o wide",
        "api-resources --no-headers --namespaced=true -o name",
        "api-resources --no-headers --verbs=list,watch",
        "api-versions",
    ] {
        both.part(command).await;
    }
    both.all(
        "api-resources --api-group=rbac.authorization.k8s.io --sort-by=name
         api-resources --api-group=coordination.k8s.io -o wide
         api-resources --categories=nothing
         api-resources --api-group=nothing.example.com",
    )
    .await;
    both.end();
}

#[tokio::test]
async fn built_in_kinds_are_explained() {
    let mut both = Both::new("explaining").await;
    both.all(
        "explain namespace
         explain namespaces.status --recursive
         explain configmap --recursive
         explain cm.data
         explain secret
         explain serviceaccount --recursive
         explain lease.spec
         explain event --api-version=events.k8s.io/v1
         explain event --api-version=v1 --recursive
         explain role --recursive
         explain clusterrole.aggregationRule
         explain clusterrolebinding
         explain crd.spec.versions
         explain crd --recursive
         explain validatingadmissionpolicy.spec.validations
         explain validatingadmissionpolicybinding --recursive
         explain validatingadmissionpolicy --recursive
         explain validatingadmissionpolicy.spec.failurePolicy
         explain namespace.status.phase
         explain crd.spec.versions.schema.openAPIV3Schema.x-kubernetes-validations
         explain cm.metadata.managedFields
         explain cm --output=plaintext-openapiv2
         explain cm.nothing
         explain nothing",
    )
    .await;
    both.end();
}

#[tokio::test]
async fn raw_paths_are_answered() {
    let mut both = Both::new("raw").await;
    both.all_raw(
        "get --raw /healthz
         get --raw /readyz
         get --raw /livez
         get --raw /api
         get --raw /apis/coordination.k8s.io
         get --raw /apis/rbac.authorization.k8s.io/v1
         get --raw /apis/coordination.k8s.io/v1
         get --raw /apis/nothing.example.com/v1
         get --raw /nothing
         get --raw /api/v1/namespaces/raw/configmaps
         get --raw /api/v1/namespaces/raw/configmaps?limit=x
         get --raw /api/v1/namespaces/raw/nothings
         delete --raw /api/v1/namespaces/raw/configmaps/nothing",
    )
    .await;
    both.end();
}
