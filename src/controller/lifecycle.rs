//! Created, updated, removed: a handler whose finalizer is done for it.

use std::{
    fmt::{self, Debug},
    future::Future,
    sync::Arc,
};

use kube::{
    Client, Resource, ResourceExt,
    api::{Patch, PatchParams, Request},
    runtime::reflector::ObjectRef,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Handler, Next};

/// What happens in the life of an object. Each may be called again after it failed or the process ended, and must come to
/// the same result.
pub trait Lifecycle<K>: Send + Sync + 'static {
    /// Why it is tried again.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The object is new: called until it succeeds once. The finalizer is on the object already, so that whatever this makes
    /// is cleared away by [`Lifecycle::removed`]. Does nothing unless written.
    fn created(&self, _object: Arc<K>) -> impl Future<Output = Result<(), Self::Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// The object changed, or this process sees it for the first time. Does nothing unless written.
    fn updated(&self, _object: Arc<K>) -> impl Future<Output = Result<Next, Self::Error>> + Send {
        std::future::ready(Ok(Next::Change))
    }

    /// The object is being deleted: it goes once this has succeeded.
    fn removed(&self, object: Arc<K>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Why an object is tried again.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError<E: std::error::Error + 'static> {
    /// The lifecycle failed.
    #[error(transparent)]
    Lifecycle(E),
    /// The object's finalizer or annotation could not be written.
    #[error("its finalizer cannot be written: {0}")]
    Finalizer(#[source] kube::Error),
    /// The plane gave an object without a name.
    #[error("it has no name")]
    Unnamed,
}

/// A [`Lifecycle`] as a [`Handler`].
///
/// The finalizer is `controller.cattle.io/<name>` and the mark of a finished creation the annotation
/// `lifecycle.cattle.io/create.<name>`, as Rancher writes them.
pub struct WithLifecycle<L> {
    client: Client,
    name: &'static str,
    finalizer: String,
    mark: String,
    lifecycle: L,
}

impl<L> Debug for WithLifecycle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithLifecycle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<L> WithLifecycle<L> {
    /// `client` writes the finalizers; `name` tells them from those of other controllers.
    pub fn new(client: Client, name: &'static str, lifecycle: L) -> Self {
        let finalizer = format!("controller.cattle.io/{name}");
        let mark = format!("lifecycle.cattle.io/create.{name}");
        Self { client, name, finalizer, mark, lifecycle }
    }

    /// Merges `metadata` into the object if it is still as it was seen; `None` if it is not.
    async fn write<K>(&self, object: &K, mut metadata: Value) -> Result<Option<K>, kube::Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let meta = object.meta();
        if let Some(fields) = metadata.as_object_mut() {
            fields.insert("resourceVersion".to_owned(), json!(meta.resource_version));
            fields.insert("uid".to_owned(), json!(meta.uid));
        }
        let requests = Request::new(K::url_path(&(), meta.namespace.as_deref()));
        let params = PatchParams { field_manager: Some(format!("drover-{}", self.name)), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let request = requests.patch(&object.name_any(), &params, &patch).map_err(kube::Error::BuildRequest)?;
        match self.client.request(request).await {
            Ok(written) => Ok(Some(written)),
            // Its newer state, or its end, is on the way to us.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<K, L> Handler<K> for WithLifecycle<L>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    L: Lifecycle<K>,
{
    type Error = LifecycleError<L::Error>;

    async fn sync(&self, _: &ObjectRef<K>, object: Option<Arc<K>>) -> Result<Next, Self::Error> {
        // One that is gone had no finalizer of ours left.
        let Some(mut object) = object else { return Ok(Next::Change) };
        let held = object.finalizers().contains(&self.finalizer);
        if object.meta().deletion_timestamp.is_some() {
            if held {
                self.lifecycle.removed(Arc::clone(&object)).await.map_err(LifecycleError::Lifecycle)?;
                let rest: Vec<_> = object.finalizers().iter().filter(|name| **name != self.finalizer).collect();
                let written = self.write(&*object, json!({"finalizers": rest})).await;
                written.map_err(LifecycleError::Finalizer)?;
            }
            return Ok(Next::Change);
        }
        if !held {
            let all: Vec<_> = object.finalizers().iter().chain([&self.finalizer]).collect();
            let written = self.write(&*object, json!({"finalizers": all})).await;
            let Some(written) = written.map_err(LifecycleError::Finalizer)? else { return Ok(Next::Change) };
            object = Arc::new(written);
        }
        if !object.annotations().contains_key(&self.mark) {
            self.lifecycle.created(Arc::clone(&object)).await.map_err(LifecycleError::Lifecycle)?;
            let written = self.write(&*object, json!({"annotations": {self.mark.as_str(): "true"}})).await;
            let Some(written) = written.map_err(LifecycleError::Finalizer)? else { return Ok(Next::Change) };
            object = Arc::new(written);
        }
        self.lifecycle.updated(object).await.map_err(LifecycleError::Lifecycle)
    }
}
