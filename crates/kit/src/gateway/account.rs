//! The gateway's account in a real cluster.

use std::path::Path;

use super::ConfigFolder;
use crate::cluster::RealCluster;

const NAMESPACE: &str = "drover-system";
const ACCOUNT: &str = "gateway";

impl ConfigFolder {
    /// Adds a real cluster, reached as a service account that may do nothing until [`Self::publish`].
    pub async fn add_real_cluster(&self, id: &str, cluster: &RealCluster) -> &Self {
        let token = cluster.service_account_token(NAMESPACE, ACCOUNT).await;
        self.add_cluster(id, &cluster.kubeconfig_with_token(&token))
    }

    /// Applies what `drover cluster rbac` prints for the manifests as they are now.
    pub async fn publish(&self, binary: impl AsRef<Path>, id: &str, cluster: &RealCluster) {
        cluster.apply(&self.command(binary.as_ref(), &["cluster", "rbac", "--cluster", id]).ok()).await;
    }
}
