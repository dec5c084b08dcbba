//! The server's own calls: what its controllers use, through the same verbs as everybody.

use std::sync::Arc;

use apimachinery::status::Status;
use serde_json::Value;

use crate::{
    annotations::Annotations,
    caller::Caller,
    convert::Conversions,
    failure::Outcome,
    options::{FieldValidation, ListOptions},
    scope::{Part, Scope},
    server::Core,
    verbs::{self, update::Change},
    warnings::Warnings,
};

/// Calls of one controller. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    core: Arc<Core>,
    caller: Arc<Caller>,
    manager: &'static str,
}

impl Api {
    /// The calls of the controller that owns fields as `manager`. Nothing is refused to it.
    pub(crate) fn new(core: &Arc<Core>, manager: &'static str) -> Self {
        Self { core: Arc::clone(core), caller: Arc::new(Caller::server()), manager }
    }

    /// What all requests share.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// A resource in the version that it is stored in; `namespace` is empty for all namespaces and for cluster-scoped ones.
    pub(crate) fn scope(&self, group: &str, plural: &str, namespace: &str) -> Outcome<Scope> {
        let resource = self
            .core
            .registry
            .catalog()
            .any_version(group, plural)
            .cloned()
            .ok_or_else(|| Status::not_found(group, plural, ""))?;
        Ok(Scope {
            core: Arc::clone(&self.core),
            resource,
            caller: Arc::clone(&self.caller),
            namespace: namespace.to_owned(),
            part: Part::Whole,
            dry_run: false,
            manager: self.manager.to_owned(),
            field_validation: FieldValidation::Ignore,
            warnings: Warnings::default(),
            annotations: Annotations::default(),
            conversions: Conversions::default(),
        })
    }
}

impl Scope {
    /// All objects, at one version.
    pub(crate) async fn list(&self) -> Outcome<Vec<Value>> {
        let listing = verbs::list::list(self, &ListOptions::default()).await?;
        let (entries, _) = listing.page(self).await?;
        Ok(entries.iter().map(|entry| crate::read::value(&self.resource, entry)).collect())
    }

    /// Makes an object.
    pub(crate) async fn create(&self, mut object: Value) -> Outcome<Value> {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), self.resource.api_version().into());
            fields.insert("kind".to_owned(), self.resource.kind.clone().into());
        }
        let object = crate::incoming::settle(self, object, Vec::new(), crate::incoming::Source::Body)?;
        verbs::create::create(self, object).await.map(|stored| stored.into_value(&self.resource))
    }

    /// Changes an object, again and again until nobody was faster. `change` sees the object as it is.
    pub(crate) async fn change(&self, name: &str, change: impl Fn(&mut Value) + Send + Sync) -> Outcome<Value> {
        let (stored, _) = verbs::update::update(self, name, &Edit(change)).await?;
        Ok(stored.into_value(&self.resource))
    }

    /// The same for `status`.
    pub(crate) async fn change_status(&self, name: &str, change: impl Fn(&mut Value) + Send + Sync) -> Outcome<Value> {
        let scope = Self { part: Part::Status, ..self.clone() };
        scope.change(name, change).await
    }
}

/// A change by a function.
struct Edit<F>(F);

impl<F: Fn(&mut Value) + Send + Sync> Change for Edit<F> {
    fn apply(&self, scope: &Scope, live: Option<&Value>) -> Outcome<Value> {
        let Some(live) = live else {
            return Err(Status::not_found(&scope.resource.group, &scope.resource.plural, "").into());
        };
        let mut new = live.clone();
        (self.0)(&mut new);
        Ok(crate::fields::updated(scope, Some(live), new))
    }
}
