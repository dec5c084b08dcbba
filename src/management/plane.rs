//! Which management plane, and how a client of it is made.

use std::{path::Path, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::embedded::Embedded;

/// How long connecting to the plane may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no client of the plane.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The kubeconfig is missing or broken.
    #[error("the management plane's kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// No client can be made of it.
    #[error("the management plane cannot be reached: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// The management plane.
#[derive(Clone, Debug)]
pub enum Plane {
    /// An existing Kubernetes cluster.
    Kubernetes(Box<Config>),
    /// In this process.
    Embedded(Embedded),
}

impl Plane {
    /// The cluster that the current context of a kubeconfig leads to.
    ///
    /// # Errors
    /// A kubeconfig that is missing or broken.
    pub async fn kubernetes(kubeconfig: &Path) -> Result<Self, PlaneError> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(CONNECT);
        Ok(Self::Kubernetes(Box::new(config)))
    }

    /// Whether others may work on it beside this process.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Kubernetes(_))
    }

    /// A client whose calls are those of the user `identity`; `None` is the account that Drover was given, which only
    /// installs.
    ///
    /// On Kubernetes that account impersonates the identity: what a part of Drover may do there is what RBAC says of the part.
    ///
    /// # Errors
    /// A configuration that no client can be made of.
    pub fn client(&self, identity: Option<&str>) -> Result<Client, PlaneError> {
        match self {
            Self::Embedded(embedded) => Ok(embedded.client(identity)),
            Self::Kubernetes(config) => {
                let mut config = Config::clone(config);
                if let Some(identity) = identity {
                    config.auth_info.impersonate = Some(identity.to_owned());
                    config.auth_info.impersonate_groups = None;
                }
                Client::try_from(config).map_err(|error| PlaneError::Client(Box::new(error)))
            }
        }
    }
}
