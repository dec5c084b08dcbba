//! What the server does by itself: one task each, started with the server and ended with it.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::{aggregation, api::Api, bootstrap, crd, events, garbage, namespaces, policies, server::Core};

/// Starts all tasks. They end when the set is dropped.
pub(crate) fn start(core: &Arc<Core>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(aggregation::run(aggregation::api(core)));
    tasks.spawn(bootstrap::run(Api::new(core, "kube-apiserver")));
    tasks.spawn(crd::controller::run(Api::new(core, "kube-apiserver")));
    tasks.spawn(events::run(Api::new(core, "kube-apiserver")));
    tasks.spawn(garbage::run(Api::new(core, "kube-controller-manager")));
    tasks.spawn(namespaces::run(Api::new(core, "kube-controller-manager")));
    tasks.spawn(policies::run(Api::new(core, policies::MANAGER)));
    tasks
}
