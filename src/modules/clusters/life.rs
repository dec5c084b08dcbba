//! A cluster's namespace in the management plane, where its bindings are.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{Binding, Cluster};
use crate::{
    controller::{Condition, Conditioned as _, Lifecycle, Next},
    modules::users::gone,
};

/// Tells the namespaces that Drover made for its clusters.
const LABEL: &str = "drover.io/cluster";

/// Makes the namespace of each cluster, and clears it away.
pub(super) struct ClusterLife {
    client: Client,
}

impl ClusterLife {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes the namespace unless there is one of that name, whoever made it.
    async fn namespace(&self, name: &str) -> Result<(), kube::Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        if api.get_opt(name).await?.is_some() {
            return Ok(());
        }
        let labels = BTreeMap::from([(LABEL.to_owned(), name.to_owned())]);
        let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        api.patch(name, &PatchParams::apply("drover-clusters"), &Patch::Apply(&namespace)).await.map(drop)
    }

    async fn write_status(&self, cluster: &Cluster) -> Result<(), kube::Error> {
        let status = json!({"status": {"conditions": cluster.conditions()}});
        let params = PatchParams { field_manager: Some("drover-clusters".to_owned()), ..PatchParams::default() };
        let api = Api::<Cluster>::all(self.client.clone());
        gone(api.patch_status(&cluster.name_any(), &params, &Patch::Merge(status)).await)
    }
}

impl Lifecycle<Cluster> for ClusterLife {
    type Error = kube::Error;

    async fn created(&self, cluster: Arc<Cluster>) -> Result<(), kube::Error> {
        let name = cluster.name_any();
        let mut cluster = Arc::unwrap_or_clone(cluster);
        let done = Condition::Provisioned.once(&mut cluster, async |_: &mut Cluster| self.namespace(&name).await).await;
        if !matches!(done, Ok(false)) {
            self.write_status(&cluster).await?;
        }
        done.map(drop)
    }

    async fn updated(&self, cluster: Arc<Cluster>) -> Result<Next, kube::Error> {
        self.namespace(&cluster.name_any()).await?;
        Ok(Next::Change)
    }

    async fn removed(&self, cluster: Arc<Cluster>) -> Result<(), kube::Error> {
        let name = cluster.name_any();
        // Also where the namespace is somebody else's and stays.
        let bindings = Api::<Binding>::namespaced(self.client.clone(), &name);
        gone(bindings.delete_collection(&DeleteParams::default(), &ListParams::default()).await)?;
        let api = Api::<Namespace>::all(self.client.clone());
        let own = |namespace: &Namespace| namespace.labels().get(LABEL).is_some_and(|cluster| *cluster == name);
        if let Some(namespace) = api.get_opt(&name).await?.filter(own) {
            gone(api.delete(&namespace.name_any(), &DeleteParams::default()).await)?;
        }
        Ok(())
    }
}
