//! The management plane as a cluster of its own, `local`: its Cluster object, its namespace, and what its role groups may do.
//!
//! In every other cluster an administrator applies what `drover cluster rbac` prints; here it is installed.

use k8s_openapi::api::{
    core::v1::Namespace,
    rbac::v1::{ClusterRoleBinding, RoleRef, Subject},
};
use kube::{Api, Client, ResourceExt as _, api::PostParams, core::ObjectMeta};

use super::install::{InstallError, apply, failed, labels};
use crate::{
    modules::{Cluster, ClusterSpec},
    world::names::{LOCAL, cluster_role_group},
};

/// The roles that Kubernetes has for people. A binding in `local` may name any other ClusterRole too; then an administrator binds
/// its role group.
const TEMPLATES: [&str; 4] = ["cluster-admin", "admin", "edit", "view"];
const RBAC: &str = "rbac.authorization.k8s.io";

/// Makes what is missing.
pub(super) async fn install(client: &Client) -> Result<(), InstallError> {
    let metadata =
        |name: &str| ObjectMeta { name: Some(name.to_owned()), labels: Some(labels()), ..ObjectMeta::default() };
    for template in TEMPLATES {
        let group = cluster_role_group(LOCAL, template);
        let binding = ClusterRoleBinding {
            metadata: metadata(&group),
            role_ref: RoleRef {
                api_group: Some(RBAC.to_owned()),
                kind: "ClusterRole".to_owned(),
                name: template.to_owned(),
            },
            subjects: Some(vec![Subject {
                kind: "Group".to_owned(),
                name: group.to_string(),
                api_group: Some(RBAC.to_owned()),
                namespace: None,
            }]),
        };
        apply(&Api::all(client.clone()), &binding).await?;
    }
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = Namespace { metadata: metadata(LOCAL), ..Namespace::default() };
    create(&namespaces, &namespace).await?;
    let spec = ClusterSpec { internal: true, ..ClusterSpec::default() };
    let mut cluster = Cluster::new(LOCAL, spec);
    cluster.metadata = metadata(LOCAL);
    create(&Api::all(client.clone()), &cluster).await
}

/// Makes an object unless there is one: what an administrator has changed in it since stays.
async fn create<K>(api: &Api<K>, object: &K) -> Result<(), InstallError>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let what = || format!("{} `{}`", K::kind(&()), object.name_any());
    if api.get_opt(&object.name_any()).await.map_err(|error| failed(&what(), error))?.is_some() {
        return Ok(());
    }
    match api.create(&PostParams::default(), object).await {
        // Another replica was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop).map_err(|error| failed(&what(), error)),
    }
}
