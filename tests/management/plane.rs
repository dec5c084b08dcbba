//! The planes that the tests run on.

use std::sync::Arc;

use apiserver::{Caller, MASTERS};
use drover::{
    config::server::EmbeddedPlane,
    management::{
        self, Rancher,
        embedded::{Embedded, Place, Surroundings},
    },
    modules::{self, Module},
    world::Publisher,
};
use kit::{cluster::RealCluster, kubectl::Kubectl, wait};
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A fresh management plane.
pub struct Plane {
    plane: management::Plane,
    house: House,
}

enum House {
    Kubernetes(Box<RealCluster>),
    Embedded { kubectl: Kubectl, _folder: TempDir },
}

impl Plane {
    pub async fn kubernetes() -> Self {
        kit::tls::install_provider();
        Self::of(RealCluster::builder().name("management").nodes(0).start().await).await
    }

    pub async fn of(cluster: RealCluster) -> Self {
        let plane = management::Plane::kubernetes(&cluster.admin_kubeconfig_path()).await.unwrap();
        Self { plane, house: House::Kubernetes(Box::new(cluster)) }
    }

    pub async fn embedded() -> Self {
        kit::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(&EmbeddedPlane::default(), folder.path());
        // The validators are tried with the whole program, whose world is fed.
        let (_, world) = Publisher::start().unwrap();
        let around = Surroundings { kinds: Vec::new(), world, tokens: None, addresses: None };
        let embedded = Embedded::open(place, true, around).await.unwrap();
        // For kubectl.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let everything = Arc::new(|_: &http::HeaderMap| Some(Caller::new("admin", &[MASTERS, "system:authenticated"])));
        let served = apiserver::listen::listen(
            embedded.server().clone(),
            listener,
            None,
            everything,
            std::future::pending::<()>(),
        );
        tokio::spawn(served);
        let kubectl = Kubectl::new(&kit::client::kubeconfig(&json!({"server": url}), &json!({"token": "any"})));
        Self { plane: management::Plane::Embedded(embedded), house: House::Embedded { kubectl, _folder: folder } }
    }

    /// The cluster, where it is one.
    pub fn cluster(&self) -> &RealCluster {
        match &self.house {
            House::Kubernetes(cluster) => cluster,
            House::Embedded { .. } => panic!("an embedded plane is no cluster"),
        }
    }

    /// The plane as the program sees it.
    pub const fn plane(&self) -> &management::Plane {
        &self.plane
    }

    /// A client that may do everything.
    pub fn admin(&self) -> Client {
        self.plane.client(None).unwrap()
    }

    /// kubectl that may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        match &self.house {
            House::Kubernetes(cluster) => cluster.admin_kubectl(),
            House::Embedded { kubectl, .. } => kubectl,
        }
    }

    /// Installs everything. A cluster serves kinds and takes roles into force a moment after they are stored: that is waited for.
    pub async fn install(&self) {
        let modules = modules::all();
        management::install(&self.admin(), &modules, Rancher::Refuse).await.unwrap();
        let House::Kubernetes(cluster) = &self.house else { return };
        for kind in modules.iter().flat_map(|module| module.kinds()) {
            let path = format!("/apis/{}/v3/{}", modules::GROUP, kind.plural());
            wait::until(&path, || cluster.try_get(&path)).await;
        }
        for list in ["rolebindings", "clusterrolebindings"] {
            let all = cluster.try_get(&format!("/apis/rbac.authorization.k8s.io/v1/{list}")).await.unwrap();
            let named = |binding: &&Value| binding["roleRef"]["name"].as_str().unwrap().starts_with("drover:");
            for binding in all["items"].as_array().unwrap().iter().filter(named) {
                cluster.wait_for_binding(binding).await;
            }
        }
    }

    /// A client with the rights of one module.
    pub fn of_module(&self, module: &dyn Module) -> Client {
        self.plane.client(Some(&modules::identity(module))).unwrap()
    }
}
