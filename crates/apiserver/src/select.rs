//! Which objects a list or watch is about.

use std::sync::Arc;

use apimachinery::selector::{FieldSelector, LabelSelector};
use serde_json::Value;

use crate::{builtin::selectable, options::ListOptions, read, registry::Resource, scope::Scope, store::Entry};

/// What a caller selected among the objects of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    resource: Arc<Resource>,
    /// Whether fields count that only the object itself can tell.
    looks_inside: bool,
}

impl Selection {
    /// What `options` select.
    pub(crate) fn new(scope: &Scope, options: &ListOptions) -> Self {
        let looks_inside = options
            .fields
            .requirements()
            .iter()
            .any(|required| !matches!(required.field.as_str(), "metadata.name" | "metadata.namespace"));
        Self {
            labels: options.labels.clone(),
            fields: options.fields.clone(),
            resource: Arc::clone(&scope.resource),
            looks_inside,
        }
    }

    /// The resource that the objects are of.
    pub(crate) const fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// Whether every object is selected.
    pub(crate) fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether this one is.
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        if !self.labels.is_empty() {
            let labels = entry.labels();
            if !self.labels.matches(|key| labels.get(key)) {
                return false;
            }
        }
        if self.fields.is_empty() {
            return true;
        }
        let inside = if self.looks_inside { self.inside(entry) } else { Vec::new() };
        self.fields.matches(|field| match field {
            "metadata.name" => Some(entry.name()),
            "metadata.namespace" => Some(entry.namespace()),
            _ => inside.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str()),
        })
    }

    /// The selectable fields of an object, as text.
    fn inside(&self, entry: &Entry) -> Vec<(&str, String)> {
        // Fields of built-in kinds are those of the object as it is stored: events have two versions.
        let object = if self.resource.is_custom() { read::value(&self.resource, entry) } else { stored(entry) };
        let named = self.fields.requirements().iter().map(|required| required.field.as_str());
        named
            .map(|field| {
                let found = if self.resource.is_custom() {
                    let path = self.resource.selectable.iter().find(|selectable| selectable.name == field);
                    path.and_then(|field| field.path.iter().try_fold(&object, |at, step| at.get(step))).map(text)
                } else {
                    selectable::value(&object, field).map(str::to_owned)
                };
                (field, found.unwrap_or_default())
            })
            .collect()
    }
}

/// The object as it is stored.
fn stored(entry: &Entry) -> Value {
    // INVARIANT: the store holds what `object::draft` wrote.
    serde_json::from_slice(&entry.as_bytes()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
