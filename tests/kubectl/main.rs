//! The real kubectl through the real gateway, before a real kube-apiserver.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod basic;
mod http2;
mod identity;
mod streams;

use std::sync::{Arc, Weak};

use kit::{cluster::RealCluster, gateway::Gateway, kubectl::Kubectl};
use serde_json::json;
use tokio::sync::Mutex;

const DROVER: &str = env!("CARGO_BIN_EXE_drover");

/// A cluster with a pod `web`, a gateway before it, and two people: ann may do everything, ben may look.
struct House {
    gateway: Gateway,
    cluster: RealCluster,
    ann: String,
    ben: String,
}

impl House {
    /// The house of the tests that run at this moment; the last of them takes it down.
    async fn get() -> Arc<Self> {
        static HOUSE: Mutex<Weak<House>> = Mutex::const_new(Weak::new());
        let mut shared = HOUSE.lock().await;
        if let Some(house) = shared.upgrade() {
            return house;
        }
        let house = Arc::new(Self::build().await);
        *shared = Arc::downgrade(&house);
        house
    }

    async fn build() -> Self {
        let cluster = RealCluster::builder().name("a").kwok(true).audit(true).start().await;
        cluster.create_pod("default", "web").await;
        let (gateway, ann) = Gateway::before(DROVER, &cluster, |folder| {
            folder.add_user_with("u-ann", &json!({"username": "ann", "metadata": {"uid": "uid-ann"}}));
            folder.add_user("u-ben").add_binding("c-a", "u-ben", "view");
        })
        .await;
        let ben = gateway.folder().add_token("u-ben");
        gateway.wait_for_cluster("c-a", &ben).await;
        Self { gateway, cluster, ann, ben }
    }

    fn ann(&self) -> Kubectl {
        self.gateway.kubectl("c-a", &self.ann)
    }

    fn ben(&self) -> Kubectl {
        self.gateway.kubectl("c-a", &self.ben)
    }
}
