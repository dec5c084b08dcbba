//! The config folder's manifests in the management plane: applied, and pruned when they go.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::ObjectMeta,
};
use serde_json::Value;

use super::is_missing;
use crate::modules::{AuthConfig, Binding, Cluster, ClusterProxyConfig, Group, GroupMember, NAMESPACE, Token, User};

/// The field manager of what the folder holds.
const MANAGER: &str = "drover-config";
/// Tells the objects that the folder has made: those are looked through when something is to be pruned.
const LABEL: &str = "app.kubernetes.io/managed-by";

/// Writes the folder's manifests. The client is that of [`crate::modules::CONFIG_IDENTITY`].
#[derive(Clone)]
pub struct Folder {
    client: Client,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Manifests that are in force.
    pub applied: usize,
    /// Objects that went with their manifests.
    pub pruned: usize,
}

/// What the plane did not take.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A manifest without what every object has.
    #[error("a manifest has no {0}")]
    Form(&'static str),
    /// An object cannot be read or written.
    #[error("{what}: {error}")]
    Plane {
        /// Kind and name.
        what: String,
        /// Why.
        #[source]
        error: Box<kube::Error>,
    },
}

/// The kinds of the folder, in the order in which one may refer to another.
struct Place {
    resource: ApiResource,
    /// The only namespace in which objects are looked for; `None` is all, or a kind without namespaces.
    namespace: Option<&'static str>,
}

fn places() -> Vec<Place> {
    let everywhere = |resource| Place { resource, namespace: None };
    vec![
        Place { resource: ApiResource::erase::<Secret>(&()), namespace: Some(NAMESPACE) },
        everywhere(ApiResource::erase::<User>(&())),
        everywhere(ApiResource::erase::<Group>(&())),
        everywhere(ApiResource::erase::<GroupMember>(&())),
        everywhere(ApiResource::erase::<AuthConfig>(&())),
        everywhere(ApiResource::erase::<Cluster>(&())),
        everywhere(ApiResource::erase::<ClusterProxyConfig>(&())),
        everywhere(ApiResource::erase::<Token>(&())),
        everywhere(ApiResource::erase::<Binding>(&())),
    ]
}

/// Kind, namespace, name.
type Key = (String, Option<String>, String);

impl Folder {
    /// A writer with this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Brings the plane in line with `manifests`, which are all of the folder's.
    ///
    /// # Errors
    /// The first object that cannot be written; then nothing is pruned. It is safe to try again.
    pub async fn apply(&self, manifests: &[Value]) -> Result<Applied, FolderError> {
        let mut wanted: BTreeMap<String, Vec<DynamicObject>> = BTreeMap::new();
        for manifest in manifests {
            let mut object: DynamicObject =
                serde_json::from_value(manifest.clone()).map_err(|_| FolderError::Form("`metadata`"))?;
            let kind = object.types.as_ref().map(|types| types.kind.clone()).ok_or(FolderError::Form("`kind`"))?;
            prepare(&kind, &mut object);
            wanted.entry(kind).or_default().push(object);
        }
        let mut keys = BTreeSet::new();
        for Place { resource, .. } in places() {
            for object in wanted.remove(&resource.kind).unwrap_or_default() {
                self.put(&resource, &object).await?;
                keys.insert(key(&resource.kind, &object.metadata));
            }
        }
        Ok(Applied { applied: keys.len(), pruned: self.prune(&keys).await? })
    }

    async fn put(&self, resource: &ApiResource, object: &DynamicObject) -> Result<(), FolderError> {
        let failed = |error| failed(&resource.kind, &object.metadata, error);
        if let Some(namespace) = &object.metadata.namespace {
            self.namespace(namespace).await.map_err(failed)?;
        }
        let params = PatchParams::apply(MANAGER).force();
        let api = self.api(resource, object.metadata.namespace.as_deref());
        api.patch(&object.name_any(), &params, &Patch::Apply(object)).await.map(drop).map_err(failed)
    }

