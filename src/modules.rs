//! What the management plane can do: modules of kinds, their validators and their controllers.
//!
//! A module is switched off in the server's file (`modules`). `docs/add-a-kind.md` shows how a kind comes into one.

pub mod auth_configs;
mod clusters;
mod groups;
mod kind;
mod settings;
mod tokens;
mod users;

use std::{collections::BTreeMap, fmt};

use futures_util::future::BoxFuture;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{Api, Client, api::ListParams};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use self::{
    auth_configs::{
        AccessMode, AuthConfig, AuthConfigSpec, AuthConfigType, AuthConfigs, ClaimMapping, ClaimMappings,
        ClaimValidationRule, ExtraMapping, Jwt, PrefixedClaim, UserValidationRule,
    },
    clusters::{
        Binding, BindingSpec, Cluster, ClusterProxyConfig, ClusterProxyConfigSpec, ClusterSpec, ClusterStatus,
        Clusters, Kubeconfig, Reached, SecretRef, Upstream,
    },
    groups::{Group, GroupMember, GroupMemberSpec, GroupSpec, Groups},
    kind::{Caller, Change, Kind, Limits, Managed, Refused, Review},
    settings::{Setting, SettingSpec, Settings},
    tokens::{HASHED, KIND_LABEL, SESSION_LABEL, Token, TokenSpec, Tokens, USER_LABEL},
    users::{User, UserAttribute, UserAttributeSpec, UserSpec, Users},
};
use crate::controller::WorkQueueMetrics;

/// The group of Drover's kinds: Rancher's.
pub const GROUP: &str = "management.cattle.io";

/// Where Drover keeps what has a namespace and belongs to no cluster: Secrets with kubeconfigs, its Leases.
pub const NAMESPACE: &str = "drover-system";

/// Who writes what the config folder holds.
pub const CONFIG_IDENTITY: &str = "drover:config";

/// A pluggable part of management.
pub trait Module: Send + Sync {
    /// Its name in the server's file and in its client's identity, `drover:module:<name>`.
    fn name(&self) -> &'static str;

    /// Its kinds.
    fn kinds(&self) -> Vec<Kind>;

    /// What its controllers may do in the management plane, and nothing else.
    fn rules(&self) -> Vec<PolicyRule>;

    /// What runs as long as this process leads; each ends soon after [`Context::stop`].
    fn controllers(&self, context: &Context) -> Vec<BoxFuture<'static, ()>>;
}

impl fmt::Debug for dyn Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.name()).finish()
    }
}

/// What a module's controllers run with.
#[derive(Clone)]
pub struct Context {
    /// Speaks to the management plane as the module.
    pub client: Client,
    /// Where their queues are counted.
    pub metrics: WorkQueueMetrics,
    /// When to end.
    pub stop: CancellationToken,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// A name in `modules` of the server's file that no module has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("modules.{name}: there is no such module; expected {expected}")]
pub struct UnknownModule {
    name: String,
    expected: String,
}

/// All modules.
pub fn all() -> [&'static dyn Module; 6] {
    [&Users, &Groups, &Tokens, &AuthConfigs, &Clusters, &Settings]
}

/// The modules that are on: all but those that `switches` turns off.
///
/// # Errors
/// A name that no module has.
pub fn enabled(switches: &BTreeMap<String, bool>) -> Result<Vec<&'static dyn Module>, UnknownModule> {
    if let Some(name) = switches.keys().find(|name| all().iter().all(|module| module.name() != **name)) {
        let names: Vec<String> = all().iter().map(|module| format!("`{}`", module.name())).collect();
        return Err(UnknownModule { name: name.clone(), expected: names.join(", ") });
    }
    Ok(all().into_iter().filter(|module| switches.get(module.name()) != Some(&false)).collect())
}

/// The user name of a module's client.
pub fn identity(module: &dyn Module) -> String {
    format!("drover:module:{}", module.name())
}

/// A rule over some resources of one group.
pub fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

/// All objects of a kind; none, where its module was never on, or the plane was last run by a version without it.
///
/// # Errors
/// When they cannot be listed.
pub async fn listed<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + fmt::Debug + DeserializeOwned,
{
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{all, enabled};

    #[test]
    fn a_module_that_is_switched_off_is_not_among_the_enabled() {
        let on = enabled(&[("settings".to_owned(), false), ("users".to_owned(), true)].into()).unwrap();
        let names: Vec<_> = on.iter().map(|module| module.name()).collect();
        assert_eq!(names, ["users", "groups", "tokens", "authconfigs", "clusters"]);
        let error = enabled(&[("projects".to_owned(), true)].into()).err().unwrap();
        let expected = "modules.projects: there is no such module; expected `users`, `groups`, `tokens`, `authconfigs`, `clusters`, `settings`";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn no_module_may_do_everything() {
        for module in all() {
            for rule in module.rules() {
                let resources = rule.resources.unwrap_or_default();
                assert!(!rule.verbs.iter().chain(&resources).any(|name| name == "*"), "{}", module.name());
            }
        }
    }
}
