//! The names that Drover writes into clusters.

use std::sync::Arc;

/// The id of the management plane as a cluster: Rancher's.
pub const LOCAL: &str = "local";

/// The role group of a template over a whole cluster: `drover:<cluster>:cluster:<template>`.
///
/// It carries the cluster's identity, so that two Cluster objects never share rights.
pub fn cluster_role_group(cluster: &str, template: &str) -> Arc<str> {
    format!("drover:{cluster}:cluster:{template}").into()
}

/// Whether a name belongs to Kubernetes or to Drover and may therefore never come from outside.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("system:") || name.starts_with("drover:")
}
