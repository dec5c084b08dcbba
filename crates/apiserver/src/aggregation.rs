//! Cluster roles that are made of others.
//!
//! See `k8s.io/kubernetes/pkg/controller/clusterroleaggregation`.

use policy::{
    aggregation::{FIELD_MANAGER, aggregated, is_aggregated},
    rules::ROLE_GROUP,
};
use serde_json::{Value, json};

use crate::{
    api::Api,
    failure::Outcome,
    object,
    store::{Range, WatchEnd},
};

/// Keeps them what they should be, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    loop {
        if follow(&api).await.is_none() {
            return;
        }
    }
}

/// Looks at all roles, and again after each change; `None` when the store has stopped.
async fn follow(api: &Api) -> Option<()> {
    let store = api.core().store.clone();
    let scope = api.scope(ROLE_GROUP, "clusterroles", "").ok()?;
    let mut watch = store.watch(Range::prefix(&scope.resource.prefix), store.revision()).ok()?;
    loop {
        if let Err(failed) = settle(api).await {
            tracing::warn!(why = failed.message(), "cluster roles cannot be aggregated");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            continue;
        }
        match watch.next().await {
            Ok(_) => {}
            Err(WatchEnd::Slow { .. }) => return Some(()),
            Err(WatchEnd::Stopped) => return None,
        }
    }
}

async fn settle(api: &Api) -> Outcome<()> {
    let scope = api.scope(ROLE_GROUP, "clusterroles", "")?;
    let roles = scope.list().await?;
    let made_of_others: Vec<&Value> = roles.iter().filter(|role| is_aggregated(role)).collect();
    for role in made_of_others {
        // A selector that cannot be read is its author's to mend; the role stays as it is.
        let Ok(Some(wanted)) = aggregated(role, &roles) else { continue };
        let wanted = json!(wanted);
        let set = |role: &mut Value| {
            if let Some(fields) = role.as_object_mut() {
                fields.insert("rules".to_owned(), wanted.clone());
            }
        };
        match scope.change(object::name(role), set).await {
            Err(gone) if gone.code() == http::StatusCode::NOT_FOUND => {}
            outcome => drop(outcome?),
        }
    }
    Ok(())
}

/// The calls of this controller.
pub(crate) fn api(core: &std::sync::Arc<crate::server::Core>) -> Api {
    Api::new(core, FIELD_MANAGER)
}
