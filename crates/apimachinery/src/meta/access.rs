//! Typed access to the metadata of a JSON tree. What is missing or of another type reads as empty.

use serde_json::{Map, Value};

/// An object's metadata, to read.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a>(Option<&'a Map<String, Value>>);

/// One entry of `ownerReferences`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of OwnerReference, documented there")]
pub struct OwnerReference<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub controller: bool,
    pub block_owner_deletion: bool,
}

impl<'a> OwnerReference<'a> {
    /// Reads one entry.
    pub fn of(reference: &'a Value) -> Self {
        let text = |field| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        let flag = |field| reference.get(field).and_then(Value::as_bool).unwrap_or_default();
        Self {
            api_version: text("apiVersion"),
            kind: text("kind"),
            name: text("name"),
            uid: text("uid"),
            controller: flag("controller"),
            block_owner_deletion: flag("blockOwnerDeletion"),
        }
    }

    /// The API group of the owner; empty for the core group.
    pub fn group(&self) -> &'a str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl<'a> Meta<'a> {
    /// The metadata of `object`.
    pub fn of(object: &'a Value) -> Self {
        Self(object.get("metadata").and_then(Value::as_object))
    }

    /// The tree itself, if there is one.
    pub fn tree(self) -> Option<&'a Map<String, Value>> {
        self.0
    }

    fn get(self, field: &str) -> Option<&'a Value> {
        self.0?.get(field)
    }

    fn text(self, field: &str) -> &'a str {
        self.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The name, empty before it is made.
    pub fn name(self) -> &'a str {
        self.text("name")
    }

    /// What a generated name begins with.
    pub fn generate_name(self) -> &'a str {
        self.text("generateName")
    }

    /// The namespace, empty for an object of the whole cluster.
    pub fn namespace(self) -> &'a str {
        self.text("namespace")
    }

    /// The UID.
    pub fn uid(self) -> &'a str {
        self.text("uid")
    }

    /// The version of the stored state, empty for none.
    pub fn resource_version(self) -> &'a str {
        self.text("resourceVersion")
    }

    /// How often what is wanted has changed; 0 for kinds that do not count.
    pub fn generation(self) -> i64 {
        self.get("generation").and_then(Value::as_i64).unwrap_or_default()
    }

    /// When the object was made, empty for not yet.
    pub fn creation_timestamp(self) -> &'a str {
        self.text("creationTimestamp")
    }

    /// When the object is to go, if it was asked to.
    pub fn deletion_timestamp(self) -> Option<&'a str> {
        self.get("deletionTimestamp").and_then(Value::as_str)
    }

    /// Whether the object was asked to go.
    pub fn is_deleting(self) -> bool {
        self.deletion_timestamp().is_some()
    }

    /// How many seconds the object has to go.
    pub fn deletion_grace_period_seconds(self) -> Option<i64> {
        self.get("deletionGracePeriodSeconds").and_then(Value::as_i64)
    }

    /// The labels, in the order of their keys as the tree has it.
    pub fn labels(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts("labels")
    }

    /// The value of a label.
    pub fn label(self, key: &str) -> Option<&'a str> {
        self.get("labels")?.get(key)?.as_str()
    }

    /// The annotations.
    pub fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts("annotations")
    }

    /// The value of an annotation.
    pub fn annotation(self, key: &str) -> Option<&'a str> {
        self.get("annotations")?.get(key)?.as_str()
    }

    fn texts(self, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let entries = self.get(field).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    fn list(self, field: &str) -> &'a [Value] {
        self.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The finalizers.
    pub fn finalizers(self) -> impl Iterator<Item = &'a str> {
        self.list("finalizers").iter().filter_map(Value::as_str)
    }

    /// Whether there is a finalizer.
    pub fn has_finalizers(self) -> bool {
        self.finalizers().next().is_some()
    }

    /// The owners.
    pub fn owner_references(self) -> impl Iterator<Item = OwnerReference<'a>> {
        self.list("ownerReferences").iter().map(OwnerReference::of)
    }

    /// The owners, as they stand in the tree.
    pub fn owner_reference_trees(self) -> &'a [Value] {
        self.list("ownerReferences")
    }

    /// The entries of `managedFields`, as they stand in the tree.
    pub fn managed_fields(self) -> &'a [Value] {
        self.list("managedFields")
    }
}

/// An object's metadata, to change. An empty value is removed rather than written, as Go's `omitempty` does.
#[derive(Debug)]
pub struct MetaMut<'a>(&'a mut Map<String, Value>);

