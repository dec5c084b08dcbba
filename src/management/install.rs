//! Brings Drover's kinds, its namespace and the rights of its parts to the management plane.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{GRANTS, MANAGER, access, local, passwords};
use crate::modules::{Cluster, Kind, Module, NAMESPACE};

/// The longest wait for a definition to be served.
const ESTABLISHED: Duration = Duration::from_secs(30);
const LABEL: &str = "app.kubernetes.io/managed-by";

/// Why the management plane cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It does not take what is to be installed.
    #[error("cannot install {what}: {error}")]
    Plane {
        /// What.
        what: String,
        /// Why.
        #[source]
        error: Box<kube::Error>,
    },
    /// Another's kinds are there already.
    #[error(
        "the CustomResourceDefinition `{0}` is there already and not Drover's: a Rancher seems to live here; set \
         `management.kubernetes.rancher: alongside` to use its kinds as they are"
    )]
    Foreign(String),
    /// A definition is not served.
    #[error("the CustomResourceDefinition `{0}` is not established after {ESTABLISHED:?}")]
    NotEstablished(String),
}

/// What to do where Rancher's own definitions of the kinds are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rancher {
    /// Start only without them.
    Refuse,
    /// Use them, and leave them as they are.
    Alongside,
}

/// The labels of all that Drover installs.
pub(super) fn labels() -> BTreeMap<String, String> {
    BTreeMap::from([(LABEL.to_owned(), MANAGER.to_owned())])
}

/// Installs what `modules` need, by server-side apply: it may be run any number of times, by any number of replicas.
///
/// # Errors
/// Kinds of the same names that are another's; a plane that refuses or does not answer.
pub async fn install(client: &Client, modules: &[&dyn Module], rancher: Rancher) -> Result<(), InstallError> {
    let kinds: Vec<Kind> = modules.iter().flat_map(|module| module.kinds()).collect();
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    // All are looked at before the first is written: a Rancher's plane is not left half taken over.
    let mut own = Vec::new();
    for kind in &kinds {
        let crd = (kind.crd)();
        let name = crd.name_any();
        let there = api.get_opt(&name).await.map_err(|error| failed(&name, error))?;
        match there {
            Some(there) if there.labels().get(LABEL).is_none_or(|by| by != MANAGER) => match rancher {
                Rancher::Refuse => return Err(InstallError::Foreign(name)),
                Rancher::Alongside => tracing::info!(crd = name, "used as it is: it is another's"),
            },
            _ => own.push(crd),
        }
    }
    for mut crd in own {
        crd.labels_mut().extend(labels());
        apply(&api, &crd).await?;
    }
    for kind in &kinds {
        established(&api, (kind.crd)().name_any()).await?;
    }
    for namespace in [NAMESPACE, passwords::NAMESPACE, GRANTS] {
        let metadata = ObjectMeta { name: Some(namespace.to_owned()), labels: Some(labels()), ..ObjectMeta::default() };
        apply(&Api::all(client.clone()), &Namespace { metadata, ..Namespace::default() }).await?;
    }
    for access in access::all(modules) {
        if let Some((role, binding)) = access.cluster_role() {
            apply(&Api::all(client.clone()), &role).await?;
            apply(&Api::all(client.clone()), &binding).await?;
        }
        for (role, binding) in access.roles() {
            apply(&inside(client, &role.metadata), &role).await?;
            apply(&inside(client, &role.metadata), &binding).await?;
        }
    }
    if kinds.iter().any(|kind| kind.plural() == Cluster::plural(&())) {
        local::install(client).await?;
    }
    Ok(())
}

fn inside<K>(client: &Client, metadata: &ObjectMeta) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), metadata.namespace.as_deref().unwrap_or(NAMESPACE))
}

pub(super) async fn apply<K>(api: &Api<K>, object: &K) -> Result<(), InstallError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.name_any();
    // What Drover installs is Drover's: another's change of these fields is undone.
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(&name, &params, &Patch::Apply(object)).await;
    applied.map(drop).map_err(|error| failed(&format!("{} `{name}`", K::kind(&())), error))
}

async fn established(api: &Api<CustomResourceDefinition>, name: String) -> Result<(), InstallError> {
    let wait = await_condition(api.clone(), &name, is_crd_established());
    match tokio::time::timeout(ESTABLISHED, wait).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(InstallError::NotEstablished(name)),
    }
}

pub(super) fn failed(what: &str, error: kube::Error) -> InstallError {
    InstallError::Plane { what: what.to_owned(), error: Box::new(error) }
}
