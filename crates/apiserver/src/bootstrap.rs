//! What every cluster has from the beginning: its namespaces, and the roles that Kubernetes names.

use std::time::Duration;

use apimachinery::status::Reason;
use policy::{
    bootstrap::{cluster_role_bindings, cluster_roles},
    rules::ROLE_GROUP,
};
use serde_json::{Value, json};

use crate::{api::Api, failure::Outcome, object, scope::Scope};

/// The namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// How often it is looked whether they still are.
const EVERY: Duration = Duration::from_mins(1);

/// Makes what is missing, again and again.
pub(crate) async fn run(api: Api) {
    loop {
        tokio::time::sleep(EVERY).await;
        once(&api).await;
    }
}

/// Makes what is missing. What cannot be made now is made later.
pub(crate) async fn once(api: &Api) {
    if let Err(failed) = all(api).await {
        tracing::warn!(why = failed.message(), "the system's objects cannot be made");
    }
}

async fn all(api: &Api) -> Outcome<()> {
    let namespaces = api.scope("", "namespaces", "")?;
    for name in NAMESPACES {
        missing(&namespaces, json!({"metadata": {"name": name}})).await?;
    }
    let roles = api.scope(ROLE_GROUP, "clusterroles", "")?;
    for role in cluster_roles() {
        missing(&roles, role).await?;
    }
    let bindings = api.scope(ROLE_GROUP, "clusterrolebindings", "")?;
    for binding in cluster_role_bindings() {
        missing(&bindings, binding).await?;
    }
    Ok(())
}

/// Makes an object that is not there. One that is there is the administrators' to change.
async fn missing(scope: &Scope, wanted: Value) -> Outcome<()> {
    if scope.core.store.snapshot().get(&scope.key(object::name(&wanted))).is_some() {
        return Ok(());
    }
    match scope.create(wanted).await {
        Err(failed) if failed.reason() != Reason::AlreadyExists => Err(failed),
        _ => Ok(()),
    }
}