impl<'a> MetaMut<'a> {
    /// The metadata of `object`, made if it is missing or no map; `None` if the object itself is no map.
    pub fn of(object: &'a mut Value) -> Option<Self> {
        let metadata = object.as_object_mut()?.entry("metadata").or_insert(Value::Null);
        if !metadata.is_object() {
            *metadata = Value::Object(Map::new());
        }
        metadata.as_object_mut().map(Self)
    }

    /// The tree itself.
    pub fn tree(&mut self) -> &mut Map<String, Value> {
        self.0
    }

    fn text(&mut self, field: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(field);
        } else {
            self.0.insert(field.to_owned(), Value::from(value));
        }
    }

    fn number(&mut self, field: &str, value: Option<i64>) {
        match value {
            Some(value) => self.0.insert(field.to_owned(), Value::from(value)),
            None => self.0.remove(field),
        };
    }

    /// Removes a field.
    pub fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Sets the name.
    pub fn set_name(&mut self, name: &str) {
        self.text("name", name);
    }

    /// Sets the namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        self.text("namespace", namespace);
    }

    /// Sets the UID.
    pub fn set_uid(&mut self, uid: &str) {
        self.text("uid", uid);
    }

    /// Sets the version of the stored state.
    pub fn set_resource_version(&mut self, version: &str) {
        self.text("resourceVersion", version);
    }

    /// Sets the generation; 0 removes it.
    pub fn set_generation(&mut self, generation: i64) {
        self.number("generation", Some(generation).filter(|generation| *generation != 0));
    }

    /// Sets when the object was made.
    pub fn set_creation_timestamp(&mut self, at: &str) {
        self.text("creationTimestamp", at);
    }

    /// Sets when the object is to go.
    pub fn set_deletion_timestamp(&mut self, at: Option<&str>) {
        self.text("deletionTimestamp", at.unwrap_or_default());
    }

    /// Sets how many seconds the object has to go.
    pub fn set_deletion_grace_period_seconds(&mut self, seconds: Option<i64>) {
        self.number("deletionGracePeriodSeconds", seconds);
    }

    /// Sets the finalizers.
    pub fn set_finalizers<T: Into<String>>(&mut self, finalizers: impl IntoIterator<Item = T>) {
        self.set_list("finalizers", finalizers.into_iter().map(|finalizer| Value::String(finalizer.into())).collect());
    }

    /// Sets the owners.
    pub fn set_owner_references(&mut self, references: Vec<Value>) {
        self.set_list("ownerReferences", references);
    }

    /// Sets the entries of `managedFields`.
    pub fn set_managed_fields(&mut self, entries: Vec<Value>) {
        self.set_list("managedFields", entries);
    }

    fn set_list(&mut self, field: &str, items: Vec<Value>) {
        if items.is_empty() {
            self.0.remove(field);
        } else {
            self.0.insert(field.to_owned(), Value::Array(items));
        }
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.set_entry("labels", key, value);
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_entry("annotations", key, value);
    }

    fn set_entry(&mut self, field: &str, key: &str, value: &str) {
        let entries = self.0.entry(field).or_insert(Value::Null);
        if !entries.is_object() {
            *entries = Value::Object(Map::new());
        }
        if let Some(entries) = entries.as_object_mut() {
            entries.insert(key.to_owned(), Value::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_reads_as_empty() {
        for object in [
            json!({}),
            json!({"metadata": null}),
            json!({"metadata": {"name": 1, "labels": [], "finalizers": {}}}),
            json!(1),
        ] {
            let meta = Meta::of(&object);
            assert_eq!((meta.name(), meta.namespace(), meta.generation()), ("", "", 0));
            assert_eq!((meta.labels().count(), meta.has_finalizers(), meta.is_deleting()), (0, false, false));
        }
    }

    #[test]
    fn empty_values_leave_no_field() {
        let mut object = json!({"metadata": {"name": "a", "generation": 1, "finalizers": ["x/y"]}});
        let mut meta = MetaMut::of(&mut object).unwrap();
        meta.set_name("");
        meta.set_generation(0);
        meta.set_finalizers(Vec::<String>::new());
        assert_eq!(object, json!({"metadata": {}}));
    }

    #[test]
    fn an_owners_group_is_before_the_slash() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u", "controller": true});
        let owner = OwnerReference::of(&owner);
        assert_eq!(
            (owner.group(), owner.kind, owner.controller, owner.block_owner_deletion),
            ("apps", "Deployment", true, false)
        );
    }
}