    /// The folder may name a namespace before anybody has made it.
    async fn namespace(&self, name: &str) -> Result<(), kube::Error> {
        let api = Api::<Namespace>::all(self.client.clone());
        if api.get_opt(name).await?.is_some() {
            return Ok(());
        }
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        match api.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            made => made.map(drop),
        }
    }

    /// Removes what the folder made and does not name any more. In reverse, so that nothing refers to what is gone.
    async fn prune(&self, keep: &BTreeSet<Key>) -> Result<usize, FolderError> {
        let mut pruned = 0;
        for Place { resource, namespace } in places().into_iter().rev() {
            let api = self.api(&resource, namespace);
            let params = ListParams::default().labels(&format!("{LABEL}={MANAGER}"));
            let made = match api.list(&params).await {
                // Its module is off.
                Err(error) if is_missing(&error) => continue,
                made => made.map_err(|error| failed(&resource.kind, &ObjectMeta::default(), error))?,
            };
            for object in made {
                // The label alone can be written by anybody; what the folder's manager never applied is not the folder's.
                if keep.contains(&key(&resource.kind, &object.metadata)) || !is_applied(&object.metadata) {
                    continue;
                }
                self.remove(&resource, &object)
                    .await
                    .map_err(|error| failed(&resource.kind, &object.metadata, error))?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }

    /// Deletes an object that is the folder's alone; of one that others have made theirs too only the folder's fields go.
    async fn remove(&self, resource: &ApiResource, object: &DynamicObject) -> Result<(), kube::Error> {
        let api = self.api(resource, object.metadata.namespace.as_deref());
        let name = object.name_any();
        let done = if is_shared(&object.metadata) {
            let mut nothing = DynamicObject::new(&name, resource);
            nothing.metadata.namespace.clone_from(&object.metadata.namespace);
            api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&nothing)).await.map(drop)
        } else {
            // Only the very object that was looked at.
            let (uid, resource_version) = (object.metadata.uid.clone(), object.metadata.resource_version.clone());
            let preconditions = Some(Preconditions { uid, resource_version });
            api.delete(&name, &DeleteParams { preconditions, ..DeleteParams::default() }).await.map(drop)
        };
        done.or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) })
    }

    fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

/// Puts in what a manifest may leave out, and takes out what a server writes.
fn prepare(kind: &str, object: &mut DynamicObject) {
    let ObjectMeta { name, namespace, labels, annotations, finalizers, owner_references, .. } =
        std::mem::take(&mut object.metadata);
    object.metadata =
        ObjectMeta { name, namespace, labels, annotations, finalizers, owner_references, ..ObjectMeta::default() };
    object.labels_mut().insert(LABEL.to_owned(), MANAGER.to_owned());
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    let home = match kind {
        "Secret" => Some("default".to_owned()),
        "ClusterRoleTemplateBinding" => object.data.get("clusterName").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    if object.metadata.namespace.is_none() {
        object.metadata.namespace = home;
    }
}

fn key(kind: &str, metadata: &ObjectMeta) -> Key {
    (kind.to_owned(), metadata.namespace.clone(), metadata.name.clone().unwrap_or_default())
}

fn is_applied(metadata: &ObjectMeta) -> bool {
    let managers = metadata.managed_fields.iter().flatten();
    managers
        .into_iter()
        .any(|entry| entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply"))
}

/// Whether another than the folder owns a field outside metadata and status.
fn is_shared(metadata: &ObjectMeta) -> bool {
    let others = metadata.managed_fields.iter().flatten().filter(|entry| entry.manager.as_deref() != Some(MANAGER));
    others.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty()).any(|entry| {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.as_object());
        fields.is_some_and(|fields| fields.keys().any(|field| field != "f:metadata" && field != "f:status"))
    })
}

fn failed(kind: &str, metadata: &ObjectMeta, error: kube::Error) -> FolderError {
    let name = metadata.name.as_deref().unwrap_or_default();
    let what = match &metadata.namespace {
        Some(namespace) => format!("{kind} `{namespace}/{name}`"),
        None => format!("{kind} `{name}`"),
    };
    FolderError::Plane { what, error: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_server_writes_is_taken_out_and_what_may_be_left_out_put_in() {
        let mut binding = object(json!({
            "apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
            "metadata": {"name": "b", "uid": "1", "resourceVersion": "2", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "clusterName": "c-1", "status": {},
        }));
        prepare("ClusterRoleTemplateBinding", &mut binding);
        let expected = json!({
            "apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
            "metadata": {"name": "b", "namespace": "c-1", "labels": {LABEL: MANAGER}},
            "clusterName": "c-1",
        });
        assert_eq!(serde_json::to_value(&binding).unwrap(), expected);
    }

    #[test]
    fn an_object_of_which_another_owns_a_field_is_shared() {
        let managed = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields});
        let of = |entries: Vec<Value>| object(json!({"metadata": {"name": "x", "managedFields": entries}})).metadata;
        let own = managed(MANAGER, json!({"f:username": {}}));
        assert!(is_applied(&of(vec![own.clone()])));
        assert!(!is_shared(&of(vec![own.clone()])));
        assert!(!is_shared(&of(vec![
            own.clone(),
            managed("drover-users", json!({"f:metadata": {"f:finalizers": {}}}))
        ])));
        assert!(is_shared(&of(vec![own, managed("kubectl", json!({"f:displayName": {}}))])));
        assert!(!is_applied(&of(vec![managed("kubectl", json!({"f:metadata": {}}))])));
    }
}
