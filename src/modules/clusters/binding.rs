//! Who has which role template in which cluster.

#![expect(clippy::struct_field_names, reason = "the fields are Rancher's")]

use apimachinery::field::FieldError;
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};

use crate::{
    config::rules::{self, Flaw},
    controller::Conditions,
    modules::{Change, Managed, kind},
    world::input::BindingInput,
};

/// Gives a role template in a cluster to exactly one of userName, userPrincipalName, groupName and groupPrincipalName.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "ClusterRoleTemplateBinding",
    root = "Binding",
    namespaced,
    no_spec,
    shortname = "crtb",
    status = "Conditions",
    derive = "PartialEq",
    doc = "Gives a role template in a cluster to exactly one of userName, userPrincipalName, groupName and groupPrincipalName.",
    printcolumn = r#"{"name": "Cluster", "type": "string", "jsonPath": ".clusterName"}"#,
    printcolumn = r#"{"name": "Role Template", "type": "string", "jsonPath": ".roleTemplateName"}"#,
    printcolumn = r#"{"name": "User", "type": "string", "jsonPath": ".userName"}"#,
    printcolumn = r#"{"name": "User Principal", "type": "string", "jsonPath": ".userPrincipalName"}"#,
    printcolumn = r#"{"name": "Group", "type": "string", "jsonPath": ".groupName"}"#,
    printcolumn = r#"{"name": "Group Principal", "type": "string", "jsonPath": ".groupPrincipalName"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct BindingSpec {
    /// The cluster's id, which is also the namespace of the binding.
    pub cluster_name: String,
    /// The role template: the cluster's ClusterRole of that name.
    pub role_template_name: String,
    /// A User, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// A User, by one of its principals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_principal_name: Option<String>,
    /// A group, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// A group, by its principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_principal_name: Option<String>,
}

impl Binding {
    /// The binding as the world takes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<BindingInput, Vec<Flaw>> {
        let spec = &self.spec;
        let name = self.name_any();
        let namespace = self.metadata.namespace.as_deref();
        let mut flaws: Vec<Flaw> = kind::name(&self.metadata).into_iter().collect();
        if spec.cluster_name.is_empty() {
            flaws.push(Flaw::new("clusterName", "is missing"));
        }
        flaws.extend(rules::binding_namespace(namespace, &spec.cluster_name));
        flaws.extend(rules::template(&spec.role_template_name));
        let bound = rules::Bound {
            user: spec.user_name.as_deref(),
            user_principal: spec.user_principal_name.as_deref(),
            group: spec.group_name.as_deref(),
            group_principal: spec.group_principal_name.as_deref(),
        };
        match rules::subject(bound) {
            Ok((subject, None)) if flaws.is_empty() => Ok(BindingInput {
                name: format!("{}/{name}", namespace.unwrap_or(&spec.cluster_name)).into(),
                cluster: spec.cluster_name.as_str().into(),
                template: spec.role_template_name.as_str().into(),
                subject,
            }),
            Ok((_, flaw)) => {
                flaws.extend(flaw);
                Err(flaws)
            }
            Err(flaw) => {
                flaws.push(flaw);
                Err(flaws)
            }
        }
    }
}

impl Managed for Binding {
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, .. } = *change;
        let mut flaws = new.input().err().unwrap_or_default();
        flaws.extend(kind::immutable("clusterName", old.map(|old| &old.spec.cluster_name), &new.spec.cluster_name));
        kind::errors(flaws)
    }
}
