//! The life of namespaces: nothing is made in one that is not there or that goes, and one goes when all in it is gone.
//!
//! See `k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle` and `k8s.io/kubernetes/pkg/controller/namespace`.

use apimachinery::{
    meta::options::DeleteOptions,
    status::{Cause, Status},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admission::Operation,
    api::Api,
    failure::Outcome,
    follow::follow,
    object,
    options::ListOptions,
    scope::{Part, Scope},
    store::{Key, Range},
    verbs,
};

/// Where namespaces stand in the store.
const PREFIX: &str = "/namespaces";
/// Namespaces that stay.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Scope {
    /// Refuses what the life of the namespace forbids.
    pub(crate) fn check_namespace_life(&self, operation: Operation, name: &str) -> Outcome<()> {
        let resource = &*self.resource;
        if resource.is("", "namespaces") {
            if operation == Operation::Delete && IMMORTAL.contains(&name) {
                return Err(Status::forbidden("", "namespaces", name, "this namespace may not be deleted").into());
            }
            return Ok(());
        }
        if !resource.namespaced || operation == Operation::Delete {
            return Ok(());
        }
        let snapshot = self.core.store.snapshot();
        let Some(entry) = snapshot.get(&Key::new(PREFIX, "", &self.namespace)) else {
            return Err(Status::not_found("", "namespaces", &self.namespace).into());
        };
        if operation != Operation::Create {
            return Ok(());
        }
        let namespace: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
        if !object::is_being_deleted(&namespace) {
            return Ok(());
        }
        let why =
            format!("unable to create new content in namespace {} because it is being terminated", self.namespace);
        let cause = Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {} is being terminated", self.namespace),
            field: "metadata.namespace".to_owned(),
        };
        Err(Status::forbidden(&resource.group, &resource.plural, name, &why).caused_by(cause).into())
    }
}

/// Empties namespaces that go, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    follow(api, "", "namespaces", |scope, api| Box::pin(settle(scope, api))).await;
}

/// Empties each namespace that goes; says whether one still has content.
async fn settle(scope: &Scope, api: &Api) -> Outcome<bool> {
    let mut waits = false;
    let mut going = scope.list().await?;
    going.retain(object::is_being_deleted);
    for namespace in &going {
        let name = object::name(namespace);
        if empty(api, name).await? {
            finalize(scope, name).await?;
        } else {
            waits = true;
        }
    }
    Ok(waits)
}

/// Deletes all in a namespace; says whether there is nothing left.
async fn empty(api: &Api, namespace: &str) -> Outcome<bool> {
    let catalog = api.core().registry.catalog();
    let mut prefixes: Vec<(String, String, String)> = catalog
        .resources()
        .iter()
        .filter(|resource| resource.namespaced && resource.is_stored() && !resource.prefix.is_empty())
        .map(|resource| (resource.prefix.clone(), resource.group.clone(), resource.plural.clone()))
        .collect();
    prefixes.dedup();
    let mut left = 0;
    for (prefix, group, plural) in prefixes {
        let range = Range::namespace(&prefix, namespace);
        if api.core().store.snapshot().count(&range) == 0 {
            continue;
        }
        let scope = api.scope(&group, &plural, namespace)?;
        let (entries, _) = verbs::list::list(&scope, &ListOptions::default()).await?.page(&scope).await?;
        verbs::delete::delete_all(&scope, entries, &DeleteOptions::default()).await?;
        left += api.core().store.snapshot().count(&range);
    }
    Ok(left == 0)
}

/// Says that the namespace is empty; then it goes, unless somebody else holds it.
async fn finalize(scope: &Scope, name: &str) -> Outcome<()> {
    let scope = Scope { part: Part::Finalize, ..scope.clone() };
    let outcome = scope
        .change(name, |namespace| {
            if let Some(finalizers) = namespace.pointer_mut("/spec/finalizers") {
                let kept: Vec<Value> = finalizers
                    .as_array()
                    .map(|list| list.iter().filter(|finalizer| *finalizer != "kubernetes").cloned().collect())
                    .unwrap_or_default();
                *finalizers = json!(kept);
            }
        })
        .await;
    match outcome {
        Err(gone) if gone.code() == StatusCode::NOT_FOUND => Ok(()),
        outcome => outcome.map(drop),
    }
}
