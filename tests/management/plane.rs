//! The planes that the tests run on.

use drover::{
    management::{self, Rancher},
    modules::{self, Module},
};
use kit::cluster::RealCluster;
use kube::Client;

/// A fresh management plane.
pub struct Plane {
    pub cluster: RealCluster,
    plane: management::Plane,
}

impl Plane {
    pub async fn kubernetes() -> Self {
        kit::tls::install_provider();
        Self::of(RealCluster::builder().name("management").nodes(0).start().await).await
    }

    pub async fn of(cluster: RealCluster) -> Self {
        let plane = management::Plane::kubernetes(&cluster.admin_kubeconfig_path()).await.unwrap();
        Self { cluster, plane }
    }

    /// The plane as the program sees it.
    pub const fn plane(&self) -> &management::Plane {
        &self.plane
    }

    /// A client that may do everything.
    pub fn admin(&self) -> Client {
        self.plane.client(None).unwrap()
    }

    /// Installs everything.
    pub async fn install(&self) {
        management::install(&self.admin(), &modules::all(), Rancher::Refuse).await.unwrap();
    }

    /// A client with the rights of one module.
    pub fn of_module(&self, module: &dyn Module) -> Client {
        self.plane.client(Some(&modules::identity(module))).unwrap()
    }
}
